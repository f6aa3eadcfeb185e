"""Motion: repeated frames, the rate that is really there, and shake."""

import itertools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SHORT_PX: Final = 360
"""Short side at which repeats and shake are measured."""
REPEAT_RATIO: Final = 0.35
"""A pair that differs less than this share of its neighbourhood may repeat a frame."""
REPEAT_MOTION: Final = 4.0
"""Difference, in 8-bit codes, the neighbourhood must reach: below it nothing visibly moves."""
EXACT: Final = 0.5
"""Below this a pair is the same picture to half a code, everywhere."""
HELD: Final = 0.8
"""Below this a pair between livelier ones repeats a frame, however slow the shot: no pair of 56
clean clips differs by less, repeats encoded at CRF 12 by 0.2 to 0.7."""
HELD_RATIO: Final = 2.0
MIN_TRACKED: Final = 12
"""Points that must survive for a pair's camera motion to be believed."""
POINTS: Final = 150
"""Points followed: twice as many cost twice the time and move the shake by less than 0.02 %."""
KEPT_FOR: Final = 4
"""Pairs through which points are followed before new ones are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often something new is shown.

    Attributes
    ----------
    dup_ratio : float or None
        Share of frames that repeat the one before, 0 to 1; None when ``static``, since a repeat
        of a still picture cannot be seen, or with fewer than three frames.
    fps_eff : float or None
        Rate of new pictures: ``rate * (1 - dup_ratio)``.
    static : bool
        Nothing moves enough for repeats to be told.
    """

    dup_ratio: float | None
    fps_eff: float | None
    static: bool


def to_small_luma(frame: NDArray[np.uint8], short_px: int = SHORT_PX) -> NDArray[np.uint8]:
    """Reduce a picture to luma with a given short side; never enlarges.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3) or (h, w), dtype uint8
        R'G'B' or luma.
    short_px : int
        Short side of the result.

    Returns
    -------
    luma : ndarray, shape (h', w'), dtype uint8
        R'G'B' weighted by BT.601, as cv2 and all measured constants have it.
    """
    height, width = frame.shape[:2]
    scale = short_px / min(height, width)
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if frame.ndim == 3:
        frame = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    return frame


