"""Opening a clip safely, and what it says of itself."""

import contextlib
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

OPEN_OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
Matrix = Literal["bt709", "bt601"]

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
        container = av.open(str(path.absolute()), "r", options=OPEN_OPTIONS)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise FinishError(f"{path} cannot be opened as video: {error}", "unreadable") from error
    with container:
        yield container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the picture track, set to decode on one thread."""
    if not container.streams.video:
        raise FinishError(f"{path} holds no video stream.", "no_video")
    stream = container.streams.video[0]
    # One thread a shot: shots run side by side, which is faster than frame threads (262 to 179
    # fps measured), and every frame is then decoded in one order on every machine.
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream


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
            audio_rate_hz=container.streams.audio[0].rate if container.streams.audio else 0,
        )


def decoder_versions() -> dict[str, tuple[int, ...]]:
    """Return the versions of the FFmpeg libraries that do the decoding, by name."""
    return dict(av.library_versions)
