"""Which few bounded moves undo a shot's offset: solved from all that is seen of it at once."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.measure.colour import (
    AXES,
    CLIPPED_CODE,
    DE_PER_UNIT,
    LINEAR,
    LUMINANCE,
    grade_vector,
    linear_to_srgb,
)
from finishkit.measure.overlap import surface_difference
from finishkit.measure.skin import SKIN_AXES, skin_vector
from finishkit.settings import GradeSettings
from finishkit.stages.trim import Knees, Trim, apply_trim, soft_knees
from finishkit.verdict.offsets import ColourOffset, SkinStanding

FAR: Final = (1.0, 1.3)
"""Offsets beyond the bound of their axis are believed less and less between these multiples of it:
what is that far off was lit otherwise, and half a correction would only grey it."""

FAULTY: Final = 0.25
"""Prior chance that an axis of a shot is at fault."""

NEUTRAL_C: Final = (3.0, 5.0)
NEUTRAL_CAST: Final = (0.13, 1.0)
"""How much likelier a cast is where the least coloured tenth of the bright fifth of a picture,
burnt out parts left out, has this chroma (C*ab): up to 3 in 39 % of 56 clean clips and in 5 % of
the same under casts of 0.3 to 0.4 octave. What is still white has no cast."""

USUAL_SHARE: Final = 1.0
"""Standard deviation of a fault, as a share of what the template lets the grade undo."""

STEP_CODES: Final = (4.5, 7.0)
"""A clipped highlight that was pulled down ends in a step, a picture that never reached white in a
slope: 99.9th minus 99th percentile of the largest channel. The planted exposure of ``ep01_planted``
reads 4, pictures that are dark by themselves 10 to 19."""
WHITE_SD_DE: Final = 1.5
DULL_DE: Final = 4.0
"""How far below white the clipped highlights of clean clips scatter, dE00-equivalents, and from
where they are no longer clean: of 62 clean clips those that end in a step reach -0.22 stop."""

PROBE_DE: Final = 2.0
SETTLED_DE: Final = 0.1
MAX_ROUNDS: Final = 4
SOLVE_FRAMES: Final = 2
PLACE_PX: Final = 6
DARK_CODE: Final = 25
LEAST_PLACES: Final = 100

_WEIGHTS: Final = np.array(DE_PER_UNIT)
_SKIN: Final = [AXES.index(axis) for axis in SKIN_AXES]
_EV: Final = AXES.index("ev")

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How one shot is brought to its scene.

    Attributes
    ----------
    trim : Trim
    knees : Knees
    before_de, residual_de : float
        Offset that is believed, before and after, dE00-equivalents over all five axes. What is
        left is what strength, bounds, skin and the ends of the range keep the trim from undoing.
    """

    trim: Trim = field(default_factory=Trim)
    knees: Knees = field(default_factory=Knees)
    before_de: float = 0.0
    residual_de: float = 0.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is seen of one shot's offset, row by row: value, uncertainty and what moves do to it."""

    value: Vector
    sd: Vector
    effect: Callable[[Vector], Vector]
    cast_odds: float


def solve_match(
    samples: NDArray[np.uint8],
    off: ColourOffset,
    settings: GradeSettings,
    towards: Vector | None = None,
) -> Match:
    """Solve the trim that undoes a shot's offset.

    Parameters
    ----------
    samples : ndarray, shape (n, h, w, 3), dtype uint8
        A few frames of the shot, small.
    off : ColourOffset
        How far the shot is off, and its skin.
    settings : GradeSettings
        ``strength`` scales the moves, ``max_*`` bound them, ``skin_protect`` holds them back.
    towards : ndarray, shape (5,), dtype float64, optional
        Offset that is wanted instead of none, dE00-equivalents: the hero's.

    Returns
    -------
    match : Match
        The identity when nothing is surely off.

    Notes
    -----
    One fault shows on several axes, and on skin (lost saturation also reads as a white balance), so
    the five moves are not solved axis by axis. All 16 sets of faults are weighed by their evidence
    (Bayesian model averaging, Hoeting et al. 1999; linear Gaussian, faults rare) and averaged. A
    fault of exposure or saturation alone is undone by a fifth to a third at twice its uncertainty,
    by half at 2.5 times, by 0.8 to 0.9 at 3.5 times; a cast, which has two numbers to explain, by
    0.1 at twice and by 0.65 to 0.8 at 3.5 times. The effects of moves are measured on the
    transformed samples, curves and clipping included.
    """
    count = min(len(samples), SOLVE_FRAMES)
    few = samples[np.linspace(0, len(samples) - 1, count).round().astype(int)]
    bounds = _bounds(settings) * _WEIGHTS
    seen = _evidence(few, off, bounds, np.zeros(5) if towards is None else towards)
    if not len(seen.value):
        return Match()
    # Probed against the offset: curves bend differently up and down.
    above = np.array([axis in off.axes and off.axes[axis].value > 0 for axis in AXES])
    probes = np.diag(np.where(above, -PROBE_DE, PROBE_DE))
    slopes = np.stack([seen.effect(p) / p[i] for i, p in enumerate(probes)], axis=1)
    fault, bend = np.zeros(5), np.zeros(len(seen.value))
    for _ in range(MAX_ROUNDS):
        wanted = _believed(-seen.value - bend, seen, slopes, bounds)
        settled = np.abs(wanted - fault).max() < SETTLED_DE
        fault = wanted
        if settled or not fault.any():
            break
        # What the slopes do not foresee is taken off the next round's offset.
        bounded = np.clip(fault, -bounds, bounds)
        bend = seen.effect(bounded) - slopes @ bounded
    moves = np.clip(fault, -bounds, bounds) * settings.strength
    moves = moves * _skin_allows(moves, off.skins, settings.skin_protect)
    if not moves.any():
        return Match()
    trim = trim_of(moves)
    axes = slice(0, len(off.axes))
    wanted = seen.effect(fault)[axes]
    return Match(
        trim=trim,
        knees=soft_knees(_unit(few), trim),
        before_de=float(np.linalg.norm(wanted)),
        residual_de=float(np.linalg.norm(wanted - seen.effect(moves)[axes])),
    )


