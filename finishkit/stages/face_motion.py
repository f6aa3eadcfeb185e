"""How a face moves from one frame to the next, as a whole, so that landmarks do not jump."""

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.stages import face_crop
from finishkit.stages.face_crop import Kind, Matrix, Points

PATCH_PX = 160
"""Side of the upright patch in which a face is followed, whatever its size in the frame."""

FEATURES = 90
"""Points followed in a patch."""

MIN_FOLLOWED = 14
"""Points that must agree on one motion for it to be believed."""

AGREE_PX = 1.5
"""How far, in patch pixels, a point may lie from the common motion."""

BACK_PX = 0.7
"""How far a point followed there and back may miss itself."""

STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def composed(after: NDArray[Any], before: NDArray[Any]) -> Matrix:
    """Return the motion that is ``before`` and then ``after``.

    Parameters
    ----------
    after, before : ndarray, shape (2, 3)
        Affine matrices.

    Returns
    -------
    matrix : ndarray, shape (2, 3)
    """
    linear = after[:, :2] @ before[:, :2]
    return np.column_stack([linear, after[:, :2] @ before[:, 2] + after[:, 2]])


def moved(points: Points, matrix: Matrix) -> Points:
    """Apply an affine motion to points.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        x, y.
    matrix : ndarray, shape (2, 3)
        Affine matrix.

    Returns
    -------
    points : ndarray, shape (n, 2)
    """
    return points @ matrix[:, :2].T + matrix[:, 2]


def step(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points: Points, kind: Kind = "corners"
) -> Matrix | None:
    """Return how a face moved between two frames: a turn, a scale and a shift.

    Corners inside the oval of the face are followed by pyramidal Lucas-Kanade in an upright patch
    of one size, there and back, and the similarity most of them agree on is taken (RANSAC).

    Parameters
    ----------
    before, after : ndarray, shape (h, w), dtype uint8
        Luma of neighbouring frames.
    points : ndarray, shape (5, 2)
        Landmarks in ``before``.
    kind : {'corners', 'centres'}
        Which landmarks they are.

    Returns
    -------
    matrix : ndarray, shape (2, 3), or None
        Pixels of ``before`` to pixels of ``after``; None when the face could not be followed.
    """
    to_patch = face_crop.similarity(points, PATCH_PX, kind)
    size = (PATCH_PX, PATCH_PX)
    a, b = (
        cv2.warpAffine(
            luma, to_patch, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        for luma in (before, after)
    )
    inside = (face_crop.oval(PATCH_PX) > 0).astype(np.uint8)
    here = cv2.goodFeaturesToTrack(a, FEATURES, 0.005, 5, mask=inside)
    if here is None or len(here) < MIN_FOLLOWED:
        return None
    window: dict[str, Any] = {"winSize": (17, 17), "maxLevel": 3}
    nowhere: Any = None
    there, found, _ = cv2.calcOpticalFlowPyrLK(a, b, here, nowhere, **window)
    back, again, _ = cv2.calcOpticalFlowPyrLK(b, a, there, nowhere, **window)
    missed = np.linalg.norm((back - here).reshape(-1, 2), axis=1)
    kept = (found.ravel() == 1) & (again.ravel() == 1) & (missed < BACK_PX)
    if kept.sum() < MIN_FOLLOWED:
        return None
    motion, agreed = cv2.estimateAffinePartial2D(
        here[kept], there[kept], method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX
    )
    if motion is None or agreed.sum() < max(MIN_FOLLOWED, kept.sum() // 2):
        return None
    return composed(cv2.invertAffineTransform(to_patch), composed(motion, to_patch))


def followed(
    lumas: Sequence[NDArray[np.uint8]], points: Points, kind: Kind = "corners"
) -> list[Matrix] | None:
    """Follow a face through consecutive frames.

    Parameters
    ----------
    lumas : sequence of ndarray, shape (h, w), dtype uint8
        Frames; the face is known in the first.
    points : ndarray, shape (5, 2)
        Landmarks there.
    kind : {'corners', 'centres'}
        Which landmarks they are.

    Returns
    -------
    motions : list of ndarray, shape (2, 3), or None
        From the first frame to each, the identity for itself; None when the face was lost.
    """
    motions = [STILL]
    for before, after in itertools.pairwise(lumas):
        one = step(before, after, moved(points, motions[-1]), kind)
        if one is None:
            return None
        motions.append(composed(one, motions[-1]))
    return motions
