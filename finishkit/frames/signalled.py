"""What a written file tells a player: codec, depth, colour, count and length."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error

from finishkit.errors import FinishError
from finishkit.frames.probe import opened, rate_hz, video_stream

BT709_LIMITED = (1, 1, 1, 1)
"""Primaries, transfer, matrix (ITU-T H.273) and range, as FFmpeg numbers them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled:
    """The signs on a file.

    Attributes
    ----------
    codec : str
        ``h264``, ``hevc`` or ``av1``.
    codec_tag : str
        The container's four letters: ``avc1``, ``hvc1``, ``av01``.
    pixel_format : str
        Of the first decoded picture.
    colour : tuple of 4 int
        Primaries, transfer, matrix and range of the container's index.
    picture_colour : tuple of 4 int
        The same of the first decoded picture: what the coded stream says.
    frame_count : int
        Packets of the picture track.
    picture_bytes : int
        Of these packets.
    duration_s : float
        Of the picture track.
    sound_s : float
        Of the sound track; 0 without one.
    """

    codec: str
    codec_tag: str
    pixel_format: str
    colour: tuple[int, int, int, int]
    picture_colour: tuple[int, int, int, int]
    frame_count: int
    picture_bytes: int
    duration_s: float
    sound_s: float


def signalled(path: Path) -> Signalled:
    """Read the signs on a file; one picture is decoded.

    Parameters
    ----------
    path : Path
        One of ours.

    Returns
    -------
    signs : Signalled

    Raises
    ------
    FinishError
        ``unreadable``, ``no_video`` or ``undecodable``.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        colour = (
            int(context.color_primaries),
            int(context.color_trc),
            int(context.colorspace),
            int(context.color_range),
        )
        name = stream.codec.canonical_name
        tag = context.codec_tag
        tick = stream.time_base or Fraction(0)
        duration = float((stream.duration or 0) * tick)
        sound = 0.0
        if rate_hz(container):
            track = container.streams.audio[0]
            sound = float((track.duration or 0) * (track.time_base or 0))
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
        container.seek(0)
        try:
            frame = next(container.decode(stream))
        except (av.error.FFmpegError, StopIteration) as error:
            raise FinishError(f"{path} cannot be decoded: {error}", "undecodable") from error
    return Signalled(
        codec=name,
        codec_tag=tag,
        pixel_format=frame.format.name,
        colour=colour,
        picture_colour=(
            int(frame.color_primaries),
            int(frame.color_trc),
            int(frame.colorspace),
            int(frame.color_range),
        ),
        frame_count=len(sizes),
        picture_bytes=sum(sizes),
        duration_s=duration,
        sound_s=sound,
    )
