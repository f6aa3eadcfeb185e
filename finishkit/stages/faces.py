"""Give faces definition, the same from frame to frame, and never more than identity allows."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.identity import DlibBackend, Face, FaceBackend, load_backend
from finishkit.settings import FacesSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput, face_crop, face_tracks
from finishkit.stages.face_crop import Matrix, Points, Protect
from finishkit.stages.face_engines import ENGINES, Engine, EngineName, restorer
from finishkit.stages.face_steady import calmed, steadied
from finishkit.stages.face_tracks import Track, intervals, judgeable, match
from finishkit.stages.streaming import Picture, rechunked, singles

__all__ = ["ENGINES", "Faces", "FacesStage"]

Pixels = NDArray[np.float32]

FACE_MIN_PX = 40
"""Faces smaller than this are not even followed: there is too little to build on."""

HALVINGS = 5
"""Of the interval in which a strength is sought: to a thirty-second of the one asked for."""

KEPT = 0.85
"""Share of the identity limit that is used up on the frames looked at, so that those in between,
and the same face found a pixel elsewhere, stay within it too. On ep01, 0.9 left one frame of 800
at 1.01 of the limit."""

NEAR = 0.6
"""Share of the limit from which on every frame of a track is looked at, not every third."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Treated:
    """One frame of one track: where it is, what it was, what is to be added."""

    points: Points
    matrix: Matrix
    crop: Pixels
    residual: Pixels


def _as_uint8(picture: Pixels) -> NDArray[np.uint8]:
    return np.round(picture * np.float32(255)).astype(np.uint8)


