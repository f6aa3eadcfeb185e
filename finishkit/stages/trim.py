"""The one colour transform of a grade: five moves and a black level, softly kept in range."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.settings import GradeSettings

GAMMA: Final = 2.4
"""Exponent of the display (ITU-R BT.1886): code ** 2.4 is light. A gain in light is then a gain of
the code, without the kink of the piecewise curves, and a 33-node table holds it exactly."""

PIVOT: Final = 0.45
"""Code that contrast leaves where it is: about L* 48."""

BURNT: Final = 252.5 / 255
"""Code from which a pixel counts as burnt out, as in :mod:`finishkit.measure.colour`."""
BURNT_PCT: Final = (1.0, 6.0)
"""Burnt-out share from which, and at which wholly, white stays white under a trim that darkens:
highlights alone may go, a window may not."""
LIFTED_FROM: Final = 0.6
"""Where the way up to white begins, as a share of the code that white would have become."""

_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """Five moves, each on one axis of the grade vector, and the black level.

    Attributes
    ----------
    wb_r, wb_b : float
        Gain of red and blue light against green, octaves.
    ev : float
        Gain of all light, stops.
    con, sat : float
        Contrast around :data:`PIVOT` and chroma, octaves (1: doubled).
    lift : float
        Black level, code in [-0.1, 0.1]: lifted (positive) or crushed.
    """

    wb_r: float = 0.0
    wb_b: float = 0.0
    ev: float = 0.0
    con: float = 0.0
    sat: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Knees:
    """How a trim is kept in range.

    Attributes
    ----------
    toe, shoulder : float
        Codes at which the soft toe ends and the soft shoulder begins.
    white : float
        How far white stays white although the trim darkens: 0 not at all, 1 wholly.
    """

    toe: float = 0.04
    shoulder: float = 0.85
    white: float = 0.0


def apply_trim(
    rgb: NDArray[np.float32], trim: Trim, knees: Knees | None = None
) -> NDArray[np.float32]:
    """Apply a trim directly, pixel by pixel.

    Parameters
    ----------
    rgb : ndarray, shape (..., 3), dtype float32
        R'G'B' in [0, 1].
    trim : Trim
        The moves.
    knees : Knees, optional
        Default: chosen from ``rgb`` itself, so that a trim that pushes nothing out of range bends
        nothing.

    Returns
    -------
    rgb : ndarray, shape (..., 3), dtype float32
        In [0, 1]. Only what would leave the range is bent, smoothly and in order.
    """
    if trim == Trim():
        # To the bit: knees alone would bend the ends of the range.
        return np.clip(rgb, 0, 1).astype(np.float32)
    gain, offset = _linear_part(trim)
    moved = np.asarray(rgb * gain + offset, np.float32)
    bent = _bend(moved, offset, gain + offset, knees or soft_knees(rgb, trim))
    return _saturate(bent, 2**trim.sat)


def _linear_part(trim: Trim) -> tuple[NDArray[np.float32], np.float32]:
    light = np.array([2**trim.wb_r, 1.0, 2**trim.wb_b])
    # White balance alone keeps the luminance of white, or it would be an exposure change too.
    light *= 2**trim.ev / float(light @ _LUMA)
    contrast = 2**trim.con
    gain = light ** (1 / GAMMA) * contrast * (1 - trim.lift)
    offset = PIVOT * (1 - contrast) * (1 - trim.lift) + trim.lift
    return gain.astype(np.float32), np.float32(offset)


def soft_knees(rgb: NDArray[np.float32], trim: Trim) -> Knees:
    """Choose the knees from what a trim does to certain pictures.

    Parameters
    ----------
    rgb : ndarray, shape (..., 3), dtype float32
        R'G'B' in [0, 1].
    trim : Trim
        The moves.

    Returns
    -------
    knees : Knees
        Near the ends of the range when nothing leaves it, further in the more does. Where a part
        of the picture is burnt out, white stays half way to white: what was there is lost, and lay
        anywhere between what the gain makes of white and white.
    """
    gain, offset = _linear_part(trim)
    flat = rgb.reshape(-1, 3)
    burnt_pct = float(np.mean(flat.max(axis=1) >= BURNT) * 100)
    flat = flat * gain + offset
    low = float(np.percentile(flat.min(axis=1), 0.1))
    high = float(np.percentile(flat.max(axis=1), 99.9))
    return Knees(
        toe=float(np.interp(low, [-0.06, 0.02], [0.10, 0.01])),
        shoulder=float(np.interp(high, [0.97, 1.10], [0.97, 0.75])),
        white=float(np.interp(burnt_pct, BURNT_PCT, [0, 0.5])),
    )


def _bend(
    moved: NDArray[np.float32], low: np.float32, high: NDArray[np.float32], knees: Knees
) -> NDArray[np.float32]:
    """Map [low, 1] to [0, 1] below the toe and [0, high] to [0, 1] above the shoulder.

    A hyperbola that leaves the straight part with its slope and reaches the end of the range at
    ``high`` (one bound a channel): monotone, nothing is cut off. Where ``high`` is below 1 and
    white is to stay, a cubic leaves the straight part as smoothly and lifts ``high`` to 1.
    """
    out = moved
    if low < 0:
        out = knees.toe - _shoulder(knees.toe - out, knees.toe, np.float32(knees.toe - low))
    if knees.white > 0:
        start = LIFTED_FROM * high
        over = np.maximum(out - start, 0) / (high - start)
        out = out + np.maximum(1 - high, 0) * np.float32(knees.white) * over**3
    room = 1 - knees.shoulder
    bent = knees.shoulder + _shoulder(out - knees.shoulder, room, high - np.float32(knees.shoulder))
    return np.clip(np.where(high > 1, bent, out), 0, 1).astype(np.float32)


def _shoulder(
    beyond: NDArray[np.float32], room: float, span: NDArray[np.float32] | np.float32
) -> NDArray[np.float32]:
    bend = 1 / room - 1 / np.maximum(span, room)
    over = np.maximum(beyond, 0)
    return np.asarray(np.minimum(beyond, 0) + over / (1 + bend * over), np.float32)


def _saturate(rgb: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    grey = (rgb @ _LUMA)[..., None]
    chroma = rgb - grey
    if scale <= 1:
        return np.asarray(grey + chroma * np.float32(scale), np.float32)
    # The largest scale that keeps the pixel in range; the wanted one runs into it smoothly.
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(chroma > 0, (1 - grey) / chroma, np.where(chroma < 0, -grey / chroma, 9))
    room = np.clip(limit.min(axis=-1, keepdims=True) - 1, 1e-6, 8)
    more = np.float32(scale - 1)
    held = 1 + more / (1 + (more / room) ** 4) ** 0.25
    return np.clip(grey + chroma * held, 0, 1).astype(np.float32)


def temperature_gains(kelvin: float) -> tuple[float, float]:
    """Return the white balance trim of a look that is warmer or cooler.

    Parameters
    ----------
    kelvin : float
        Positive: warmer. The neutral becomes the colour of daylight at ``6500 - kelvin``.

    Returns
    -------
    wb_r, wb_b : float
        Octaves of light, as in :class:`Trim`.

    Notes
    -----
    Daylight locus of CIE 15:2004, good from 4000 to 25000 K, in BT.709 primaries.
    """
    warm, neutral = _daylight(6500.0 - kelvin), _daylight(6500.0)
    ratio = np.log2(warm / neutral)
    return float(ratio[0] - ratio[1]), float(ratio[2] - ratio[1])


def _daylight(kelvin: float) -> NDArray[np.float64]:
    t = 1000.0 / kelvin
    if kelvin <= 7000:
        x = 0.244063 + 0.09911 * t + 2.9678 * t**2 - 4.6070 * t**3
    else:
        x = 0.237040 + 0.24748 * t + 1.9018 * t**2 - 2.0064 * t**3
    y = -3.0 * x**2 + 2.87 * x - 0.275
    to_rgb = np.array(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    return to_rgb @ np.array([x / y, 1.0, (1 - x - y) / y])


def look_trim(settings: GradeSettings) -> Trim:
    """Return the genre's look as a trim, scaled by ``strength``.

    Parameters
    ----------
    settings : GradeSettings
        Its look fields and ``strength``.

    Returns
    -------
    trim : Trim
        The same for every shot.
    """
    wb_r, wb_b = temperature_gains(settings.temperature_k)
    s = settings.strength
    return Trim(
        wb_r=wb_r * s,
        wb_b=wb_b * s,
        con=float(np.log2(settings.contrast)) * s,
        sat=float(np.log2(settings.saturation)) * s,
        lift=settings.blacks_ire / 100 * s,
    )
