"""Decoding a clip from end to end, to find out whether it can be trusted."""

from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import av.logging
import numpy as np

from finishkit.frames.probe import opened, video_stream


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
    duration_s: float
    first_s: float
    error: str
    complaints: int


def decode_report(path: Path) -> DecodeReport:
    """Decode every picture and say what happened; nothing is kept.

    Parameters
    ----------
    path : Path
        The clip.

    Returns
    -------
    report : DecodeReport

    Raises
    ------
    FinishError
        ``unreadable`` or ``no_video``: there is nothing to decode.
    """
    times: list[float] = []
    error = ""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as logs, opened(path) as container:
            stream = video_stream(container, path)
            declared = stream.frames
            rate = float(stream.average_rate or stream.guessed_rate or 24)
            try:
                for index, frame in enumerate(container.decode(stream)):
                    times.append(frame.time if frame.time is not None else index / rate)
            except av.error.FFmpegError as failure:
                error = str(failure)
    finally:
        av.logging.set_level(level)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 1 / rate
    return DecodeReport(
        frame_count=len(times),
        declared_count=declared,
        increasing=bool((steps > 0).all()),
        constant_rate=bool((np.abs(steps - usual) < 0.25 * usual).all()) if usual > 0 else False,
        duration_s=(times[-1] - times[0] + usual) if times else 0.0,
        first_s=times[0] if times else 0.0,
        error=error,
        complaints=len(logs),
    )
