"""What finishing did, in a few figures, each measured the same way before and after."""

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.measure.colour import AXES, colour_jump
from finishkit.report.finished import Effect
from finishkit.verdict import Limits
from finishkit.verdict.scales import Standing

SPREAD_RATIO = 0.5
"""Finishing should at least halve the spread of sharpness (mission, P3)."""
COLOUR_TARGET_DE = 3.0
"""Median colour jump across the cuts of a clean scene is 2.3 (facts/metrics 3)."""
EVEN_OCT = 0.15
"""Sharpness this even is even enough, however even it was: the template's default band."""
REPEATS_TARGET_PCT = 2.0
IDENTITY_TARGET = 0.12
"""The face stage's default bound, in units of the dlib embedding."""

Pair = tuple[ShotMeasurement, ShotMeasurement]


def finishing_effects(
    raw: Measurements,
    finished: Measurements,
    limits: Limits,
    *,
    max_identity_shift: float = IDENTITY_TARGET,
) -> tuple[Effect, ...]:
    """Compare the shots that were finished with what they were.

    Parameters
    ----------
    raw, finished : Measurements
        Only shots measured in both count, so that a quarantined shot cannot look like a success.
    limits : Limits
        Those of the verdict; flicker's is its target.
    max_identity_shift : float
        Bound on the change of a face, in units of the embedding.

    Returns
    -------
    effects : tuple of Effect
        Empty when no shot was finished.
    """
    after = {s.shot: s for s in finished.shots}
    pairs = [(s, after[s.shot]) for s in sorted(raw.shots, key=_order) if s.shot in after]
    if not pairs:
        return ()
    before_shots, after_shots = [a for a, _ in pairs], [b for _, b in pairs]
    spread, quartiles = sharpness_spread_oct(before_shots), sharpness_iqr_oct(before_shots)
    off = colour_off_de(raw, limits)
    return (
        Effect(
            name="sharpness_spread_oct",
            label="Sharpness spread within scenes",
            unit="octaves",
            before=spread,
            after=sharpness_spread_oct(after_shots),
            target=round(SPREAD_RATIO * spread, 2) if spread is not None else 0.15,
            text="Standard deviation of the effective resolution inside a scene, all scenes"
            " together. Half of what it was, or better.",
        ),
        Effect(
            name="sharpness_iqr_oct",
            label="Sharpness of the episode, between the quartiles",
            unit="octaves",
            before=quartiles,
            after=sharpness_iqr_oct(after_shots),
            target=_halved(quartiles, EVEN_OCT),
            text="Distance between the quartiles of the effective resolution, whatever the scene."
            f" Half of what it was, or {EVEN_OCT:g}.",
        ),
        Effect(
            name="colour_off_de",
            label="Colour off its scene, worst tenth",
            unit="ΔE-equivalents",
            before=off,
            after=colour_off_de(finished, limits),
            target=_halved(off, COLOUR_TARGET_DE, decimals=1),
            text="How far nine in ten shots are off at most, by what set, cast and scene say beyond"
            f" chance. Half of what it was, or {COLOUR_TARGET_DE:g}.",
            decimals=1,
        ),
        Effect(
            name="colour_jump_de",
            label="Colour jump at cuts inside a scene, median",
            unit="ΔE-equivalents",
            before=scene_colour_jump_de(before_shots),
            after=scene_colour_jump_de(after_shots),
            target=COLOUR_TARGET_DE,
            text="Change of balance, exposure, contrast and chroma from one shot to the next.",
            decimals=1,
        ),
        Effect(
            name="flicker_worst",
            label="Flicker, worst shot",
            unit="L*",
            before=_worst(before_shots, "flick_g"),
            after=_worst(after_shots, "flick_g"),
            target=limits.flick_g,
            text="Brightness of the whole picture from frame to frame, motion removed.",
        ),
        Effect(
            name="repeated_worst_pct",
            label="Repeated frames, worst shot",
            unit="%",
            before=_percent(_worst([s for s in before_shots if not s.static], "dup_ratio")),
            after=_percent(_worst([s for s in after_shots if not s.static], "dup_ratio")),
            target=REPEATS_TARGET_PCT,
            text="Frames that repeat the one before, in shots that move.",
            decimals=0,
        ),
        Effect(
            name="identity_shift_worst",
            label="Change of a face by finishing, worst",
            unit="embedding distance",
            before=None,
            after=identity_shift(pairs),
            target=max_identity_shift,
            text="Distance between the face before and after finishing. Less is better: finishing"
            " must not make another person.",
        ),
    )


