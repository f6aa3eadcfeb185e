"""One face, cut out upright at a fixed size, and what was made of it put back softly."""

import functools
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Points = NDArray[np.float64]
Matrix = NDArray[np.float64]
Kind = Literal["corners", "centres"]
Protect = Literal["off", "on", "strong"]

EYES = 0.246
"""Distance of the eye centres as a share of the crop's side: the FFHQ alignment, which face nets
were trained on (192.98 to 318.90 of 512 px)."""

EYE_LINE = 0.469
"""Height of the eyes in the crop, as a share of its side (240 of 512 px)."""

_HALF_EYE, _NOSE = 0.203, 0.774  # of the eye distance: proportions of dlib's mean face
TEMPLATES: dict[Kind, Points] = {
    "corners": np.array(
        [
            (0.5 + EYES * (0.5 + _HALF_EYE), EYE_LINE),
            (0.5 + EYES * (0.5 - _HALF_EYE), EYE_LINE),
            (0.5 - EYES * (0.5 + _HALF_EYE), EYE_LINE),
            (0.5 - EYES * (0.5 - _HALF_EYE), EYE_LINE),
            (0.5, EYE_LINE + EYES * _NOSE),
        ]
    ),
    "centres": np.array(
        [(193.0, 239.9), (318.9, 240.2), (256.6, 314.0), (201.3, 371.4), (313.1, 371.2)]
    )
    / 512,
}
"""Where the five landmarks of :class:`finishkit.measure.identity.Face` lie in a crop of side 1, by
its ``points``; ``centres`` are facexlib's FFHQ template."""

MOUTH = (0.5, 0.725)
"""Middle of the mouth in a crop of side 1, of that template."""

PROTECTED: dict[Protect, float] = {"off": 0.0, "on": 0.5, "strong": 0.85}
"""Share of an inventing engine's answer that is held back at eyes and mouth."""

CROP_SIDES_PX = (48, 768)
"""Smallest and largest side of a crop; between them it has the face's own scale."""

ELLIPSE = (0.5, 0.57, 0.30, 0.38)
"""The face in the crop: centre and half axes, as shares of the side."""

FEATHER = 0.3
"""Share of the ellipse's radius over which the treatment fades out, inside the ellipse."""

LOCKED = 0.06
"""Structure coarser than this share of the crop's side (a quarter of the eye distance) stays the
source's, in light and in colour: lashes may be added, not another skin tone or another nose."""
BLUR_PX = 7.5
"""Width of that blur, where it is computed: wide enough to be smooth when it is enlarged again."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""BT.709."""


def native_side_px(eyes: Points) -> int:
    """Side of the crop in which a face has about as many pixels as in its frame.

    Parameters
    ----------
    eyes : ndarray, shape (2, 2)
        Centres of the eyes, pixels of the frame.

    Returns
    -------
    side : int
        A multiple of 8 within :data:`CROP_SIDES_PX`.
    """
    low, high = CROP_SIDES_PX
    apart_px = float(np.linalg.norm(eyes[0] - eyes[1]))
    return int(np.clip(round(apart_px / EYES / 8) * 8, low, high))


