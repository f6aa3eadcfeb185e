"""The sets: what stands out of focus behind the cast, and what the cutaways show.

Every plate is linear light, float32, shape (640, 420, 3): a 9:16 picture with room to move in.
1.0 is paper white in the key light; lamps and windows are brighter, so that blur makes bokeh.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_shots.people import Picture, load, rgb, to_linear

WIDTH_PX, HEIGHT_PX = 420, 640


def _defocus(plate: Picture, radius_px: float) -> Picture:
    """Blur with a disc, as an open lens does: bright points become discs, not clouds."""
    reach = int(np.ceil(radius_px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    disc = np.clip(radius_px + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(plate, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


def _grid() -> tuple[Picture, Picture]:
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    return x, y


def _covered(name: str, width_px: int, height_px: int, left: float, top: float) -> Picture:
    """Fill a size with a picture: scaled to cover it, cut at shares ``left`` and ``top``."""
    picture = load(name)
    scale = max(width_px / picture.shape[1], height_px / picture.shape[0])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
    x = round((picture.shape[1] - width_px) * left)
    y = round((picture.shape[0] - height_px) * top)
    return to_linear(np.clip(picture[y : y + height_px, x : x + width_px], 0, 1))


def _box(
    plate: Picture, x0: int, y0: int, x1: int, y1: int, colour: tuple[float, float, float]
) -> None:
    plate[y0:y1, x0:x1] = colour


def _quarters() -> Picture:
    """Draw crew quarters on a sunny morning: a brick wall, a window, a shelf, a plant."""
    x, y = _grid()
    brick = cv2.resize(load("brick.png")[..., 0], (WIDTH_PX, HEIGHT_PX))
    plate: Picture = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    plate[:] = (0.30 + 1.55 * brick[..., None]) * rgb((0.27, 0.150, 0.085))
    plate = plate * (0.45 + 1.1 * np.exp(-((x - 60) ** 2 + (y - 230) ** 2) / 200**2))[..., None]
    # The sun through the window, thrown on the wall.
    patch = np.zeros_like(x)
    for row in range(2):
        for column in range(2):
            left, top = 262 + 66 * column - 8 * row, 74 + 100 * row + 26 * column
            corners = [
                (left, top),
                (left + 56, top + 22),
                (left + 49, top + 112),
                (left - 7, top + 90),
            ]
            cv2.fillConvexPoly(patch, np.array(corners, np.int32), 1.0)
    plate = plate + cv2.GaussianBlur(patch, (0, 0), 3)[..., None] * rgb((0.55, 0.36, 0.17))
    _box(plate, 14, 40, 178, 395, (0.36, 0.30, 0.22))
    for x0, x1 in ((26, 92), (100, 166)):
        for y0, y1 in ((52, 160), (168, 268), (276, 383)):
            _box(plate, x0, y0, x1, y1, (1.55, 1.42, 1.12))
    trees = 272 + 26 * np.sin(x / 19) + 16 * np.sin(x / 7.3 + 1)
    glass = ((x > 26) & (x < 92)) | ((x > 100) & (x < 166))
    plate[glass & (y > trees) & (y < 383)] = (0.52, 0.56, 0.22)
    rng = np.random.default_rng(7)
    _box(plate, 264, 356, WIDTH_PX, 368, (0.10, 0.05, 0.025))
    left = 272
    while left < WIDTH_PX - 8:
        width, height = int(rng.integers(9, 18)), int(rng.integers(40, 66))
        shade = float(rng.uniform(0.35, 1.5))
        tint = rng.uniform(0.8, 1.25, 3)
        cover = (0.30 * shade * tint[0], 0.13 * shade * tint[1], 0.07 * shade * tint[2])
        _box(plate, left, 356 - height, left + width, 356, cover)
        left += width + 2
    for _ in range(46):
        angle = rng.uniform(-2.9, -0.25)
        reach = rng.uniform(20, 88)
        at = (int(52 + np.cos(angle) * reach), int(402 + np.sin(angle) * reach))
        shade = float(rng.uniform(0.5, 1.4))
        leaf = (0.06 * shade, 0.12 * shade, 0.035 * shade)
        cv2.ellipse(plate, at, (17, 6), np.degrees(angle) + 20, 0, 360, leaf, -1)
    return _defocus(plate, 7)


def _pad() -> Picture:
    """Show the launch pad after sunset: lamps burn far brighter than the sky."""
    plate = _covered("rocket.jpg", WIDTH_PX, HEIGHT_PX, 0.31, 0.5)
    lamps = np.clip(plate.max(2) - 0.55, 0, 1)[..., None]
    plate = plate * rgb((0.85, 1.0, 1.15)) + lamps * plate * 7
    rng = np.random.default_rng(11)
    for _ in range(15):
        at = (int(rng.uniform(0, WIDTH_PX)), int(rng.normal(352, 26)))
        warm = float(rng.uniform(0.25, 1))
        cv2.circle(plate, at, 2, (5.0, 2.2 + 2.6 * (1 - warm), 0.7 + 5.0 * (1 - warm)), -1)
    return _defocus(plate, 5.5)


def _briefing() -> Picture:
    """Draw a briefing room in grey, a screen with a star field, and a strip lamp."""
    x, y = _grid()
    panel = 1 - 0.35 * np.exp(-((((x + 20) % 84) - 42) ** 2) / 5.0)
    plate = rgb((0.21, 0.21, 0.215)) * (panel * (1.15 - 0.5 * y / HEIGHT_PX))[..., None]
    plate += (0.16 * np.exp(-((x - 70) ** 2 / 90**2 + (y - 150) ** 2 / 190**2)))[..., None]
    _box(plate, 248, 88, 420, 352, (0.02, 0.02, 0.02))
    stars = _covered("hubble_deep_field.jpg", 160, 248, 0.4, 0.5)
    plate[96:344, 256:416] = 0.05 + 2.4 * stars
    _box(plate, 40, 40, 60, 330, (1.9, 1.9, 1.92))
    _box(plate, 84, 40, 92, 330, (1.2, 1.2, 1.21))
    _box(plate, 0, 500, 420, 640, (0.10, 0.095, 0.09))
    _box(plate, 0, 496, 420, 502, (0.42, 0.41, 0.40))
    return _defocus(plate, 5.5)


def _coffee() -> Picture:
    return _covered("coffee.png", WIDTH_PX, HEIGHT_PX, 0.42, 0.5)


def _rocket() -> Picture:
    return _covered("rocket.jpg", WIDTH_PX, HEIGHT_PX, 0.52, 0.5)


_PLATES = {
    "quarters": _quarters,
    "pad": _pad,
    "briefing": _briefing,
    "coffee": _coffee,
    "rocket": _rocket,
}


@cache
def plate(name: str) -> NDArray[np.float32]:
    """Return a plate by name.

    Parameters
    ----------
    name : str
        ``quarters``, ``pad``, ``briefing``: sets; ``coffee``, ``rocket``: cutaways, in focus.

    Returns
    -------
    plate : ndarray, shape (640, 420, 3), float32
        Linear light, read-only.
    """
    made = _PLATES[name]().astype(np.float32)
    made.flags.writeable = False
    return made
