"""Pictures of the player that are no clip: parts at full size, and the twin on paper."""

import html
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.preview.halves import Pair
from finishkit_widgets.pictures import data_url, fitted, jpeg_bytes

PART_PX = 768
"""Side of the part that is sent at full size: what the loupe shows, and some room round it."""
SMALL_PX = (240, 426)
"""Width and height of a picture in the static twin."""

Box = tuple[int, int, int, int]


def part_round(pair: Pair, x: float, y: float) -> tuple[Box, tuple[int, int]]:
    """Return the part of a frame round a point, inside the frame.

    Parameters
    ----------
    pair : Pair
        At full size.
    x, y : float
        The point, as shares of width and height; what lies outside is brought in.

    Returns
    -------
    box : (int, int, int, int)
        Left, top, width and height, pixels.
    size : (int, int)
        Width and height of the whole frame.
    """
    height, width = pair.before_picture.shape[:2]
    left, across = _along(x, width)
    top, down = _along(y, height)
    return (left, top, across, down), (width, height)


def _along(share: float, length: int) -> tuple[int, int]:
    part = min(PART_PX, length)
    centre = round(min(1.0, max(0.0, share)) * length)
    return min(max(0, centre - part // 2), length - part), part


def cut(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return a part of a picture.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range.
    box : (int, int, int, int)
        Left, top, width and height.
    """
    left, top, width, height = box
    return picture[top : top + height, left : left + width]


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture without loss: at 1:1 somebody looks for exactly what JPEG adds.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range.
    """
    done, data = cv2.imencode(
        ".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded as PNG")
    return data.tobytes()


def pair_html(pair: Pair, labels: tuple[str, str]) -> str:
    """Return both pictures side by side, small, on neutral grey.

    Parameters
    ----------
    pair : Pair
        At preview size.
    labels : (str, str)
        What stands under them.
    """
    cells = []
    for label, picture in zip(labels, (pair.before_picture, pair.after_picture), strict=True):
        url = data_url(jpeg_bytes(fitted(picture, *SMALL_PX), quality=85))
        alt = html.escape(f"{pair.shot}, {label}", quote=True)
        cells.append(
            '<figure style="margin:0;display:inline-block;padding:8px;background:#808080">'
            f'<img src="{url}" alt="{alt}">'
            f'<figcaption style="color:#000">{html.escape(label)}</figcaption></figure>'
        )
    return "".join(cells)


def finished_with(folder: Path) -> str:
    """Return the seal of the template an episode was last finished with; empty: nobody knows.

    Parameters
    ----------
    folder : Path
        ``out/<episode>``.
    """
    try:
        said = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return str((said.get("template") or {}).get("sha256", ""))
    except (OSError, ValueError, AttributeError):
        return ""
