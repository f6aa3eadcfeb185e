"""What is kept of each frame while a clip goes by once: no more than some metric needs."""

from dataclasses import dataclass, field
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Glance
from finishkit.measure.colour import AXES, frame_vector, white_point
from finishkit.measure.flicker import MAX_FRAMES as FLICKER_FRAMES
from finishkit.measure.flicker import SHORT_PX as FLICKER_SHORT_PX
from finishkit.measure.identity import FaceBackend, is_usable
from finishkit.measure.inner_cuts import SHORT_PX as CUT_SHORT_PX
from finishkit.measure.inner_cuts import CutDetector
from finishkit.measure.motion import SHORT_PX as MOTION_SHORT_PX
from finishkit.measure.motion import pair_difference, speed_pct
from finishkit.measure.overlap import Marks, find_marks
from finishkit.measure.sampling import picks, spread, window
from finishkit.measure.sharpness import face_sharpness
from finishkit.measure.skin import skin_colour
from finishkit.measure.values import FaceSample

DETAIL: Final = frozenset({"eff_px", "eff_r", "noise_sigma"})
COLOUR: Final = frozenset({*AXES, "white_ev", "clip_pct", "drift_de"})
FACE: Final = frozenset({"id_dist", "id_spread", "face_eff_px"})
FLICKER: Final = frozenset({"flick_g", "flick_l", "flick_c"})
CADENCE: Final = frozenset({"dup_ratio", "fps_eff"})
SHAKE: Final = frozenset({"shake_pct"})
ALL: Final = DETAIL | COLOUR | FACE | FLICKER | CADENCE | SHAKE

FACE_FRAMES: Final = 8
FACE_SHORT_PX: Final = 1080
"""Frames larger than this are searched for faces at this short side."""
SHAKE_FRAMES: Final = 96


@dataclass(slots=True, kw_only=True, eq=False)
class Gathered:
    """What one pass over a clip left behind.

    Attributes
    ----------
    count : int
        Frames decoded.
    size_px : tuple of int
        Width and height as displayed.
    last_s : float
        Time of the last frame.
    native : list of ndarray, shape (h, w), dtype uint8
        Luma of the picked frames at full size.
    speeds_pct : list of float or None
        Motion of each of them.
    vectors : list of ndarray, shape (5,), dtype float64
        Grade vector of each of them.
    white : list of tuple of float
        :func:`finishkit.measure.colour.white_point` of each of them.
    marks : list of Marks or None
        Of each of them; None where the picture is flat.
    differences : list of float
        Of all neighbours, see :func:`finishkit.measure.motion.pair_difference`.
    small : list of ndarray, shape (h, w), dtype uint8
        Luma of the frames in ``shake_window``.
    flick : list of ndarray, shape (h, w, 3), dtype uint8
        R'G'B' of the frames in ``flicker_window``.
    faces : list of FaceSample
    faces_unusable : int
    inner_cuts : tuple of int
    """

    count: int = 0
    size_px: tuple[int, int] = (0, 0)
    last_s: float = 0.0
    native: list[NDArray[np.uint8]] = field(default_factory=list)
    speeds_pct: list[float | None] = field(default_factory=list)
    vectors: list[NDArray[np.float64]] = field(default_factory=list)
    white: list[tuple[float, float]] = field(default_factory=list)
    marks: list[Marks | None] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    small: list[NDArray[np.uint8]] = field(default_factory=list)
    flick: list[NDArray[np.uint8]] = field(default_factory=list)
    faces: list[FaceSample] = field(default_factory=list)
    faces_unusable: int = 0
    inner_cuts: tuple[int, ...] = ()


