"""Bring every shot to its scene by five bounded moves, then the set to the genre's look.

The match is solved first, against the scene, on small samples; the look is the same for every
shot and laid on top. Both are baked into one table a shot, so a shot gets one transform for all its
frames: nothing here can flicker.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.colour import AXES, DE_PER_UNIT, de_equivalents, grade_vector
from finishkit.settings import GradeSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.lut import Lut, apply_lut, build_lut
from finishkit.stages.trim import Knees, Trim, apply_trim, look_trim, soft_knees

CONTENT_DE: Final = (3.8, 5.7, 5.2, 3.7, 2.7)
"""How far shots of one grade read apart because they show other things: 98th percentile, an axis
(facts 3.2). A gap below it may be content, and is corrected only where the scene is tighter."""

DEAD_DE: Final = 1.0
"""Gaps below this are never corrected, however tight the scene."""

FAR: Final = (1.25, 1.6)
"""Gaps beyond the bound of their axis are followed less and less between these multiples of it:
what is that far off was lit otherwise, and half a correction would only grey it."""

PROBE_DE: Final = 2.0
SETTLED_DE: Final = 0.1
MAX_ROUNDS: Final = 4
SOLVE_FRAMES: Final = 3

_WEIGHTS: Final = np.array(DE_PER_UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How one shot is brought to its scene.

    Attributes
    ----------
    trim : Trim
    knees : Knees
    before_de, residual_de : float
        Distance of the shot's samples to the scene's target before and after, dE-equivalents over
        all five axes.
    """

    trim: Trim = field(default_factory=Trim)
    knees: Knees = field(default_factory=Knees)
    before_de: float = 0.0
    residual_de: float = 0.0


def solve_match(
    samples: NDArray[np.uint8],
    target: NDArray[np.float64],
    settings: GradeSettings,
    content_de: NDArray[np.float64] | None = None,
) -> Match:
    """Solve the trim that brings a shot's grade vector to a target.

    Parameters
    ----------
    samples : ndarray, shape (n, h, w, 3), dtype uint8
        A few frames of the shot, small.
    target : ndarray, shape (5,), dtype float64
        In the order of :data:`finishkit.measure.colour.AXES`.
    settings : GradeSettings
        ``strength`` scales the moves, ``max_*`` bound them.
    content_de : ndarray, shape (5,), dtype float64, optional
        Gaps this small are content, dE-equivalents; default: :data:`CONTENT_DE`. See
        :func:`scene_spread`.

    Returns
    -------
    match : Match
        The identity when every axis is near enough, or no move makes it better.

    Notes
    -----
    One fault shows on several axes (lost saturation also reads as a white balance), so the five
    moves are not solved axis by axis: the few moves that explain all axes are looked for, with
    content as the noise of the axes (Bayesian model averaging over which axes are at fault). The
    effects of moves are measured on the transformed samples, curves and clipping included.
    """
    count = min(len(samples), SOLVE_FRAMES)
    few = samples[np.linspace(0, len(samples) - 1, count).round().astype(int)]
    pictures = few.astype(np.float32) / np.float32(255)
    start = grade_vector(few)
    gap = de_equivalents(target, grade_vector(samples))
    before = float(np.linalg.norm(gap))
    scale = np.array(CONTENT_DE) if content_de is None else content_de
    bounds = _bounds(settings) * _WEIGHTS
    trust = np.interp(np.abs(gap) / np.maximum(bounds, 1e-9), FAR, (1, 0))
    # Contrast and chroma read lower in the dark: they mean as little as the exposure does.
    trust[3:] *= trust[2]
    bounds = bounds * trust
    unmoved = Match(before_de=before, residual_de=before)
    if not np.isfinite(gap).all() or (np.abs(gap) * trust < DEAD_DE).all():
        return unmoved

    def effect(moves: NDArray[np.float64]) -> NDArray[np.float64]:
        graded = apply_trim(pictures, _trim_of(moves))
        return de_equivalents(grade_vector(np.round(graded * 255).astype(np.uint8)), start)

    # Probed towards the target: curves bend differently up and down.
    probes = np.diag(np.where(gap < 0, -PROBE_DE, PROBE_DE))
    columns = [effect(probe) / probe[i] for i, probe in enumerate(probes)]
    slopes = np.stack(columns, axis=1)
    moves, bend = np.zeros(5), np.zeros(5)
    for _ in range(MAX_ROUNDS):
        wanted = _plausible(gap - bend, slopes, scale, bounds, trust)
        settled = np.abs(wanted - moves).max() < SETTLED_DE
        moves = wanted
        if settled or not moves.any():
            break
        # What the slopes do not foresee is taken off the next round's gap.
        bend = effect(moves) - slopes @ moves
    moves = moves * settings.strength
    if not moves.any():
        return unmoved
    after = float(np.linalg.norm(gap - effect(moves)))
    if after >= before:
        return unmoved
    trim = _trim_of(moves)
    return Match(trim=trim, knees=soft_knees(pictures, trim), before_de=before, residual_de=after)


