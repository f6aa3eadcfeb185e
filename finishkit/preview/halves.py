"""The two halves of a comparison, frame by frame: the source, and what is made of it."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import Frames, probe, read_frames
from finishkit.preview.frame import HEIGHT_PX, WIDTH_PX, Preview
from finishkit.stages import Filter
from finishkit.stages.upscale import Upscale
from finishkit.template import Draft, Look

After = Literal["draft", "finished"]
"""What stands on the right: the draft at preview size, or the finished shot."""

TIE_S = 1e-3
"""Halfway between two frames the earlier one counts; containers round times by less than this."""

Picture = NDArray[np.float32]
Still = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """One frame, before and after, in one size.

    Attributes
    ----------
    shot : str
    index : int
    after : {'draft', 'finished'}
    before_picture, after_picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B', full range.
    """

    shot: str
    index: int
    after: After
    before_picture: Still
    after_picture: Still


def make_pair(
    preview: Preview,
    shot: str,
    look: Look,
    index: int,
    *,
    finished: Path | None = None,
    whole: bool = False,
) -> Pair:
    """Return one frame before and after.

    Parameters
    ----------
    preview : Preview
        Of the episode.
    shot : str
        Its id.
    look : Look
        What the second picture shows.
    index : int
        Of the source's frame.
    finished : Path, optional
        As for :func:`halves`.
    whole : bool, optional
        At full size: the finished shot's, with the source enlarged to it by Lanczos; else the
        source's, with the draft's filters at that size. At preview size by default.

    Returns
    -------
    pair : Pair

    Raises
    ------
    FinishError
        ``no_such_shot``, ``no_such_frame``, or what reading a clip raises.
    """
    if finished is None and not whole:
        before, after = preview.frame(shot, Draft(look), index)
    elif finished is None:
        filters, _ = preview.filters(shot, look, whole=True)
        frames = _one(preview.episode[shot].path, index, None)
        treated = _through(iter([frames]), filters)
        before, after = frames.as_uint8()[0], next(treated).as_uint8()[0]
    else:
        before, after = _finished_frame(preview, shot, look, index, finished, whole)
    return Pair(
        shot=shot,
        index=index,
        after="finished" if finished else "draft",
        before_picture=before,
        after_picture=after,
    )


def make_before(
    preview: Preview, shot: str, look: Look, index: int, finished: Path | None = None
) -> Still:
    """Return one frame of a source alone: there long before anything is solved.

    Parameters
    ----------
    preview : Preview
        Of the episode.
    shot : str
        Its id.
    look : Look
        Gives the shape of the master, where there is a finished shot.
    index : int
        Of the source's frame.
    finished : Path, optional
        As for :func:`halves`.

    Returns
    -------
    before : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B', full range, at most 540x960.
    """
    path = preview.episode[shot].path
    said = probe(finished or path)
    size = _within(said.width_px, said.height_px)
    if finished is None:
        return _one(path, index, min(size)).as_uint8()[0]
    source = _one(path, index, None)
    return next(iter(_framed(look, size)(iter([source]), {}))).as_uint8()[0]


def halves(
    preview: Preview, shot: str, look: Look, finished: Path | None = None
) -> Iterator[tuple[Picture, Picture]]:
    """Yield every frame of a shot before and after, at most 540x960, in even sizes.

    Parameters
    ----------
    preview : Preview
        Of the episode.
    shot : str
        Its id.
    look : Look
        What the second picture shows, by the filters of the batch.
    finished : Path, optional
        The finished shot, shown instead. Its frames are found by their time.

    Yields
    ------
    before, after : ndarray, shape (h, w, 3), dtype float32 in [0, 1]
        R'G'B', of one size.
    """
    return _finished(preview, shot, look, finished) if finished else _draft(preview, shot, look)


def _draft(preview: Preview, shot: str, look: Look) -> Iterator[tuple[Picture, Picture]]:
    filters, short = preview.filters(shot, look)
    # Eight bits are a third of the time (0.3 s of 48 frames, 720x1280), and the clip has no more.
    chunks = read_frames(preview.episode[shot].path, dtype="uint8", short_side_px=short)
    left, right = itertools.tee(chunks)
    pictures = zip(_pictures(left), _pictures(_through(right, filters)), strict=True)
    for (_, before), (_, after) in pictures:
        yield _even(before), _even(after)


def _finished(
    preview: Preview, shot: str, look: Look, finished: Path
) -> Iterator[tuple[Picture, Picture]]:
    said = probe(finished)
    size = _within(said.width_px, said.height_px)
    # Both are only ever made smaller here, to a size not above their own.
    as_it_is = _framed(look, size)
    sources = _pictures(as_it_is(read_frames(preview.episode[shot].path, chunk=4), {}))
    finals = _pictures(read_frames(finished, chunk=4, dtype="uint8", short_side_px=min(size)))
    left, times = itertools.tee(sources)
    for (_, before), after in zip(left, _nearest((t for t, _ in times), finals), strict=True):
        yield before, _sized(after, size)


def _finished_frame(
    preview: Preview, shot: str, look: Look, index: int, finished: Path, whole: bool
) -> tuple[Still, Still]:
    said = probe(finished)
    size = (said.width_px, said.height_px) if whole else _within(said.width_px, said.height_px)
    source = _one(preview.episode[shot].path, index, None)
    at = max(0, math.ceil((float(source.pts_s[0]) - TIE_S / 2) * float(said.rate_fps) - 0.5))
    last = min(at, said.frame_count - 1) if said.frame_count else at
    final = _one(finished, last, None if whole else min(size))
    before = next(iter(_framed(look, size)(iter([source]), {}))).as_uint8()[0]
    after = final.as_uint8()[0]
    if after.shape[1::-1] != size:
        after = np.asarray(cv2.resize(after, size, interpolation=cv2.INTER_AREA), np.uint8)
    return before, after


def _framed(look: Look, size: tuple[int, int]) -> Upscale:
    """Return what brings a source into the master's shape, without a net."""
    return Upscale(
        model="lanczos",
        strength=0.0,
        tile_px=look.upscale.tile_px,
        out_px=size,
        fit=look.master.fit,
    )


