"""Give faces definition, the same from frame to frame, and never more than identity allows."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.identity import Face, FaceBackend, load_backend
from finishkit.models import CARDS, ModelCard, find
from finishkit.models.shared import upscaler
from finishkit.settings import FacesSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput, face_crop, face_reference
from finishkit.stages.face_tracks import Track, at, intervals, match
from finishkit.stages.streaming import Picture, rechunked, singles

Pixels = NDArray[np.float32]
Restore = Callable[[Pixels], Pixels]

NET = "realesr-animevideov3"
"""The net behind the detail engine; it was trained on compressed video."""

FACE_MIN_PX = 40
"""Faces smaller than this are left alone: there is too little to build on, and dlib's embedding
(150 px) cannot guard what it cannot see."""

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Strengths tried, as shares of the one asked for."""

KEEP = 0.6
"""Share of the frame before in the residual where the face has not changed."""

CHANGED = 0.03
"""Brightness difference, averaged over a few pixels, at which a place counts as changed."""


def net_of(engine: Literal["detail", "reference"]) -> ModelCard:
    """Return the card of the net an engine uses, for the licence's sake.

    Parameters
    ----------
    engine : {'detail', 'reference'}
        As in the template.
    """
    return face_reference.CARD if engine == "reference" else CARDS[NET]


def restorer(engine: Literal["detail", "reference"]) -> Restore:
    """Return what computes a crop's residual.

    Parameters
    ----------
    engine : {'detail', 'reference'}
        As in the template.

    Returns
    -------
    restore : callable
        (side, side, 3) float32 to (side, side, 1 or 3): what is to be added.

    Raises
    ------
    FinishError
        When weights or packages are missing.
    """
    if engine == "reference":
        return face_reference.restorer()
    net = upscaler(NET, 0)
    return lambda crop: face_crop.definition(crop, net)


def paste(frame: Pixels, residual: Pixels, points: NDArray[np.float64], share: float) -> Pixels:
    """Add a residual to the face it was computed from, within the oval of the face.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        Not written to.
    residual : ndarray, shape (side, side, 1 or 3), dtype float32
        Of the aligned crop.
    points : ndarray, shape (5, 2)
        Landmarks, as they were for the crop.
    share : float
        In [0, 1].

    Returns
    -------
    pasted : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        A new array; outside the oval equal to ``frame`` to the bit.
    """
    side_px = residual.shape[0]
    back = cv2.invertAffineTransform(face_crop.similarity(points, side_px))
    corners = np.array([(0, 0, 1), (side_px, 0, 1), (0, side_px, 1), (side_px, side_px, 1)])
    reach = corners @ back.T
    h, w = frame.shape[:2]
    left, top = np.clip(np.floor(reach.min(0)), 0, (w, h)).astype(int)
    right, bottom = np.clip(np.ceil(reach.max(0)) + 1, 0, (w, h)).astype(int)
    out = frame.copy()
    if right <= left or bottom <= top:
        return out
    back[:, 2] -= (left, top)
    added = cv2.warpAffine(
        residual * (np.float32(share) * face_crop.oval(side_px)[..., None]),
        back,
        (int(right - left), int(bottom - top)),
        flags=cv2.INTER_CUBIC,
    )
    part = out[top:bottom, left:right]
    np.clip(part + added.reshape(*part.shape[:2], -1), 0, 1, out=part)
    return out


def steadied(track: Track, crop: Pixels, residual: Pixels) -> Pixels:
    """Blend a residual with that of the frame before, where the aligned face has not changed.

    Parameters
    ----------
    track : Track
        Remembers crop and result for the next frame.
    crop, residual : ndarray
        Of this frame.

    Returns
    -------
    residual : ndarray
    """
    if track.last is not None:
        old_crop, old = track.last
        change = cv2.blur(np.abs((crop - old_crop) @ face_crop.LUMA), (5, 5)) / CHANGED
        keep = (KEEP * np.exp(-change * change)).astype(np.float32)[..., None]
        residual = (keep * old + (1 - keep) * residual).astype(np.float32, copy=False)
    track.last = (crop, residual)
    return residual


def _as_uint8(picture: Pixels) -> NDArray[np.uint8]:
    return np.round(picture * np.float32(255)).astype(np.uint8)


