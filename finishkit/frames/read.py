"""Reading a clip, upright, in BT.709 R'G'B', in chunks."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from av import VideoFrame

from finishkit.errors import FinishError
from finishkit.frames.carrier import Frames, Pixels
from finishkit.frames.convert import DType, to_rgb
from finishkit.frames.probe import Matrix, matrix_of, opened, video_stream


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
        The clip.
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
    pictures: list[Pixels] = []
    times: list[float] = []
    start: float | None = None
    count = 0
    size: tuple[int, int] | None = None
    chosen: Matrix | None = matrix
    with opened(path) as container:
        stream = video_stream(container, path)
        sar = stream.sample_aspect_ratio or Fraction(1)
        rate = float(stream.average_rate or stream.guessed_rate or 24)
        try:
            for index, frame in enumerate(container.decode(stream)):
                chosen = chosen or matrix_of(frame)
                time = frame.time if frame.time is not None else index / rate
                start = time if start is None else start
                count += 1
                if wanted is None or index in wanted:
                    if size is None:
                        size = _read_size(frame, sar, short_side_px)
                    native = size == (frame.width, frame.height)
                    picture = to_rgb(frame, dtype, chosen, None if native else size)
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


def _read_size(frame: VideoFrame, sar: Fraction, short_px: int | None) -> tuple[int, int]:
    width, height = round(frame.width * sar), frame.height
    if short_px and short_px < min(width, height):
        scale = short_px / min(width, height)
        return max(2, round(width * scale)), max(2, round(height * scale))
    return width, height
