"""Reference pictures of the cast: read once here, for whoever measures them or shows them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError


def reference_bytes(path: Path) -> bytes:
    """Return a reference picture's file.

    Parameters
    ----------
    path : Path
        As ``characters.csv`` names it.

    Raises
    ------
    FinishError
        ``bad_reference``, with the cure.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FinishError(
            f"The reference image {path} cannot be read ({error.strerror}). Correct"
            " characters.csv, or put the picture there.",
            "bad_reference",
        ) from error


def reference_picture(path: Path, data: bytes) -> NDArray[np.uint8]:
    """Decode a reference picture.

    Parameters
    ----------
    path : Path
        Named in the error.
    data : bytes
        JPEG, PNG or what else OpenCV reads.

    Returns
    -------
    picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B', full range.

    Raises
    ------
    FinishError
        ``bad_reference``.
    """
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if decoded is None:
        raise FinishError(
            f"The reference image {path} is no picture. Save it as JPEG or PNG.", "bad_reference"
        )
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
