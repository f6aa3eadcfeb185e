"""The cast: one public-domain portrait, cut out once, told apart by warp, skin, hair and suit.

The only photograph of a face in here is scikit-image's ``astronaut.png`` (NASA, public domain).
Every coordinate below is in pixels of that 512x512 picture, read off an enlargement by eye.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import spsolve

Picture = MatLike
"""A float32 array; named by OpenCV's own type, which its stubs and NumPy's agree on."""

SIDE_PX = 512
FACE_CENTRE_PX = (225.0, 118.0)

_SILHOUETTE = [
    (30, 540), (24, 460), (19, 400), (22, 360), (35, 310), (50, 265), (75, 235), (112, 208),
    (113, 195), (119, 188), (135, 165), (155, 152), (183, 149), (181, 131), (172, 130), (167, 119),
    (162, 116), (154, 97), (153, 75), (160, 57), (180, 45), (198, 28), (218, 19), (235, 16),
    (265, 21), (286, 36), (298, 60), (301, 90), (295, 112), (284, 129), (276, 136), (266, 136),
    (263, 150), (257, 162), (256, 170), (285, 195), (300, 225), (305, 247), (320, 245), (338, 265),
    (350, 290), (360, 320), (364, 347), (385, 346), (405, 344), (450, 355), (480, 390), (495, 450),
    (520, 455), (540, 540),
]  # fmt: skip
_HAIR = [
    (167, 119), (162, 116), (154, 97), (153, 75), (160, 57), (180, 45), (198, 28), (218, 19),
    (235, 16), (265, 21), (286, 36), (298, 60), (301, 90), (295, 112), (284, 129),
]  # fmt: skip
_FACE = [
    (186, 76), (182, 100), (181, 130), (183, 150), (186, 175), (206, 186), (236, 190), (252, 184),
    (255, 165), (262, 150), (266, 133), (271, 112), (268, 95), (252, 82), (225, 79), (205, 75),
]  # fmt: skip
_EARS = [[(167, 119), (172, 131), (182, 131), (180, 112)], [(268, 128), (268, 137), (282, 128)]]
_EYES = [
    [(194, 101), (203, 96), (212, 103), (203, 105)],
    [(236, 105), (246, 98), (257, 104), (247, 108)],
]
_TEETH = [(204, 139), (224, 143), (244, 140), (236, 148), (224, 150), (212, 146)]

_WISP = [(158, 62), (164, 55), (176, 48), (186, 42), (192, 36), (196, 50), (190, 62)]
"""Thin hair left of the parting: half studio in the photograph, and a hole over a dark set."""

LANDMARKS: dict[str, tuple[float, float]] = {
    "eye_l_outer": (194, 101), "eye_l_inner": (212, 103.5),
    "eye_l_top": (203, 96.5), "eye_l_low": (203, 105),
    "eye_r_outer": (256.5, 104), "eye_r_inner": (236, 105),
    "eye_r_top": (246, 99), "eye_r_low": (247, 107.5),
    "brow_l_outer": (190, 90.5), "brow_l_mid": (200, 88.5), "brow_l_inner": (213, 93),
    "brow_r_outer": (263, 96), "brow_r_mid": (252, 91.5), "brow_r_inner": (238, 94),
    "bridge": (225, 105), "nose_tip": (223, 126), "nose_base": (224, 132),
    "nose_l": (213, 128), "nose_r": (234, 130),
    "mouth_l": (203, 139), "mouth_r": (246, 140), "lip_top": (224, 140), "lip_low": (226, 155),
    "cheek_l": (183, 115), "cheek_r": (270, 117),
    "jaw_l": (184, 142), "jaw_r": (265, 143), "jaw_l_low": (194, 159), "jaw_r_low": (257, 159),
    "chin_l": (208, 171), "chin": (225, 178), "chin_r": (244, 172),
    "hairline_l": (190, 75), "hairline": (225, 80), "hairline_r": (258, 84),
}  # fmt: skip
"""Points of the face that a warp moves."""

_ANCHORS = [
    (150, 20), (190, 15), (235, 6), (280, 15), (320, 40), (140, 75), (318, 90), (135, 130),
    (318, 140), (186, 186), (252, 188), (220, 200), (150, 170), (300, 180), (220, 240), (100, 60),
    (360, 60), (80, 300), (380, 300), (220, 340),
]  # fmt: skip
"""Points that stay: the outline of the hair, the neck in its collar, the suit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What tells one character from another.

    Attributes
    ----------
    warp : dict of str to (float, float)
        How far each landmark moves, px of the portrait, right and down.
    mirrored : bool
    skin, hair : (float, float, float)
        Gains on linear R, G, B.
    hair_contrast : float
        Exponent on linear light before the gain; above 1 deepens the shadows between strands.
    suit : (float, float, float) or None
        Linear R, G, B of the cloth at its lit parts; None keeps the orange.
    """

    warp: dict[str, tuple[float, float]] = field(default_factory=dict)
    mirrored: bool = False
    skin: tuple[float, float, float] = (1, 1, 1)
    hair: tuple[float, float, float] = (1, 1, 1)
    hair_contrast: float = 1.0
    suit: tuple[float, float, float] | None = None


def rgb(values: tuple[float, float, float]) -> Picture:
    """Return three numbers as a float32 array, shape (3,): a wider type would spread."""
    return np.array(values, np.float32)


def to_linear(picture: Picture) -> Picture:
    """Return linear light of R'G'B' in [0, 1], by the sRGB curve (IEC 61966-2-1)."""
    p = np.maximum(picture, 0)
    return np.where(p <= 0.04045, p / 12.92, ((p + 0.055) / 1.055) ** 2.4).astype(np.float32)


