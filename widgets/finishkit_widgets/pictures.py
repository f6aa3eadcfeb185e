"""Pictures on their way to the page: arrays become JPEG bytes, bytes become data URLs."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass

QUALITY = 93
"""At 540x960 a frame is about 200 KB and 6 ms; below 90 gradients begin to band."""

SHEET_QUALITY = 85
"""Of a sheet of thumbnails: 80 of them, at twice 72x128, are about 1 MB."""


def jpeg_bytes(picture: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """Encode a picture for the page, without chroma subsampling: colour is what is judged.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B', full range.
    quality : int, optional
        0 to 100.

    Returns
    -------
    data : bytes
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be encoded as JPEG")
    return data.tobytes()


def fitted(picture: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Fit a picture into a tile, on neutral grey, never cropped.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range.
    width_px, height_px : int
        Size of the tile.

    Returns
    -------
    tile : ndarray, shape (height_px, width_px, 3), dtype uint8
    """
    height, width = picture.shape[:2]
    scale = min(width_px / width, height_px / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((height_px, width_px, 3), 128, np.uint8)
    top, left = (height_px - size[1]) // 2, (width_px - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def data_url(data: bytes, mime: str = "image/jpeg") -> str:
    """Return bytes as a URL that needs no server."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def sheet_bytes(
    tiles: Sequence[NDArray[np.uint8] | None], tile_px: tuple[int, int], columns: int
) -> bytes:
    """Put tiles on one sheet, row by row, and encode it.

    Parameters
    ----------
    tiles : sequence of (ndarray, shape (h, w, 3), dtype uint8, or None)
        Pictures not larger than a tile; None leaves the place grey.
    tile_px : tuple of int
        Width and height of a tile; multiples of 8, so that JPEG blocks never show two shots.
    columns : int
        Tiles a row.

    Returns
    -------
    data : bytes
        JPEG; empty without tiles.
    """
    if not tiles:
        return b""
    width, height = tile_px
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height, columns * width, 3), 128, np.uint8)
    for at, tile in enumerate(tiles):
        if tile is not None:
            top, left = at // columns * height, at % columns * width
            sheet[top : top + height, left : left + width] = fitted(tile, width, height)
    return jpeg_bytes(sheet, quality=SHEET_QUALITY)
