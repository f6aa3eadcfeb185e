"""How like two encodes of the same pictures are, and whether they hold equally many."""

import contextlib
import itertools
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
from av.filter import Graph
from av.video.reformatter import ColorRange

from finishkit.errors import FinishError
from finishkit.frames.probe import opened, video_stream
from finishkit.working import beating

_TICK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What decoding two clips side by side showed.

    Attributes
    ----------
    frame_count : int
        Pictures of both.
    ssim_mean, ssim_least : float
        Structural similarity of luma, FFmpeg's ``ssim`` filter, over the frames that were looked
        at; 1 for equal pictures.
    """

    frame_count: int
    ssim_mean: float
    ssim_least: float


def likeness(path: Path, reference: Path, *, every: int = 12) -> Likeness:
    """Decode two clips to their ends, side by side, and compare every so many frames.

    Parameters
    ----------
    path : Path
        An encode of ``reference``; compared at its bit depth.
    reference : Path
        What it was made from.
    every : int, optional
        The first frame is compared, and each so many after it.

    Returns
    -------
    likeness : Likeness

    Raises
    ------
    FinishError
        ``lost_frames`` when one holds more pictures than the other or they are not in time;
        ``undecodable``.
    """
    seen: list[float] = []
    last = Fraction(-1)
    count = 0
    compare: _Ssim | None = None
    with (
        contextlib.closing(_pictures(path)) as ours,
        contextlib.closing(_pictures(reference)) as theirs,
    ):
        for one, other in beating(itertools.zip_longest(ours, theirs)):
            if one is None or other is None:
                raise FinishError(
                    f"{path.name} and {reference.name} do not hold equally many pictures: one ends"
                    f" after {count}. Is the disk full or failing?",
                    "lost_frames",
                )
            at = (one.pts or 0) * cast(Fraction, one.time_base)
            if at <= last:
                raise FinishError(
                    f"{path.name}: picture {count} is not later than the one before it.",
                    "lost_frames",
                )
            last = at
            if count % every == 0:
                compare = compare or _Ssim(one)
                seen.append(compare(one, other))
            count += 1
    if not count:
        raise FinishError(f"{path.name} holds no picture.", "no_frames")
    return Likeness(frame_count=count, ssim_mean=sum(seen) / len(seen), ssim_least=min(seen))


def _pictures(path: Path) -> Generator[av.VideoFrame, None, None]:
    with opened(path) as container:
        try:
            yield from container.decode(video_stream(container, path, strict=True))
        except av.error.FFmpegError as error:
            raise FinishError(f"{path} cannot be decoded: {error}", "undecodable") from error


class _Ssim:
    """FFmpeg's filter, fed pair by pair.

    Parameters
    ----------
    like : av.VideoFrame
        Its size and format are those of all that follow.
    """

    def __init__(self, like: av.VideoFrame) -> None:
        self._format = like.format.name
        self._count = 0
        graph = Graph()
        self._ends: list[Any] = [
            graph.add_buffer(
                width=like.width, height=like.height, format=like.format, time_base=_TICK
            )
            for _ in range(2)
        ]
        compare, self._sink = graph.add("ssim"), graph.add("buffersink")
        for number, end in enumerate(self._ends):
            end.link_to(compare, 0, number)
        compare.link_to(self._sink)
        graph.configure()
        self._graph = graph  # the nodes do not keep it alive

    def __call__(self, one: av.VideoFrame, other: av.VideoFrame) -> float:
        """Return the similarity of two pictures."""
        for end, frame in zip(self._ends, (one, other), strict=True):
            given = frame
            if frame.format.name != self._format:
                given = frame.reformat(
                    format=self._format,
                    src_color_range=ColorRange.MPEG,
                    dst_color_range=ColorRange.MPEG,
                    threads=1,
                )
            given.pts, given.time_base = self._count, _TICK
            end.push(given)
        self._count += 1
        return float(cast(av.VideoFrame, self._sink.pull()).metadata["lavfi.ssim.Y"])
