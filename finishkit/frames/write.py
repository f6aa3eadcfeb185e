"""Writing frames, tagged bt709, limited range."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
from av.video.stream import VideoStream

from finishkit.errors import FinishError, write_error
from finishkit.frames.ahead import ahead
from finishkit.frames.carrier import CodedFrames, Frames
from finishkit.frames.convert import MEZZANINE_FORMAT, coded_frame, to_frame
from finishkit.frames.probe import opened
from finishkit.frames.sound import carry_sound

READY = 2
"""Converted frames that may wait for the encoder; one of 4K takes 12 MB."""


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
    pixel_format=MEZZANINE_FORMAT,
    options=(("qp", "0"), ("preset", "ultrafast")),
)
"""Lossless 10-bit 4:4:4, between passes, at source size.

Measured against ffvhuff (three times faster to write): neither NUT nor AVI, the containers that
take ffvhuff, carry colour tags, and Matroska refuses it; an untagged file between passes is what
shifts skin by Delta E 16 over five stages. x264 at QP 0 is lossless, tagged, and plays anywhere."""


def master_encoding(crf: int, preset: str, threads: int, *, keep_grain: bool = False) -> Encoding:
    """Return the encoding of deliverables: H.264 High, 8-bit 4:2:0, closed groups.

    Parameters
    ----------
    crf : int
        x264 constant rate factor, 0 (lossless) to 51.
    preset : str
        x264 preset.
    threads : int
        Of the encoder; fixed, see :class:`Encoding`.
    keep_grain : bool
        Spend bits on grain, as x264's ``tune=grain`` does with them. Of grain of one code the
        usual settings leave 12 to 28 % at CRF 16, other shares from frame to frame; these 44 to
        48 %, for 1.6 times the bytes (measured on enlarged shots).

    Returns
    -------
    encoding : Encoding
    """
    # Closed groups and no open references: shots are joined by copying their packets.
    # cpu-independent: x264's assembly for the macroblock tree otherwise gives other bytes in every
    # run (measured: 5 of 5 encodes of the same frames differed), and on every kind of processor.
    x264 = (
        "open-gop=0:scenecut=0:keyint=48:min-keyint=48:bframes=2:b-adapt=0:rc-lookahead=10"
        ":cpu-independent=1"
    )
    if keep_grain:
        x264 += (
            ":deadzone-inter=6:deadzone-intra=6:no-dct-decimate=1:aq-strength=0.5:qcomp=0.8"
            ":psy-rd=1.0,0.25:deblock=-2,-2"
        )
    return Encoding(
        codec="libx264",
        container="mp4",
        pixel_format="yuv420p",
        options=(("crf", str(crf)), ("preset", preset), ("profile", "high"), ("x264-params", x264)),
        threads=threads,
    )


def write_frames(
    path: Path,
    frames: Iterable[Frames | CodedFrames],
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
    frames : iterable of Frames or CodedFrames
        The times are not used: frame ``i`` is shown at ``i / rate_fps``. Coded ones are taken as
        they are, for an encoding of 8-bit 4:2:0.
    rate_fps : Fraction
        Of the written clip.
    encoding : Encoding
        See :data:`MEZZANINE` and :func:`master_encoding`.
    audio_from : Path, optional
        A clip whose first sound track is carried over packet by packet, untouched; encoded to AAC
        when the container does not take its codec.

    Returns
    -------
    frame_count : int

    Raises
    ------
    FinishError
        See :func:`finishkit.errors.write_error`: a full disk, a missing folder.
    """
    count = 0
    options = muxer_options(encoding.container)
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(
                av.open(str(path.absolute()), "w", format=encoding.container, options=options)
            )
            stream = cast(
                VideoStream,
                out.add_stream(encoding.codec, rate=rate_fps, options=dict(encoding.options)),
            )
            write_sound = None
            if audio_from is not None:
                source = stack.enter_context(opened(audio_from))
                write_sound = carry_sound(out, source, audio_from)
            made = stack.enter_context(
                contextlib.closing(ahead(_converted(frames, encoding), READY))
            )
            for frame in made:
                if count == 0:
                    configure(stream, frame.width, frame.height, encoding)
                frame.pts = count
                frame.time_base = 1 / rate_fps
                out.mux(stream.encode(frame))
                count += 1
            if count:
                out.mux(stream.encode(None))
            if write_sound is not None and count:
                write_sound(float(count / rate_fps))
    except (av.error.FFmpegError, OSError) as error:
        raise write_error(path, error) from error
    if not count:
        raise FinishError(f"{path}: there are no frames to write.", "no_frames")
    return count


def _converted(
    frames: Iterable[Frames | CodedFrames], encoding: Encoding
) -> Iterator[av.VideoFrame]:
    for chunk in frames:
        if isinstance(chunk, CodedFrames):
            if encoding.pixel_format != "yuv420p":
                raise ValueError(f"coded frames are no {encoding.pixel_format}")
            yield from map(coded_frame, chunk.data)
            continue
        require_even(chunk.data.shape[2], chunk.data.shape[1], encoding)
        for i in range(len(chunk)):
            yield to_frame(chunk.data[i], encoding.pixel_format)


def require_even(width: int, height: int, encoding: Encoding) -> None:
    """Refuse a picture that a format cannot hold.

    Parameters
    ----------
    width, height : int
        Pixels.
    encoding : Encoding
        Its pixel format counts.

    Raises
    ------
    FinishError
        ``odd_size`` when a side cannot be halved for 4:2:0.
    """
    halved = encoding.pixel_format in ("yuv420p", "yuv420p10le", "p010le")
    if halved and (width % 2 or height % 2):
        raise FinishError(
            f"{width}x{height} cannot be written as 4:2:0: both sides must be even.", "odd_size"
        )


HEVC_TAG = "hvc1"
"""Of HEVC in an MP4: Apple's players take no other, and FFmpeg writes hev1 when nothing is said."""
_HEVC_ENCODERS = frozenset({"libx265", "hevc_nvenc"})


def muxer_options(container: str) -> dict[str, str]:
    """Return how files are laid out: equal pictures are equal bytes, an MP4's index comes first.

    Parameters
    ----------
    container : str
        As FFmpeg calls it.
    """
    # bitexact: no encoder tag, no random track id.
    options = {"fflags": "+bitexact"}
    if container == "mp4":
        options["movflags"] = "+faststart"
    return options


def configure(stream: VideoStream, width: int, height: int, encoding: Encoding) -> None:
    """Set a new picture track's size, format, threads, tag and colour, before its first frame.

    Parameters
    ----------
    stream : VideoStream
        Just added to its file.
    width, height : int
        Pixels.
    encoding : Encoding
        Whose track it is.

    Raises
    ------
    FinishError
        See :func:`require_even`.
    """
    require_even(width, height, encoding)
    stream.width, stream.height = width, height
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.thread_count = encoding.threads
    if encoding.container == "mp4" and encoding.codec in _HEVC_ENCODERS:
        context.codec_tag = HEVC_TAG
    context.color_primaries = 1
    context.color_trc = 1
    context.colorspace = 1
    context.color_range = 1