@dataclass(slots=True, kw_only=True, eq=False)
class _Pass:
    """What is known while one shot is treated."""

    strength: float
    max_shift: float
    restore: Restore
    backend: FaceBackend
    tracks: list[Track] = field(default_factory=list)
    frame_at: list[int] = field(default_factory=list)
    shift: float = 0.0
    used: float = 1.0
    gated: int = 0

    def look(self, picture: Pixels, frame: int) -> None:
        """Find the faces of a key frame, continue their tracks, solve their strengths."""
        key = len(self.frame_at)
        self.frame_at.append(frame)
        seen = _as_uint8(picture)
        faces = [face for face in self.backend.detect(seen) if face.side_px >= FACE_MIN_PX]
        # A track may be missed at one key: the detector blinks more often than faces leave.
        alive = [t for t in self.tracks if key - 1 in t.points or key - 2 in t.points]
        pairs = match(alive, faces)
        known = {id(face) for _, face in pairs}
        for face in faces:
            if id(face) not in known:
                track = Track(side_px=face_crop.native_side_px(face.landmarks), box=face.box)
                self.tracks.append(track)
                pairs.append((track, face))
        for track, face in pairs:
            self._continue(track, face, key, picture, seen)

    def _continue(
        self, track: Track, face: Face, key: int, picture: Pixels, seen: NDArray[np.uint8]
    ) -> None:
        before = max(track.points, default=None)
        limit = self.strength if before is None else track.share[before]
        track.box, track.points[key] = face.box, face.landmarks
        track.share[key] = self._allowed(track, face, limit, picture, seen)
        self.gated += track.share[key] < limit
        self.used = min(self.used, track.share[key])
        if before is not None and before < key - 1:
            span = self.frame_at[key] - self.frame_at[before]
            t = (self.frame_at[key - 1] - self.frame_at[before]) / span
            track.points[key - 1] = (1 - t) * track.points[before] + t * face.landmarks
            track.share[key - 1] = track.share[key]

    def _allowed(
        self, track: Track, face: Face, limit: float, picture: Pixels, seen: NDArray[np.uint8]
    ) -> float:
        """Return the highest strength, at most ``limit``, that keeps the face who it is."""
        if limit == 0:
            return 0.0
        matrix = face_crop.similarity(face.landmarks, track.side_px)
        residual = self.restore(face_crop.cut_out(picture, matrix, track.side_px))
        original = self.backend.embed(seen, face)
        for share in SHARES:
            strength = self.strength * share
            if strength > limit:
                continue
            if strength == 0:
                break
            changed = _as_uint8(paste(picture, residual, face.landmarks, strength))
            shift = self.backend.distance(original, self.backend.embed(changed, face))
            if shift <= self.max_shift:
                self.shift = max(self.shift, shift)
                return strength
        return 0.0

    def treat(self, run: list[Picture], key: int) -> Iterator[Picture]:
        """Yield the frames from one key to before the next."""
        for i, (picture, pts_s) in enumerate(run):
            out = picture
            for track in self.tracks:
                place = at(track, key, self.frame_at[key] + i, self.frame_at)
                if place is None or place[1] == 0:
                    track.last = None
                    continue
                points, share = place
                matrix = face_crop.similarity(points, track.side_px)
                crop = face_crop.cut_out(picture, matrix, track.side_px)
                out = paste(out, steadied(track, crop, self.restore(crop)), points, share)
            yield out, pts_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Give the faces of one shot definition.

    Faces are looked for every ``detect_every_frames`` and followed in between, with two intervals
    of look-ahead held in memory. Only what lies inside the oval of a face changes. The strength
    of each face is the highest, up to ``strength``, at which the distance between its embedding
    before and after stays within ``max_identity_shift`` on every frame in which it was looked
    for; along a track it can only go down, over an interval, never at once.

    Attributes
    ----------
    strength : float
        In [0, 1]; 0 passes the frames through.
    engine : {'detail', 'reference'}
        The upscaling net as a source of fine structure, or GFPGAN.
    max_identity_shift : float
        In the backend's distance.
    detect_every_frames : int
    """

    strength: float
    engine: Literal["detail", "reference"]
    max_identity_shift: float
    detect_every_frames: int

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames with treated faces.

        Notes ``faces.count`` (tracks), ``faces.identity_shift`` (largest, at the strengths used),
        ``faces.strength`` (lowest used; 0 without faces) and ``faces.gated`` (how often identity
        lowered it).
        """
        if self.strength == 0:
            yield from frames
            return
        work = _Pass(
            strength=self.strength,
            max_shift=self.max_identity_shift,
            restore=restorer(self.engine),
            backend=load_backend(),
        )
        sizes: deque[int] = deque()
        yield from rechunked(self._treated(singles(frames, sizes), work), sizes)
        notes["faces.count"] = len(work.tracks)
        notes["faces.identity_shift"] = work.shift
        notes["faces.strength"] = work.used if work.tracks else 0.0
        notes["faces.gated"] = work.gated

    def _treated(self, pictures: Iterator[Picture], work: _Pass) -> Iterator[Picture]:
        waiting: list[list[Picture]] = []
        frame, key = 0, 0
        for run in intervals(pictures, self.detect_every_frames):
            work.look(run[0][0], frame)
            frame += len(run)
            waiting.append(run)
            if len(waiting) == 3:  # this run's key and the two after it are known
                yield from work.treat(waiting.pop(0), key)
                key += 1
        for run in waiting:
            yield from work.treat(run, key)
            key += 1


class FacesStage:
    """Treat the faces of every shot with one strength and one bound on identity."""

    name = "faces"
    version = 1

    def fit(
        self, shots: Sequence[ShotInput], settings: FacesSettings
    ) -> Mapping[ShotId, Faces | None]:
        """Return a filter a shot; ``None`` for all at strength 0.

        Parameters
        ----------
        shots : sequence of ShotInput
            The set.
        settings : FacesSettings
            One for all.

        Returns
        -------
        filters : Mapping of ShotId to (Faces or None)

        Raises
        ------
        FinishError
            Code ``weights_missing`` when the reference engine's weights are not there.
        """
        if settings.strength == 0:
            return dict.fromkeys((shot.id for shot in shots), None)
        if settings.engine == "reference":
            find(face_reference.CARD)
        return {shot.id: Faces(**dict(settings)) for shot in shots}
