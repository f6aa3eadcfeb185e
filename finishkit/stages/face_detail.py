"""Definition for a soft face out of the face itself: what blur took is given back, by scale."""

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.stages import face_crop
from finishkit.stages.face_crop import Picture

EDGES_PX = (0.7, 1.4, 2.8, 5.6)
"""Gaussians between which the four bands of structure lie, an octave each."""

GAINS = (0.35, 1.3, 0.9, 0.3)
"""What is added to each band, finest first, of a face that lacks everything. The finest holds the
grain and the codec's noise; the coarsest is the modelling of eyes, nose and lips."""

NOISE = (1.0, 0.35, 0.16, 0.08)
"""Standard deviation of white noise in each band over that in the finest: half a band an octave,
measured with these Gaussians."""

TOO_SOFT, CRISP = 0.42, 0.72
"""Fine over coarse structure (second over third band) of a soft and of a crisp face: the 21 faces
of ep01 lie between 0.43 and 0.77, after a blur of 1.2 px between 0.37 and 0.52."""

LEAST = 0.35
"""Share of the gains a crisp face is still given."""

HALO = 0.15
"""How far a pixel may pass the darkest or lightest of its 5 x 5 neighbours, of their range."""

_FLOOR = np.float32(1e-8)


def _bands(luma: Picture) -> list[Picture]:
    smooth = [luma, *(cv2.GaussianBlur(luma, (0, 0), s) for s in EDGES_PX)]
    return [np.asarray(a - b, np.float32) for a, b in itertools.pairwise(smooth)]


def softness(crop: Picture) -> float:
    """Say how much of its definition a face lacks.

    Parameters
    ----------
    crop : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
        An aligned face at its own scale.

    Returns
    -------
    need : float
        From :data:`LEAST` for a crisp face to 1 for a soft one.
    """
    inside = face_crop.oval(crop.shape[0]) > 0.3
    _, fine, coarse, _ = (
        float(np.sqrt((b[inside] ** 2).mean())) for b in _bands(crop @ face_crop.LUMA)
    )
    # A face without any structure at all, in fog or out of focus, is not made of noise.
    ratio = fine / coarse if coarse > 0.5 / 255 else CRISP
    return float(np.clip((CRISP - ratio) / (CRISP - TOO_SOFT), LEAST, 1))


def definition(crop: Picture, need: float) -> Picture:
    """Return what is to be added to a face to give back what blur took, in brightness only.

    Each band is raised where it stands out of the noise (a Wiener weight from the finest band's
    median deviation), and no pixel passes its neighbourhood by more than :data:`HALO`: neither
    halos nor grain are made, nothing is taken away, and nothing is drawn that was not there.

    Parameters
    ----------
    crop : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
        An aligned face at its own scale.
    need : float
        From :func:`softness`.

    Returns
    -------
    residual : ndarray, shape (side, side, 1), dtype float32
        To be added to R', G' and B' alike.
    """
    luma = np.asarray(crop @ face_crop.LUMA, np.float32)
    bands = _bands(luma)
    inside = face_crop.oval(crop.shape[0]) > 0.3
    noise = 1.4826 * float(np.median(np.abs(bands[0][inside])))
    added = np.zeros_like(luma)
    for band, gain, share in zip(bands, GAINS, NOISE, strict=True):
        energy = cv2.GaussianBlur(band * band, (0, 0), 2.0)
        added += (
            np.float32(gain * need)
            * band
            * (energy / (energy + (1.2 * noise * share) ** 2 + _FLOOR))
        )
    square: NDArray[np.uint8] = np.ones((5, 5), np.uint8)
    low, high = cv2.erode(luma, square), cv2.dilate(luma, square)
    over = np.float32(HALO) * (high - low)
    residual = np.clip(luma + added, low - over, high + over) - luma
    return face_crop.locked(residual)[..., None]