def from_linear(light: Picture) -> Picture:
    """Return R'G'B' of linear light, by the sRGB curve (IEC 61966-2-1)."""
    p = np.maximum(light, 0)
    return np.where(p <= 0.0031308, p * 12.92, 1.055 * p ** (1 / 2.4) - 0.055).astype(np.float32)


def load(name: str) -> Picture:
    """Read a picture that scikit-image carries, as R'G'B' float32 in [0, 1], shape (h, w, 3)."""
    raw = np.frombuffer(resources.files("skimage.data").joinpath(name).read_bytes(), np.uint8)
    picture = cv2.imdecode(raw, cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"scikit-image carries no {name}: install scikit-image >= 0.25")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32) / 255


def _filled(*polygons: list[tuple[int, int]], feather_px: float = 0) -> Picture:
    mask = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    cv2.fillPoly(mask, [np.array(p, np.int32) for p in polygons], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), feather_px) if feather_px else mask


def _closed_form_alpha(picture: Picture, known: NDArray[np.bool_], alpha: Picture) -> Picture:
    """Solve the matte where it is not known: Levin, Lischinski, Weiss (2006), 3x3 windows."""
    height, width = alpha.shape
    near = cv2.dilate((~known).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    near[[0, -1]] = near[:, [0, -1]] = False
    ys, xs = np.nonzero(near)
    step = np.arange(-1, 2)
    rows = (ys[:, None, None] + step[None, :, None]).repeat(3, 2).reshape(-1, 9)
    cols = (xs[:, None, None] + step[None, None, :]).repeat(3, 1).reshape(-1, 9)
    window = picture[rows, cols].astype(np.float64)
    centred = window - window.mean(1, keepdims=True)
    covariance = np.einsum("nki,nkj->nij", centred, centred) / 9 + np.eye(3) * 1e-5 / 9
    affinity = (1 + np.einsum("nki,nij,nlj->nkl", centred, np.linalg.inv(covariance), centred)) / 9
    index = rows * width + cols
    size = height * width
    laplacian = sparse.coo_matrix(
        (
            (np.eye(9)[None] - affinity).ravel(),
            (index.repeat(9, 1).ravel(), np.tile(index, (1, 9)).ravel()),
        ),
        shape=(size, size),
    ).tocsr()
    free = np.flatnonzero(~known.ravel())
    fixed = np.flatnonzero(known.ravel())
    values = alpha.astype(np.float64).ravel()
    right = -laplacian[free][:, fixed] @ values[fixed]
    values[free] = np.asarray(spsolve(laplacian[free][:, free].tocsc(), right))
    return np.clip(values.reshape(height, width), 0, 1).astype(np.float32)


def _spread(picture: Picture, weight: Picture) -> Picture:
    """Continue a picture from where ``weight`` is 1 into where it is 0, ever more smoothly."""
    out = np.zeros_like(picture)
    left = np.ones_like(weight)
    for sigma in (1.5, 3, 6, 12, 24, 48):
        mass = cv2.GaussianBlur(weight, (0, 0), sigma)
        mean = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma)
        share = np.clip(mass * 8, 0, 1) * left
        out += mean / np.maximum(mass, 1e-6)[..., None] * share[..., None]
        left -= share
    return out + picture * left[..., None]


@cache
def cut_out() -> tuple[Picture, Picture]:
    """Cut the person from the portrait.

    Returns
    -------
    colour : ndarray, shape (512, 512, 3), float32 in [0, 1]
        R'G'B' of the person alone: the studio behind her no longer shines through the hair.
    alpha : ndarray, shape (512, 512), float32 in [0, 1]
    """
    portrait = load("astronaut.png")
    body = _filled(_SILHOUETTE)
    hair = cv2.polylines(
        np.zeros_like(body), [np.array(_HAIR, np.int32)], isClosed=False, color=1.0, thickness=17
    )
    edge = cv2.morphologyEx(body, cv2.MORPH_GRADIENT, np.ones((11, 11), np.uint8))
    known = (edge < 0.5) & (hair < 0.5)
    alpha = _closed_form_alpha(portrait, known, body)
    # A tight matte loses a thread of hair and gains freedom from halos over a dark set.
    alpha = np.clip((alpha - 0.12) / 0.80, 0, 1)
    inside = cv2.erode((alpha > 0.97).astype(np.float32), np.ones((3, 3), np.uint8))
    outside = cv2.erode((alpha < 0.02).astype(np.float32), np.ones((3, 3), np.uint8))
    own, studio = _spread(portrait, inside), _spread(portrait, outside)
    a = alpha[..., None]
    unmixed = np.clip((portrait - (1 - a) * studio) / np.maximum(a, 0.25), 0, 1)
    trust = np.clip((a - 0.6) / 0.4, 0, 1)
    wisp = _filled(_WISP, feather_px=2.0)
    trust = trust * (1 - 0.75 * wisp[..., None])
    colour = (unmixed * trust + own * (1 - trust)).astype(np.float32)
    return colour, np.maximum(alpha, wisp * (body > 0))


