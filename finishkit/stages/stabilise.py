"""Take the shake out of the camera's path; what it was meant to do stays."""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from finishkit.frames import Frames
from finishkit.settings import StabiliseSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.camera_path import CameraPath
from finishkit.stages.streaming import Picture, rechunked, singles

CUTOFF_HZ: Final = 1.0
"""Up to here the camera's motion is meant: pans, tracking, the slow sway of a person with a camera.
Shake of the hand lies at 2 to 12 Hz."""

TURN_CUTOFF: Final = 2.0
"""Times that, for turn and size: told from a small difference across the picture, their slow part
is mostly error, and at the corners it would show as a wobble that nobody had made."""

MIN_FRAMES: Final = 8
"""Shorter stretches between cuts are left alone: a path of fewer frames cannot be told from its
shake."""

MIN_CROP: Final = 1e-3
"""Corrections that need less than this of the short side are not worth a resampling."""

FaceAt = tuple[float, tuple[float, float, float, float]]
"""Time in seconds, and left, top, right, bottom of a face in px of the shot's pictures."""

FACE_REACH_S: Final = 0.25
"""A face counts this long before and after the time it was seen at."""

FACE_MARGIN: Final = 0.004
"""Of the short side: how far inside the picture a face stays."""

SPARE: Final = 1.01
"""On every move: a picture of n px reaches over n - 1 from pixel centre to pixel centre."""

FACE_ROOM: Final = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1)
"""Shares of the allowed crop that are tried until no face is cut."""

MIN_RELIABLE: Final = 0.5
"""A shot of which less than this share of frames could be followed is left alone."""

