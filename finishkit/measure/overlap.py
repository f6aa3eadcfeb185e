"""Overlap: the same wall, table or window seen in two shots of a scene.

Where two shots show the same surface, the difference of its colour is the difference of the grade,
and content plays no part: over 17 pairs of framings of one set the differences scatter by 0.02
octave of white balance, 0.06 stop and 0.05 octave of chroma, where the five-axis vectors of whole
pictures scatter by 0.2, 0.45 and 0.45 (``calibration/colour_evidence.py``).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from finishkit.measure.colour import (
    AXES,
    DE_PER_UNIT,
    LINEAR,
    LUMINANCE,
    de_equivalents,
    linear_to_srgb,
)
from finishkit.values import Value

SHORT_PX: Final = 270
"""Short side at which places are looked for."""
MAX_PLACES: Final = 300
MIN_MATCHED: Final = 20
"""Places that must agree on one move of the camera; with 12 to 16, different rooms pass too."""
MIN_COMPARED: Final = 16
MIN_AREA: Final = 0.06
"""Share of the picture the matched places must span: a burnt-in logo is the same in every shot."""
REMEMBERED: Final = 9
RATIO: Final = 0.8
"""Lowe's ratio test (2004)."""
_PATCH_PX: Final = np.array([1.5, 2.1, 3.0, 4.2, 6.0])
_PATCH_SHARE: Final = 0.35
_CLIPPED: Final = 250
_DARK: Final = 0.01
_COLOURED: Final = 6.0
"""Chroma from which saturation can be compared."""


class Marks(Value):
    """Places of one frame that can be found again, with their colour.

    Attributes
    ----------
    width_px, height_px : int
        Of the reduced frame.
    places : bytes
        float32, (n, 2): x, y.
    descriptors : bytes
        uint8, (n, 128): SIFT (Lowe 2004).
    colours : bytes
        float16, (n, 3): linear R, G, B round each place; NaN where clipped or black.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    width_px: int
    height_px: int
    places: bytes
    descriptors: bytes
    colours: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the grade of one shot differs from another's on surfaces that both show.

    Attributes
    ----------
    axes : tuple of (float or None)
        Second minus first, in the order and the units of :data:`finishkit.measure.colour.AXES`;
        None where too few of the places have colour.
    places : int
        Places compared.
    """

    axes: tuple[float | None, ...]
    places: int


def find_marks(frame: NDArray[np.uint8]) -> Marks | None:
    """Find places that can be found again.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range, any size; reduced to a short side of 270 px.

    Returns
    -------
    marks : Marks or None
        None when the picture is flat.
    """
    height, width = frame.shape[:2]
    scale = SHORT_PX / min(height, width)
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    sift = cv2.SIFT.create(nfeatures=MAX_PLACES, contrastThreshold=0.02)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    points, descriptors = sift.detectAndCompute(grey, None)  # type: ignore[arg-type]
    if descriptors is None or len(points) < MIN_MATCHED:
        return None
    height, width = frame.shape[:2]
    places = np.array([p.pt for p in points], np.float32)
    x = np.clip(np.round(places[:, 0]).astype(int), 0, width - 1)
    y = np.clip(np.round(places[:, 1]).astype(int), 0, height - 1)
    light = LINEAR[frame].astype(np.float32)
    # As wide as the place itself: in a closer framing the same surface covers more pixels.
    blurred = np.stack([cv2.GaussianBlur(light, (0, 0), sigma)[y, x] for sigma in _PATCH_PX])
    sizes = np.array([p.size for p in points]) * _PATCH_SHARE
    nearest = np.abs(np.log(np.divide.outer(_PATCH_PX, sizes))).argmin(axis=0)
    colours = blurred[nearest, np.arange(len(points))]
    brightest = cv2.dilate(frame.max(axis=2), np.ones((5, 5), np.uint8))[y, x]
    useless = (brightest >= _CLIPPED) | (colours.max(axis=1) <= _DARK)
    colours = np.where(useless[:, None], np.nan, np.maximum(colours, 1e-4))
    return Marks(
        width_px=width,
        height_px=height,
        places=places.tobytes(),
        descriptors=descriptors.clip(0, 255).astype(np.uint8).tobytes(),
        colours=colours.astype(np.float16).tobytes(),
    )


@dataclass(frozen=True, slots=True)
class _Open:
    """Marks as arrays; descriptors as square roots of shares (RootSIFT, Arandjelovic 2012)."""

    area_px: float
    places: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    colours: NDArray[np.float64]


def _opened(marks: Marks) -> _Open:
    raw = np.frombuffer(marks.descriptors, np.uint8).reshape(-1, 128).astype(np.float32)
    return _Open(
        float(marks.width_px * marks.height_px),
        np.frombuffer(marks.places, np.float32).reshape(-1, 2),
        np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1)),
        np.frombuffer(marks.colours, np.float16).reshape(-1, 3).astype(np.float64),
    )


def difference(first: Sequence[Marks], second: Sequence[Marks]) -> Difference | None:
    """Compare the grade of two shots on surfaces that both show.

    Parameters
    ----------
    first, second : sequence of Marks
        Of a few frames of each.

    Returns
    -------
    difference : Difference or None
        Of the pair of frames with the most places in common; None when the shots show no surface
        in common, or too little of it.
    """
    return _most_places([_opened(m) for m in first], [_opened(m) for m in second])