def _order(shot: ShotMeasurement) -> int:
    return shot.order


def sharpness_spread_oct(shots: Iterable[ShotMeasurement]) -> float | None:
    """Return the pooled standard deviation of log2 ``eff_px`` inside scenes.

    Parameters
    ----------
    shots : iterable of ShotMeasurement
        In any order.

    Returns
    -------
    spread : float or None
        Octaves; ``None`` when no scene has two shots that could be judged.
    """
    scenes: dict[str, list[float]] = {}
    for shot in shots:
        eff = shot.values.get("eff_px")
        if eff:
            scenes.setdefault(shot.scene, []).append(math.log2(eff))
    groups = [np.array(v) for v in scenes.values() if len(v) > 1]
    freedom = sum(len(g) - 1 for g in groups)
    if not freedom:
        return None
    return math.sqrt(sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / freedom)


def sharpness_iqr_oct(shots: Iterable[ShotMeasurement]) -> float | None:
    """Return the distance between the quartiles of log2 ``eff_r`` over all shots.

    Parameters
    ----------
    shots : iterable of ShotMeasurement
        In any order.

    Returns
    -------
    distance : float or None
        Octaves; ``None`` for fewer than two shots that could be judged.
    """
    read = [math.log2(r) for s in shots if (r := s.values.get("eff_r"))]
    if len(read) < 2:
        return None
    low, high = np.percentile(read, (25, 75))
    return float(high - low)


def colour_off_de(measurements: Measurements, limits: Limits) -> float | None:
    """Return how far shots are off the colour of their scene, 90th percentile.

    Parameters
    ----------
    measurements : Measurements
        Of the whole set.
    limits : Limits
        ``z`` says from when an offset is taken for real.

    Returns
    -------
    distance : float or None
        Delta-E equivalents over the five axes, of the part of each offset that is no chance (see
        :meth:`finishkit.verdict.scales.Standing.certain`); ``None`` when nothing is known.
    """
    standing = Standing(measurements, limits.z)
    away = []
    for shot in measurements.shots:
        certain = [v for axis in AXES if (v := standing.certain(axis, shot.shot)) is not None]
        if certain:
            away.append(math.hypot(*certain))
    return float(np.percentile(away, 90)) if away else None


def scene_colour_jump_de(shots: Sequence[ShotMeasurement]) -> float | None:
    """Return the median colour jump over the cuts that stay inside a scene.

    Parameters
    ----------
    shots : sequence of ShotMeasurement
        In cut order. Shots that are left out leave no cut behind.

    Returns
    -------
    jump : float or None
        In Delta-E equivalents.
    """
    jumps = []
    for a, b in itertools.pairwise(shots):
        x = [a.values.get(axis) for axis in AXES]
        y = [b.values.get(axis) for axis in AXES]
        beside = b.order - a.order == 1
        if a.scene == b.scene and beside and None not in x and None not in y:
            jumps.append(colour_jump(np.array(x, np.float64), np.array(y, np.float64)))
    return float(np.median(jumps)) if jumps else None


def identity_shift(pairs: Iterable[Pair]) -> float | None:
    """Return the largest distance between a character's face in a shot before and after.

    Parameters
    ----------
    pairs : iterable of (ShotMeasurement, ShotMeasurement)
        Each shot before and after.

    Returns
    -------
    shift : float or None
        ``None`` when no face was found in both.
    """
    shifts = []
    for before, after in pairs:
        now = {i.character: i.embedding for i in after.identities}
        for who in before.identities:
            other = now.get(who.character)
            if who.embedding and other:
                shifts.append(math.dist(who.embedding, other))
    return max(shifts, default=None)


def _halved(before: float | None, floor: float, decimals: int = 2) -> float:
    return floor if before is None else max(floor, round(SPREAD_RATIO * before, decimals))


def _worst(shots: Iterable[ShotMeasurement], metric: str) -> float | None:
    return max((v for s in shots if (v := s.values.get(metric)) is not None), default=None)


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * ratio
