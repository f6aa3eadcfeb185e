"""The pixels: reading, writing and joining video. The only importer of ``av``.

Colour is made explicit on the way in (matrix, range) and tagged on the way out: everything inside
is R'G'B' with BT.709 primaries and transfer, full range; everything written is tagged bt709,
limited range. Rotation tags and non-square pixels are resolved while reading.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.audio.resampler
import av.error
import av.logging
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from finishkit.errors import FinishError

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""Containers that may be opened. Playlists (m3u8, ffconcat) name other files and are not here."""

OPEN_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
AUDIO_RATE_HZ = 48_000
Matrix = Literal["bt709", "bt601"]
DType = Literal["float32", "uint8"]

av.logging.set_level(av.logging.PANIC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """A chunk of consecutive frames.

    Attributes
    ----------
    data : ndarray, shape (n, height, width, 3), dtype float32 in [0, 1] or uint8 in [0, 255]
        R'G'B', BT.709 primaries and transfer, full range. Read-only: stages return new chunks.
    pts_s : ndarray, shape (n,), dtype float64
        Presentation time of each frame in seconds from the start of the shot, increasing.

    Raises
    ------
    ValueError
        When shapes or dtypes disagree with the above.
    """

    data: NDArray[np.float32] | NDArray[np.uint8]
    pts_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        d, p = self.data, self.pts_s
        if d.ndim != 4 or d.shape[3] != 3 or d.dtype not in (np.float32, np.uint8):
            raise ValueError(f"Frames.data is {d.dtype} {d.shape}, not float32|uint8 (n, h, w, 3)")
        if p.shape != (d.shape[0],):
            raise ValueError(f"Frames: {d.shape[0]} pictures but pts_s of shape {p.shape}")
        d.flags.writeable = False

    def __len__(self) -> int:
        return self.data.shape[0]

    def __repr__(self) -> str:
        return f"Frames({self.data.dtype} {self.data.shape}, from {self.pts_s[:1]} s)"

    def as_float(self) -> NDArray[np.float32]:
        """Return the pictures as float32 in [0, 1]; no copy when they are already."""
        if self.data.dtype == np.float32:
            return self.data  # type: ignore[return-value]
        return self.data.astype(np.float32) / np.float32(255)

    def as_uint8(self) -> NDArray[np.uint8]:
        """Return the pictures as uint8 in [0, 255], rounded; no copy when they are already."""
        if self.data.dtype == np.uint8:
            return self.data  # type: ignore[return-value]
        return np.round(np.clip(self.data, 0, 1) * np.float32(255)).astype(np.uint8)

    def with_data(self, data: NDArray[np.float32] | NDArray[np.uint8]) -> "Frames":
        """Return a chunk with other pictures at the same times."""
        return Frames(data=data, pts_s=self.pts_s)


class Probe(BaseModel):
    """What a clip says of itself, before and after a full decode.

    Attributes
    ----------
    width_px, height_px : int
        As displayed: rotation and pixel shape applied.
    rate_fps : Fraction
        Average rate of the container.
    frame_count : int
        Counted by decoding when ``decoded``; otherwise as declared (0: unknown).
    duration_s : float
    codec, container, pixel_format : str
    matrix : {'bt709', 'bt601'}
        Matrix used to read the pictures.
    colour_tagged : bool
        False when the file names no matrix and ``matrix`` follows the rule for its size.
    full_range : bool
    transfer : str
        ``sdr``, ``pq`` or ``hlg``.
    rotation_deg : int
    constant_rate : bool
        False when the times of the frames are not evenly spaced.
    audio_rate_hz : int
        0 without sound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width_px: int
    height_px: int
    rate_fps: Fraction
    frame_count: int
    duration_s: float
    codec: str
    container: str
    pixel_format: str
    matrix: Matrix
    colour_tagged: bool
    full_range: bool
    transfer: Literal["sdr", "pq", "hlg"]
    rotation_deg: int
    constant_rate: bool = True
    audio_rate_hz: int = 0


def untagged_matrix(width_px: int, height_px: int) -> Matrix:
    """Return the matrix players assume for an untagged file of this size.

    The rule of mpv and of the broadcast standards: high definition is BT.709, below it BT.601.

    Parameters
    ----------
    width_px, height_px : int

    Returns
    -------
    matrix : {'bt709', 'bt601'}
    """
    return "bt709" if width_px >= 1280 or height_px > 576 else "bt601"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    try:
        container = av.open(str(path.absolute()), "r", options=OPEN_OPTIONS)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise FinishError(f"{path} cannot be opened as video: {error}", "unreadable") from error
    with container:
        yield container


def _video(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    if not container.streams.video:
        raise FinishError(f"{path} holds no video stream.", "no_video")
    stream = container.streams.video[0]
    # One thread a shot: shots run side by side, which is faster than frame threads (262 to 179
    # fps measured), and every frame is then decoded in one order on every machine.
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


def _first(container: av.container.InputContainer, path: Path) -> av.VideoFrame:
    try:
        for frame in container.decode(video=0):
            return frame
    except av.error.FFmpegError as error:
        raise FinishError(f"{path} cannot be decoded: {error}", "undecodable") from error
    raise FinishError(f"{path} holds no picture.", "no_frames")


def probe(path: Path) -> Probe:
    """Read what a clip declares, and its first frame.

    Parameters
    ----------
    path : Path

    Returns
    -------
    probe : Probe
        ``frame_count`` is the declared one; :mod:`finishkit.ingest` counts.

    Raises
    ------
    FinishError
        ``unreadable``, ``no_video``, ``undecodable`` or ``no_frames``.
    """
    with _opened(path) as container:
        stream = _video(container, path)
        frame = _first(container, path)
        rate = stream.average_rate or stream.guessed_rate or Fraction(24)
        rotation = int(frame.rotation) % 360
        sar = stream.sample_aspect_ratio or Fraction(1)
        width, height = round(frame.width * sar), frame.height
        if rotation in (90, 270):
            width, height = height, width
        tagged = int(frame.colorspace) not in (2, 3)
        declared = {1: "bt709", 5: "bt601", 6: "bt601"}.get(int(frame.colorspace))
        rgb = frame.format.is_rgb
        duration = float(stream.duration * stream.time_base) if stream.duration else 0.0
        if not duration and container.duration:
            duration = container.duration / av.time_base
        return Probe(
            width_px=width,
            height_px=height,
            rate_fps=Fraction(rate).limit_denominator(100_000),
            frame_count=stream.frames,
            duration_s=duration,
            codec=stream.codec_context.name,
            container=container.format.name.split(",")[0],
            pixel_format=frame.format.name,
            matrix=declared or untagged_matrix(frame.width, frame.height),
            colour_tagged=tagged or rgb,
            full_range=int(frame.color_range) == 2 or frame.format.name.startswith("yuvj") or rgb,
            transfer={16: "pq", 18: "hlg"}.get(int(frame.color_trc), "sdr"),
            rotation_deg=rotation,
            audio_rate_hz=container.streams.audio[0].rate if container.streams.audio else 0,
        )


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


def _to_rgb(
    frame: av.VideoFrame, dtype: DType, matrix: Matrix, size: tuple[int, int] | None
) -> NDArray[np.float32] | NDArray[np.uint8]:
    fmt = frame.format.name
    full = int(frame.color_range) == 2 or fmt.startswith("yuvj") or frame.format.is_rgb
    if dtype == "uint8":
        return frame.reformat(
            width=size[0] if size else None,
            height=size[1] if size else None,
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if matrix == "bt709" else Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation="AREA" if size else "BICUBIC",
        ).to_ndarray()
    if frame.format.is_rgb:
        unit = frame.reformat(format="rgb48le").to_ndarray().astype(np.float32) / 65535
    else:
        # Through planes: swscale's own way from 8-bit 4:2:0 to rgb48 loses two codes (measured).
        if fmt == MEZZANINE.pixel_format:
            planes, step = np.dstack([_plane(frame, i) for i in range(3)]), 4.0
        else:
            planes = frame.reformat(format="yuv444p16le").to_ndarray()
            # swscale widens 8 bits by shifting, more bits by repeating their top bits below.
            step = 256.0 if frame.format.components[0].bits == 8 else 256.25
        unit = cv2.transform(planes.astype(np.float32), _affine(matrix, full, step))
    if size:
        unit = cv2.resize(unit, size, interpolation=cv2.INTER_AREA)
    return np.clip(unit, 0, 1)


def _plane(frame: av.VideoFrame, index: int) -> NDArray[np.uint16]:
    """View one 16-bit plane of a frame, without its padding."""
    plane = frame.planes[index]
    rows = np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)
    return rows[: plane.height, : plane.width]


def read_frames(
    path: Path,
    *,
    dtype: DType = "float32",
    chunk: int = 8,
    indices: Sequence[int] | None = None,
    short_side_px: int | None = None,
    matrix: Matrix | None = None,
) -> Iterator[Frames]:
    """Read a clip in chunks, upright, in BT.709 R'G'B'.

    Parameters
    ----------
    path : Path
    dtype : {'float32', 'uint8'}
        float32 keeps what a 10-bit source holds.
    chunk : int
        Frames a chunk. Whole shots are never held: 120 frames of 2160x3840 float32 are 12 GB.
    indices : sequence of int, optional
        Only these frames, by position. The file is still decoded from its start, since that is
        exact and faster than seeking (0.3 to 0.5 of the speed, measured); decoding stops after
        the last one wanted.
    short_side_px : int, optional
        Scale so that the short side has this many pixels (never up).
    matrix : {'bt709', 'bt601'}, optional
        Overrides what the file declares, and the rule for its size when it declares nothing.

    Yields
    ------
    frames : Frames
        ``pts_s`` starts at 0.

    Raises
    ------
    FinishError
        ``unreadable``, ``no_video``, ``no_frames`` or ``undecodable``.
    """
    wanted = None if indices is None else frozenset(indices)
    last = max(wanted) if wanted else None
    if wanted is not None and not wanted:
        return
    pictures: list[NDArray[np.float32] | NDArray[np.uint8]] = []
    times: list[float] = []
    start: float | None = None
    count = 0
    size: tuple[int, int] | None = None
    chosen: Matrix | None = matrix
    with _opened(path) as container:
        stream = _video(container, path)
        sar = stream.sample_aspect_ratio or Fraction(1)
        rate = float(stream.average_rate or stream.guessed_rate or 24)
        try:
            for index, frame in enumerate(container.decode(stream)):
                if chosen is None:
                    declared = {1: "bt709", 5: "bt601", 6: "bt601"}.get(int(frame.colorspace))
                    chosen = declared or untagged_matrix(frame.width, frame.height)  # type: ignore[assignment]
                time = frame.time if frame.time is not None else index / rate
                start = time if start is None else start
                count += 1
                if wanted is None or index in wanted:
                    if size is None:
                        size = _read_size(frame, sar, short_side_px)
                    native = size == (frame.width, frame.height)
                    picture = _to_rgb(frame, dtype, chosen, None if native else size)  # type: ignore[arg-type]
                    turns = int(frame.rotation) % 360 // 90
                    if turns:
                        picture = np.ascontiguousarray(np.rot90(picture, turns))
                    pictures.append(picture)
                    times.append(time - start)
                    if len(pictures) == chunk:
                        yield Frames(data=np.stack(pictures), pts_s=np.array(times))
                        pictures, times = [], []
                if last is not None and index >= last:
                    break
        except av.error.FFmpegError as error:
            raise FinishError(
                f"{path} breaks off after {count} frames: {error}", "undecodable"
            ) from error
    if not count:
        raise FinishError(f"{path} holds no picture.", "no_frames")
    if pictures:
        yield Frames(data=np.stack(pictures), pts_s=np.array(times))


def _read_size(frame: av.VideoFrame, sar: Fraction, short_px: int | None) -> tuple[int, int]:
    width, height = round(frame.width * sar), frame.height
    if short_px and short_px < min(width, height):
        scale = short_px / min(width, height)
        return max(2, round(width * scale)), max(2, round(height * scale))
    return width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How pictures are written.

    Attributes
    ----------
    codec, container, pixel_format : str
    options : tuple of (str, str)
        Private options of the codec.
    threads : int
        Fixed, because x264 gives other bytes for another number of threads.
    """

    codec: str
    container: str
    pixel_format: str
    options: tuple[tuple[str, str], ...] = ()
    threads: int = 1


MEZZANINE = Encoding(
    codec="libx264",
    container="matroska",
    pixel_format="yuv444p10le",
    options=(("qp", "0"), ("preset", "ultrafast")),
)
"""Lossless 10-bit 4:4:4, between passes, at source size.

Measured against ffvhuff (three times faster to write): neither NUT nor AVI, the containers that
take ffvhuff, carry colour tags, and Matroska refuses it; an untagged file between passes is what
shifts skin by Delta E 16 over five stages. x264 at QP 0 is lossless, tagged, and plays anywhere."""


def master_encoding(crf: int, preset: str, threads: int) -> Encoding:
    """Return the encoding of deliverables: H.264 High, 8-bit 4:2:0, closed groups.

    Parameters
    ----------
    crf : int
        x264 constant rate factor, 0 (lossless) to 51.
    preset : str
        x264 preset.
    threads : int

    Returns
    -------
    encoding : Encoding
    """
    # Closed groups and no open references: shots are joined by copying their packets.
    x264 = "open-gop=0:scenecut=0:keyint=48:min-keyint=48:bframes=2:b-adapt=0:rc-lookahead=24"
    return Encoding(
        codec="libx264",
        container="mp4",
        pixel_format="yuv420p",
        options=(("crf", str(crf)), ("preset", preset), ("profile", "high"), ("x264-params", x264)),
        threads=threads,
    )


def write_frames(
    path: Path,
    frames: Iterable[Frames],
    *,
    rate_fps: Fraction,
    encoding: Encoding,
    audio_from: Path | None = None,
) -> int:
    """Write frames at a constant rate, tagged bt709, limited range.

    Parameters
    ----------
    path : Path
        Written directly: callers hand in a temporary name, see :func:`finishkit.store.commit`.
    frames : iterable of Frames
        The times are not used: frame ``i`` is shown at ``i / rate_fps``.
    rate_fps : Fraction
    encoding : Encoding
    audio_from : Path, optional
        A clip whose first sound track is carried over packet by packet, untouched.

    Returns
    -------
    frame_count : int

    Raises
    ------
    FinishError
        ``write_failed`` with the system's reason (a full disk, a missing folder).
    """
    count = 0
    # bitexact: no encoder tag, no random track id, so equal pictures are equal bytes.
    options = {"fflags": "+bitexact"}
    if encoding.container == "mp4":
        options["movflags"] = "+faststart"
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(
                av.open(str(path.absolute()), "w", format=encoding.container, options=options)
            )
            stream = out.add_stream(encoding.codec, rate=rate_fps, options=dict(encoding.options))
            sound = None
            if audio_from is not None:
                source = stack.enter_context(_opened(audio_from))
                if source.streams.audio:
                    sound = out.add_stream_from_template(source.streams.audio[0])
            for chunk in frames:
                for i in range(len(chunk)):
                    if count == 0:
                        _configure(stream, chunk.data.shape[2], chunk.data.shape[1], encoding)
                    frame = _encodable(chunk.data[i], encoding.pixel_format)
                    frame.pts = count
                    frame.time_base = 1 / rate_fps
                    out.mux(stream.encode(frame))
                    count += 1
            if count:
                out.mux(stream.encode(None))
            if sound is not None and count:
                for packet in source.demux(source.streams.audio[0]):
                    if packet.dts is not None:
                        packet.stream = sound
                        out.mux(packet)
    except (av.error.FFmpegError, OSError) as error:
        raise FinishError(f"{path} could not be written: {error}", "write_failed") from error
    if not count:
        raise FinishError(f"{path}: there are no frames to write.", "no_frames")
    return count


def _configure(
    stream: av.video.stream.VideoStream, width: int, height: int, encoding: Encoding
) -> None:
    if encoding.pixel_format == "yuv420p" and (width % 2 or height % 2):
        raise FinishError(
            f"{width}x{height} cannot be written as 4:2:0: both sides must be even.", "odd_size"
        )
    stream.width, stream.height = width, height
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.thread_count = encoding.threads
    context.color_primaries = 1
    context.color_trc = 1
    context.colorspace = 1
    context.color_range = 1


_TO_YCBCR = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]], np.float32
)
"""R'G'B' to Y'CbCr, ITU-R BT.709-6 table 4."""