def similarity(points: Points, side_px: int, kind: Kind = "corners") -> Matrix:
    """Least-squares rotation, scale and shift from a frame to its crop.

    In complex numbers: the a and b that minimise sum |a z + b - w|^2.

    Parameters
    ----------
    points : ndarray, shape (5, 2)
        Landmarks, pixels of the frame.
    side_px : int
        Side of the crop.
    kind : {'corners', 'centres'}
        Which landmarks they are.

    Returns
    -------
    matrix : ndarray, shape (2, 3)
        For ``cv2.warpAffine``.
    """
    onto = TEMPLATES[kind] * side_px
    z, w = points[:, 0] + 1j * points[:, 1], onto[:, 0] + 1j * onto[:, 1]
    spread = z - z.mean()
    a = np.vdot(spread, w - w.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def cut_out(frame: Picture, matrix: Matrix, side_px: int) -> Picture:
    """Return the aligned crop; what lies outside the frame repeats its edge.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3), dtype float32
        In [0, 1].
    matrix : ndarray, shape (2, 3)
        From :func:`similarity`.
    side_px : int
        Side of the crop.

    Returns
    -------
    crop : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
    """
    crop = cv2.warpAffine(
        frame,
        matrix,
        (side_px, side_px),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.clip(crop, 0, 1).astype(np.float32, copy=False)


@functools.lru_cache(maxsize=16)  # a track's side is fixed
def oval(side_px: int) -> Picture:
    """Weight of the treatment over a crop: 1 in the middle of the face, exactly 0 outside it.

    Parameters
    ----------
    side_px : int
        Side of the crop.

    Returns
    -------
    weight : ndarray, shape (side, side), dtype float32, in [0, 1], read-only
    """
    x, y = _grid(side_px)
    cx, cy, rx, ry = ELLIPSE
    radius = np.hypot((x - cx) / rx, (y - cy) / ry)
    t = np.clip((1 - radius) / FEATHER, 0, 1)
    return _kept(t * t * (3 - 2 * t))


@functools.lru_cache(maxsize=16)
def trusted(side_px: int, protect: Protect) -> Picture:
    """Weight of an inventing engine over a crop: less at eyes and mouth, which say who it is.

    Parameters
    ----------
    side_px : int
        Side of the crop.
    protect : {'off', 'on', 'strong'}
        See :data:`PROTECTED`.

    Returns
    -------
    weight : ndarray, shape (side, side), dtype float32, in [0, 1], read-only
    """
    x, y = _grid(side_px)
    eyes = ((0.5 - EYES / 2, EYE_LINE), (0.5 + EYES / 2, EYE_LINE))
    held = np.zeros((side_px, side_px), np.float32)
    for (cx, cy), (rx, ry) in zip(
        (*eyes, MOUTH), ((0.09, 0.05),) * 2 + ((0.13, 0.07),), strict=True
    ):
        held = np.maximum(held, np.exp(-(((x - cx) / rx) ** 4 + ((y - cy) / ry) ** 4)))
    return _kept(1 - PROTECTED[protect] * held)


def _kept(weight: NDArray[np.floating]) -> Picture:
    kept = weight.astype(np.float32)
    kept.flags.writeable = False
    return kept


def locked(residual: Picture) -> Picture:
    """Take out of a residual what would change the light or the colour of skin.

    Parameters
    ----------
    residual : ndarray, shape (side, side) or (side, side, 3), dtype float32
        Of an aligned crop.

    Returns
    -------
    residual : ndarray, dtype float32
        Of the same shape, without structure coarser than :data:`LOCKED`.
    """
    side_px = residual.shape[0]
    # Blurred small: what is left after so wide a blur needs no more pixels (80 times faster at
    # 760 px; on noise 2 of 255 codes apart at the rim, which the oval leaves out, 0.1 inside it).
    step = max(1, int(LOCKED * side_px / BLUR_PX))
    small = cv2.resize(residual, (side_px // step,) * 2, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(small, (0, 0), LOCKED * small.shape[0])
    coarse = cv2.resize(coarse, (side_px,) * 2, interpolation=cv2.INTER_LINEAR)
    return (residual - coarse).astype(np.float32, copy=False)


def _grid(side_px: int) -> tuple[Picture, Picture]:
    y, x = (np.mgrid[0:side_px, 0:side_px].astype(np.float32) + 0.5) / side_px
    return x, y


def paste(frame: Picture, residual: Picture, matrix: Matrix, share: float) -> Picture:
    """Add a residual to the face it was computed from, within the oval of the face.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        Not written to.
    residual : ndarray, shape (side, side, 1 or 3), dtype float32
        Of the aligned crop.
    matrix : ndarray, shape (2, 3)
        From frame to crop, as it was for the crop.
    share : float
        In [0, 1].

    Returns
    -------
    pasted : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        A new array; outside the oval equal to ``frame`` to the bit.
    """
    side_px = residual.shape[0]
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([(0, 0, 1), (side_px, 0, 1), (0, side_px, 1), (side_px, side_px, 1)])
    reach = corners @ back.T
    h, w = frame.shape[:2]
    left, top = np.clip(np.floor(reach.min(0)), 0, (w, h)).astype(int)
    right, bottom = np.clip(np.ceil(reach.max(0)) + 1, 0, (w, h)).astype(int)
    out = frame.copy()
    if right <= left or bottom <= top:
        return out
    back[:, 2] -= (left, top)
    added = cv2.warpAffine(
        residual * (np.float32(share) * oval(side_px)[..., None]),
        back,
        (int(right - left), int(bottom - top)),
        flags=cv2.INTER_CUBIC,
    )
    part = out[top:bottom, left:right]
    np.clip(part + added.reshape(*part.shape[:2], -1), 0, 1, out=part)
    return out
