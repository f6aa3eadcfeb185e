"""Skin: the one thing in a drama whose colour everybody knows.

A generator repaints the set in every shot, but the lead's skin stays the same skin. Its colour is
read from the inner cheeks, where a five-point detector always finds face: the outer cheek of a
turned head is background.
"""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.measure.colour import LINEAR, LUMINANCE, linear_to_srgb
from finishkit.measure.identity import Face

SKIN_AXES: Final = ("wb_r", "wb_b", "ev", "sat")
"""Axes on which skin says something about the grade; contrast is not among them."""
MIN_PIXELS: Final = 12
FRONTAL_TURN: Final = 0.12
"""Nose offset, in eye distances, up to which both cheeks are seen."""
CLIPPED: Final = 250
"""Code from which a channel no longer says how bright it was."""


def skin_colour(frame: NDArray[np.uint8], face: Face) -> tuple[float, float, float] | None:
    """Return the colour of the cheeks.

    Parameters
    ----------
    frame : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range: the picture in which the face was found.
    face : Face
        With five landmarks.

    Returns
    -------
    colour : tuple of float, or None
        Linear R, G, B in 0 to 1: per-channel median over the pixels between the 30th and the 90th
        percentile of luminance (without shadow and shine). None when the face is too small, or
        most of the cheek is clipped.
    """
    left, right = face.eyes
    middle, eye_px = (right + left) / 2, float(np.linalg.norm(right - left))
    down = face.nose_base - middle
    length = float(np.linalg.norm(down))
    if not eye_px or not length:
        return None
    mask = np.zeros(frame.shape[:2], np.uint8)
    for eye, seen in ((right, face.turn < FRONTAL_TURN), (left, face.turn > -FRONTAL_TURN)):
        if seen:
            x, y = middle + (eye - middle) * 0.75 + down / length * eye_px * 0.55
            cv2.circle(mask, (round(x), round(y)), max(2, round(eye_px * 0.2)), 1, -1)
    pixels = frame[mask > 0]
    if len(pixels) < MIN_PIXELS or np.median(pixels.max(axis=1)) >= CLIPPED:
        return None
    linear = LINEAR[pixels]
    light = linear @ LUMINANCE
    low, high = np.percentile(light, (30, 90))
    red, green, blue = np.median(linear[(light >= low) & (light <= high)], axis=0)
    return float(red), float(green), float(blue)


def skin_vector(colours: Sequence[tuple[float, float, float]]) -> tuple[float, ...] | None:
    """Return where the skin of a shot lies on the axes of the grade.

    Parameters
    ----------
    colours : sequence of tuple of float
        :func:`skin_colour` of the frames of one character, linear R, G, B.

    Returns
    -------
    vector : tuple of float, or None
        In the order of :data:`SKIN_AXES`: log2(R/G), log2(B/G), log2(Y), log2(C*ab + 1); the
        median over the frames. None with fewer than two.
    """
    if len(colours) < 2:
        return None
    linear = np.maximum(np.array(colours, np.float64), 1e-4)
    lab = cv2.cvtColor(linear_to_srgb(linear)[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    rows = np.stack(
        [
            np.log2(linear[:, 0] / linear[:, 1]),
            np.log2(linear[:, 2] / linear[:, 1]),
            np.log2(linear @ LUMINANCE),
            np.log2(np.hypot(lab[:, 1], lab[:, 2]).astype(np.float64) + 1),
        ]
    )
    return tuple(np.median(rows, axis=1).tolist())
