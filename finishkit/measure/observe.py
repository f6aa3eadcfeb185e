"""One clip, one decode: everything its pixels say."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Matrix, probe, read_frames
from finishkit.measure.colour import AXES, BLACK_EV, frame_vector
from finishkit.measure.flicker import MAX_FRAMES as FLICKER_FRAMES
from finishkit.measure.flicker import SHORT_PX as FLICKER_SHORT_PX
from finishkit.measure.flicker import flicker
from finishkit.measure.identity import FaceBackend, is_usable, load_backend
from finishkit.measure.motion import (
    Cadence,
    cadence,
    flags_from_differences,
    pair_difference,
    shake_pct,
    speed_pct,
    to_small_luma,
)
from finishkit.measure.noise import noise_sigma
from finishkit.measure.sharpness import MIN_CONFIDENCE, shot_sharpness
from finishkit.measure.values import FaceSample, Observation
from finishkit.store import sha256_file

VERSION: Final = 1
"""Raised whenever a number changes: it is part of the cache key."""

DETAIL: Final = frozenset({"eff_px", "eff_r", "noise_sigma"})
COLOUR: Final = frozenset(AXES)
FACE: Final = frozenset({"id_dist", "id_spread"})
FLICKER: Final = frozenset({"flick_g", "flick_l", "flick_c"})
CADENCE: Final = frozenset({"dup_ratio", "fps_eff"})
SHAKE: Final = frozenset({"shake_pct"})
ALL: Final = DETAIL | COLOUR | FACE | FLICKER | CADENCE | SHAKE

PICKS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where in the shot sharpness, colour and noise are read: frame to frame they vary by 0.02 to 0.06
octave (facts 2.2), so five frames are enough."""
FACE_FRAMES: Final = 8
FACE_SHORT_PX: Final = 1080
"""Frames larger than this are searched for faces at this short side."""
SHAKE_FRAMES: Final = 96


def _picks(count: int) -> list[int]:
    return sorted({min(count - 1, int(count * share)) for share in PICKS})


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({int((i + 0.5) * count / wanted) for i in range(wanted)})


