"""The main colours of a picture, and how far a shot's colour lies from its scene.

Colours are CIELAB under D65 of R'G'B' taken as sRGB, which is how the page shows them. The distance
of a shot from its scene is

    dE = CIEDE2000(mean of the shot, median of its scene),

with the mean of L*, a*, b* over the pixels of the shot's middle frame, the median of these means
over the shots of the scene, component by component, and kL = kC = kH = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

COLOURS = 5
"""At most so many colours a picture."""

SAME_DE = 3.0
"""Colours closer than this (CIEDE2000) are one: k-means divides the noise of one surface too."""

CELL_LAB = 10.0
"""Edge of the cells, in units of CIELAB, by whose population the clusters are begun."""

POINTS = 4_000
"""About so many pixels are looked at, as they are: an average would be a colour of its own."""

ROUNDS = 30
"""Of k-means; it has settled by then."""

Lab = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """One colour of a palette.

    Attributes
    ----------
    hex : str
        ``#rrggbb``, sRGB.
    share : float
        Of the picture's area, (0, 1].
    """

    hex: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of one picture.

    Attributes
    ----------
    swatches : tuple of Swatch
        One to five, from light to dark; the shares add up to 1.
    mean : tuple of float
        Mean L*, a*, b* of the pixels.
    """

    swatches: tuple[Swatch, ...]
    mean: tuple[float, float, float]


def palette_of(picture: NDArray[np.uint8]) -> Palette:
    """Return the main colours of a picture: k-means in CIELAB, the same on every run.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B' full range, taken as sRGB.

    Returns
    -------
    palette : Palette
    """
    step = max(1, round((picture.shape[0] * picture.shape[1] / POINTS) ** 0.5))
    lab = rgb2lab(picture[::step, ::step]).reshape(-1, 3)
    members = _merged(_clusters(lab))
    # The median, since along its edges a surface has colours that are nowhere in the scene.
    colours = sorted(
        ((np.median(some, axis=0), len(some) / len(lab)) for some in members),
        key=lambda one: tuple(-one[0]),
    )
    swatches = tuple(Swatch(hex=hex_of(colour), share=share) for colour, share in colours)
    lightness, a, b = (float(v) for v in lab.mean(axis=0))
    return Palette(swatches=swatches, mean=(lightness, a, b))


def hex_of(lab: Sequence[float] | Lab) -> str:
    """Return a colour as the page writes it.

    Parameters
    ----------
    lab : sequence of 3 float
        L*, a*, b*; what sRGB cannot show is brought to its nearest edge.

    Returns
    -------
    code : str
        ``#rrggbb``.
    """
    unit = lab2rgb(np.asarray(lab, np.float64)[None, None])[0, 0]
    return "#{:02x}{:02x}{:02x}".format(*(int(v) for v in np.rint(255 * np.clip(unit, 0, 1))))


def scene_median(means: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the colour a scene's shots gather about.

    Parameters
    ----------
    means : sequence of (L*, a*, b*)
        One a shot.

    Returns
    -------
    median : tuple of float
        Component by component.
    """
    lightness, a, b = (float(v) for v in np.median(np.asarray(means, np.float64), axis=0))
    return lightness, a, b


def distance_de(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how different two colours look, CIEDE2000.

    Parameters
    ----------
    first, second : sequence of 3 float
        L*, a*, b*.

    Returns
    -------
    distance : float
        0 and up.

    References
    ----------
    .. [1] G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula", Color Research
       and Application 30 (2005), pages 21 to 30.
    """
    return float(deltaE_ciede2000(np.asarray(first, float), np.asarray(second, float)))


def _clusters(lab: Lab) -> list[Lab]:
    seeds = _seeds(lab)
    points = lab.astype(np.float32)
    nearest = ((points[:, None] - seeds[None]) ** 2).sum(axis=2).argmin(axis=1)
    used, labels = np.unique(nearest, return_inverse=True)
    _, labels, _ = cv2.kmeans(
        points,
        len(used),
        labels.astype(np.int32)[:, None],
        (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, 0.05),
        1,
        # From given labels: no chance is involved.
        cv2.KMEANS_USE_INITIAL_LABELS,
    )
    groups = [lab[labels.ravel() == label] for label in range(len(used))]
    return [group for group in groups if len(group)]


def _seeds(lab: Lab) -> NDArray[np.float32]:
    """Return where clusters begin: well-populated cells far from one another.

    As k-means++, with the largest product of population and squared distance in place of the dice:
    a few stray pixels do not get a cluster, and every run gives the same.
    """
    cells = np.floor(lab / CELL_LAB).astype(np.int64)
    _, member, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    member = member.ravel()
    sums = np.stack([np.bincount(member, lab[:, axis]) for axis in range(3)], axis=1)
    means = sums / counts[:, None]
    chosen = [int(counts.argmax())]
    gap = ((means - means[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(COLOURS, len(means)):
        chosen.append(int((counts * gap).argmax()))
        gap = np.minimum(gap, ((means - means[chosen[-1]]) ** 2).sum(axis=1))
    return means[chosen].astype(np.float32)


def _merged(groups: list[Lab]) -> list[Lab]:
    while len(groups) > 1:
        middles = np.stack([np.median(group, axis=0) for group in groups])
        between = deltaE_ciede2000(middles[:, None], middles[None])
        between[np.tril_indices(len(groups))] = np.inf
        i, j = (int(at) for at in np.unravel_index(int(between.argmin()), between.shape))
        if between[i, j] >= SAME_DE:
            break
        groups[i] = np.concatenate([groups[i], groups.pop(j)])
    return groups