def _evidence(few: NDArray[np.uint8], off: ColourOffset, bounds: Vector, towards: Vector) -> _Seen:
    pictures, start = _unit(few), grade_vector(few)
    rows = [AXES.index(axis) for axis in AXES if axis in off.axes]
    known = [off.axes[AXES[i]] for i in rows]
    shared = np.array([axis.shared for axis in known], bool)
    value = np.array([axis.value for axis in known]) - towards[rows]
    trust = np.interp(np.abs(value) / np.maximum(bounds[rows], 1e-9), FAR, (1, 0))
    if _EV in rows:
        # Contrast and chroma read lower in the dark: they mean as little as the exposure does.
        trust = np.where(np.array(rows) > _EV, trust * trust[rows.index(_EV)], trust)
    # A cast is one fault: where one half of it is past belief, or unknown, so is the other.
    halves = np.array([i < _EV for i in rows], bool) & ~shared
    if halves.any():
        trust[halves] = trust[halves].min() if halves.sum() == _EV else 0.0
    white = _white(few, off.scene_white_ev, float(bounds[_EV]))
    skins = [skin for skin in off.skins if skin.new]
    patches = [_patch(skin) for skin in skins]
    before = [_skin_axes(patch) for patch in patches]
    places = _places(few)
    values, sds = [value], [np.array([axis.sd for axis in known]) / np.maximum(trust, 1e-6)]
    if white is not None:
        values.append(np.array([white[0]]))
        sds.append(np.array([white[1]]))
    for skin in skins:
        values.append((np.array(skin.seen) - np.array(skin.usual)) * _WEIGHTS[_SKIN])
        sds.append(np.array(skin.sd) * _WEIGHTS[_SKIN])

    def effect(moves: Vector) -> Vector:
        trim = trim_of(moves)
        whole = np.zeros(5)
        if not shared.all():
            whole = (grade_vector(_coded(apply_trim(pictures, trim))) - start) * _WEIGHTS
        # A clipped window tells a picture's exposure and not a wall's.
        surface = _surface_effect(places, trim)
        parts = [np.where(shared, surface[rows], whole[rows])]
        if white is not None:
            parts.append(moves[[_EV]])
        # A patch has no contrast: skin says nothing about it.
        flat = replace(trim, con=0.0)
        for patch, old in zip(patches, before, strict=True):
            parts.append((_skin_axes(apply_trim(patch, flat, Knees())) - old) * _WEIGHTS[_SKIN])
        return np.concatenate(parts)

    return _Seen(np.concatenate(values), np.concatenate(sds), effect, _cast_odds(few))


