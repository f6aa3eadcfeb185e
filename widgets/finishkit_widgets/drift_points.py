"""One metric over the cut, as numbers: what is plotted, and within which limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from finishkit.measure import METRICS, Measurements, Metric
from finishkit.measure.colour import AXES
from finishkit.verdict import Action, Limits, Reason, ShotVerdict, Verdict

RELATIVE = {"eff_px": "eff", "eff_r": "eff", "noise_sigma": "noise", **{a: a for a in AXES}}
"""Metrics judged against the scene, and what the verdict calls their robust z."""

BY_NAME = {metric.name: metric for metric in METRICS}

_UNTIGHTENED = ("id_dist", "id_spread", "soft_r")
"""Limits that are the same within the hook: there a person looks sooner, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPoint:
    """One shot in the plot.

    Attributes
    ----------
    shot, scene : str
    label : str
        The part of the name in which shots differ.
    action : str
        The verdict on the shot as a whole.
    value : float or None
        The metric, in its unit; None: not judged.
    height : float or None
        What is plotted: robust z for metrics judged against the scene, else the value.
    band : tuple of float, or None
        Lowest and highest height that is normal; None for metrics without a limit.
    reason : Reason or None
        The verdict's, where the shot is flagged for this metric.
    """

    shot: str
    scene: str
    label: str
    action: Action
    value: float | None
    height: float | None
    band: tuple[float, float] | None
    reason: Reason | None = None

    @property
    def outside(self) -> bool:
        """Whether it lies outside its band."""
        if self.height is None or self.band is None:
            return False
        return not self.band[0] <= self.height <= self.band[1]


def drift_points(
    measurements: Measurements, verdict: Verdict, metric: str, limits: Limits | None = None
) -> tuple[DriftPoint, ...]:
    """Return one metric in shot order.

    Parameters
    ----------
    measurements : Measurements
        Gives the values, and the limits of the faces.
    verdict : Verdict
        Gives the order, the actions and the robust z.
    metric : str
        A name of :data:`finishkit.measure.METRICS`.
    limits : Limits, optional
        Those the shots were judged by.

    Returns
    -------
    points : tuple of DriftPoint
    """
    limits = limits or Limits()
    labels = short_names([judged.shot for judged in verdict.shots])
    return tuple(
        _point(judged, label, measurements, metric, limits)
        for judged, label in zip(verdict.shots, labels, strict=True)
    )


def short_names(shots: Sequence[str]) -> list[str]:
    """Return the names without what they all begin with: ``s01_shot_002`` becomes ``002``.

    Parameters
    ----------
    shots : sequence of str
        In cut order; kept whole where that would leave nothing of one.
    """
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*shots, strict=False))
    common = len("".join(letters[0] for letters in same).rstrip("0123456789"))
    if len(shots) < 2 or any(len(shot) == common for shot in shots):
        return list(shots)
    return [shot[common:] for shot in shots]


def scene_starts(points: Sequence[DriftPoint]) -> list[int]:
    """Return the positions at which a scene begins.

    Parameters
    ----------
    points : sequence of DriftPoint
        In cut order.
    """
    return [i for i, p in enumerate(points) if i == 0 or p.scene != points[i - 1].scene]


def metric_of(name: str) -> Metric:
    """Return a row of the table of metrics."""
    return BY_NAME[name]


def _point(
    judged: ShotVerdict, label: str, measurements: Measurements, metric: str, limits: Limits
) -> DriftPoint:
    value = measurements[judged.shot].values.get(metric)
    height = judged.z.get(RELATIVE[metric]) if metric in RELATIVE else value
    reasons = [reason for reason in judged.reasons if reason.metric == metric]
    return DriftPoint(
        shot=judged.shot,
        scene=judged.scene,
        label=label,
        action=judged.action,
        value=value,
        height=height,
        band=_band(judged, measurements, metric, limits),
        reason=reasons[0] if reasons else None,
    )


def _band(
    judged: ShotVerdict, measurements: Measurements, metric: str, limits: Limits
) -> tuple[float, float] | None:
    if metric in RELATIVE:
        return -limits.z, limits.z
    if metric not in type(limits).model_fields:
        return None
    limit = float(getattr(limits, metric))
    if metric in ("id_dist", "id_spread"):
        return 0.0, _face_limit(judged.shot, measurements, metric, limit)
    if judged.hook and metric not in _UNTIGHTENED:
        limit *= limits.hook_factor
    # The brightest part lies below white, by stops that count downwards.
    return (-limit, 0.0) if metric == "white_ev" else (0.0, limit)


def _face_limit(shot: str, measurements: Measurements, metric: str, limit: float) -> float:
    """Return the limit of the character who is furthest off in the shot: each has their own."""
    seen = [
        (value, who.character)
        for who in measurements[shot].identities
        if (value := getattr(who, metric)) is not None
    ]
    look = measurements.look(max(seen)[1]) if seen else None
    if look is None:
        return limit
    own = look.limit if metric == "id_dist" else look.spread_limit
    return own * limit / float(getattr(Limits(), metric))
