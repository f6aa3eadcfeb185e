"""Following faces between the frames in which they are looked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity import Face
from finishkit.stages.streaming import Picture

Box = tuple[float, float, float, float]
Points = NDArray[np.float64]

SAME_FACE_IOU = 0.3
"""Overlap of two boxes above which they are one face: at 6 frames apart, heads move less."""


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One face through a shot, as far as it has been seen.

    Attributes
    ----------
    side_px : int
        Side of its crop, fixed for the track so that crops can be compared over time.
    box : tuple of float
        Where it was last found.
    points : dict of int to ndarray, shape (5, 2)
        Landmarks by key.
    share : dict of int to float
        Strength allowed by key; never rises along a track.
    last : tuple of ndarray, or None
        Crop and residual of the frame before.
    """

    side_px: int
    box: Box
    points: dict[int, Points] = field(default_factory=dict)
    share: dict[int, float] = field(default_factory=dict)
    last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


def intervals(pictures: Iterator[Picture], every: int) -> Iterator[list[Picture]]:
    """Cut a shot into runs that begin at a key frame.

    Keys are every ``every`` frames and the last frame, which is a run of its own: each other frame
    lies between two keys.

    Parameters
    ----------
    pictures : iterator of (ndarray, float)
        The shot.
    every : int
        Frames from key to key.

    Yields
    ------
    run : list of (ndarray, float)
        ``every`` frames, fewer before the last key.
    """
    held: list[Picture] = []
    for picture in pictures:
        held.append(picture)
        if len(held) > every:
            yield held[:every]
            held = held[every:]
    if len(held) > 1:
        yield held[:-1]
    if held:
        yield held[-1:]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes.

    Parameters
    ----------
    a, b : tuple of float
        Left, top, right, bottom.

    Returns
    -------
    overlap : float
        In [0, 1].
    """
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    both = wide * tall
    either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / either


def match(tracks: Sequence[Track], faces: Sequence[Face]) -> list[tuple[Track, Face]]:
    """Pair tracks with faces, best overlap first, each at most once.

    Parameters
    ----------
    tracks : sequence of Track
        With their last boxes.
    faces : sequence of Face
        Of the next key.

    Returns
    -------
    pairs : list of (Track, Face)
    """
    overlaps = sorted(
        (
            (-iou(track.box, face.box), t, f)
            for t, track in enumerate(tracks)
            for f, face in enumerate(faces)
        ),
    )
    pairs: list[tuple[Track, Face]] = []
    used: tuple[set[int], set[int]] = (set(), set())
    for negative, t, f in overlaps:
        if -negative < SAME_FACE_IOU:
            break
        if t not in used[0] and f not in used[1]:
            used[0].add(t)
            used[1].add(f)
            pairs.append((tracks[t], faces[f]))
    return pairs


def smoothed(track: Track, key: int, frame_at: Sequence[int]) -> Points:
    """Landmarks at a key, halfway between found there and expected from the keys around it.

    Uniform motion passes unchanged, the detector's jitter is reduced.

    Parameters
    ----------
    track : Track
        A face.
    key : int
        A key at which the track has landmarks.
    frame_at : sequence of int
        Frame of each key.

    Returns
    -------
    points : ndarray, shape (5, 2)
    """
    here = track.points[key]
    before, after = track.points.get(key - 1), track.points.get(key + 1)
    if before is None or after is None:
        return here
    t = (frame_at[key] - frame_at[key - 1]) / (frame_at[key + 1] - frame_at[key - 1])
    return 0.5 * here + 0.5 * ((1 - t) * before + t * after)


def at(track: Track, key: int, frame: int, frame_at: Sequence[int]) -> tuple[Points, float] | None:
    """Landmarks and strength of a track at a frame between two keys.

    A face that is found at one of the two keys only stays where it is found, and its strength
    goes to or comes from zero over the interval: no treatment switches on or off within a shot.

    Parameters
    ----------
    track : Track
        A face.
    key : int
        The key at or before the frame.
    frame : int
        Position in the shot.
    frame_at : sequence of int
        Frame of each key.

    Returns
    -------
    place : (ndarray, float) or None
        Landmarks of shape (5, 2) and strength; None when the face is at neither key.
    """
    here, there = key in track.points, key + 1 in track.points
    if not here and not there:
        return None
    if key + 1 >= len(frame_at):  # the last frame of the shot
        return smoothed(track, key, frame_at), track.share[key]
    t = (frame - frame_at[key]) / (frame_at[key + 1] - frame_at[key])
    share = (1 - t) * track.share.get(key, 0.0) + t * track.share.get(key + 1, 0.0)
    if here and there:
        a, b = smoothed(track, key, frame_at), smoothed(track, key + 1, frame_at)
        return (1 - t) * a + t * b, share
    return smoothed(track, key if here else key + 1, frame_at), share
