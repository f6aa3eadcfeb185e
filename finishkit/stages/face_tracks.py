"""Following faces through a shot: found every few frames, followed in between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity import MAX_TURN, MIN_FACE_PX, Face
from finishkit.stages.face_crop import Kind, Points
from finishkit.stages.face_motion import composed, followed, moved
from finishkit.stages.face_steady import FlickerMeter, Memory
from finishkit.stages.streaming import Picture

Box = tuple[float, float, float, float]
Luma = NDArray[np.uint8]

SAME_FACE_IOU = 0.3
"""Overlap of two boxes above which they are one face: at 6 frames apart, heads move less."""

FOUND, FOLLOWED = 1.0, 2.0
"""Weights of a key's landmarks: as found there, and as settled at the key before and followed on,
which holds those of all keys before that."""

STRAYED = 0.25
"""Eye distances from what is found there at which a followed face is believed lost."""

FADE_TURN = 0.08
FADE_PX = 12.0
"""Before a head is turned further, or a face is smaller, than an embedding can judge
(:func:`finishkit.measure.identity.is_usable`), its treatment fades out over these."""


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One face through a shot, as far as it has been seen.

    Attributes
    ----------
    side_px : int
        Side of its crop, fixed for the track so that crops can be compared over time.
    box : tuple of float
        Where it was last found.
    kind : {'corners', 'centres'}
        Which landmarks the detector gives.
    found : dict of int to Face
        By key.
    points : dict of int to ndarray, shape (5, 2)
        Settled landmarks by key.
    judged : dict of int to float
        How far an embedding can judge it, by key, 0 to 1: see :func:`judgeable`.
    share : float or None
        Strength allowed so far; it never rises. None before the first check.
    near : float
        Identity shift when it was last looked at.
    need : float or None
        Definition it lacks, held for the track.
    memory, meter
        Of the frame before, and of its flicker.
    """

    side_px: int
    box: Box
    kind: Kind = "corners"
    found: dict[int, Face] = field(default_factory=dict)
    points: dict[int, Points] = field(default_factory=dict)
    judged: dict[int, float] = field(default_factory=dict)
    share: float | None = None
    near: float = 0.0
    need: float | None = None
    memory: Memory | None = None
    meter: FlickerMeter = field(default_factory=FlickerMeter)

    def forget(self, key: int) -> None:
        """Drop what lies before a key: memory does not grow with the shot."""
        for kept in (self.found, self.points, self.judged):
            for old in [k for k in kept if k < key]:
                del kept[old]


def judgeable(face: Face) -> float:
    """Say how far the identity of a face can be judged from its embedding.

    Parameters
    ----------
    face : Face
        As detected.

    Returns
    -------
    judged : float
        0 where :func:`finishkit.measure.identity.is_usable` fails, 1 well inside it.
    """
    turn = np.clip((MAX_TURN - abs(face.turn)) / FADE_TURN, 0, 1)
    size = np.clip((face.side_px - MIN_FACE_PX) / FADE_PX, 0, 1)
    return float(turn * size)


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


def settled(found: Points, on: Points | None) -> Points:
    """Return where landmarks are, from what was found there and at the keys before.

    Points followed along with the head do not lag behind it, and each detection's own error is
    averaged with those of the keys before.

    Parameters
    ----------
    found : ndarray, shape (5, 2)
        By the detector.
    on : ndarray, shape (5, 2), or None
        Of the key before, settled and followed on; None where the face could not be followed.

    Returns
    -------
    points : ndarray, shape (5, 2)
    """
    if on is None or np.abs(on - found).max() > STRAYED * np.ptp(found[:, 0]):
        return found
    return (FOUND * found + FOLLOWED * on) / (FOUND + FOLLOWED)


def path(track: Track, key: int, lumas: Sequence[Luma]) -> list[Points] | None:
    """Landmarks of a track at each frame from one key to the next, both included.

    Followed forth from the key and back from the next, one fading into the other. A face found at
    one of the two only is followed from there; one that cannot be followed is taken to move evenly,
    or to stay.

    Parameters
    ----------
    track : Track
        With ``found`` at the keys up to the one after the next; ``points`` at the next key are
        settled here.
    key : int
        The key of the first frame.
    lumas : sequence of ndarray, shape (h, w), dtype uint8
        The frames, the next key's included; a single one at the end of the shot.

    Returns
    -------
    points : list of ndarray, shape (5, 2), or None
        As many as ``lumas``; None when the face is at neither key.
    """
    here, there = track.points.get(key), track.found.get(key + 1)
    if len(lumas) == 1:
        return None if here is None else [here]
    if here is None:
        if there is None:
            return None
        track.points[key + 1] = there.landmarks
        back = followed(lumas[::-1], there.landmarks, track.kind)
        return (
            [moved(there.landmarks, m) for m in back[::-1]]
            if back
            else [there.landmarks] * len(lumas)
        )
    forth = followed(lumas, here, track.kind)
    if there is None:
        return [moved(here, m) for m in forth] if forth else [here] * len(lumas)
    on = moved(here, forth[-1]) if forth else None
    end = track.points[key + 1] = settled(there.landmarks, on)
    last = len(lumas) - 1
    if forth is None or end is there.landmarks:  # not followed, or to somewhere else
        return [here + (end - here) * (i / last) for i in range(len(lumas))]
    back = cv2.invertAffineTransform(forth[-1])
    return [
        moved(here, motion) * (1 - i / last) + moved(end, composed(motion, back)) * (i / last)
        for i, motion in enumerate(forth)
    ]


def halfway(before: Face, after: Face) -> Face:
    """Return a face that the detector missed at one key, from the keys around it.

    Parameters
    ----------
    before, after : Face
        At the key before and the key after.

    Returns
    -------
    face : Face
    """
    box = tuple((a + b) / 2 for a, b in zip(before.box, after.box, strict=True))
    return Face(
        box=box,  # type: ignore[arg-type]
        landmarks=(before.landmarks + after.landmarks) / 2,
        score=min(before.score, after.score),
        points=after.points,
    )
