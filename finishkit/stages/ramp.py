"""A colour that drifts along a shot, and the slow path of gains that takes the drift out."""

import itertools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.measure.colour import AXES, DE_PER_UNIT, frame_vector
from finishkit.settings import GradeSettings
from finishkit.stages.trim import Knees, Trim, apply_trim

KNOTS: Final = 9
"""Tables along the shot; between two of them the frames' tables are interpolated."""

ROUNDS: Final = 3

SAME_PICTURE: Final = 0.5
"""Correlation of the edges of neighbouring samples from which they show the same picture. Of 35
clips the drifting one reads 0.75 at least, the one with a cut inside -0.11 at it, fast pans 0.2 to
0.5."""

_GAINS: Final = ("wb_r", "wb_b", "ev")
_PLACES: Final = [AXES.index(axis) for axis in _GAINS]
_WEIGHTS: Final = np.array(DE_PER_UNIT)[_PLACES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A straight way from one end of a shot to the other on the three axes that are gains.

    Attributes
    ----------
    end : tuple of float
        Moves at the end of the shot, octaves and stops, on ``wb_r``, ``wb_b`` and ``ev``; at its
        start they are the opposite, in its middle none, so that the shot's centre stays.
    duration_s : float
    before_de, residual_de : float
        Change from the first to the last sample before and after, dE00-equivalents.
    """

    end: tuple[float, float, float]
    duration_s: float
    before_de: float
    residual_de: float

    def at(self, time_s: float) -> Trim:
        """Return the moves at a time from the start of the shot."""
        share = float(np.clip(2 * time_s / self.duration_s - 1, -1, 1))
        return Trim(**{axis: share * end for axis, end in zip(_GAINS, self.end, strict=True)})


def solve_ramp(
    samples: NDArray[np.uint8],
    duration_s: float,
    drift_de: float | None,
    settings: GradeSettings,
    limit_de: float,
) -> Ramp | None:
    """Solve the path of gains that takes a drift out.

    Parameters
    ----------
    samples : ndarray, shape (n, h, w, 3), dtype uint8
        Frames in the middles of n equal parts of the shot, small.
    duration_s : float
        Of the shot.
    drift_de : float or None
        As measured, see :func:`finishkit.measure.overlap.within_shot_drift`.
    settings : GradeSettings
        ``even_out`` and ``strength`` scale the path, ``max_wb_oct`` and ``max_ev`` bound it.
    limit_de : float
        Drifts up to this are left alone.

    Returns
    -------
    ramp : Ramp or None
        None where there is nothing to even out, where the picture does not stay the same picture
        (then it is its content that changes), or where the path would not lower the drift.
    """
    share = settings.even_out * settings.strength
    if drift_de is None or drift_de <= limit_de or share == 0 or len(samples) < 3:
        return None
    if min(_likeness(a, b) for a, b in itertools.pairwise(samples)) < SAME_PICTURE:
        return None
    vectors = np.array([frame_vector(frame) for frame in samples])[:, _PLACES]
    way = 2 * (np.arange(len(samples)) + 0.5) / len(samples) - 1
    bounds = np.array([settings.max_wb_oct, settings.max_wb_oct, settings.max_ev])
    wanted = _slope(vectors, way) * (1 - share)
    end, evened = np.zeros(3), vectors
    for _ in range(ROUNDS):
        # Clipping and edges make a move show as less than itself: what is missing is added.
        end = np.clip(end - (_slope(evened, way) - wanted), -bounds, bounds)
        evened = np.array([_evened(f, end * w) for f, w in zip(samples, way, strict=True)])
    red, blue, light = (float(v) for v in end)
    before_de = float(np.linalg.norm((vectors[-1] - vectors[0]) * _WEIGHTS))
    residual_de = float(np.linalg.norm((evened[-1] - evened[0]) * _WEIGHTS))
    if residual_de >= before_de:
        return None
    return Ramp(
        end=(red, blue, light),
        duration_s=duration_s,
        before_de=before_de,
        residual_de=residual_de,
    )


def _slope(vectors: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the change over half a shot: least squares, so that one odd frame bends little."""
    return (way @ (vectors - vectors.mean(axis=0))) / (way @ way)


def _evened(frame: NDArray[np.uint8], moves: NDArray[np.float64]) -> NDArray[np.float64]:
    trim = Trim(**dict(zip(_GAINS, moves.tolist(), strict=True)))
    even = apply_trim(frame.astype(np.float32) / np.float32(255), trim, Knees())
    return frame_vector(np.round(even * 255).astype(np.uint8))[_PLACES]


def _likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the correlation of the edges of two pictures, coarse enough for things that sway."""
    edges = []
    for picture in (first, second):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        smooth = cv2.GaussianBlur(grey, (0, 0), 2.0)
        steep = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        edges.append(cv2.GaussianBlur(np.asarray(steep, np.float32), (0, 0), 2.0).ravel())
    if min(e.std() for e in edges) < 1e-3:
        return 1.0
    return float(np.corrcoef(edges[0], edges[1])[0, 1])
