"""Every metric before and after, and how the cuts hold for the genre. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from finishkit.measure import METRICS, Measurements, ShotMeasurement
from finishkit.report.finished import Change, Family, Reading
from finishkit.settings import Weights
from finishkit.verdict import Verdict
from finishkit.verdict.score import tail_heavy
from finishkit.verdict.values import Cut

FAMILIES: Final[Mapping[Literal["face", "motion", "detail", "colour"], tuple[str, ...]]] = {
    "face": ("id",),
    "motion": ("flick", "fps"),
    "detail": ("eff", "noise"),
    "colour": ("wb", "ev", "con", "sat"),
}
"""What makes a jump at a cut, by the families of the template's weights."""


def metric_changes(
    raw: Measurements, finished: Measurements, verdict: Verdict, finished_verdict: Verdict
) -> tuple[Change, ...]:
    """Compare every metric over the shots that were measured in both.

    Parameters
    ----------
    raw, finished : Measurements
        Of the sources and of the finished clips.
    verdict, finished_verdict : Verdict
        On each.

    Returns
    -------
    changes : tuple of Change
        In the order of the metrics; without those nothing was measured in.
    """
    after = {s.shot: s for s in finished.shots}
    before = [s for s in raw.shots if s.shot in after]
    both = (before, [after[s.shot] for s in before])
    shots = {s.shot for s in before}
    changes = []
    for metric in METRICS:
        values = [_values(side, metric.name) for side in both]
        if not any(values):
            continue
        medians = [round(float(np.median(v)), 5) if v else None for v in values]
        spreads = [_quartile_distance(v, octaves=metric.name == "eff_px") for v in values]
        flagged = [_flagged(each, metric.name, shots) for each in (verdict, finished_verdict)]
        changes.append(
            Change(
                metric=metric.name,
                median=(medians[0], medians[1]),
                spread=(spreads[0], spreads[1]),
                flagged=(flagged[0], flagged[1]),
            )
        )
    return tuple(changes)


def _values(shots: Sequence[ShotMeasurement], metric: str) -> list[float]:
    return [v for s in shots if (v := s.values.get(metric)) is not None]


def _quartile_distance(values: Sequence[float], *, octaves: bool) -> float | None:
    if len(values) < 2:
        return None
    read = np.log2(np.maximum(values, 1e-9)) if octaves else np.array(values)
    low, high = np.percentile(read, (25, 75))
    return round(float(high - low), 5)


def _flagged(verdict: Verdict, metric: str, shots: set[str]) -> int:
    return sum(
        any(r.metric == metric for r in one.reasons) for one in verdict.shots if one.shot in shots
    )


def genre_reading(verdict: Verdict, finished: Verdict, weights: Weights) -> Reading:
    """Read the cuts as the genre's viewers do.

    Parameters
    ----------
    verdict, finished : Verdict
        Of the raw and of the finished episode. Only cuts that are in both count.
    weights : Weights
        What each family counts.

    Returns
    -------
    reading : Reading
        A family is 100 less the mean jump it makes, the worst tenth of the cuts counted extra, as
        in the consistency of the score. Families that no cut could be judged by are left out of
        the whole, and the others count as much more.
    """
    shared = _pairs(verdict.cuts) & _pairs(finished.cuts)
    families = tuple(
        Family(
            name=name,
            weight=getattr(weights, name),
            raw=_held(verdict.cuts, shared, members),
            finished=_held(finished.cuts, shared, members),
        )
        for name, members in FAMILIES.items()
    )
    return Reading(
        families=families,
        raw=_together([(f.weight, f.raw) for f in families]),
        finished=_together([(f.weight, f.finished) for f in families]),
    )


def _pairs(cuts: Sequence[Cut]) -> set[tuple[str, str]]:
    return {(c.from_shot, c.to_shot) for c in cuts}


def _held(
    cuts: Sequence[Cut], shared: set[tuple[str, str]], members: Sequence[str]
) -> float | None:
    jumps = [
        min(1.0, sum(v**4 for v in parts) ** 0.25)
        for cut in cuts
        if (cut.from_shot, cut.to_shot) in shared
        if (parts := [cut.by[m] for m in members if m in cut.by])
    ]
    return round(100 * (1 - tail_heavy(jumps)), 1) if jumps else None


def _together(parts: Sequence[tuple[float, float | None]]) -> float | None:
    known = [(weight, value) for weight, value in parts if value is not None]
    total = sum(weight for weight, _ in known)
    return round(sum(w * v for w, v in known) / total, 1) if total else None
