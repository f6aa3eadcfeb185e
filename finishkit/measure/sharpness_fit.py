"""The fitted part of sharpness: weights in ``sharpness.json``, and what they make of a spectrum."""

import functools
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.values import Value

LOG2_RANGE: Final = (-2.2, 0.1)
GUARD_MARGIN: Final = 0.2
"""Octaves: the guard then never lowers the estimate of a picture of half resolution or more."""
DATA: Final = Path(__file__).with_name("sharpness.json")
"""Written by ``calibration/fit_sharpness.py``."""


class Weights(Value):
    """A regression on the logarithm of relative power.

    Attributes
    ----------
    linear, quadratic : tuple of float, length 11
        Octaves per decade of each band, and per decade squared.
    bias : float
        Octaves.
    """

    linear: tuple[float, ...]
    quadratic: tuple[float, ...]
    bias: float


class Calibration(Value):
    """The fitted weights, and how good they are on contents they were not fitted to.

    Attributes
    ----------
    made_by : str
        The script.
    pictures : int
        Each was degraded in every way.
    contents : tuple of str
        Each was held out in turn for the figures below.
    weights : Weights
        Fitted to ratios of 0.33 to 1.
    guard : Weights
        Fitted to pictures out of all focus as well: less exact, but bounds the first.
    mean_error_octaves : float
        Plain reductions, leave-one-content-out.
    mean_error_all_octaves : float
        With noise, compression, exposure, contrast, soft background, blur and sharpening.
    auc_full_half : float
        Share of pairs of different contents in which full resolution reads above half.
    auc_full_two_thirds : float
    """

    made_by: str
    pictures: int
    contents: tuple[str, ...]
    weights: Weights
    guard: Weights
    mean_error_octaves: float
    mean_error_all_octaves: float
    auc_full_half: float
    auc_full_two_thirds: float


@functools.cache
def calibration() -> Calibration:
    """Return the calibration shipped with finishkit."""
    return Calibration.model_validate_json(DATA.read_text(encoding="utf-8"))


def regressed(log10_power: NDArray[np.float64], weights: Weights, guard: Weights) -> float:
    """Estimate the effective resolution from a spectrum.

    Parameters
    ----------
    log10_power : ndarray, shape (11,), dtype float64
        See :class:`finishkit.measure.sharpness.TextureSpectrum`.
    weights, guard : Weights
        A quadratic turns up again beyond what it was fitted to: without the guard, a blur of sigma
        5 reads as 0.6 to 0.9.

    Returns
    -------
    log2_r : float
        Octaves, -2.2 to 0.1.
    """
    own, bound = (
        w.bias + log10_power @ w.linear + log10_power**2 @ w.quadratic for w in (weights, guard)
    )
    return float(np.clip(min(own, bound + GUARD_MARGIN), *LOG2_RANGE))
