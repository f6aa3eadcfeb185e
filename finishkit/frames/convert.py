"""Between a decoder's planes and R'G'B': exact, and the only place where it happens."""

from collections.abc import Iterator
from typing import Any, Literal, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from finishkit.frames.carrier import Pixels
from finishkit.frames.probe import Matrix

DType = Literal["float32", "uint8"]
MEZZANINE_FORMAT = "yuv444p10le"
"""Pixel format between passes: ten bits, no chroma lost."""

_THREADS = 1
"""Threads of swscale. With its own choice the slices race: at a third and two thirds of the height
eight pixels of a 4:2:0 frame came out wrong by up to 122 codes, in other frames on every run."""

_FROM_YCBCR = {
    "bt709": np.array([[1, 0, 1.5748], [1, -0.187324, -0.468124], [1, 1.8556, 0]], np.float32),
    "bt601": np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32),
}
"""Y'CbCr to R'G'B', ITU-R BT.709-6 and BT.601-7."""


def _affine(matrix: Matrix, full: bool, step: float) -> NDArray[np.float32]:
    luma, chroma, black = (255, 255, 0) if full else (219, 224, 16)
    scale = _FROM_YCBCR[matrix] / np.array([luma, chroma, chroma], np.float32)
    offset = -scale @ np.array([black, 128, 128], np.float32)
    return np.column_stack([scale / step, offset]).astype(np.float32)


_PLANAR_8_BIT = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})


def is_full_range(frame: av.VideoFrame) -> bool:
    """Say whether black is 0 rather than 16."""
    fmt = frame.format
    return int(frame.color_range) == 2 or fmt.name.startswith("yuvj") or fmt.is_rgb


