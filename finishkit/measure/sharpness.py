"""Sharpness: the resolution a picture really has, whatever its content and its file's size.

Effective resolution ``r`` is the factor by which a picture could be reduced and enlarged again
without losing anything: 1 is as sharp as its pixels allow, 0.5 looks enlarged twofold. The spectra
of textured blocks, less the noise, go into a ridge regression whose weights lie beside this file
(``sharpness.json``, written by ``calibration/fit_sharpness.py``). It says "looks like", never "was
enlarged".
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from finishkit.measure.sharpness_fit import calibration, regressed

BLOCK_PX: Final = 64
MAX_BLOCKS: Final = 160
FLAT_BLOCKS: Final = 16
MIN_CONFIDENCE: Final = 40
"""Textured blocks below which nothing is said: fog, flat walls, black."""
BANDS: Final = np.array([0.08, 0.16, 0.24, 0.32, 0.40, 0.48, 0.56, 0.64, 0.72, 0.80, 0.88, 0.96])
"""Edges of the 11 radial bands, share of Nyquist."""
LOW_BANDS: Final = 4
"""The lowest bands, whose mean power is a block's texture; the others are told relative to it."""
FINE_BANDS: Final = 5
"""The highest bands, by which the blocks in focus are told from the soft background."""
ROUNDING: Final = 1 / 12
"""Power of rounding to 8 bits, codes squared: no picture's textured blocks have less noise, even
where its flattest blocks, being constant, show none."""
FLATTEST: Final = 1.05
"""All of a picture's noise over that of its flattest blocks (measured on white noise)."""
SNR: Final = 20.0
MIN_TEXTURE: Final = 8.0
"""A block counts when its texture exceeds 20 times the noise by 8 codes squared: in fog, the steps
of 8 bits are sharp edges themselves."""
RELATIVE_TEXTURE: Final = 0.1
"""Blocks with less of this share of the 90th percentile's texture do not count. Relative, since an
absolute limit makes a darker or flatter picture lose blocks, and its sharpness move."""
FLOOR: Final = 5e-4
"""Power relative to the texture below which 8 bits do not tell softer from soft, -33 dB. Lower, and
exposure moves the estimate of a frame by 0.1 octave; higher, and soft pictures look alike."""
MAX_CLIPPED: Final = 0.02
"""Share of black or white pixels above which noise is not read from a block: half is cut off."""
STEPS_PX: Final = (32, 16)
"""Distances of the blocks: the second for pictures too small to give enough at the first."""
FACE_STEP_PX: Final = 8
FACE_MARGIN: Final = 0.4
MIN_FACE_PX: Final = 128
"""Side of the face's box, pixels of the file, below which its sharpness is not told."""


_WINDOW: Final = np.outer(np.hanning(BLOCK_PX), np.hanning(BLOCK_PX)).astype(np.float32)


def _band_matrix() -> NDArray[np.float32]:
    radius = 2 * np.hypot(np.fft.fftfreq(BLOCK_PX)[:, None], np.fft.rfftfreq(BLOCK_PX)[None])
    # Half-plane transform: its inner columns stand for two.
    twice = np.full(radius.shape, 2.0)
    twice[:, [0, -1]] = 1
    masks = [((radius > low) & (radius <= high)) * twice for low, high in itertools.pairwise(BANDS)]
    flat = np.stack(masks).reshape(len(BANDS) - 1, -1)
    power_to_mean = (_WINDOW**2).sum() * flat.sum(axis=1, keepdims=True)
    return (flat / power_to_mean).astype(np.float32)


