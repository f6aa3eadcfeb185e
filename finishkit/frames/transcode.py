"""Encoding a finished clip once more: its pictures stay planes, and no colour is converted."""

import contextlib
import itertools
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
from av.video.frame import PictureType
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from finishkit.errors import FinishError, write_error
from finishkit.frames.probe import opened, video_stream
from finishkit.frames.scheduling import scheduled_as_before
from finishkit.frames.sound import carry_sound
from finishkit.frames.write import Encoding, configure, muxer_options
from finishkit.working import beating


def encode_again(
    path: Path,
    source: Path,
    *,
    rate_fps: Fraction,
    encoding: Encoding,
    most_frames: int | None = None,
) -> int:
    """Encode a clip of ours with other settings; its sound is carried over packet by packet.

    Luma and chroma go from decoder to encoder as they are; for 10 bits they are shifted by two
    places, which is exact. Going through R'G'B' would move codes, and halve the speed.

    Parameters
    ----------
    path : Path
        Written directly: callers hand in a temporary name, see :meth:`finishkit.store.Store.part`.
    source : Path
        4:2:0, tagged bt709, limited range: a finished shot.
    rate_fps : Fraction
        Of both.
    encoding : Encoding
        Its container is MP4.
    most_frames : int, optional
        Stop after so many, to learn how long it takes.

    Returns
    -------
    frame_count : int

    Raises
    ------
    FinishError
        ``undecodable``, ``no_frames``, or what writing raises.
    """
    count = 0
    try:
        with contextlib.ExitStack() as stack:
            clip = stack.enter_context(opened(source))
            track = stack.enter_context(opened(source))
            out = stack.enter_context(
                av.open(
                    str(path.absolute()),
                    "w",
                    format=encoding.container,
                    options=muxer_options(encoding.container),
                )
            )
            stream = cast(
                VideoStream,
                out.add_stream(encoding.codec, rate=rate_fps, options=dict(encoding.options)),
            )
            write_sound = carry_sound(out, track, source)
            frames = clip.decode(video_stream(clip, source))
            for frame in beating(itertools.islice(frames, most_frames)):
                given = _given(frame, count, rate_fps, encoding.pixel_format)
                if count == 0:
                    configure(stream, frame.width, frame.height, encoding)
                    with scheduled_as_before():  # the first frame opens the encoder
                        out.mux(stream.encode(given))
                else:
                    out.mux(stream.encode(given))
                count += 1
            if count:
                out.mux(stream.encode(None))
            if write_sound is not None and count:
                write_sound(float(count / rate_fps))
    except av.error.InvalidDataError as error:
        raise FinishError(
            f"{source} breaks off after {count} frames: {error}", "undecodable"
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise write_error(path, error) from error
    if not count:
        raise FinishError(f"{source} holds no picture.", "no_frames")
    return count


def _given(
    frame: av.VideoFrame, index: int, rate_fps: Fraction, pixel_format: str
) -> av.VideoFrame:
    if frame.format.name != pixel_format:
        frame = frame.reformat(
            format=pixel_format,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
    frame.pts, frame.time_base = index, 1 / rate_fps
    # Decoded frames say how they were coded, and encoders would take it for an order.
    frame.pict_type = PictureType.NONE
    return frame