def _plausible(
    gap: NDArray[np.float64],
    slopes: NDArray[np.float64],
    scale: NDArray[np.float64],
    bounds: NDArray[np.float64],
    trust: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the moves that explain a gap, averaged over all 32 sets of moves by plausibility.

    A move costs as much as a gap of ``scale``: alone, one of half that is corrected by a fifth,
    one of that by half, one of twice that wholly.
    """
    design = slopes * scale[None, :] / scale[:, None] * trust[:, None]
    wanted = gap / scale * trust
    # Two sets may explain a gap equally well: then the one with the smaller moves.
    small = np.diag((scale / np.maximum(bounds, 1e-9)) ** 2) / 4
    total, answer = 0.0, np.zeros(5)
    for chosen in itertools.product((False, True), repeat=5):
        some = np.array(chosen)
        part, ridge = design[:, some], small[np.ix_(some, some)]
        moves = np.linalg.solve(part.T @ part + ridge, part.T @ wanted)
        moves = np.clip(moves, -(bounds / scale)[some], (bounds / scale)[some])
        # No axis is driven away from its own target to please the others.
        if (moves * gap[some] < 0).any():
            continue
        missing = wanted - part @ moves
        weight = np.exp(-2 * (missing @ missing + moves @ ridge @ moves + some.sum()))
        total += weight
        answer[some] += weight * moves
    moves = answer * scale / total if total > 0 else answer
    return np.where(np.abs(moves) < SETTLED_DE, 0.0, moves)


def scene_spread(shots: Sequence[ShotInput]) -> NDArray[np.float64]:
    """Return how far the shots of a scene lie apart although nothing is wrong with them.

    Parameters
    ----------
    shots : sequence of ShotInput
        Of one scene.

    Returns
    -------
    spread : ndarray, shape (5,), dtype float64
        dE-equivalents: twice the robust deviation of the shots that are not flagged, between
        :data:`DEAD_DE` and :data:`CONTENT_DE`; that one for fewer than three.
    """
    trusted = [grade_vector(s.samples) for s in shots if not s.flagged]
    if len(trusted) < 3:
        return np.array(CONTENT_DE)
    away = np.array(trusted) - np.median(trusted, axis=0)
    deviation = 1.4826 * np.median(np.abs(away), axis=0) * _WEIGHTS
    return np.clip(2 * deviation, DEAD_DE, CONTENT_DE)


def _trim_of(moves: NDArray[np.float64]) -> Trim:
    return Trim(**dict(zip(AXES, (moves / _WEIGHTS).tolist(), strict=True)))


def _bounds(settings: GradeSettings) -> NDArray[np.float64]:
    gain = float(np.log2(settings.max_gain))
    return np.array([settings.max_wb_oct, settings.max_wb_oct, settings.max_ev, gain, gain])


def scene_targets(
    shots: Sequence[ShotInput], hero: ShotId | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return what the shots of each scene are brought to.

    Parameters
    ----------
    shots : sequence of ShotInput
        The whole set.
    hero : ShotId, optional
        The shot whose grade its scene takes.

    Returns
    -------
    targets : dict of str to ndarray, shape (5,)
        The hero's vector in its scene; elsewhere the median, axis by axis, of the shots that are
        not flagged. A scene of one shot has no target: there is nothing it could differ from.
    """
    scenes: dict[str, list[ShotInput]] = {}
    for shot in shots:
        scenes.setdefault(shot.scene, []).append(shot)
    targets: dict[str, NDArray[np.float64]] = {}
    for scene, members in scenes.items():
        if len(members) < 2:
            continue
        heroes = [s for s in members if s.id == hero]
        trusted = heroes or [s for s in members if not s.flagged] or members
        targets[scene] = np.median([grade_vector(s.samples) for s in trusted], axis=0)
    return targets


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grade:
    """One shot's match and look, in one table.

    Attributes
    ----------
    lut : ndarray, shape (33, 33, 33, 3), dtype float32
    match : Match
        Written into the notes.
    """

    lut: Lut
    match: Match

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield graded frames; note ``grade.wb_r`` ... ``grade.sat`` and the distances."""
        for axis in AXES:
            notes[f"grade.{axis}"] = float(getattr(self.match.trim, axis))
        notes["grade.before_de"] = self.match.before_de
        notes["grade.residual_de"] = self.match.residual_de
        for chunk in frames:
            yield chunk.with_data(apply_lut(chunk.as_float(), self.lut))


class GradeStage:
    """Match shots to their scenes, then give all the genre's look."""

    name = "grade"
    version = 1

    def fit(
        self, shots: Sequence[ShotInput], settings: GradeSettings, *, hero: ShotId | None = None
    ) -> Mapping[ShotId, Grade | None]:
        """Solve every shot's trim against its scene and bake it with the look.

        Parameters
        ----------
        shots : sequence of ShotInput
            The whole set. Shots with ``flagged`` are corrected but are no target.
        settings : GradeSettings
            ``strength`` scales match and look; 0 gives no filter.
        hero : ShotId, optional
            Its scene is brought to it instead of to the scene's median.

        Returns
        -------
        filters : dict of ShotId to (Grade or None)
        """
        if settings.strength == 0:
            return {shot.id: None for shot in shots}
        targets = scene_targets(shots, hero) if settings.matching == "scene" else {}
        look = look_trim(settings)
        spreads = {scene: scene_spread([s for s in shots if s.scene == scene]) for scene in targets}
        filters: dict[ShotId, Grade | None] = {}
        for shot in shots:
            target = targets.get(shot.scene)
            match = (
                Match()
                if target is None
                else solve_match(shot.samples, target, settings, spreads[shot.scene])
            )
            filters[shot.id] = bake(match, look)
        return filters


def bake(match: Match, look: Trim) -> Grade | None:
    """Put a match and a look into one table.

    Parameters
    ----------
    match : Match
        Of one shot, from :func:`solve_match`.
    look : Trim
        From :func:`look_trim`; its knees are fixed, since it must not depend on what a shot shows.

    Returns
    -------
    grade : Grade or None
        None when both are the identity.
    """
    if match.trim == Trim() and look == Trim():
        return None
    lut = build_lut(
        lambda nodes: apply_trim(apply_trim(nodes, match.trim, match.knees), look, Knees())
    )
    return Grade(lut=lut, match=match)