@dataclass(slots=True, kw_only=True, eq=False)
class _Pass:
    """What is known while one shot is treated."""

    strength: float
    limit: float
    engine: Engine
    backend: FaceBackend
    tracks: list[Track] = field(default_factory=list)
    ahead: dict[int, _Treated] = field(default_factory=dict)
    keys: int = 0
    count: int = 0
    shift: float = 0.0
    used: float | None = None
    gated: int = 0
    flicker: float | None = None

    def look(self, picture: Pixels) -> None:
        """Find the faces of a key frame, and continue their tracks."""
        key, self.keys = self.keys, self.keys + 1
        faces = [f for f in self.backend.detect(_as_uint8(picture)) if f.side_px >= FACE_MIN_PX]
        # A track may be missed at one key: the detector blinks more often than faces leave.
        alive = [t for t in self.tracks if key - 1 in t.found or key - 2 in t.found]
        pairs = match(alive, faces)
        known = {id(face) for _, face in pairs}
        for face in faces:
            if id(face) not in known:
                side_px = face_crop.native_side_px(face.eyes)
                track = Track(side_px=side_px, box=face.box, kind=face.points)
                self.tracks.append(track)
                self.count += 1
                pairs.append((track, face))
        for track, face in pairs:
            track.box, track.found[key] = face.box, face
            track.judged[key] = judgeable(face)
            if key and key - 1 not in track.found and key - 2 in track.found:
                track.found[key - 1] = face_tracks.halfway(track.found[key - 2], face)
                track.judged[key - 1] = min(track.judged[key - 2], track.judged[key])
            if key == 0:
                track.points[0] = face.landmarks

    def treat(self, run: Sequence[Picture], after: Pixels | None, key: int) -> Iterator[Picture]:
        """Yield the frames from one key to before the next.

        Parameters
        ----------
        run : sequence of (ndarray, float)
            The frames.
        after : ndarray or None
            The next key's frame; None at the end of the shot.
        key : int
            Of the first frame.
        """
        pictures = [picture for picture, _ in run] + ([] if after is None else [after])
        present = [t for t in self.tracks if key in t.points or key + 1 in t.found]
        for track in self.tracks:
            if track not in present:
                self._leave(track)
        treated: list[tuple[Track, list[_Treated], list[float]]] = []
        if present:
            lumas = [cv2.cvtColor(_as_uint8(p), cv2.COLOR_RGB2GRAY) for p in pictures]
            for track in present:
                points = face_tracks.path(track, key, lumas)  # type: ignore[arg-type]
                frames = None if points is None else self._restored(track, pictures, points, key)
                if frames is None:
                    self._leave(track)
                else:
                    treated.append((track, frames, self._shares(track, pictures, frames, key)))
        for i, (picture, pts_s) in enumerate(run):
            out = picture
            for _, frames, shares in treated:
                if shares[i] > 0:
                    out = face_crop.paste(out, frames[i].residual, frames[i].matrix, shares[i])
            for track, frames, _ in treated:
                now = frames[i]
                track.meter.see(now.crop, face_crop.cut_out(out, now.matrix, track.side_px))
            yield out, pts_s
        self._forget(key)

    def _leave(self, track: Track) -> None:
        track.memory = None
        track.meter.gap()
        self.ahead.pop(id(track), None)

    def _restored(
        self, track: Track, pictures: Sequence[Pixels], points: Sequence[Points], key: int
    ) -> list[_Treated] | None:
        """Compute the residuals of a track from one key to the next; None if none will be used."""
        both = (track.judged.get(key, 0.0), track.judged.get(key + 1, 0.0))
        if max(both) == 0 or track.share == 0:
            return None
        done: list[_Treated] = []
        first = self.ahead.pop(id(track), None)
        for picture, five in zip(pictures, points, strict=True):
            if first is not None and not done:
                done.append(first)
                continue
            matrix = face_crop.similarity(five, track.side_px, track.kind)
            crop = face_crop.cut_out(picture, matrix, track.side_px)
            calm, same, along = calmed(crop, track.memory)
            if track.need is None:
                track.need = self.engine.need(calm)
            raw = self.engine.restore(calm, track.need)
            residual, track.memory = steadied(crop, calm, raw, track.memory, same, along)
            done.append(_Treated(points=five, matrix=matrix, crop=crop, residual=residual))
        if key + 1 in track.found and len(pictures) > 1:
            self.ahead[id(track)] = done[-1]
        return done

    def _shares(
        self, track: Track, pictures: Sequence[Pixels], frames: Sequence[_Treated], key: int
    ) -> list[float]:
        """Solve the strength at this key, halfway and at the next; near the limit, everywhere.

        A face that is found at one of the two keys only comes from or goes to nothing over the
        interval: no treatment switches on or off within a shot.
        """
        here, there = track.judged.get(key, 0.0), track.judged.get(key + 1, 0.0)
        last = len(frames) - 1
        judged = np.linspace(here, there, last + 1) if last else np.array([here])
        if key in track.found and track.share is None:
            self._solve(track, pictures[0], frames[0], key, here)
        if key + 1 not in track.found:
            return [float(v) for v in np.linspace(track.share or 0.0, 0, last + 1) * judged]
        if key not in track.found:
            self._solve(track, pictures[last], frames[last], key + 1, there)
            return [float(v) for v in np.linspace(0, track.share or 0.0, last + 1) * judged]
        # Not judged so far: the strength asked for, times how far it is judged here, which is none.
        start = self.strength if track.share is None else track.share
        middle = (last + 1) // 2
        shares = np.full(last + 1, start)
        for i in range(1, last + 1):
            if i in (middle, last) or track.near > NEAR * self.limit:
                self._solve(track, pictures[i], frames[i], key + (2 * i > last), judged[i])
                # A straight way down to what this frame allows, and no way up behind it.
                ramp = np.minimum(np.arange(last + 1) / i, 1)
                end = start if track.share is None else track.share
                shares = np.minimum(shares, start + (end - start) * ramp)
        return [float(v) for v in shares * judged]

    def _solve(
        self, track: Track, picture: Pixels, frame: _Treated, key: int, judged: float
    ) -> None:
        """Lower a track's strength to the highest that keeps the face who it is in this frame."""
        limit = self.strength if track.share is None else track.share
        if limit == 0 or judged == 0:
            return
        found = track.found[key]
        face = Face(box=found.box, landmarks=frame.points, score=found.score, points=track.kind)
        original = self.backend.embed(_as_uint8(picture), face)

        def shift(share: float) -> float:
            changed = face_crop.paste(picture, frame.residual, frame.matrix, share * judged)
            return self.backend.distance(original, self.backend.embed(_as_uint8(changed), face))

        low, moved = limit, shift(limit)
        if moved > KEPT * self.limit:
            self.gated += 1
            low, high, moved = 0.0, limit, 0.0
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                tried = shift(middle)
                low, high, moved = (
                    (middle, high, tried) if tried <= KEPT * self.limit else (low, middle, moved)
                )
        track.share, track.near = low, moved
        self.shift = max(self.shift, moved)
        self.used = low if self.used is None else min(self.used, low)

    def _forget(self, key: int) -> None:
        gone = [t for t in self.tracks if max(t.found, default=0) <= key]
        for track in gone:
            self._read(track)
        self.tracks = [t for t in self.tracks if t not in gone]
        for track in self.tracks:
            track.forget(key)

    def _read(self, track: Track) -> None:
        if track.meter.frames:
            self.flicker = max(self.flicker or 0.0, track.meter.ratio)

    def finish(self, notes: Notes) -> None:
        """Write what was solved and measured."""
        for track in self.tracks:
            self._read(track)
        notes["faces.count"] = self.count
        notes["faces.strength"] = self.used or 0.0
        notes["faces.gated"] = self.gated
        notes["faces.identity_shift"] = self.shift
        notes["faces.identity_limit"] = self.limit
        notes["faces.flicker_ratio"] = 1.0 if self.flicker is None else self.flicker


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Give the faces of one shot definition.

    Faces are looked for every ``detect_every_frames`` and followed in between, with two intervals
    of look-ahead held in memory. Only what lies inside the oval of a face changes. The strength
    of each face is the highest, up to ``strength``, at which the distance between its embedding
    before and after stays within ``max_identity_shift``, on every frame in which it was looked for
    and halfway between; along a track it can only go down, and never at once. A face too small or
    too far turned for an embedding to judge is left alone.

    Attributes
    ----------
    strength : float
        In [0, 1]; 0 passes the frames through.
    engine : {'detail', 'gfpgan', 'restoreformer', 'codeformer', 'reference'}
        See :data:`finishkit.stages.face_engines.ENGINES`.
    protect : {'off', 'on', 'strong'}
        How far eyes and mouth are kept from an engine that invents.
    max_identity_shift : float
        In dlib's distance; for another backend in proportion to its own limit between persons.
    detect_every_frames : int
    backend : str
        As settled by :func:`finishkit.measure.identity.choose_backend`.
    net_sha256 : str
        Of the weights, where no digest of them is published; else empty.
    """

    strength: float
    engine: EngineName
    max_identity_shift: float
    detect_every_frames: int
    protect: Protect = "on"
    backend: str = "dlib"
    net_sha256: str = ""

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames with treated faces.

        Notes ``faces.count`` (tracks), ``faces.strength`` (lowest solved; 0 without faces that
        could be judged), ``faces.gated`` (how often identity lowered it), ``faces.identity_shift``
        (largest, at the strengths used) and ``faces.identity_limit``, both in the backend's
        distance, and ``faces.flicker_ratio`` (largest of any face, out over in; see
        :class:`finishkit.stages.face_steady.FlickerMeter`).
        """
        if self.strength == 0:
            yield from frames
            return
        backend = load_backend(self.backend)
        scale = backend.limits.regenerate / DlibBackend.limits.regenerate
        work = _Pass(
            strength=self.strength,
            limit=self.max_identity_shift * scale,
            engine=restorer(self.engine, self.protect),
            backend=backend,
        )
        sizes: deque[int] = deque()
        yield from rechunked(self._treated(singles(frames, sizes), work), sizes)
        work.finish(notes)

    def _treated(self, pictures: Iterator[Picture], work: _Pass) -> Iterator[Picture]:
        waiting: deque[list[Picture]] = deque()
        key = 0
        for run in intervals(pictures, self.detect_every_frames):
            work.look(run[0][0])
            waiting.append(run)
            if len(waiting) == 3:  # this run's key and the two after it are known
                yield from work.treat(waiting.popleft(), waiting[0][0][0], key)
                key += 1
        while waiting:
            run = waiting.popleft()
            yield from work.treat(run, waiting[0][0][0] if waiting else None, key)
            key += 1


class FacesStage:
    """Treat the faces of every shot with one strength and one bound on identity."""

    name = "faces"
    version = 3

    def fit(
        self, shots: Sequence[ShotInput], settings: FacesSettings, backend: str = "dlib"
    ) -> Mapping[ShotId, Faces | None]:
        """Return a filter a shot; ``None`` for all at strength 0.

        Parameters
        ----------
        shots : sequence of ShotInput
            The set.
        settings : FacesSettings
            One for all.
        backend : str
            What judges identity, as settled by the run.

        Returns
        -------
        filters : Mapping of ShotId to (Faces or None)

        Raises
        ------
        FinishError
            Code ``weights_missing`` when the weights of the engine are not there, and
            ``models_missing`` when the package it needs is not installed.
        """
        if settings.strength == 0:
            return dict.fromkeys((shot.id for shot in shots), None)
        engine = ENGINES[settings.engine]
        engine.require()
        digest = engine.unpinned_sha256
        return {
            shot.id: Faces(**dict(settings), backend=backend, net_sha256=digest) for shot in shots
        }
