"""One decode, many sizes: each frame is converted only as far as somebody looks at it.

Measuring needs every frame small and a few at full size. Turning all of them into full-size R'G'B'
first and reducing that costs three times as much as decoding; the luma plane is there already.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av.error
import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames.carrier import Pixels
from finishkit.frames.convert import DType, is_full_range, luma_plane, to_rgb
from finishkit.frames.probe import Matrix, matrix_of, opened, video_stream


class Glance:
    """One decoded frame, seen upright and with square pixels, at the size that is asked for.

    Attributes
    ----------
    index : int
        Position in the clip.
    time_s : float
        Presentation time in seconds from the first frame.
    """

    __slots__ = ("_frame", "_matrix", "_size", "_turns", "index", "time_s")

    def __init__(
        self, frame: VideoFrame, index: int, time_s: float, matrix: Matrix, size: tuple[int, int]
    ) -> None:
        self._frame = frame
        self._matrix: Matrix = matrix
        self._size = size
        self._turns = int(frame.rotation) % 360 // 90
        self.index = index
        self.time_s = time_s

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as displayed."""
        width, height = self._size
        return (height, width) if self._turns % 2 else (width, height)

    def rgb(self, short_px: int | None = None, dtype: DType = "uint8") -> Pixels:
        """Return the picture in R'G'B', BT.709, full range.

        Parameters
        ----------
        short_px : int, optional
            Short side of the result; never enlarged. Its own size by default.
        dtype : {'uint8', 'float32'}
            float32 in [0, 1] keeps what a 10-bit source holds.

        Returns
        -------
        picture : ndarray, shape (h, w, 3)
        """
        size = self._reduced(short_px)
        native = size == (self._frame.width, self._frame.height)
        return self._upright(to_rgb(self._frame, dtype, self._matrix, None if native else size))

    def luma(self, short_px: int) -> NDArray[np.uint8]:
        """Return the luma alone, full range, without converting the picture.

        Parameters
        ----------
        short_px : int
            Short side of the result; never enlarged.

        Returns
        -------
        luma : ndarray, shape (h, w), dtype uint8
            Y' as coded, limited range widened. Of R'G'B' files BT.709 luma.
        """
        plane = luma_plane(self._frame)
        size = self._reduced(short_px)
        if size != plane.shape[1::-1]:
            plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        if not is_full_range(self._frame):
            plane = cv2.convertScaleAbs(plane, alpha=255 / 219, beta=-16 * 255 / 219)
        return cast(NDArray[np.uint8], self._upright(plane))

    def _reduced(self, short_px: int | None) -> tuple[int, int]:
        width, height = self._size
        if short_px and short_px < min(width, height):
            scale = short_px / min(width, height)
            return max(2, round(width * scale)), max(2, round(height * scale))
        return width, height

    def _upright(self, picture: NDArray) -> NDArray:
        return np.ascontiguousarray(np.rot90(picture, self._turns)) if self._turns else picture


def glances(path: Path, *, matrix: Matrix | None = None) -> Iterator[Glance]:
    """Decode a clip once, frame by frame.

    Parameters
    ----------
    path : Path
        The clip.
    matrix : {'bt709', 'bt601'}, optional
        Overrides what the file declares, and the rule for its size when it declares nothing.

    Yields
    ------
    glance : Glance
        Frames in the order they are shown.

    Raises
    ------
    FinishError
        ``unreadable``, ``no_video``, ``no_frames`` or ``undecodable``.
    """
    start: float | None = None
    chosen = matrix
    size: tuple[int, int] | None = None
    count = 0
    with opened(path) as container:
        stream = video_stream(container, path)
        sar = stream.sample_aspect_ratio or Fraction(1)
        rate = float(stream.average_rate or stream.guessed_rate or 24)
        try:
            for index, frame in enumerate(container.decode(stream)):
                chosen = chosen or matrix_of(frame)
                time = frame.time if frame.time is not None else index / rate
                start = time if start is None else start
                # Of the first frame: a stream that changes its size in between is brought to it.
                size = size or (max(1, round(frame.width * sar)), frame.height)
                count += 1
                yield Glance(frame, index, time - start, chosen, size)
        except av.error.FFmpegError as error:
            raise FinishError(
                f"{path} breaks off after {count} frames: {error}", "undecodable"
            ) from error
    if not count:
        raise FinishError(f"{path} holds no picture.", "no_frames")
