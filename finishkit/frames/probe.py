"""Opening a clip safely, and what it says of itself."""

import contextlib
import re
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

from finishkit.errors import FinishError
from finishkit.values import Value

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""Containers that may be opened. Playlists (m3u8, ffconcat) name other files and are not here."""

DECODERS = (
    "h264,hevc,vp8,vp9,libdav1d,av1,prores,mjpeg,ffv1,dnxhd,cfhd,mpeg4,mpeg2video,h263,"
    "theora,png,qtrle,rawvideo,huffyuv,ffvhuff,utvideo,v210,aac,mp2,mp2float,mp3,mp3float,"
    "ac3,eac3,opus,libopus,vorbis,flac,alac,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,"
    "pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,mov_text,subrip,srt,ass,ssa,"
    "webvtt"
)
"""Decoders that may be run: what generators and cutting rooms write. FFmpeg brings 600, and the
holes found in it (CVE-2026-8461: MagicYUV) are in those that nobody needs."""

OPEN_OPTIONS = {
    "format_whitelist": CONTAINERS,
    "protocol_whitelist": "file",
    "codec_whitelist": DECODERS,
}
Matrix = Literal["bt709", "bt601"]

MAX_PIXELS = 4320 * 7680
"""The largest picture that is decoded: 8K, upright."""
FFMPEG_LEAST = (8, 1, 2)
"""The first FFmpeg without the holes that were known when this was written (CVE-2026-8461)."""

av.logging.set_level(av.logging.PANIC)


class Probe(Value):
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
    usual_step_s : float
        From a picture to the next, as most are; 0 before a full decode, or with one picture.
    bit_depth : int
        Bits of a sample of the pictures.
    start_s : float
        Time of the first picture, on the container's clock.
    sound_start_s : float or None
        When the sound begins, after the first picture (before it: negative); ``None`` without
        sound, or before a full decode.
    sound_duration_s : float
        0 without sound, or before a full decode.
    """

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
    usual_step_s: float = 0.0
    bit_depth: int = 8
    start_s: float = 0.0
    sound_start_s: float | None = None
    sound_duration_s: float = 0.0


def untagged_matrix(width_px: int, height_px: int) -> Matrix:
    """Return the matrix players assume for an untagged file of this size.

    The rule of mpv and of the broadcast standards: high definition is BT.709, below it BT.601.

    Parameters
    ----------
    width_px, height_px : int
        As stored.

    Returns
    -------
    matrix : {'bt709', 'bt601'}
    """
    return "bt709" if width_px >= 1280 or height_px > 576 else "bt601"


_MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601"}
_TRANSFERS: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}


def matrix_of(frame: av.VideoFrame) -> Matrix:
    """Return the matrix a frame declares, or the rule for its size.

    Parameters
    ----------
    frame : av.VideoFrame
        As decoded.
    """
    declared = _MATRICES.get(int(frame.colorspace))
    return declared or untagged_matrix(frame.width, frame.height)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a clip by its absolute path, as one of the allowed containers and nothing else."""
    try:
        # A FIFO under a clip's name would be waited for without end; no timeout of FFmpeg's helps.
        if not stat.S_ISREG(path.stat().st_mode):
            raise FinishError(f"{path} is no file. Export the shot again.", "unreadable")
        container = av.open(str(path.absolute()), "r", options=OPEN_OPTIONS)
    except MemoryError as error:
        raise FinishError(f"{path}: its index alone needs too much memory.", "too_large") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise FinishError(f"{path} cannot be opened as video: {error}", "unreadable") from error
    with container:
        yield container


def video_stream(container: InputContainer, path: Path, *, strict: bool = False) -> VideoStream:
    """Return the picture track, set to decode on one thread, and no picture beyond 8K.

    Parameters
    ----------
    container : InputContainer
        As opened.
    path : Path
        For the message.
    strict : bool
        Compare with the checksums that some encoders leave in the stream.
    """
    if not container.streams.video:
        raise FinishError(f"{path} holds no video stream.", "no_video")
    stream = container.streams.video[0]
    # Without a decoder of its name a track has no context at all.
    name = stream.codec_context.name if stream.codec_context else "something unknown"
    if name not in DECODERS.split(","):
        raise FinishError(
            f"{path} is coded as {name}, which is not decoded here. Export it as H.264, HEVC, AV1,"
            " VP9 or ProRes.",
            "codec",
        )
    # One thread a shot: shots run side by side, which is faster than frame threads (262 to 179
    # fps measured), and every frame is then decoded in one order on every machine.
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    # Of the decoder and not of av.open, where it would be ignored. The index names one size, the
    # pictures may have another; sixteen pixels for a decoder that fills its blocks.
    options = {"max_pixels": str((4320 + 16) * (7680 + 16)), "codec_whitelist": DECODERS}
    if strict:
        options["err_detect"] = "crccheck"
    stream.codec_context.options = options
    return stream


def rate_hz(container: InputContainer) -> int:
    """Return the rate of the first sound track; 0 without one, or one that cannot be decoded."""
    track = container.streams.audio[0] if container.streams.audio else None
    return track.codec_context.sample_rate if track is not None and track.codec_context else 0


def _first(container: InputContainer, path: Path) -> av.VideoFrame:
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
        The clip.

    Returns
    -------
    probe : Probe
        ``frame_count`` is the declared one; :mod:`finishkit.ingest` counts.

    Raises
    ------
    FinishError
        ``unreadable``, ``no_video``, ``undecodable`` or ``no_frames``.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        frame = _first(container, path)
        rate = stream.average_rate or stream.guessed_rate or Fraction(24)
        rotation = int(frame.rotation) % 360
        sar = stream.sample_aspect_ratio or Fraction(1)
        width, height = round(frame.width * sar), frame.height
        if rotation in (90, 270):
            width, height = height, width
        tagged = int(frame.colorspace) not in (2, 3)
        rgb = frame.format.is_rgb
        duration = float(stream.duration * (stream.time_base or 0)) if stream.duration else 0.0
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
            matrix=matrix_of(frame),
            colour_tagged=tagged or rgb,
            full_range=int(frame.color_range) == 2 or frame.format.name.startswith("yuvj") or rgb,
            transfer=_TRANSFERS.get(int(frame.color_trc), "sdr"),
            rotation_deg=rotation,
            bit_depth=frame.format.components[0].bits,
            start_s=round(frame.time or 0.0, 6),
            audio_rate_hz=rate_hz(container),
        )


def require_safe_decoder() -> None:
    """Refuse to open a stranger's file with an FFmpeg that is known to have holes.

    Raises
    ------
    FinishError
        ``old_decoder``.
    """
    numbers = re.match(r"n?(\d+)\.(\d+)(?:\.(\d+))?", av.ffmpeg_version_info)
    # A build from between two releases has no number; it is taken as it is.
    if numbers and tuple(int(n or 0) for n in numbers.groups()) < FFMPEG_LEAST:
        raise FinishError(
            f"FFmpeg {av.ffmpeg_version_info} in PyAV has known holes: a file made for them can"
            " take over the process. Run: pip install -U av",
            "old_decoder",
        )


def decoder_versions() -> dict[str, tuple[int, ...]]:
    """Return the versions of the FFmpeg libraries that do the decoding, by name."""
    return dict(av.library_versions)