_ROUNDS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stabilise:
    """Move, turn and enlarge each frame as solved; one enlargement throughout the shot.

    Attributes
    ----------
    corrections : ndarray, shape (n, 4), dtype float64
        Of each frame: how far the picture is moved right and down in short sides, turned in
        radians, and the natural logarithm of its growth.
    zoom : float
        Enlargement that keeps the edges out of sight, at least 1.
    noted : tuple of (str, float)
        What was solved, for the report.
    """

    corrections: NDArray[np.float64]
    zoom: float
    noted: tuple[tuple[str, float], ...] = ()

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield steadied frames of the same size; note crop, shake found and what was left out."""
        sizes: deque[int] = deque()
        yield from rechunked(self._steadied(singles(frames, sizes)), sizes)
        notes.update(self.noted)

    def _steadied(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        last = len(self.corrections) - 1
        for index, (picture, time) in enumerate(pictures):
            # A frame more than the path has is held where the last one was put.
            yield _moved(picture, self.corrections[min(index, last)], self.zoom), time


def placement(
    correction: NDArray[np.float64], zoom: float, width: int, height: int
) -> NDArray[np.float64]:
    """Return the matrix that takes a place in the picture to where it is shown.

    Parameters
    ----------
    correction : ndarray, shape (4,), dtype float64
        A row of :attr:`Stabilise.corrections`.
    zoom : float
        The shot's.
    width, height : int
        Of the picture, px.

    Returns
    -------
    place : ndarray, shape (2, 3), dtype float64
        Of px, pixel centres at whole numbers.
    """
    right, down, turn, growth = correction
    scale = zoom * np.exp(growth)
    turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    move = zoom * min(width, height) * np.array([right, down])
    return np.column_stack([turned, centre + move - turned @ centre])


def _moved(
    picture: NDArray[np.float32], correction: NDArray[np.float64], zoom: float
) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    shown = cv2.warpAffine(
        picture,
        placement(correction, zoom, width, height),
        (width, height),
        flags=cv2.INTER_LANCZOS4,
        # Never seen, but for the half pixel that the kernel reaches over the edge.
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.clip(shown, 0, 1).astype(np.float32, copy=False)


def _crop_needed(corrections: NDArray[np.float64], aspect: float) -> NDArray[np.float64]:
    """Return the share of width and height that each frame's correction must cut away.

    The window that is shown, moved and turned back and shrunk by the zoom, must lie inside.
    """
    wide, high = _half_extents(aspect)
    right, down, turn, growth = corrections.T
    shrunk = np.exp(-growth)
    cos, sin = np.cos(turn), np.sin(turn)
    across = shrunk * (wide * np.abs(cos) + high * np.abs(sin))
    along = shrunk * (wide * np.abs(sin) + high * np.abs(cos))
    beside = SPARE * np.abs(shrunk * (right * cos + down * sin))
    above = SPARE * np.abs(shrunk * (down * cos - right * sin))
    kept = np.minimum((wide - beside) / across, (high - above) / along)
    return 1 - np.clip(kept, 1e-3, 1)


def _half_extents(aspect: float) -> tuple[float, float]:
    return (0.5, aspect / 2) if aspect >= 1 else (0.5 / aspect, 0.5)


def _faces_stay(
    corrections: NDArray[np.float64],
    zoom: float,
    boxes: Sequence[tuple[NDArray[np.int_], NDArray[np.float64]]],
    aspect: float,
) -> bool:
    """Say whether every face that was wholly in the picture still is, at the frames it counts for.

    ``boxes``: frames, and left, top, right, bottom in short sides from the picture's middle.
    """
    wide, high = _half_extents(aspect)
    edge = np.array([wide, high])
    for at, box in boxes:
        corners = box[np.array([[0, 1], [2, 1], [0, 3], [2, 3]])]
        if (np.abs(corners) > edge).any():
            continue
        for right, down, turn, growth in corrections[at]:
            cos, sin = np.cos(turn), np.sin(turn)
            turned = corners @ np.array([[cos, sin], [-sin, cos]]) * np.exp(growth)
            shown = zoom * (turned + np.array([right, down]))
            # One that touches the edge already may stay as near to it, not nearer.
            limit = np.maximum(edge - FACE_MARGIN, np.abs(corners).max(axis=0))
            if (np.abs(shown) > limit).any():
                return False
    return True


def _eased(
    bends: NDArray[np.float64], weights: NDArray[np.float64], cutoff: float
) -> NDArray[np.float64]:
    """Return the corrections that take out what moves faster than ``cutoff`` cycles a frame.

    Least squares: small corrections, and as little bend left as can be,
    ``sum(w * c**2) + penalty * sum((bend + second difference of c)**2)`` - the smoothing of
    Whittaker (1923), and of Hodrick and Prescott (1997), written for the bends alone: where one is
    unknown (NaN) the path may have a corner, and a steady pan, at its ends too, is left exactly as
    it is. A greater weight keeps a frame's correction small.
    """
    # Half of the amplitude passes at the cut-off.
    penalty = (2 * np.sin(np.pi * cutoff)) ** -4
    inner = np.nan_to_num(bends[1:-1])
    sure = penalty * np.isfinite(bends[1:-1]).all(axis=1)
    bands = np.zeros((3, len(bends)))
    bands[2] = weights
    right = np.zeros_like(bends)
    tap = (1.0, -2.0, 1.0)
    for i, first in enumerate(tap):
        stop = len(bends) - 2 + i
        right[i:stop] -= first * sure[:, None] * inner
        bands[2, i:stop] += first * first * sure
        for j, second in enumerate(tap[i + 1 :], start=i + 1):
            bands[2 - (j - i), j : len(bends) - 2 + j] += first * second * sure
    return solveh_banded(bands, right)


def _stretches(path: CameraPath) -> list[NDArray[np.int_]]:
    """Return the frames between two cuts, without repeats: of one camera move each."""
    edges = [0, *path.cuts, len(path)]
    found = [
        np.array([i for i in range(first, stop) if i == first or not path.repeats[i]])
        for first, stop in itertools.pairwise(edges)
    ]
    return [at for at in found if len(at) >= MIN_FRAMES]


def _corrections(
    bends: NDArray[np.float64], strength: float, cutoff: float, crop: float, aspect: float
) -> tuple[NDArray[np.float64], bool]:
    """Return the correction of each frame, and whether the crop held it back.

    Where the window would leave the picture the smooth path is drawn to the camera's own, so that
    it gives way by and by and not in a corner.
    """

    def eased(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = _eased(bends[:, :2], weights, cutoff)
        turned = _eased(bends[:, 2:], weights, TURN_CUTOFF * cutoff)
        return strength * np.concatenate([moved, turned], axis=1)

    weights = np.ones(len(bends))
    found = eased(weights)
    limited = bool(_crop_needed(found, aspect).max() > crop)
    for _ in range(_ROUNDS):
        over = _crop_needed(found, aspect) / crop
        if over.max() <= 1:
            break
        weights *= np.maximum(over, 1) ** 2
        found = eased(weights)
    while (over := _crop_needed(found, aspect) / crop).max() > 1:
        found = found * np.minimum(1, 0.99 / np.maximum(over, 1e-9))[:, None]
    return found, limited


def _shake_pct(bends: NDArray[np.float64]) -> float:
    """Return the shake of one camera move: as the metric has it, percent of the short side."""
    known = bends[np.isfinite(bends).all(axis=1), :2]
    if len(known) < 4:
        return 0.0
    spread = 1.4826 * np.median(np.abs(known - np.median(known, axis=0)), axis=0)
    return float(np.hypot(*spread) / np.sqrt(2) / np.sqrt(6) * 100)


def solve(
    path: CameraPath,
    settings: StabiliseSettings,
    rate_fps: float,
    faces: Sequence[tuple[float, NDArray[np.float64]]] = (),
) -> Stabilise | None:
    """Solve one shot: the least crop that its corrections need, and never more than allowed.

    Parameters
    ----------
    path : CameraPath
        Of the frames the filter will be given.
    settings : StabiliseSettings
        ``max_crop_pct`` is of width and height alike, both edges together.
    rate_fps : float
        Of those frames.
    faces : sequence of (float, ndarray of shape (4,))
        Time in seconds; left, top, right, bottom in short sides from the middle of the picture.

    Returns
    -------
    stabilise : Stabilise or None
        ``None`` when nothing is left to correct: too short, not to be followed, or a face leaves
        no room.
    """
    stretches = _stretches(path)
    told = sum(int(np.isfinite(path.bends[at]).all(axis=1).sum()) for at in stretches)
    asked = sum(len(at) - 2 for at in stretches)
    if told < MIN_RELIABLE * max(1, asked):
        return None
    times = np.arange(len(path)) / rate_fps
    near = [(np.flatnonzero(np.abs(times - seen_s) <= FACE_REACH_S), box) for seen_s, box in faces]
    crop = settings.max_crop_pct / 100
    for room in FACE_ROOM:
        found = np.zeros((len(path), 4))
        limited = False
        for at in stretches:
            cutoff = CUTOFF_HZ / rate_fps * (at[-1] - at[0]) / (len(at) - 1)
            found[at], held = _corrections(
                path.bends[at], settings.strength, cutoff, crop * room, path.aspect
            )
            limited |= held
        found = _held(found, path)
        needed = float(_crop_needed(found, path.aspect).max(initial=0.0))
        if needed < MIN_CROP:
            return None
        zoom = 1 / (1 - needed)
        if _faces_stay(found, zoom, near, path.aspect):
            break
    else:
        return None
    longest = max(stretches, key=len)
    left = path.bends[longest].copy()
    left[1:-1] += np.diff(found[longest], 2, axis=0)
    noted = {
        "crop_pct": 100 * needed,
        "largest_move_pct": 100 * float(np.hypot(found[:, 0], found[:, 1]).max()),
        "shake_found_pct": _shake_pct(path.bends[longest]),
        "shake_left_pct": zoom * _shake_pct(left),
        "frames_not_followed": float(asked - told),
        "held_by_crop": float(limited),
        "room_for_faces": room,
    }
    return Stabilise(
        corrections=found,
        zoom=zoom,
        noted=tuple((f"{StabiliseStage.name}.{name}", value) for name, value in noted.items()),
    )


def _held(found: NDArray[np.float64], path: CameraPath) -> NDArray[np.float64]:
    # A repeat stays one: it is shown where the frame it repeats is shown.
    for i in np.flatnonzero(path.repeats):
        if i not in path.cuts:
            found[i] = found[i - 1]
    return found


class StabiliseStage:
    """Steady the shots whose camera shakes more than the genre wants it to."""

    name = "stabilise"
    version = 1

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: StabiliseSettings,
        *,
        paths: Mapping[ShotId, CameraPath],
        faces: Mapping[ShotId, Sequence[FaceAt]] | None = None,
    ) -> Mapping[ShotId, Stabilise | None]:
        """Solve every shot that shakes.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``measured`` needs ``shake_pct``; a shot where it could not be measured is left alone.
        settings : StabiliseSettings
            ``strength`` is the share of the shake taken out.
        paths : Mapping of ShotId to CameraPath
            See :func:`wants_path` for whose are needed.
        faces : Mapping of ShotId to sequence of FaceAt, optional
            Faces seen, in px of the shot's ``probe``: no face that is wholly in the picture is cut.

        Returns
        -------
        filters : dict of ShotId to (Stabilise or None)
        """
        filters: dict[ShotId, Stabilise | None] = {}
        for shot in shots:
            path = paths.get(shot.id)
            if path is None or not wants_path(shot, settings):
                filters[shot.id] = None
                continue
            width, height = shot.probe.width_px, shot.probe.height_px
            middle = np.array([width, height, width, height]) / 2
            seen = [
                (time_s, (np.array(box) - middle) / min(width, height))
                for time_s, box in (faces or {}).get(shot.id, ())
            ]
            filters[shot.id] = solve(path, settings, float(shot.probe.rate_fps), seen)
        return filters


def wants_path(shot: ShotInput, settings: StabiliseSettings) -> bool:
    """Say whether a shot shakes enough for its camera path to be followed at all.

    Parameters
    ----------
    shot : ShotInput
        ``measured`` needs ``shake_pct``.
    settings : StabiliseSettings
        Its strength, crop and threshold.
    """
    shake = shot.measured.get("shake_pct")
    asked = settings.strength > 0 and settings.max_crop_pct > 0
    return asked and shake is not None and shake > settings.threshold_pct