def luma_plane(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """View the luma of a decoded frame in 8 bits, at its size and in its range."""
    if frame.format.name not in _PLANAR_8_BIT:
        full = ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG
        frame = frame.reformat(
            format="yuv444p",
            dst_colorspace=Colorspace.ITU709 if frame.format.is_rgb else None,
            src_color_range=full,
            dst_color_range=full,
            threads=_THREADS,
        )
    plane = frame.planes[0]
    rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def to_rgb(
    frame: av.VideoFrame, dtype: DType, matrix: Matrix, size: tuple[int, int] | None
) -> Pixels:
    """Return a decoded frame as R'G'B', scaled when ``size`` (width, height) is given."""
    fmt = frame.format.name
    full = is_full_range(frame)
    if dtype == "uint8":
        small = frame.reformat(
            width=size[0] if size else None,
            height=size[1] if size else None,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if matrix == "bt709" else Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA if size else Interpolation.BICUBIC,
            threads=_THREADS,
        )
        return cast(NDArray[np.uint8], small.to_ndarray())
    if frame.format.is_rgb:
        codes = frame.reformat(format="rgb48le", threads=_THREADS).to_ndarray()
        unit = np.asarray(codes, np.float32) / np.float32(65535)
    else:
        # Through planes: swscale's own way from 8-bit 4:2:0 to rgb48 loses two codes (measured).
        step = 4.0
        if fmt != MEZZANINE_FORMAT:
            # swscale widens 8 bits by shifting, more bits by repeating their top bits below.
            step = 256.0 if frame.format.components[0].bits == 8 else 256.25
            frame = frame.reformat(
                format="yuv444p16le", interpolation=Interpolation.BICUBIC, threads=_THREADS
            )
        unit = _from_444(frame, _affine(matrix, full, step))
    if size:
        unit = np.asarray(cv2.resize(unit, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.clip(unit, 0, 1, out=unit)


_STRIP_ROWS = 60
"""Rows a step, even: the intermediates of a strip stay in the processor's cache (half the time)."""


def _from_444(frame: av.VideoFrame, affine: NDArray[np.float32]) -> NDArray[np.float32]:
    planes = [_plane(frame, i) for i in range(3)]
    unit = np.empty((frame.height, frame.width, 3), np.float32)
    for top in range(0, frame.height, _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        coded = cv2.merge([plane[rows] for plane in planes]).astype(np.float32)
        unit[rows] = cv2.transform(coded, affine)
    return unit


def _plane(frame: av.VideoFrame, index: int) -> NDArray[np.uint16]:
    """View one 16-bit plane of a frame, without its padding."""
    plane = frame.planes[index]
    rows = np.frombuffer(cast(Any, plane), np.uint16).reshape(-1, plane.line_size // 2)
    return rows[: plane.height, : plane.width]


_TO_YCBCR = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]], np.float32
)
"""R'G'B' to Y'CbCr, ITU-R BT.709-6 table 4."""


LUMA_8 = np.column_stack([_TO_YCBCR[:1] * 219, [16]]).astype(np.float32)
CHROMA_8 = np.vstack([_TO_YCBCR[1:] * 224, np.zeros((1, 3))]).astype(np.float32)
"""With a row that nobody needs: OpenCV is eight times as fast from three values to three."""
_CODES_10 = np.column_stack([_TO_YCBCR * np.array([[876], [896], [896]]), [64, 512, 512]]).astype(
    np.float32
)


def to_frame(picture: Pixels, pixel_format: str) -> av.VideoFrame:
    """Return a picture as a frame of a pixel format, tagged bt709, limited range."""
    if pixel_format == "yuv420p":
        return coded_frame(packed_420(picture))
    return _tagged(_to_444(picture))


def coded_frame(packed: NDArray[np.uint8]) -> av.VideoFrame:
    """Return 4:2:0 codes, packed as by :func:`packed_420`, as a frame, tagged."""
    return _tagged(av.VideoFrame.from_ndarray(packed, format="yuv420p"))


def _tagged(out: av.VideoFrame) -> av.VideoFrame:
    out.color_primaries = 1
    out.color_trc = 1
    out.colorspace = Colorspace.ITU709
    out.color_range = ColorRange.MPEG
    return out


def _strips(picture: Pixels) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the picture in [0, 1] by strips, each with its first row; one is kept at a time."""
    height = picture.shape[0]
    kept = np.empty((min(_STRIP_ROWS, height), *picture.shape[1:]), np.float32)
    for top in range(0, height, _STRIP_ROWS):
        part = picture[top : top + _STRIP_ROWS]
        room = kept[: len(part)]
        if part.dtype == np.uint8:
            yield top, np.divide(part, np.float32(255), out=room)
        else:
            yield top, np.clip(part, 0, 1, out=room)


def packed_420(picture: Pixels) -> NDArray[np.uint8]:
    """Return a picture as 8-bit 4:2:0, limited range: shape (3 h / 2, w), luma, Cb, Cr."""
    # Our own last step before the encoder, rounded, with chroma sited left as H.264 says: swscale
    # truncates on this path and darkens mid grey by two codes (measured: 128 to 126).
    height, width = picture.shape[:2]
    packed = np.empty((height * 3 // 2, width), np.uint8)
    planes = packed[height:].reshape(2, height // 2, width // 2)
    across, one = np.array([0.25, 0.5, 0.25], np.float32), np.ones(1, np.float32)
    for top, part in _strips(picture):
        rows = len(part)
        packed[top : top + rows] = cv2.convertScaleAbs(cv2.transform(part, LUMA_8))
        # The mean of two rows; cv2.resize takes five times as long for it.
        halved = cv2.addWeighted(part[::2], 0.5, part[1::2], 0.5, 0)
        chroma = cv2.transform(halved, CHROMA_8)
        for i, plane in enumerate(planes):
            sited = cv2.sepFilter2D(cv2.extractChannel(chroma, i), -1, across, one)[:, ::2]
            plane[top // 2 : (top + rows) // 2] = cv2.convertScaleAbs(sited, alpha=1, beta=128)
    return packed


def _to_444(picture: Pixels) -> av.VideoFrame:
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], MEZZANINE_FORMAT)
    planes = [_plane(frame, i) for i in range(3)]
    for top, part in _strips(picture):
        codes = cv2.transform(part, _CODES_10)
        np.rint(codes, out=codes)
        for i, plane in enumerate(planes):
            plane[top : top + len(part)] = cv2.extractChannel(codes, i)
    return frame