def _dressed(look: Look) -> Picture:
    colour, _ = cut_out()
    light = to_linear(colour)
    face = _filled(_FACE, *_EARS, feather_px=2.2)
    kept = _filled(*_EYES, _TEETH, feather_px=1.2)
    # Strands lie over the forehead: skin is told from hair by its red over its blue.
    ruddy = light[..., 0] / np.maximum(light[..., 2], 0.01)
    bright = cv2.GaussianBlur(light[..., 0], (0, 0), 1.0)
    skin = face * (1 - kept) * np.clip((bright - 0.16) / 0.16, 0.35, 1)
    head = cv2.dilate(_filled([*_HAIR, (268, 137), (182, 140)]), np.ones((13, 13), np.uint8))
    head[134:] = 0
    head = cv2.GaussianBlur(head, (0, 0), 2.0)
    hair = head * (1 - face) + head * face * np.clip((ruddy - 3.0) / 2.0, 0, 1) * (1 - kept)
    hair[96:] *= (1 - face)[96:]
    light = light * (1 + skin[..., None] * (rgb(look.skin) - 1))
    strands = 0.30 * (light / 0.30) ** look.hair_contrast * rgb(look.hair)
    light = light + hair[..., None] * (strands - light)
    if look.suit is not None:
        orange = np.clip((colour[..., 0] - colour[..., 2] - 0.22) / 0.12, 0, 1)
        orange *= np.clip((colour[..., 0] / np.maximum(colour[..., 1], 0.02) - 1.25) / 0.15, 0, 1)
        orange[:205] *= np.linspace(0, 1, 205)[:, None] > 0.97
        orange = cv2.GaussianBlur(orange, (0, 0), 0.7)[..., None]
        weave = light[..., :1] / 0.62
        light = light + orange * (weave * rgb(look.suit) - light)
    return from_linear(np.clip(light, 0, 1))


def warp_field(warp: dict[str, tuple[float, float]]) -> Picture:
    """Return where to look in the portrait, relative to here: a thin-plate spline.

    Parameters
    ----------
    warp : dict of str to (float, float)
        Moves of :data:`LANDMARKS`, px; the others and the outline stay.

    Returns
    -------
    field : ndarray, shape (512, 512, 2), float32
        Backward displacement in x and y, px.
    """
    if not warp:
        return np.zeros((SIDE_PX, SIDE_PX, 2), np.float32)
    source = np.array([*LANDMARKS.values(), *_ANCHORS], np.float64)
    moves = np.array([warp.get(n, (0.0, 0.0)) for n in LANDMARKS] + [(0.0, 0.0)] * len(_ANCHORS))
    spline = RBFInterpolator(source + moves, -moves, kernel="thin_plate_spline", smoothing=0.5)
    coarse = np.arange(0, SIDE_PX, 4) + 1.5
    grid = np.stack(np.meshgrid(coarse, coarse), -1).reshape(-1, 2)
    field = spline(grid).reshape(len(coarse), len(coarse), 2).astype(np.float32)
    field = cv2.resize(field, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    # Far from the face a thin plate bends on; the suit must not.
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    away = np.hypot((x - FACE_CENTRE_PX[0]) / 105, (y - FACE_CENTRE_PX[1]) / 115)
    return field * np.clip((1.25 - away) / 0.35, 0, 1)[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A character ready to be filmed.

    Attributes
    ----------
    layer : ndarray, shape (512, 512, 4), float32 in [0, 1]
        Linear R, G, B times alpha, and alpha.
    field : ndarray, shape (512, 512, 2), float32
        See :func:`warp_field`.
    mirrored : bool
    """

    layer: Picture
    field: Picture
    mirrored: bool


def dress(look: Look) -> Person:
    """Return the person of a look.

    Parameters
    ----------
    look : Look
        Who is to be seen.

    Returns
    -------
    person : Person
    """
    _, alpha = cut_out()
    layer = np.dstack([to_linear(_dressed(look)) * alpha[..., None], alpha])
    return Person(layer=layer, field=warp_field(look.warp), mirrored=look.mirrored)
