"""Reference pictures of the cast: read once here, for whoever measures them or shows them."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finishkit.errors import FinishError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 40_000_000
"""Of a reference picture: beyond any portrait, and a few bytes can promise a billion."""


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
        # A pipe under its name would be waited for.
        if (path.exists() and not path.is_file()) or path.stat().st_size > MAX_BYTES:
            raise FinishError(
                f"The reference image {path} is no picture file of at most 64 MiB. Save a smaller"
                " one, as JPEG or PNG.",
                "bad_reference",
            )
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
    width, height = _size_px(data)
    if width * height > MAX_PIXELS:
        raise FinishError(
            f"The reference image {path} has {width}x{height} pixels. Save it at 4000x4000 or"
            " smaller.",
            "bad_reference",
        )
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if width else None
    if decoded is None:
        raise FinishError(
            f"The reference image {path} is no picture. Save it as JPEG or PNG.", "bad_reference"
        )
    return np.asarray(decoded, np.uint8)


def _size_px(data: bytes) -> tuple[int, int]:
    """Return what a picture says of its size, before it is decoded; nothing when it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as picture:
                return picture.size
    except Image.DecompressionBombError:
        return MAX_PIXELS, MAX_PIXELS
    except (OSError, ValueError, SyntaxError):
        return 0, 0