def scene_overlaps(
    shots: Sequence[tuple[str, str, Sequence[Marks]]],
) -> Iterator[tuple[str, str, Difference]]:
    """Compare every shot of an episode with the others of its scene.

    Parameters
    ----------
    shots : sequence of (shot, scene, marks)
        In cut order.

    Yields
    ------
    first, second : str
        Shots that show the same surface, in cut order.
    difference : Difference
        Second minus first.

    Notes
    -----
    A shot is compared with the nine before it in its scene: what a viewer still remembers, and it
    keeps a scene of 60 shots from taking 60 x 60 comparisons.
    """
    opened: dict[str, list[tuple[str, list[_Open]]]] = {}
    for shot, scene, marks in shots:
        mine = [_opened(m) for m in marks]
        for other, theirs in opened.setdefault(scene, [])[-REMEMBERED:]:
            if (found := _most_places(theirs, mine)) is not None:
                yield other, shot, found
        opened[scene].append((shot, mine))


def _most_places(first: Sequence[_Open], second: Sequence[_Open]) -> Difference | None:
    found = [d for a, b in itertools.product(first, second) if (d := _compared(a, b)) is not None]
    return max(found, key=lambda d: d.places, default=None)


def _compared(a: _Open, b: _Open) -> Difference | None:
    # Not by numpy: its threads wait for each other as soon as the processors are shared, ten times
    # as long as the product takes.
    likeness = cv2.gemm(a.descriptors, b.descriptors, 1, None, 0, flags=cv2.GEMM_2_T)  # type: ignore[arg-type]
    if min(likeness.shape) < MIN_MATCHED:
        return None
    rows = np.arange(len(likeness))
    best_two = np.argpartition(-likeness, 1, axis=1)[:, :2]
    pair = np.take_along_axis(likeness, best_two, axis=1)
    order = np.argsort(-pair, axis=1)
    best_two = np.take_along_axis(best_two, order, axis=1)
    near, next_near = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(pair, order, axis=1), 0)).T
    partner = best_two[:, 0]
    kept = (near < RATIO * next_near) & (likeness.argmax(axis=0)[partner] == rows)
    if kept.sum() < MIN_MATCHED:
        return None
    here, there = a.places[kept], b.places[partner[kept]]
    move, inside = cv2.estimateAffinePartial2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=4
    )
    if move is None:
        return None
    agree = inside.ravel().astype(bool)
    zoom = float(np.hypot(move[0, 0], move[1, 0]))
    if agree.sum() < MIN_MATCHED or not 0.3 < zoom < 3.3:
        return None
    if min(_span(here[agree]) / a.area_px, _span(there[agree]) / b.area_px) < MIN_AREA:
        return None
    return surface_difference(a.colours[kept][agree], b.colours[partner[kept]][agree])


def _span(places: NDArray[np.float32]) -> float:
    return float(cv2.contourArea(cv2.convexHull(places)))


def surface_difference(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> Difference | None:
    """Compare the grade of the same places in two pictures.

    Parameters
    ----------
    first, second : ndarray, shape (n, 3), dtype float64
        Linear R, G, B above 0 of each place, place by place; NaN where clipped or black.

    Returns
    -------
    difference : Difference or None
        Second minus first, medians over the places; None with fewer than 16.
    """
    usable = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    if usable.sum() < MIN_COMPARED:
        return None
    first, second = first[usable], second[usable]
    ratio = np.log2(second / first)
    before, after = _lab(first), _lab(second)
    chroma = np.hypot(before[:, 1], before[:, 2]), np.hypot(after[:, 1], after[:, 2])
    coloured = np.maximum(*chroma) > _COLOURED
    saturation = np.log2((chroma[1][coloured] + 1) / (chroma[0][coloured] + 1))
    ranges = [float(np.subtract(*np.percentile(x[:, 0], (85, 15)))) for x in (before, after)]
    values: dict[str, float | None] = {
        "wb_r": float(np.median(ratio[:, 0] - ratio[:, 1])),
        "wb_b": float(np.median(ratio[:, 2] - ratio[:, 1])),
        "ev": float(np.median(np.log2((second @ LUMINANCE) / (first @ LUMINANCE)))),
        "con": float(np.log2((ranges[1] + 3) / (ranges[0] + 3))),
        "sat": float(np.median(saturation)) if coloured.sum() >= MIN_COMPARED // 2 else None,
    }
    return Difference(axes=tuple(values[axis] for axis in AXES), places=int(usable.sum()))


def _lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    codes = linear_to_srgb(linear).astype(np.float32)[None]
    return cv2.cvtColor(codes, cv2.COLOR_RGB2LAB)[0].astype(np.float64)


def within_shot_drift(
    vectors: Sequence[NDArray[np.float64]], marks: Sequence[Marks | None]
) -> float | None:
    """Return how far the colour of a shot moves from its start to its end.

    Parameters
    ----------
    vectors : sequence of ndarray, shape (5,)
        Grade vectors of frames in order.
    marks : sequence of (Marks or None)
        Of the same frames.

    Returns
    -------
    drift : float or None
        In dE00-equivalents, contrast left out: what whole pictures say, or, where it is less, what
        the surfaces say that first and last frame both show. None with fewer than two frames.

    Notes
    -----
    Of 48 clips one drifts visibly (`sf_bird_30s_colourdrift`) and reads 18.8; all others read 6.5
    or less.
    """
    if len(vectors) < 2:
        return None
    kept = np.array([axis != "con" for axis in AXES])
    whole = float(np.linalg.norm(de_equivalents(vectors[-1], vectors[0])[kept]))
    first, last = marks[0], marks[-1]
    same = difference([first], [last]) if first is not None and last is not None else None
    if same is None:
        return whole
    moved = [
        (value or 0.0) * scale
        for axis, value, scale in zip(AXES, same.axes, DE_PER_UNIT, strict=True)
        if axis != "con"
    ]
    return min(whole, float(np.linalg.norm(moved)))
