"""Sharpness: the resolution a picture really has, whatever its content and its file's size.

Effective resolution ``r`` is the factor by which a picture could be reduced and enlarged again
without losing anything: 1 is as sharp as its pixels allow, 0.5 looks enlarged twofold. Textured
blocks' spectra below an estimated noise floor go into a ridge regression that was fitted on
synthetic reductions of 41 contents (facts 2.2). It says "looks like", never "was enlarged".
"""

import itertools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK_PX: Final = 64
MAX_BLOCKS: Final = 160
FLAT_BLOCKS: Final = 16
MIN_CONFIDENCE: Final = 40
"""Textured blocks below which nothing is said: fog, flat walls, black."""
BANDS: Final = np.array([0.08, 0.16, 0.24, 0.32, 0.40, 0.48, 0.56, 0.64, 0.72, 0.80, 0.88, 0.96])
"""Edges of the 11 radial bands, share of Nyquist."""
LOG2_RANGE: Final = (-2.2, 0.1)

# Ridge weights (lambda 3) of S3w.npy: 11 linear, 11 quadratic, bias. Leave-one-content-out:
# mean error 0.19 octave; native against half resolution, over different contents, AUC 1.000.
_WEIGHTS: Final = np.array(
    [
        [
            0.3244837462799079,
            -0.016991573768099587,
            -0.5104897723224459,
            -0.48777396096949865,
            -0.4727029750488327,
            0.11228709681635045,
            0.10375356996206604,
            0.3274661802434504,
            0.5005658836541421,
            0.17667159979328093,
            -0.19747020331787546,
        ],
        [
            0.225883828361226,
            -0.15076426644430116,
            0.13566237959712266,
            -0.30933682741653473,
            -0.135958902774781,
            -0.06237838946035021,
            0.10314815254790685,
            -0.04719884558600832,
            0.05073505410691119,
            0.03484288709584115,
            -0.0302413608864082,
        ],
    ]
)
_BIAS: Final = 0.3853698356723219

_WINDOW: Final = np.outer(np.hanning(BLOCK_PX), np.hanning(BLOCK_PX)).astype(np.float32)


def _band_matrix() -> NDArray[np.float32]:
    radius = 2 * np.hypot(np.fft.fftfreq(BLOCK_PX)[:, None], np.fft.rfftfreq(BLOCK_PX)[None])
    # Half-plane transform: inner columns stand for two, and are counted over whole-plane bins,
    # as the weights were fitted.
    twice = np.full(radius.shape, 2.0)
    twice[:, [0, -1]] = 1
    masks = [((radius > low) & (radius <= high)) * twice for low, high in itertools.pairwise(BANDS)]
    flat = np.stack(masks).reshape(len(BANDS) - 1, -1)
    return (flat / flat.sum(axis=1, keepdims=True)).astype(np.float32)


_BANDS_OF_SPECTRUM: Final = _band_matrix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """Effective resolution of one picture.

    Attributes
    ----------
    log2_r : float
        Octaves below the pixels' own resolution, -2.2 to 0.1.
    confidence : int
        Textured blocks it rests on; below 40 it must not be used.
    """

    log2_r: float
    confidence: int

    @property
    def r(self) -> float:
        """Effective resolution, 0.22 to 1.07."""
        return 2.0**self.log2_r


def effective_resolution(luma: NDArray[np.uint8]) -> Sharpness | None:
    """Estimate the effective resolution of one picture at its native size.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        Not reduced.

    Returns
    -------
    sharpness : Sharpness or None
        None when the picture is too small or has no textured block at all. Equal input gives
        equal output: the choice of blocks is seeded.

    Notes
    -----
    -1.5 stops or contrast x 0.6 change it by less than 0.02 octave; strong sharpening of a soft
    picture adds 0.1 to 0.3; compression at CRF 30 adds up to 0.3 to soft pictures.
    """
    picture = luma.astype(np.float32)
    height, width = picture.shape
    if min(height, width) < BLOCK_PX:
        return None
    detail = (picture - cv2.GaussianBlur(picture, (0, 0), 2)) ** 2
    energy = cv2.boxFilter(detail, -1, (BLOCK_PX, BLOCK_PX), anchor=(0, 0))
    energy = energy[: height - BLOCK_PX + 1, : width - BLOCK_PX + 1]
    # Small pictures are sampled twice as densely: the confidence counts blocks.
    step = 32 if energy[::32, ::32].size >= 2 * MAX_BLOCKS else 16
    rows, columns = np.mgrid[0 : energy.shape[0] : step, 0 : energy.shape[1] : step]
    rows, columns = rows.ravel(), columns.ravel()
    order = np.argsort(energy[rows, columns], kind="stable")
    flat = order[:FLAT_BLOCKS]
    busy = order[max(len(order) // 2, len(flat)) :]
    if len(busy) > MAX_BLOCKS:
        busy = np.random.default_rng(0).choice(busy, MAX_BLOCKS, replace=False)
    if not len(busy):
        return None
    chosen = np.concatenate([flat, busy])
    blocks = np.stack(
        [
            picture[y : y + BLOCK_PX, x : x + BLOCK_PX]
            for y, x in zip(rows[chosen], columns[chosen], strict=True)
        ]
    )
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * _WINDOW
    power = np.abs(np.fft.rfft2(blocks)).astype(np.float32) ** 2 / (_WINDOW**2).sum()
    bands = power.reshape(len(blocks), -1) @ _BANDS_OF_SPECTRUM.T
    floor = min(float(np.median(bands[: len(flat), -3:].mean(axis=1))), 30.0)
    clean = np.maximum(bands[len(flat) :] - floor, 0) + 0.02
    low = clean[:, :4].mean(axis=1)
    textured = (low >= 10) & (low > 20 * floor)
    confidence = int(textured.sum())
    if not confidence:
        return None
    decibel = 10 * np.log10(clean[textured] / low[textured, None])
    fine = decibel[:, 6:].mean(axis=1)
    # The sharper half: a close-up's soft background must not make it a soft shot.
    spectrum = np.median(decibel[fine >= np.median(fine)], axis=0) / 10
    log2_r = float(_WEIGHTS[0] @ spectrum + _WEIGHTS[1] @ spectrum**2 + _BIAS)
    return Sharpness(log2_r=float(np.clip(log2_r, *LOG2_RANGE)), confidence=confidence)


def shot_sharpness(
    lumas: list[NDArray[np.uint8]], speeds_pct: list[float | None] | None = None
) -> Sharpness | None:
    """Combine a few frames into the sharpness of a shot.

    Parameters
    ----------
    lumas : list of ndarray, shape (h, w), dtype uint8
        Frames at native size.
    speeds_pct : list of float or None, optional
        Motion of each in percent of the short side a frame; those above 1 % are left out when
        at least three others remain.

    Returns
    -------
    sharpness : Sharpness or None
        Medians over the frames; None when no frame could be judged.
    """
    frames = [effective_resolution(luma) for luma in lumas]
    speeds = speeds_pct or [None] * len(frames)
    calm = [
        f for f, s in zip(frames, speeds, strict=True) if f is not None and (s is None or s <= 1)
    ]
    used = calm if len(calm) >= 3 else [f for f in frames if f is not None]
    if not used:
        return None
    return Sharpness(
        log2_r=float(np.median([f.log2_r for f in used])),
        confidence=int(np.median([f.confidence for f in used])),
    )
