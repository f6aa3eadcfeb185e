"""The camera: composes a person over a set, moves, breathes, grades, and adds grain."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_shots.people import FACE_CENTRE_PX, Look, Person, Picture, dress, from_linear, rgb
from sample_shots.sets import plate

WIDTH_PX, HEIGHT_PX = 216, 384
FRAME_COUNT = 48
OVERSAMPLING = 2
"""Frames are drawn at twice their size and averaged down: moves of a tenth of a pixel stay even."""
GRAIN_SIGMA = 0.6 / 255
KNEE, WHITE = 0.52, 0.78
"""Linear light at which highlights begin to roll off, and the most they reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A camera move: a straight line, eased, plus a hand that is never still.

    Attributes
    ----------
    zoom : (float, float)
        Pixels of the picture per pixel of the portrait, at the first and the last frame.
    face_x, face_y : (float, float)
        Where the centre of the face stands, as shares of width and height. In cutaways: where the
        middle of the plate stands.
    sway_px : float
        Size of the handheld drift.
    """

    zoom: tuple[float, float]
    face_x: tuple[float, float]
    face_y: tuple[float, float]
    sway_px: float = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How a scene is lit and graded; the same for all its shots.

    Attributes
    ----------
    key, fill : (float, float, float)
        Gains on linear light, on the side of the lamp and opposite it.
    gain : (float, float, float)
        Grade: gains on linear light over the whole picture.
    pivot, contrast : float
        Exponent around a linear pivot.
    saturation : float
    rim : (float, float, float)
        Light that the set throws around the outline of a person.
    """

    key: tuple[float, float, float]
    fill: tuple[float, float, float]
    gain: tuple[float, float, float] = (1, 1, 1)
    pivot: float = 0.18
    contrast: float = 1.0
    saturation: float = 1.0
    rim: tuple[float, float, float] = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Everything that makes one shot, faults aside.

    Attributes
    ----------
    plate : str
        See :func:`sample_shots.sets.plate`.
    light : Light
    move : Move
    seed : int
        Of the hand, the head and the grain.
    look : Look or None
        None in cutaways.
    blink_frame : int
        First frame of a blink; outside the shot: none.
    trim : (float, float, float)
        Gains on linear light that this shot needs to sit with its scene.
    vivid : float
        Saturation that it needs.
    lens_px : float
        Sigma of a blur that brings a crisper picture to the scene's sharpness.
    """

    plate: str
    light: Light
    move: Move
    seed: int
    look: Look | None = None
    blink_frame: int = -10
    trim: tuple[float, float, float] = (1, 1, 1)
    vivid: float = 1.0
    lens_px: float = 0.0


_dressed: dict[int, tuple[Look, Person]] = {}


def _person(look: Look) -> Person:
    # Keyed by identity: a look holds a dict, and the same look is used by many takes.
    if id(look) not in _dressed:
        _dressed[id(look)] = (look, dress(look))
    return _dressed[id(look)][1]


def _drift(seed: int, amplitude: float, slowest_hz: float = 0.23) -> NDArray[np.float32]:
    """Return a smooth wander, shape (48, 2): four slow sines of random phase each way."""
    rng = np.random.default_rng(seed)
    t = np.arange(FRAME_COUNT)[:, None, None] / 24
    hz = slowest_hz * np.array([1.0, 1.7, 2.6, 3.9])
    size = np.array([1.0, 0.6, 0.3, 0.12]) * rng.uniform(0.7, 1.3, (2, 4))
    waves = size * np.sin(2 * np.pi * (hz * t + rng.uniform(0, 1, (2, 4))))
    return (amplitude * waves.sum(-1) / 1.2).astype(np.float32)


def _eased(ends: tuple[float, float], i: int) -> float:
    # Mostly straight: an ease to a standstill would hide repeated frames at the ends.
    t = i / (FRAME_COUNT - 1)
    return ends[0] + (ends[1] - ends[0]) * (0.75 * t + 0.25 * t * t * (3 - 2 * t))


@cache
def _canvas() -> tuple[Picture, Picture]:
    y, x = np.mgrid[0 : HEIGHT_PX * OVERSAMPLING, 0 : WIDTH_PX * OVERSAMPLING].astype(np.float32)
    return (x + 0.5) / OVERSAMPLING, (y + 0.5) / OVERSAMPLING


_BLINK = (0.45, 0.95, 1.0, 0.7, 0.3)
_EYES_AT = ((203.0, 96.0, 104.5), (246.5, 98.5, 107.0))
"""Centre x, upper lid y and lower lid y of each eye in the portrait."""


def _blinked(x: Picture, y: Picture, closed: float) -> Picture:
    """Draw the upper lid down: the skin above the eye is stretched, the eye is folded below it."""
    for centre, top, low in _EYES_AT:
        width = np.exp(-(np.abs((x - centre) / 12.5) ** 4)) * closed
        fold = low - 1.2
        stretched = top - 3 + (y - (top - 3)) * (top + 0.8 - (top - 3)) / (fold - (top - 3))
        folded = top + 0.8 + (y - fold) * (low + 1.5 - top - 0.8) / (low + 1.5 - fold)
        lid = np.where(y < fold, stretched, folded)
        inside = (y > top - 3) & (y < low + 1.5)
        y = np.where(inside, y + (lid - y) * width, y)
    return y


def _actor(take: Take, look: Look, i: int, hand: NDArray[np.float32]) -> Picture:
    """Return the person as seen by the camera: linear light times alpha, and alpha."""
    person = _person(look)
    x, y = _canvas()
    zoom = _eased(take.move.zoom, i)
    u = (x - _eased(take.move.face_x, i) * WIDTH_PX - hand[i, 0]) / zoom
    v = (y - _eased(take.move.face_y, i) * HEIGHT_PX - hand[i, 1]) / zoom
    px = (-u if person.mirrored else u) + FACE_CENTRE_PX[0]
    py = v + FACE_CENTRE_PX[1]
    # The head turns on the neck; collar and suit only breathe.
    nod = _drift(take.seed + 1, 1.0, 0.3)[i]
    head = np.hypot((px - 226) / 78, (py - 98) / 92)
    weight = np.clip((1.45 - head) / 0.6, 0, 1)
    weight = weight * weight * (3 - 2 * weight)
    angle = np.float32(np.radians(1.7) * nod[0])
    dx, dy = px - 226, py - 185
    px = px + weight * (angle * dy - np.float32(0.8 * nod[0]))
    py = py + weight * (-angle * dx - np.float32(1.1 * nod[1]))
    py = py + (1 - weight) * np.float32(0.7 * np.sin(2 * np.pi * i / 24 / 3.4 + take.seed))
    at = np.dstack([px, py]).astype(np.float32)
    moved = cv2.remap(person.field, at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    sx, sy = at[..., 0] + moved[..., 0], at[..., 1] + moved[..., 1]
    # A word now and then: lower lip and chin give way a little.
    word = max(0.0, np.sin(2 * np.pi * (i / 24 * 1.9 + take.seed * 0.37))) ** 2
    word *= max(0.0, np.sin(2 * np.pi * (i / 24 * 0.45 + take.seed * 0.11)))
    sy = sy - np.float32(1.6 * word) * np.exp(
        -(((sx - 225) / 26) ** 2) - (np.maximum(np.abs(sy - 162) - 9, 0) / 9) ** 2
    )
    step = i - take.blink_frame
    if 0 <= step < len(_BLINK):
        sy = _blinked(sx, sy, _BLINK[step])
    return cv2.remap(
        person.layer,
        sx.astype(np.float32),
        sy.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
    )


def _backdrop(take: Take, i: int, hand: NDArray[np.float32], mirrored: bool) -> Picture:
    """Return the plate as seen by the camera; sets are far away, so they move half as much."""
    behind = take.look is not None
    zoom = _eased(take.move.zoom, i)
    share = 0.5 if behind else 1.0
    if behind:
        zoom = 0.66 * (1 + share * (zoom - 1))
    x, y = _canvas()
    cx = 0.5 * WIDTH_PX + share * ((_eased(take.move.face_x, i) - 0.5) * WIDTH_PX + hand[i, 0])
    anchor = 0.36 if behind else 0.5
    cy = 0.5 * HEIGHT_PX + share * ((_eased(take.move.face_y, i) - anchor) * HEIGHT_PX + hand[i, 1])
    picture = plate(take.plate)
    u = (x - np.float32(cx)) / np.float32(zoom)
    px = (-u if mirrored else u) + picture.shape[1] / 2 - 0.5
    py = (y - np.float32(cy)) / np.float32(zoom) + picture.shape[0] / 2 - 0.5
    return cv2.remap(picture, px, py, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _lit(layer: Picture, behind: Picture, light: Light, mirrored: bool) -> Picture:
    across = np.linspace(0, 1, layer.shape[1], dtype=np.float32)
    if mirrored:
        across = across[::-1]
    blend = (across * across * (3 - 2 * across))[None, :, None]
    colour = layer[..., :3] * (rgb(light.key) * (1 - blend) + rgb(light.fill) * blend)
    alpha = np.clip(layer[..., 3:], 0, 1)
    # The bright set spills around the outline, as it does in a lens. Soft, so a small copy will do.
    small = (layer.shape[1] // 4, layer.shape[0] // 4)
    glow = cv2.resize(behind * (1 - alpha), small, interpolation=cv2.INTER_AREA)
    glow = cv2.GaussianBlur(glow, (0, 0), 2.0)
    colour += 0.22 * cv2.resize(glow, (layer.shape[1], layer.shape[0])) * alpha
    edge = alpha * (1 - cv2.GaussianBlur(alpha, (0, 0), 1.6 * OVERSAMPLING)[..., None])
    colour += edge * (1 - blend) * rgb(light.rim)
    return colour + behind * (1 - alpha)


def _graded(picture: Picture, take: Take) -> Picture:
    light = take.light
    graded = np.maximum(picture, 0) * rgb(light.gain) * rgb(take.trim)
    luminance = graded @ rgb((0.2126, 0.7152, 0.0722))
    contrast = (np.maximum(luminance, 1e-4) / light.pivot) ** (light.contrast - 1)
    graded = graded * contrast[..., None]
    grey = (luminance * contrast)[..., None]
    graded = grey + (graded - grey) * light.saturation * take.vivid
    # A shoulder: highlights roll off below white, so that a planted gain moves them too.
    over = np.maximum(graded - KNEE, 0)
    roll = WHITE - KNEE
    graded = np.minimum(graded, KNEE) + roll * (1 - np.exp(-over / roll))
    return from_linear(np.clip(graded, 0, 1))


def film(take: Take, frame_count: int = FRAME_COUNT) -> NDArray[np.float32]:
    """Render one shot, without faults.

    Parameters
    ----------
    take : Take
        Who, where, under which light, and how the camera moves.
    frame_count : int
        Fewer than 48 renders only the first ones.

    Returns
    -------
    frames : ndarray, shape (frame_count, 384, 216, 3), float32 in [0, 1]
        R'G'B', full range. The same take gives the same frames.
    """
    hand = _drift(take.seed, take.move.sway_px)
    mirrored = take.look is not None and take.look.mirrored
    rng = np.random.default_rng(take.seed + 2)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    away = np.hypot((x / WIDTH_PX - 0.5) / 0.75, (y / HEIGHT_PX - 0.5) / 0.75)
    vignette = (1 - 0.28 * away**2)[..., None].astype(np.float32)
    frames = np.empty((frame_count, HEIGHT_PX, WIDTH_PX, 3), np.float32)
    for i in range(frame_count):
        picture = _backdrop(take, i, hand, mirrored)
        if take.look is not None:
            picture = _lit(_actor(take, take.look, i, hand), picture, take.light, mirrored)
        picture = cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        if take.lens_px:
            picture = cv2.GaussianBlur(picture, (0, 0), take.lens_px)
        grain = rng.standard_normal((HEIGHT_PX, WIDTH_PX, 1), np.float32) * np.float32(GRAIN_SIGMA)
        frames[i] = np.clip(_graded(picture * vignette, take) + grain, 0, 1)
    return frames