class OnePass:
    """Takes the frames of a clip in order.

    Parameters
    ----------
    count : int
        Frames the clip has; decides which of them are looked at.
    wanted : frozenset of str
        Names of metrics.
    backend : FaceBackend or None
        None when no faces are wanted.
    """

    def __init__(self, count: int, wanted: frozenset[str], backend: FaceBackend | None) -> None:
        self.wanted = wanted
        self.gathered = Gathered()
        self.flicker_window = window(count, FLICKER_FRAMES) if wanted & FLICKER else range(0)
        self.shake_window = window(count, SHAKE_FRAMES) if wanted & SHAKE else range(0)
        self._backend = backend
        self._picks = frozenset(picks(count)) if wanted & (DETAIL | COLOUR) else frozenset()
        self._face_frames = frozenset(spread(count, FACE_FRAMES)) if wanted & FACE else frozenset()
        self._moving = bool(wanted & (CADENCE | FLICKER | SHAKE))
        self._cuts = CutDetector()
        self._before: NDArray[np.uint8] | None = None

    def take(self, glance: Glance) -> None:
        """Look at the next frame."""
        kept, index = self.gathered, glance.index
        kept.count, kept.last_s, kept.size_px = index + 1, glance.time_s, glance.size_px
        # Where motion is not asked for, only a picked frame is compared with the one before it.
        luma = None
        if self._moving or index in self._picks or index + 1 in self._picks:
            luma = glance.luma(MOTION_SHORT_PX)
        if self._moving and luma is not None and self._before is not None:
            kept.differences.append(pair_difference(self._before, luma))
        if index in self.shake_window and luma is not None:
            kept.small.append(luma)
        if index in self.flicker_window:
            kept.flick.append(cast(NDArray[np.uint8], glance.rgb(FLICKER_SHORT_PX)))
        self._cuts.take(cast(NDArray[np.uint8], glance.rgb(CUT_SHORT_PX)))
        if index in self._picks or index in self._face_frames:
            self._take_full_size(cast(NDArray[np.uint8], glance.rgb()), index, luma)
        self._before = luma

    def done(self) -> Gathered:
        """Return what was gathered, once the last frame was taken."""
        self.gathered.inner_cuts = self._cuts.cuts()
        return self.gathered

    def _take_full_size(
        self, frame: NDArray[np.uint8], index: int, luma: NDArray[np.uint8] | None
    ) -> None:
        if index in self._picks and luma is not None:
            self._take_pick(frame, luma)
        if index in self._face_frames and self._backend is not None:
            self._take_faces(self._backend, frame, index)

    def _take_pick(self, frame: NDArray[np.uint8], luma: NDArray[np.uint8]) -> None:
        kept = self.gathered
        if self.wanted & COLOUR:
            kept.vectors.append(frame_vector(frame))
            kept.white.append(white_point(frame))
            kept.marks.append(find_marks(frame))
        kept.native.append(cast(NDArray[np.uint8], cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)))
        kept.speeds_pct.append(None if self._before is None else speed_pct(self._before, luma))

    def _take_faces(self, backend: FaceBackend, frame: NDArray[np.uint8], index: int) -> None:
        picture = _shrunk(frame, FACE_SHORT_PX)
        scale = frame.shape[0] / picture.shape[0]
        luma = cast(NDArray[np.uint8], cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        for face in backend.detect(picture):
            if not is_usable(face, scale):
                self.gathered.faces_unusable += 1
                continue
            left, top, right, bottom = (edge * scale for edge in face.box)
            sharp = face_sharpness(luma, (left, top, right, bottom))
            self.gathered.faces.append(
                FaceSample(
                    frame=index,
                    box=(left, top, right, bottom),
                    score=face.score,
                    embedding=tuple(backend.embed(picture, face).tolist()),
                    skin=skin_colour(picture, face),
                    log2_r=sharp.log2_r if sharp else None,
                )
            )


def _shrunk(frame: NDArray[np.uint8], short_px: int) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    scale = short_px / min(height, width)
    if scale >= 1:
        return frame
    size = (round(width * scale), round(height * scale))
    return cast(NDArray[np.uint8], cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