def _encodable(
    picture: NDArray[np.float32] | NDArray[np.uint8], pixel_format: str
) -> av.VideoFrame:
    unit = picture.astype(np.float32) / 255 if picture.dtype == np.uint8 else picture
    ycc = cv2.transform(np.clip(unit, 0, 1), _TO_YCBCR)
    out = _to_420(ycc) if pixel_format == "yuv420p" else _to_444(ycc)
    out.color_primaries = 1
    out.color_trc = 1
    out.colorspace = Colorspace.ITU709
    out.color_range = ColorRange.MPEG
    return out


def _to_420(ycc: NDArray[np.float32]) -> av.VideoFrame:
    # Our own last step before the encoder, rounded, with chroma sited left as H.264 says: swscale
    # truncates on this path and darkens mid grey by two codes (measured: 128 to 126).
    luma, cb, cr = cv2.split(ycc)
    planes = [np.round(luma * 219 + 16)]
    across = np.array([0.25, 0.5, 0.25], np.float32)
    for chroma in (cb, cr):
        sited = cv2.sepFilter2D(chroma, -1, across, np.ones(1, np.float32))[:, ::2]
        planes.append(np.round((sited[0::2] + sited[1::2]) * 112 + 128))
    height, width = luma.shape
    packed = np.concatenate([p.reshape(-1, width) for p in planes]).astype(np.uint8)
    return av.VideoFrame.from_ndarray(packed.reshape(height * 3 // 2, width), format="yuv420p")


def _to_444(ycc: NDArray[np.float32]) -> av.VideoFrame:
    frame = av.VideoFrame(ycc.shape[1], ycc.shape[0], MEZZANINE.pixel_format)
    scaled = np.round(ycc * np.float32([876, 896, 896]) + np.float32([64, 512, 512]))
    for i in range(3):
        _plane(frame, i)[:] = scaled[..., i]
    return frame
