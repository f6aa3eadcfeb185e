"""One face, cut out upright at a fixed size, given more definition, and put back softly."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Net = Callable[[Picture], Picture]

EYES = 0.246
"""Distance of the eye centres as a share of the crop's side: the FFHQ alignment, which face nets
were trained on (192.98 to 318.90 of 512 px)."""

EYE_LINE = 0.469
"""Height of the eyes in the crop, as a share of its side (240 of 512 px)."""

_HALF_EYE, _NOSE = 0.203, 0.774  # of the eye distance: proportions of dlib's mean face
TEMPLATE = np.array(
    [
        (0.5 + EYES * (0.5 + _HALF_EYE), EYE_LINE),
        (0.5 + EYES * (0.5 - _HALF_EYE), EYE_LINE),
        (0.5 - EYES * (0.5 + _HALF_EYE), EYE_LINE),
        (0.5 - EYES * (0.5 - _HALF_EYE), EYE_LINE),
        (0.5, EYE_LINE + EYES * _NOSE),
    ]
)
"""Where the five landmarks of :class:`finishkit.measure.identity.Face` lie in a crop of side 1."""

NET_SIDE_PX = 256
"""Largest crop given to the net: beyond it a face has enough pixels, and time grows for nothing."""

NET_CONTEXT_PX = 18
"""Receptive field of the compact net: what lies further from the oval cannot change it."""

CROP_SIDES_PX = (48, 768)
"""Smallest and largest side of a crop; between them it has the face's own scale."""

BAND = 0.04
"""Structure coarser than this share of the crop's side (one sixth of the eye distance) is left
alone: shapes, light and skin tone stay the source's."""

ELLIPSE = (0.5, 0.57, 0.30, 0.38)
"""The face in the crop: centre and half axes, as shares of the side."""

FEATHER = 0.3
"""Share of the ellipse's radius over which the treatment fades out, inside the ellipse."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""BT.709."""


def native_side_px(landmarks: NDArray[np.float64]) -> int:
    """Side of the crop in which a face has about as many pixels as in its frame.

    Parameters
    ----------
    landmarks : ndarray, shape (5, 2)
        Pixels of the frame.

    Returns
    -------
    side : int
        A multiple of 8 within :data:`CROP_SIDES_PX`.
    """
    eyes_px = float(np.linalg.norm(landmarks[0:2].mean(0) - landmarks[2:4].mean(0)))
    low, high = CROP_SIDES_PX
    return int(np.clip(round(eyes_px / EYES / 8) * 8, low, high))


def similarity(landmarks: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    """Least-squares rotation, scale and shift from a frame to its crop.

    In complex numbers: the a and b that minimise sum |a z + b - w|^2.

    Parameters
    ----------
    landmarks : ndarray, shape (5, 2)
        Pixels of the frame.
    side_px : int
        Side of the crop.

    Returns
    -------
    matrix : ndarray, shape (2, 3)
        For ``cv2.warpAffine``.
    """
    z = landmarks[:, 0] + 1j * landmarks[:, 1]
    w = (TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]) * side_px
    spread = z - z.mean()
    a = np.vdot(spread, w - w.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def cut_out(frame: Picture, matrix: NDArray[np.float64], side_px: int) -> Picture:
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


def oval(side_px: int) -> Picture:
    """Weight of the treatment over a crop: 1 in the middle of the face, exactly 0 outside it.

    Parameters
    ----------
    side_px : int
        Side of the crop.

    Returns
    -------
    weight : ndarray, shape (side, side), dtype float32, in [0, 1]
    """
    y, x = (np.mgrid[0:side_px, 0:side_px].astype(np.float32) + 0.5) / side_px
    cx, cy, rx, ry = ELLIPSE
    radius = np.hypot((x - cx) / rx, (y - cy) / ry)
    t = np.clip((1 - radius) / FEATHER, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _seen_by_net(side_px: int) -> tuple[slice, slice]:
    """Rows and columns of a crop that can change, with the net's context round them."""
    cx, cy, rx, ry = ELLIPSE

    def span(centre: float, half: float) -> slice:
        first = int(np.floor((centre - half) * side_px)) - NET_CONTEXT_PX
        last = int(np.ceil((centre + half) * side_px)) + NET_CONTEXT_PX
        return slice(max(0, first), min(side_px, last))

    return span(cy, ry), span(cx, rx)


def _fine(crop: NDArray[Any], side_px: int) -> Picture:
    luma = (crop @ LUMA).astype(np.float32, copy=False)
    return luma - cv2.GaussianBlur(luma, (0, 0), BAND * side_px).astype(np.float32, copy=False)


def definition(crop: Picture, enlarge: Net) -> Picture:
    """Return what a net adds to a face: fine structure in brightness, and only more of it.

    The crop goes to the net at its own scale, at most :data:`NET_SIDE_PX`; the enlarged answer is
    averaged back. Where the answer holds less fine structure than the crop (skin texture and
    grain that the net took for noise) nothing is taken over: a face may gain definition here, it
    cannot turn to plastic.

    Parameters
    ----------
    crop : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
        An aligned face.
    enlarge : callable
        (1, h, w, 3) to (1, k h, k w, 3).

    Returns
    -------
    residual : ndarray, shape (side, side, 1), dtype float32
        To be added to R', G' and B' alike.
    """
    side_px = crop.shape[0]
    net_px = min(side_px, NET_SIDE_PX)
    small = cv2.resize(crop, (net_px, net_px), interpolation=cv2.INTER_AREA)
    rows, columns = _seen_by_net(net_px)
    big = enlarge(small[None, rows, columns].astype(np.float32))[0]
    answer = small.copy()
    height, width = answer[rows, columns].shape[:2]
    answer[rows, columns] = cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)
    if net_px < side_px:
        answer = cv2.resize(answer, (side_px, side_px), interpolation=cv2.INTER_LANCZOS4)
    after = _fine(answer, side_px)
    before = _fine(crop, side_px)
    around = BAND * side_px
    energy_before = cv2.GaussianBlur(before * before, (0, 0), around)
    energy_after = cv2.GaussianBlur(after * after, (0, 0), around)
    floor = np.float32(1e-5)  # (0.8 of 255)^2: below it there is nothing to see
    gain = np.sqrt((energy_after + floor) / (energy_before + floor)) - 1
    more = np.clip(gain / 0.1, 0, 1).astype(np.float32)
    return (more * (after - before))[..., None].astype(np.float32, copy=False)