def _one(path: Path, index: int, short_side_px: int | None) -> Frames:
    for frames in read_frames(path, indices=[index], short_side_px=short_side_px):
        return frames
    raise FinishError(f"{path} ends before frame {index}. Choose an earlier one.", "no_such_frame")


def _through(chunks: Iterator[Frames], filters: Sequence[Filter]) -> Iterator[Frames]:
    for apply in filters:
        chunks = apply(chunks, {})
    return chunks


def _pictures(chunks: Iterable[Frames]) -> Iterator[tuple[float, Picture]]:
    for chunk in chunks:
        yield from zip(map(float, chunk.pts_s), chunk.as_float(), strict=True)


def _nearest(
    times_s: Iterable[float], pictures: Iterator[tuple[float, Picture]]
) -> Iterator[Picture]:
    """Yield, for each time, the picture shown nearest to it."""
    here = next(pictures)
    ahead = next(pictures, None)
    for time_s in times_s:
        while ahead is not None and abs(ahead[0] - time_s) < abs(here[0] - time_s) - TIE_S:
            here, ahead = ahead, next(pictures, None)
        yield here[1]


def _within(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the largest size of this shape that a half may have, in even numbers."""
    short, long = sorted((width_px, height_px))
    scale = min(1.0, WIDTH_PX / short, HEIGHT_PX / long)
    return max(2, 2 * int(width_px * scale / 2)), max(2, 2 * int(height_px * scale / 2))


def _even(picture: Picture) -> Picture:
    # 4:2:0 has no odd sizes. One row less is the truth; one row squeezed in would not be.
    height, width = picture.shape[:2]
    return picture[: max(2, height // 2 * 2), : max(2, width // 2 * 2)]


def _sized(picture: Picture, size: tuple[int, int]) -> Picture:
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