_BANDS_OF_SPECTRUM: Final = _band_matrix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpness:
    """Effective resolution of one picture.

    Attributes
    ----------
    log2_r : float
        Octaves below the pixels' own resolution, -2.2 to 0.1.
    confidence : int
        Textured blocks it rests on, at most 160; below 40 it must not be used.
    """

    log2_r: float
    confidence: int

    @property
    def r(self) -> float:
        """Effective resolution, 0.22 to 1.07."""
        return 2.0**self.log2_r


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextureSpectrum:
    """What the regression sees of a picture.

    Attributes
    ----------
    log10_power : ndarray, shape (11,), dtype float64
        Of each band, relative to the texture of the lowest four; -3 to about 0.5.
    confidence : int
        Textured blocks it rests on.
    """

    log10_power: NDArray[np.float64]
    confidence: int


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
        equal output.

    Notes
    -----
    -1.5 stops or contrast x 0.6 change it by less than 0.05 octave. Sharpening of a picture of half
    resolution adds 0.2 octave, compression at CRF 28 0.3: ringing is bandwidth.
    """
    found = texture_spectrum(luma)
    return _told(found) if found else None


def face_sharpness(
    luma: NDArray[np.uint8], box: tuple[float, float, float, float]
) -> Sharpness | None:
    """Estimate the effective resolution of one face.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        The whole picture, not reduced.
    box : tuple of float
        Left, top, right, bottom of the face in its pixels, as detected; may reach over its edge.

    Returns
    -------
    sharpness : Sharpness or None
        Of the box enlarged by 40 %: hair and collar hold most of a face's texture. None when the
        box is under 128 px or its surroundings have too little texture to judge by.

    Notes
    -----
    Blocks overlap more than in :func:`effective_resolution`, so the confidence counts fewer
    independent ones; compare only with faces, measured likewise.
    """
    left, top, right, bottom = box
    if min(right - left, bottom - top) < MIN_FACE_PX:
        return None
    wide, high = (right - left) * FACE_MARGIN / 2, (bottom - top) * FACE_MARGIN / 2
    height, width = luma.shape
    y0, y1 = (int(np.clip(round(y), 0, height)) for y in (top - high, bottom + high))
    x0, x1 = (int(np.clip(round(x), 0, width)) for x in (left - wide, right + wide))
    found = texture_spectrum(luma[y0:y1, x0:x1], steps_px=(*STEPS_PX, FACE_STEP_PX))
    if found is None or found.confidence < MIN_CONFIDENCE:
        return None
    return _told(found)


def _told(found: TextureSpectrum) -> Sharpness:
    fitted = calibration()
    log2_r = regressed(found.log10_power, fitted.weights, fitted.guard)
    return Sharpness(log2_r=log2_r, confidence=found.confidence)


def texture_spectrum(
    luma: NDArray[np.uint8], steps_px: Sequence[int] = STEPS_PX
) -> TextureSpectrum | None:
    """Describe how fast a picture's texture fades towards fine detail.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        At native size.
    steps_px : sequence of int
        Distances of the blocks to try, largest first: the first that gives enough is used.

    Returns
    -------
    spectrum : TextureSpectrum or None
        None when the picture is too small or has no textured block.

    Notes
    -----
    Every choice of blocks is a weight that fades in, not a limit: a picture whose exposure or
    contrast changes keeps its blocks, and its spectrum.
    """
    blocks = _choose(luma.astype(np.float32), steps_px)
    if blocks is None:
        return None
    flat, busy = blocks
    noise = max(FLATTEST * float(np.median(flat[:, -3:].mean(axis=1))), ROUNDING)
    clean = busy - noise
    texture = np.maximum(clean[:, :LOW_BANDS].mean(axis=1), 1e-9)
    relative = texture / np.percentile(texture, 90)
    enough = SNR * noise + MIN_TEXTURE
    weight = np.clip(texture / enough - 0.5, 0, 1)
    weight = weight * np.clip(1 - np.log(relative) / math.log(RELATIVE_TEXTURE), 0, 1)
    confidence = int(((texture > enough) & (relative > RELATIVE_TEXTURE)).sum())
    if not confidence:
        return None
    power = np.log10(np.maximum(clean / texture[:, None], 0) + FLOOR)
    weight = weight * _sharper_half(power[:, -FINE_BANDS:].mean(axis=1), weight)
    return TextureSpectrum(log10_power=weight @ power / weight.sum(), confidence=confidence)


def _choose(
    picture: NDArray[np.float32], steps_px: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return the band powers of the flattest blocks, and of the busier half."""
    height, width = picture.shape
    if min(height, width) < BLOCK_PX:
        return None
    detail = (picture - cv2.GaussianBlur(picture, (0, 0), 2)) ** 2
    energy = cv2.boxFilter(detail, -1, (BLOCK_PX, BLOCK_PX), anchor=(0, 0))
    energy = energy[: height - BLOCK_PX + 1, : width - BLOCK_PX + 1]
    enough = [step for step in steps_px if energy[::step, ::step].size >= 2 * MAX_BLOCKS]
    step = enough[0] if enough else steps_px[-1]
    rows, columns = (
        a.ravel() for a in np.mgrid[0 : energy.shape[0] : step, 0 : energy.shape[1] : step]
    )
    order = np.argsort(energy[rows, columns], kind="stable")
    unclipped = (
        place
        for place in order[: len(order) // 2]
        if not _is_clipped(picture[rows[place] :, columns[place] :][:BLOCK_PX, :BLOCK_PX])
    )
    flat = np.array([*itertools.islice(unclipped, FLAT_BLOCKS)] or order[:FLAT_BLOCKS])
    busy = order[max(len(order) // 2, FLAT_BLOCKS) :]
    if not len(busy):
        return None
    # Thinned by a preference that each place has for good: drawn anew, or counted off, other blocks
    # are taken whenever the ranking changes a little, and exposure moved the estimate by 0.1.
    preference = np.random.default_rng(0).permutation(len(order))
    busy = busy[np.argsort(preference[busy])[:MAX_BLOCKS]]
    chosen = np.concatenate([flat, busy])
    blocks = np.stack(
        [
            picture[y : y + BLOCK_PX, x : x + BLOCK_PX]
            for y, x in zip(rows[chosen], columns[chosen], strict=True)
        ]
    )
    blocks = (blocks - blocks.mean(axis=(1, 2), keepdims=True)) * _WINDOW
    # numpy's takes twice the time.
    power = np.square(np.abs(np.asarray(scipy.fft.rfft2(blocks))))
    bands = power.reshape(len(blocks), -1) @ _BANDS_OF_SPECTRUM.T
    return bands[: len(flat)], bands[len(flat) :]


def _is_clipped(block: NDArray[np.float32]) -> bool:
    return float(((block <= 0) | (block >= 255)).mean()) > MAX_CLIPPED


def _sharper_half(
    fineness: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fade in the upper half, by weight: a close-up's soft background must not make it soft."""
    order = np.argsort(fineness, kind="stable")
    share = np.empty_like(weight)
    share[order] = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return np.clip((share - 0.35) / 0.3, 0, 1)


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
