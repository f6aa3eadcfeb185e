"""One tiler for every net: pure, exact, never a pixel missing."""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Pictures = NDArray[np.generic]
Out = Literal["float32", "uint8"]
"""What pictures are returned as: [0, 1], or codes."""
Held = TypeVar("Held", Pictures, "Tensor")
"""Pictures on the host or on a device."""


def windows(length_px: int, tile_px: int, overlap_px: int) -> list[tuple[int, int, int]]:
    """Cut one axis into cores that touch, each inside a window with context around it.

    All windows have the same length, so that a net meets one shape only (a ragged last tile costs
    a new plan in cuDNN and oneDNN): at the borders a window moves inwards instead of shrinking.

    Parameters
    ----------
    length_px : int
        Length of the axis.
    tile_px : int
        Length of a core, at most.
    overlap_px : int
        Context on each side of a core, at least, except where the picture ends.

    Returns
    -------
    spans : list of (int, int, int)
        First pixel of the window, first and last-plus-one pixel of the core.
    """
    window_px = tile_px + 2 * overlap_px
    if window_px >= length_px:
        return [(0, 0, length_px)]
    count = -(-length_px // tile_px)
    edges = [round(i * length_px / count) for i in range(count + 1)]
    return [
        (min(max(a - overlap_px, 0), length_px - window_px), a, b)
        for a, b in itertools.pairwise(edges)
    ]


def tiled(
    fn: Callable[[Any], Held], pictures: Held, *, tile_px: int, overlap_px: int, scale: int
) -> Held:
    """Run a net over pictures tile by tile.

    With ``overlap_px`` at least the radius of the net's receptive field every kept pixel has seen
    all it would have seen in the whole picture, and a border of zeros only where the picture ends:
    the result is that of ``fn(pictures)``.

    Parameters
    ----------
    fn : callable
        (n, h, w, c) to (n, scale h, scale w, c); called on windows of one size.
    pictures : ndarray or Tensor, shape (n, h, w, c)
        Any number of channels.
    tile_px : int
        Side of a tile's core at the input's size; 0: the whole picture at once.
    overlap_px : int
        Context round each core at the input's size.
    scale : int
        Output size over input size.

    Returns
    -------
    enlarged : ndarray or Tensor, shape (n, scale h, scale w, c)
        Of the type ``fn`` returns.
    """
    if tile_px <= 0:
        return fn(pictures)
    n, h, w, c = pictures.shape
    rows, columns = windows(h, tile_px, overlap_px), windows(w, tile_px, overlap_px)
    if len(rows) == len(columns) == 1:
        return fn(pictures)
    tall, wide = min(tile_px + 2 * overlap_px, h), min(tile_px + 2 * overlap_px, w)
    out: Any = None
    for y, top, bottom in rows:
        for x, left, right in columns:
            done = fn(pictures[:, y : y + tall, x : x + wide])
            if out is None:
                size = (n, h * scale, w * scale, c)
                of_host = isinstance(done, np.ndarray)
                out = np.empty(size, done.dtype) if of_host else done.new_empty(size)
            out[:, top * scale : bottom * scale, left * scale : right * scale] = done[
                :,
                (top - y) * scale : (bottom - y) * scale,
                (left - x) * scale : (right - x) * scale,
            ]
    assert out is not None  # an axis has one window at least
    return out


def seam_codes(enlarged: Pictures, *, tile_px: int, overlap_px: int, scale: int) -> float:
    """Return the clearest step along a border between tiles.

    Parameters
    ----------
    enlarged : ndarray, shape (n, h, w, c), dtype float32 or uint8
        From :func:`tiled`: in [0, 1], or codes.
    tile_px, overlap_px, scale : int
        As it was called with.

    Returns
    -------
    step : float
        8-bit codes: along each border the median over its length of the step across it, beyond
        the steps beside it; the largest over all borders. Edges of what is shown do not follow a
        border over half its length; a tile that differs from its neighbour does. 0 without tiles.
    """
    if tile_px <= 0:
        return 0.0
    light = enlarged.mean(axis=-1, dtype=np.float32)
    worst = 0.0
    for across in (light, light.swapaxes(1, 2)):
        length_px = across.shape[2] // scale
        for _, core, _ in windows(length_px, tile_px, overlap_px)[1:]:
            at = core * scale
            steps = np.diff(across[:, :, at - 3 : at + 3], axis=2)
            beyond = steps[..., 2] - (steps[..., 0] + steps[..., 4]) / 2
            worst = max(worst, float(np.abs(np.median(beyond, axis=1)).max()))
    return worst if enlarged.dtype == np.uint8 else 255 * worst