def _places(few: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the colours of a grid of places that are neither burnt out nor black, (n, 3)."""
    grid = few[:, 2::PLACE_PX, 2::PLACE_PX].reshape(-1, 3)
    usable = (grid.max(axis=1) < CLIPPED_CODE) & (grid.max(axis=1) > DARK_CODE)
    return _unit(grid[usable])


def _surface_effect(places: NDArray[np.float32], trim: Trim) -> Vector:
    moved = apply_trim(places, trim, Knees())
    seen = surface_difference(_light(places), _light(moved)) if len(places) else None
    if seen is None:
        return np.zeros(5)
    return np.array([value or 0.0 for value in seen.axes]) * _WEIGHTS


def _light(rgb: NDArray[np.float32]) -> Vector:
    return np.maximum(np.interp(rgb * 255, np.arange(256), LINEAR), 1e-4)


def _white(
    few: NDArray[np.uint8], scene_white_ev: float | None, bound: float
) -> tuple[float, float] | None:
    """Return how far a clipped highlight was pulled below white, dE00-equivalents, and its sd.

    A step at the top of a picture is either a highlight that was clipped at full and pulled down,
    or an evenly lit pale thing: that nothing else in the scene is lighter speaks for the latter.
    """
    levels = [np.percentile(frame.max(axis=2), (99, 99.9)) for frame in few]
    near, top = np.median(levels, axis=0)
    step = float(np.interp(top - near, STEP_CODES, (1, 0)))
    light = float(np.interp(top, np.arange(256), LINEAR))
    if scene_white_ev is None or step == 0:
        return None
    below = (float(np.log2(max(light, 2.0**-8))) - scene_white_ev) * float(_WEIGHTS[_EV])
    trust = step * float(np.interp(-below / max(bound, 1e-9), FAR, (1, 0)))
    if below > -DULL_DE or trust == 0:
        return None
    return below, WHITE_SD_DE / trust


def _cast_odds(few: NDArray[np.uint8]) -> float:
    """Return how much likelier than usual it is that the picture has a cast, 0 to 1."""
    codes = few[:, ::2, ::2].reshape(-1, 3)
    codes = codes[codes.max(axis=1) < CLIPPED_CODE - 3]
    if len(codes) < LEAST_PLACES:
        return 1.0
    lab = cv2.cvtColor(_unit(codes)[None], cv2.COLOR_RGB2LAB)[0]
    bright = lab[lab[:, 0] >= np.percentile(lab[:, 0], 80)]
    chroma = float(np.percentile(np.hypot(bright[:, 1], bright[:, 2]), 10))
    return float(np.exp(np.interp(chroma, NEUTRAL_C, np.log(NEUTRAL_CAST))))


def _believed(value: Vector, seen: _Seen, slopes: NDArray[np.float64], bounds: Vector) -> Vector:
    """Return the expected moves given all rows, over all sets of faults that may explain them."""
    usual = np.maximum(bounds * USUAL_SHARE, 1e-6)
    design = slopes * usual / seen.sd[:, None]
    told = value / seen.sd
    total, answer = 0.0, np.zeros(5)
    for cast, *rest in itertools.product((False, True), repeat=4):
        # A cast is one fault, whichever way it leans.
        some = np.array([cast, cast, *rest])
        part = design[:, some]
        precision = part.T @ part + np.eye(int(some.sum()))
        best = np.linalg.solve(precision, part.T @ told)
        gain = 0.5 * float(told @ part @ best) - 0.5 * float(np.linalg.slogdet(precision)[1])
        weight = np.exp(min(gain, 500.0)) * (FAULTY / (1 - FAULTY)) ** (cast + sum(rest))
        weight *= seen.cast_odds if cast else 1.0
        total += weight
        answer[some] += weight * best * usual[some]
    moves = answer / total
    return np.where(np.abs(moves) < SETTLED_DE, 0.0, moves)


def _skin_allows(moves: Vector, skins: tuple[SkinStanding, ...], protect: float) -> float:
    """Return the share of a trim that leaves skin as plausible as it was.

    Within one deviation of what the character's skin is elsewhere every move is allowed; beyond
    it none that leads further away.
    """
    allowed = 1.0
    for skin in skins:
        patch, usual, sd = _patch(skin), np.array(skin.usual), np.array(skin.sd)

        def strange(share: float) -> float:
            moved = _skin_axes(apply_trim(patch, trim_of(moves * share), Knees()))  # noqa: B023
            return float(np.sqrt(np.mean(((moved - usual) / sd) ** 2)))  # noqa: B023

        limit = max(strange(0.0), 1.0) + 1e-6
        shares = np.linspace(1, 0, 11)
        allowed = min(allowed, next(float(s) for s in shares if strange(float(s)) <= limit))
    return 1 - protect * (1 - allowed)


def _patch(skin: SkinStanding) -> NDArray[np.float32]:
    red, blue, light, _ = skin.seen
    colour = np.array([2.0**red, 1.0, 2.0**blue])
    colour *= 2.0**light / float(colour @ LUMINANCE)
    return linear_to_srgb(colour).astype(np.float32)


def _skin_axes(patch: NDArray[np.float32]) -> Vector:
    light = _light(patch)
    colour = (float(light[0]), float(light[1]), float(light[2]))
    return np.array(skin_vector([colour, colour]))


def trim_of(moves: Vector) -> Trim:
    """Return the trim of five moves given in dE00-equivalents."""
    return Trim(**dict(zip(AXES, (moves / _WEIGHTS).tolist(), strict=True)))


def _bounds(settings: GradeSettings) -> Vector:
    gain = float(np.log2(settings.max_gain))
    return np.array([settings.max_wb_oct, settings.max_wb_oct, settings.max_ev, gain, gain])


def _unit(few: NDArray[np.uint8]) -> NDArray[np.float32]:
    return few.astype(np.float32) / np.float32(255)


def _coded(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(pictures * 255).astype(np.uint8)