def _window(count: int, wanted: int) -> range:
    start = max(0, (count - wanted) // 2)
    return range(start, min(count, start + wanted))


def _shrunk(frame: NDArray[np.uint8], short_px: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = short_px / min(height, width)
    if scale >= 1:
        return frame
    size = (round(width * scale), round(height * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


class _Pass:
    """Keeps of each frame only what some metric needs, while the clip goes by."""

    def __init__(self, count: int, wanted: frozenset[str], backend: FaceBackend | None) -> None:
        self.wanted = wanted
        self.backend = backend
        self.picks = frozenset(_picks(count)) if wanted & (DETAIL | COLOUR) else frozenset()
        self.face_frames = frozenset(_spread(count, FACE_FRAMES)) if wanted & FACE else frozenset()
        self.flicker_window = _window(count, FLICKER_FRAMES) if wanted & FLICKER else range(0)
        self.shake_window = _window(count, SHAKE_FRAMES) if wanted & SHAKE else range(0)
        self.moving = bool(wanted & (CADENCE | FLICKER | SHAKE))
        self.count = 0
        self.size = (0, 0)
        self.last_s = 0.0
        self.vectors: list[NDArray[np.float64]] = []
        self.native: list[NDArray[np.uint8]] = []
        self.speeds: list[float | None] = []
        self.differences: list[float] = []
        self.small: list[NDArray[np.uint8]] = []
        self.flick: list[NDArray[np.uint8]] = []
        self.faces: list[FaceSample] = []
        self.faces_unusable = 0
        self._before: NDArray[np.uint8] | None = None

    def take(self, frame: NDArray[np.uint8], time_s: float) -> None:
        index, self.count, self.last_s = self.count, self.count + 1, time_s
        self.size = (frame.shape[1], frame.shape[0])
        luma = to_small_luma(frame) if self.moving or index in self.picks else None
        if luma is not None and self.moving and self._before is not None:
            self.differences.append(pair_difference(self._before, luma))
        if luma is not None and index in self.shake_window:
            self.small.append(luma)
        if index in self.flicker_window:
            self.flick.append(_shrunk(frame, FLICKER_SHORT_PX))
        if index in self.picks:
            self.vectors.append(frame_vector(frame))
            self.native.append(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))  # type: ignore[arg-type]
            moved = self._before is not None and luma is not None
            self.speeds.append(speed_pct(self._before, luma) if moved else None)  # type: ignore[arg-type]
        if index in self.face_frames and self.backend is not None:
            self._find_faces(self.backend, frame, index)
        self._before = luma

    def _find_faces(self, backend: FaceBackend, frame: NDArray[np.uint8], index: int) -> None:
        picture = _shrunk(frame, FACE_SHORT_PX)
        scale = frame.shape[0] / picture.shape[0]
        for face in backend.detect(picture):
            if not is_usable(face, scale):
                self.faces_unusable += 1
                continue
            left, top, right, bottom = (edge * scale for edge in face.box)
            self.faces.append(
                FaceSample(
                    frame=index,
                    box=(left, top, right, bottom),
                    score=face.score,
                    embedding=tuple(backend.embed(picture, face).tolist()),
                )
            )


def observe(
    path: Path,
    *,
    backend: str = "dlib",
    matrix: Matrix | None = None,
    only: Iterable[str] | None = None,
) -> Observation:
    """Measure one clip in one decode pass.

    Parameters
    ----------
    path : Path
        A clip that can be read to its end.
    backend : str
        Face backend, see :func:`finishkit.measure.identity.load_backend`.
    matrix : {'bt709', 'bt601'}, optional
        Overrides the file's own, see :func:`finishkit.frames.read_frames`.
    only : iterable of str, optional
        Names of the metrics wanted; all by default.

    Returns
    -------
    observation : Observation

    Raises
    ------
    FinishError
        When the clip cannot be read, or the backend cannot be loaded.
    """
    wanted = ALL if only is None else ALL & frozenset(only)
    faces = load_backend(backend) if wanted & FACE else None
    told = probe(path)
    seen = _run(path, told.frame_count, wanted, faces, matrix)
    if seen.count != told.frame_count:
        # The container promised another number: only now is it known where the middle is.
        seen = _run(path, seen.count, wanted, faces, matrix)
    rate = float(told.rate_fps)
    values: dict[str, float | None] = {}
    why: dict[str, str] = {}
    rhythm = cadence(np.array(seen.differences), rate)
    confidence = _detail(seen, values, why)
    _colour(seen, values, why)
    _motion(seen, rhythm, rate, values, why)
    return Observation(
        sha256=sha256_file(path),
        width_px=seen.size[0],
        height_px=seen.size[1],
        rate_fps=told.rate_fps,
        frame_count=seen.count,
        duration_s=seen.last_s + 1 / rate,
        values={name: value for name, value in values.items() if name in wanted},
        why={name: text for name, text in why.items() if name in wanted},
        eff_conf=confidence,
        static=rhythm.static,
        faces=tuple(seen.faces),
        faces_unusable=seen.faces_unusable,
    )


def _run(
    path: Path,
    count: int,
    wanted: frozenset[str],
    backend: FaceBackend | None,
    matrix: Matrix | None,
) -> _Pass:
    seen = _Pass(count, wanted, backend) if count else _Pass(1, frozenset(), None)
    # Four a chunk: whole frames are only passing through.
    for chunk in read_frames(path, dtype="uint8", chunk=4, matrix=matrix):
        for frame, time_s in zip(chunk.as_uint8(), chunk.pts_s, strict=True):
            seen.take(frame, float(time_s))
    return seen


def _detail(seen: _Pass, values: dict[str, float | None], why: dict[str, str]) -> int:
    if not seen.wanted & DETAIL:
        return 0
    sharp = shot_sharpness(seen.native, seen.speeds)
    confidence = sharp.confidence if sharp else 0
    known = sharp if sharp and confidence >= MIN_CONFIDENCE else None
    values["eff_r"] = known.r if known else None
    values["eff_px"] = known.r * min(seen.size) if known else None
    if known is None:
        reason = (
            f"Sharpness cannot be judged: only {confidence} places with texture"
            f" ({MIN_CONFIDENCE} are needed)."
        )
        why["eff_r"] = why["eff_px"] = reason
    levels = [s for luma in seen.native if (s := noise_sigma(luma)) is not None]
    values["noise_sigma"] = float(np.median(levels)) if levels else None
    if not levels:
        why["noise_sigma"] = "Noise cannot be judged: the picture is black or white throughout."
    return confidence


def _colour(seen: _Pass, values: dict[str, float | None], why: dict[str, str]) -> None:
    if not seen.wanted & COLOUR:
        return
    vector = np.median(seen.vectors, axis=0)
    values.update(zip(AXES, map(float, vector), strict=True))
    if vector[AXES.index("ev")] <= BLACK_EV:
        for axis in ("wb_r", "wb_b", "con", "sat"):
            values[axis] = None
            why[axis] = "Colour cannot be judged: the picture is black."


def _motion(
    seen: _Pass,
    rhythm: Cadence,
    rate_fps: float,
    values: dict[str, float | None],
    why: dict[str, str],
) -> None:
    values.update(dup_ratio=rhythm.dup_ratio, fps_eff=rhythm.fps_eff)
    if rhythm.dup_ratio is None and not rhythm.static:
        why["dup_ratio"] = why["fps_eff"] = "Cadence cannot be judged: fewer than three frames."
    repeats = flags_from_differences(np.array(seen.differences))
    # Repeats are left out: a held frame hides flicker and reads as shake.
    if seen.wanted & FLICKER:
        start = seen.flicker_window.start
        fresh = [f for i, f in enumerate(seen.flick) if i == 0 or not repeats[start + i]]
        flick = flicker(np.stack(fresh))
        values.update(flick_g=flick.whole, flick_l=flick.local, flick_c=flick.chroma)
        told = {
            "flick_g": "Flicker cannot be judged: the motion is too fast or too irregular to"
            " follow."
            if len(fresh) > 5
            else "Flicker cannot be judged: too few different frames.",
            "flick_l": "Local flicker cannot be judged: too few flat places.",
        }
        told["flick_c"] = told["flick_g"]
        if flick.whole is None:
            told["flick_l"] = told["flick_g"]
        why.update({name: text for name, text in told.items() if values[name] is None})
    if seen.wanted & SHAKE:
        start = seen.shake_window.start
        fresh = [f for i, f in enumerate(seen.small) if i == 0 or not repeats[start + i]]
        values["shake_pct"] = shake_pct(np.stack(fresh), rhythm.fps_eff or rate_fps)
        if values["shake_pct"] is None:
            why["shake_pct"] = "Shake cannot be judged: too few points to follow."


def sample_frames(
    path: Path, n: int = 5, width_px: int = 160, *, matrix: Matrix | None = None
) -> NDArray[np.uint8]:
    """Read a few small frames spread over a clip, for colour and for pictures.

    Parameters
    ----------
    path : Path
        A clip that can be read to its end.
    n : int
        How many; fewer when the clip is shorter.
    width_px : int
        Their width (never enlarged).
    matrix : {'bt709', 'bt601'}, optional
        Overrides the file's own, see :func:`finishkit.frames.read_frames`.

    Returns
    -------
    frames : ndarray, shape (n, h, width_px, 3), dtype uint8
        R'G'B', BT.709, full range.

    Raises
    ------
    FinishError
        When the clip cannot be read.
    """
    count = probe(path).frame_count
    small = _sampled(path, _spread(count, n) if count else None, width_px, matrix)
    if not count or len(small) < min(n, count):
        small = _sampled(path, None, width_px, matrix)
        small = [small[i] for i in _spread(len(small), n)]
    return np.stack(small)


def _sampled(
    path: Path, indices: list[int] | None, width_px: int, matrix: Matrix | None
) -> list[NDArray[np.uint8]]:
    small: list[NDArray[np.uint8]] = []
    for chunk in read_frames(path, dtype="uint8", chunk=1, indices=indices, matrix=matrix):
        frame = chunk.as_uint8()[0]
        height, width = frame.shape[:2]
        if width > width_px:
            size = (width_px, max(1, round(height * width_px / width)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        small.append(frame)  # type: ignore[arg-type]
    return small
