"""Decoding a clip from end to end, to find out whether it can be trusted."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import av.logging
import numpy as np
from av.video.codeccontext import VideoCodecContext

from finishkit.frames.logs import listening
from finishkit.frames.probe import opened, rate_hz, video_stream

MOST_COMPLAINTS = 10_000
"""A decoder that complained so often is not listened to any longer: every one is kept."""


SECOND_OPINIONS = {"vp9": "libvpx-vp9"}
"""Decoder to a second one for the same pictures. FFmpeg's own for VP9 goes on over damage without a
word; libvpx checks how its arithmetic decoder ends (found: 3 % and 99 % of damaged clips). Asked of
8-bit clips alone: the libvpx that comes with PyAV refuses the profiles of more, sound or not."""
_SECOND_BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a clip says of itself in its index, before a single picture is decoded.

    Attributes
    ----------
    width_px, height_px : int
        As stored; 0 when the index does not say.
    frame_count : int
        0 when the index does not say.
    duration_s : float
        The longest of its tracks; 0 when the index does not say.
    rate_fps : Fraction
    stream_count : int
        Tracks of every kind.
    """

    width_px: int
    height_px: int
    frame_count: int
    duration_s: float
    rate_fps: Fraction
    stream_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeReport:
    """What a full decode showed.

    Attributes
    ----------
    frame_count : int
        Pictures decoded.
    declared_count : int
        Pictures the container promises; 0 when it promises nothing.
    increasing : bool
        Every picture is later than the one before.
    constant_rate : bool
        The pictures are evenly spaced, to a quarter of a frame.
    usual_step_s : float
        From a picture to the next, as most are: the mean of those within a quarter of the median,
        so that neither times in whole milliseconds nor pictures left out move it.
    duration_s : float
        From the first picture to the end of the last.
    first_s : float
        Time of the first picture.
    error : str
        The decoder's own complaint when it stopped early; empty otherwise.
    complaints : int
        Errors the decoder logged while going on.
    """

    frame_count: int
    declared_count: int
    increasing: bool
    constant_rate: bool
    usual_step_s: float
    duration_s: float
    first_s: float
    error: str
    complaints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundReport:
    """What decoding the first sound track showed.

    Attributes
    ----------
    start_s : float
        When it begins, on the clock of the pictures.
    duration_s : float
        From its first sample to its last.
    damaged : int
        Packets that could not be decoded, and errors that were logged.
    """

    start_s: float = 0.0
    duration_s: float = 0.0
    damaged: int = 0


def declared(path: Path) -> Declared:
    """Read the index of a clip; nothing is decoded.

    Parameters
    ----------
    path : Path
        The clip.

    Returns
    -------
    declared : Declared

    Raises
    ------
    FinishError
        ``unreadable``, ``too_large`` or ``no_video``.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        lengths = [
            float(s.duration * s.time_base) for s in container.streams if s.duration and s.time_base
        ]
        return Declared(
            width_px=stream.codec_context.width,
            height_px=stream.codec_context.height,
            frame_count=max(0, stream.frames),
            duration_s=max([(container.duration or 0) / av.time_base, *lengths]),
            rate_fps=Fraction(stream.average_rate or stream.guessed_rate or 24),
            stream_count=len(container.streams),
        )


def decode_report(path: Path, beat: Callable[[], None] | None = None) -> DecodeReport:
    """Decode every picture and say what happened; nothing is kept.

    Parameters
    ----------
    path : Path
        The clip.
    beat : callable, optional
        Called after every picture.

    Returns
    -------
    report : DecodeReport

    Raises
    ------
    FinishError
        ``unreadable`` or ``no_video``: there is nothing to decode.
    MemoryError
        The decoder asked for more than it may have.
    """
    times: list[float] = []
    error = ""
    with listening() as logs, opened(path) as container:
        stream = video_stream(container, path, strict=True)
        count = stream.frames
        rate = float(stream.average_rate or stream.guessed_rate or 24)
        try:
            for index, frame in enumerate(container.decode(stream)):
                times.append(frame.time if frame.time is not None else index / rate)
                if beat:
                    beat()
                if len(logs) > MOST_COMPLAINTS:
                    break
        except MemoryError:
            raise
        except av.error.FFmpegError as failure:
            error = str(failure)
        depth = stream.codec_context.format
        able = depth is not None and depth.components[0].bits == _SECOND_BITS
        second = SECOND_OPINIONS.get(stream.codec_context.name, "") if able else ""
    complaints = len(logs)
    if second in av.codecs_available and not (error or complaints):
        complaints += _complaints_of(second, path, beat)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 1 / rate
    near = steps[np.abs(steps - usual) < 0.25 * usual]
    return DecodeReport(
        frame_count=len(times),
        declared_count=count,
        increasing=bool((steps > 0).all()),
        constant_rate=bool((np.abs(steps - usual) < 0.25 * usual).all()) if usual > 0 else False,
        usual_step_s=float(near.mean()) if len(near) else 0.0,
        duration_s=(times[-1] - times[0] + usual) if times else 0.0,
        first_s=times[0] if times else 0.0,
        error=error,
        complaints=complaints,
    )


def _complaints_of(name: str, path: Path, beat: Callable[[], None] | None) -> int:
    """Decode with another decoder; return how often it objects."""
    refused = 0
    with listening() as logs, opened(path) as container:
        track = container.streams.video[0]
        decoder = av.CodecContext.create(name, "r")
        decoder.extradata = track.codec_context.extradata
        decoder.thread_count = 1
        for packet in _packets(container, track):
            try:
                if packet.size:
                    cast(VideoCodecContext, decoder).decode(packet)
            except av.error.FFmpegError:
                refused += 1
            if beat:
                beat()
            if len(logs) > MOST_COMPLAINTS:
                break
    return max(refused, len(logs))


def sound_report(path: Path, beat: Callable[[], None] | None = None) -> SoundReport | None:
    """Decode the first sound track and say what happened; nothing is kept.

    Parameters
    ----------
    path : Path
        The clip.
    beat : callable, optional
        Called after every packet.

    Returns
    -------
    report : SoundReport or None
        ``None`` without sound.

    Raises
    ------
    FinishError
        ``unreadable``.
    """
    start: float | None = None
    end = 0.0
    refused = 0
    with listening() as logs, opened(path) as container:
        if not container.streams.audio:
            return None
        if not rate_hz(container):
            return SoundReport(damaged=1)
        for packet in _packets(container, container.streams.audio[0]):
            frames: list[Any] = []
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                refused += 1
            for frame in frames:
                time = frame.time if frame.time is not None else end
                start = time if start is None else start
                end = max(end, time + frame.samples / frame.sample_rate)
            if beat:
                beat()
            if len(logs) > MOST_COMPLAINTS:
                break
    found = SoundReport(damaged=max(refused, len(logs)))
    if start is None:
        # A track that is there and gives not one sample is damaged, whatever the decoder says.
        return replace(found, damaged=max(1, found.damaged))
    return replace(found, start_s=start, duration_s=end - start)


def _packets(container: Any, track: Any) -> Iterator[Any]:
    """Yield packets until the file ends or breaks: the pictures' own check tells of a break."""
    with contextlib.suppress(av.error.FFmpegError):
        yield from container.demux(track)