def pair_difference(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return how much a picture changed, so that one small moving thing is enough.

    Parameters
    ----------
    before, after : ndarray, shape (h, w), dtype uint8
        Luma of two frames, short side about 360 px.

    Returns
    -------
    difference : float
        99th percentile of the absolute difference averaged over 8x8 px, in 8-bit codes.
    """
    height, width = before.shape
    size = (max(1, width // 8), max(1, height // 8))
    change = cv2.absdiff(before, after).astype(np.float32)
    return float(np.percentile(cv2.resize(change, size, interpolation=cv2.INTER_AREA), 99))


def duplicate_flags(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say which frames repeat the one before.

    Parameters
    ----------
    luma : ndarray, shape (n, h, w), dtype uint8
        Consecutive frames; reduced to a short side of 360 px.

    Returns
    -------
    flags : ndarray, shape (n,), dtype bool
        The first is always False. See :func:`flags_from_differences`.
    """
    small = [to_small_luma(frame) for frame in luma]
    pairs = [pair_difference(a, b) for a, b in itertools.pairwise(small)]
    return flags_from_differences(np.array(pairs))


def _ceiling(motion: float) -> float:
    # A share of the motion around it, and below its square root: local lulls of large motion
    # (96, then 30 codes) pass the share alone. Over 22 AI clips re-encoded at CRF 12/23/30:
    # recall 1.00/0.97/0.57 and 2/2/6 false in 770 pairs; share alone on the 95th percentile
    # (facts 5, tuned on eight other clips): 0.95/0.92/0.78 and 13/22/21 false.
    return min(REPEAT_RATIO * motion, motion**0.5) if motion >= REPEAT_MOTION else 0.0


def _runs(chosen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def flags_from_differences(differences: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which frames repeat the one before, from the differences of neighbours.

    Parameters
    ----------
    differences : ndarray, shape (n - 1,), dtype float64
        :func:`pair_difference` of frames 0 and 1, 1 and 2, ...

    Returns
    -------
    flags : ndarray, shape (n,), dtype bool
        A pair counts when it differs less than 0.35 of the largest of its two neighbours on
        either side, and less than that one's square root, and that one is at least 4 codes.
        Longer freezes count when motion breaks off before them and sets in after them at once,
        or when they run into an end of the clip and are exact. In slow shots, pairs below 0.8
        codes count that lie between two of at least 1 code and twice as much.
    """
    count = len(differences)
    flags = np.zeros(count + 1, bool)
    for i, value in enumerate(differences):
        near = np.concatenate([differences[max(0, i - 2) : i], differences[i + 1 : i + 3]])
        flags[i + 1] = value < _ceiling(near.max(initial=0.0))
    for start in range(count):
        before = _ceiling(differences[start - 1]) if start else 0.0
        if start and differences[start] < before:
            stop = start
            while stop < count and differences[stop] < before:
                stop += 1
            inside = differences[start:stop].max()
            if inside < (_ceiling(differences[stop]) if stop < count else EXACT):
                flags[start + 1 : stop + 1] = True
    for start, stop in _runs(differences < HELD):
        # Between two pairs that moved at once: a fade to black comes to rest by and by.
        if start > 0 and stop < count:
            least = min(differences[start - 1], differences[stop])
            if least >= max(1.0, HELD_RATIO * differences[start:stop].max()):
                flags[start + 1 : stop + 1] = True
    lead = 0
    while lead < count and differences[lead] < EXACT:
        lead += 1
    if lead < count and lead and differences[lead] >= REPEAT_MOTION:
        flags[1 : lead + 1] = True
    return flags


def cadence(differences: NDArray[np.float64], rate_fps: float) -> Cadence:
    """Return the rate of new pictures.

    Parameters
    ----------
    differences : ndarray, shape (n - 1,), dtype float64
        :func:`pair_difference` of all neighbours of the shot.
    rate_fps : float
        Rate of the container.

    Returns
    -------
    cadence : Cadence
    """
    if len(differences) < 2:
        return Cadence(dup_ratio=None, fps_eff=None, static=False)
    if differences.max() < REPEAT_MOTION:
        return Cadence(dup_ratio=None, fps_eff=None, static=True)
    ratio = float(flags_from_differences(differences).sum() / (len(differences) + 1))
    return Cadence(dup_ratio=ratio, fps_eff=rate_fps * (1 - ratio), static=False)


def _points(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    found = cv2.goodFeaturesToTrack(luma, POINTS, 0.01, 8)
    return np.empty((0, 1, 2), np.float32) if found is None else found  # type: ignore[return-value]


def _followed(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    if len(points) < MIN_TRACKED:
        return None
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points,
        None,  # type: ignore[arg-type]
        winSize=(21, 21),
        maxLevel=3,
    )
    kept = status.ravel() == 1
    if kept.sum() < MIN_TRACKED:
        return None
    return points[kept].reshape(-1, 2), moved[kept].reshape(-1, 2)  # type: ignore[return-value]


def _inside(points: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    x, y = points.T
    seen = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return points[seen].reshape(-1, 1, 2)


def speed_pct(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float | None:
    """Return how fast a picture moves.

    Parameters
    ----------
    before, after : ndarray, shape (h, w), dtype uint8
        Luma of neighbouring frames.

    Returns
    -------
    speed : float or None
        Median length of tracked motion in percent of the short side a frame; None when nothing
        could be tracked.
    """
    tracks = _followed(before, after, _points(before))
    if tracks is None:
        return None
    lengths = np.linalg.norm(tracks[1] - tracks[0], axis=1)
    return float(np.median(lengths) / min(before.shape) * 100)


def shake_pct(luma: NDArray[np.uint8], rate_fps: float) -> float | None:
    """Return how much the camera shakes.

    Parameters
    ----------
    luma : ndarray, shape (n, h, w), dtype uint8
        Consecutive different frames (repeats left out), short side about 360 px.
    rate_fps : float
        Rate of those frames.

    Returns
    -------
    shake : float or None
        ``1.4826 * MAD`` of the acceleration of the picture's centre / sqrt(6), mean of x and y, in
        percent of the short side, at 24 frames a second: steady pans cancel, and frame-to-frame
        jitter reads as its standard deviation. None with fewer than six frames, or when less than
        half of the pairs could be tracked.

    Notes
    -----
    Measured on nine clips: jitter of 0.25/0.5/1.0 % reads 0.28/0.51/1.21.
    """
    if len(luma) < 6:
        return None
    height, width = luma.shape[1:]
    centre = np.array([width / 2, height / 2, 1.0])
    steps = np.full((len(luma) - 1, 2), np.nan)
    points = np.empty((0, 1, 2), np.float32)
    for i, (before, after) in enumerate(itertools.pairwise(luma)):
        if i % KEPT_FOR == 0 or len(points) < POINTS // 2:
            points = _points(before)
        tracks = _followed(before, after, points)
        if tracks is None:
            points = points[:0]
            continue
        points = _inside(tracks[1], width, height)
        affine, _ = cv2.estimateAffinePartial2D(
            *tracks, method=cv2.RANSAC, ransacReprojThreshold=1.5
        )
        if affine is not None:
            steps[i] = affine @ centre - centre[:2]
    acceleration = np.diff(steps, axis=0)
    acceleration = acceleration[np.isfinite(acceleration).all(axis=1)]
    if len(acceleration) < max(4, len(luma) // 2):
        return None
    spread = 1.4826 * np.median(np.abs(acceleration - np.median(acceleration, axis=0)), axis=0)
    # Slow rates move further a frame for the same camera; faster ones are left as they are.
    a_frame = min(1.0, rate_fps / 24)
    return float(np.hypot(*spread) / np.sqrt(2) / np.sqrt(6) / min(height, width) * 100 * a_frame)
