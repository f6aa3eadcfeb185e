"""How far a net in a short number format may stray from itself in float32."""

import math

import numpy as np
from numpy.typing import NDArray

GATE_DB = 50.0
"""A shorter number format must come this close to float32 (PSNR), or float32 is used."""


def psnr_db(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Peak signal-to-noise ratio of two pictures in [0, 1].

    Parameters
    ----------
    a, b : ndarray, same shape, dtype float32
        Any shape.

    Returns
    -------
    psnr : float
        In decibels; infinite when equal.
    """
    mse = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if mse == 0 else -10 * math.log10(mse)


def test_picture(side_px: int) -> NDArray[np.float32]:
    """Return gradients, edges and grain, enough of each to show rounding.

    Parameters
    ----------
    side_px : int
        Width and height.

    Returns
    -------
    pictures : ndarray, shape (1, side, side, 3), dtype float32
        One, in [0, 1], the same at every call.
    """
    y, x = np.mgrid[0:side_px, 0:side_px].astype(np.float32) / (side_px - 1)
    bars = (np.sin(40 * x * (0.3 + y)) > 0).astype(np.float32)
    base = np.stack((x, 0.6 * bars + 0.2 * y, 1 - y), -1)
    grain = np.random.default_rng(0).normal(0, 0.03, base.shape)
    return np.clip(base + grain, 0, 1).astype(np.float32)[None]
