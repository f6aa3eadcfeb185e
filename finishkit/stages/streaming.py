"""One frame at a time through a stage that looks ahead, chunked again on the way out."""

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames

Picture = tuple[NDArray[np.float32], float]
"""One frame, float32 (h, w, 3) in [0, 1], and its time in seconds."""


def singles(frames: Iterator[Frames], sizes: deque[int]) -> Iterator[Picture]:
    """Take chunks apart.

    Parameters
    ----------
    frames : iterator of Frames
        Chunks of any length.
    sizes : deque of int
        Receives the length of every chunk taken, for :func:`rechunked`.

    Yields
    ------
    picture : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        A view, not to be written to.
    pts_s : float
    """
    for chunk in frames:
        if len(chunk):
            sizes.append(len(chunk))
        data = chunk.as_float()
        for i in range(len(chunk)):
            yield data[i], float(chunk.pts_s[i])


def rechunked(pictures: Iterator[Picture], sizes: deque[int]) -> Iterator[Frames]:
    """Put frames back into chunks of the lengths they came in.

    A stage that decides frame by frame, between these two, cannot depend on the chunk size.

    Parameters
    ----------
    pictures : iterator of (ndarray, float)
        As many as :func:`singles` gave.
    sizes : deque of int
        As filled by :func:`singles`.

    Yields
    ------
    frames : Frames
        float32.
    """
    held: list[Picture] = []
    for picture in pictures:
        held.append(picture)
        if len(held) == sizes[0]:
            sizes.popleft()
            yield Frames(data=np.stack([p for p, _ in held]), pts_s=np.array([t for _, t in held]))
            held = []
