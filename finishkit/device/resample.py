"""Resize and blur on a device with OpenCV's own weights.

All of OpenCV's kernels used here are linear and separable, so each is one matrix an axis. The
matrix is what OpenCV makes of the unit matrix: the same weights, the same borders, whatever the
version. Multiplying by it costs the GPU less than a gather would (2 ms of float32 for the worst
case, 2160x3840, at the rate of an H200; computed).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Kernel = Literal["area", "lanczos", "linear"]

_FLAGS = {"area": cv2.INTER_AREA, "lanczos": cv2.INTER_LANCZOS4, "linear": cv2.INTER_LINEAR}
_KEPT = 32
"""Matrices kept; one of 3840 by 960 takes 15 MB."""


def _along_rows(
    length: int, way: Callable[[NDArray[np.float32]], object], device: torch.device
) -> Tensor:
    """Return what a filter does along one axis, as a matrix."""
    made = np.asarray(way(np.eye(length, dtype=np.float32)), np.float32)
    return torch.from_numpy(made).to(device)


@lru_cache(maxsize=_KEPT)
def _resizing(length: int, out: int, kernel: Kernel, device: torch.device) -> Tensor:
    flag = _FLAGS[kernel]
    return _along_rows(length, lambda m: cv2.resize(m, (length, out), interpolation=flag), device)


@lru_cache(maxsize=_KEPT)
def _blurring(length: int, sigma_px: float, device: torch.device) -> Tensor:
    # The size of kernel that cv2.GaussianBlur chooses for float32.
    taps = cv2.getGaussianKernel(round(8 * sigma_px + 1) | 1, sigma_px, cv2.CV_32F)
    one = np.ones(1, np.float32)
    return _along_rows(length, lambda m: cv2.sepFilter2D(m, -1, one, taps), device)


def _both(data: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Apply a matrix to the rows and one to the columns, first the one that leaves less."""
    if down.shape[0] * data.shape[3] <= data.shape[2] * across.shape[0]:
        return (down @ data) @ across.T
    return down @ (data @ across.T)


def resize(data: Tensor, size_px: tuple[int, int], kernel: Kernel) -> Tensor:
    """Resize pictures as ``cv2.resize`` does.

    Parameters
    ----------
    data : Tensor, shape (n, c, h, w), dtype float32
        Any range.
    size_px : (int, int)
        Width and height.
    kernel : {'area', 'lanczos', 'linear'}
        Not clipped: Lanczos overshoots.

    Returns
    -------
    resized : Tensor, shape (n, c, height, width), dtype float32
        ``data`` itself where nothing changes.

    Raises
    ------
    ValueError
        When areas are to be averaged over, one side grows and the other shrinks: OpenCV then does
        something else for both.
    """
    (height, width), (out_w, out_h) = data.shape[2:], size_px
    if (out_w, out_h) == (width, height):
        return data
    if kernel == "area" and (out_h - height) * (out_w - width) < 0:
        raise ValueError(f"{width}x{height} to {out_w}x{out_h} averages over no areas")
    if kernel == "area" and height % out_h == width % out_w == 0:
        return F.avg_pool2d(data, (height // out_h, width // out_w))
    down = _resizing(height, out_h, kernel, data.device)
    return _both(data, down, _resizing(width, out_w, kernel, data.device))


def blurred_to(data: Tensor, sigma_px: float, size_px: tuple[int, int]) -> Tensor:
    """Blur pictures by a Gaussian and enlarge them linearly, as one step.

    Parameters
    ----------
    data : Tensor, shape (n, c, h, w), dtype float32
        Any range.
    sigma_px : float
        At their size.
    size_px : (int, int)
        Width and height of what comes out.

    Returns
    -------
    enlarged : Tensor, shape (n, c, height, width), dtype float32
    """
    (height, width), (out_w, out_h) = data.shape[2:], size_px
    down, across = (
        _resizing(n, out, "linear", data.device) @ _blurring(n, sigma_px, data.device)
        for n, out in ((height, out_h), (width, out_w))
    )
    return _both(data, down, across)
