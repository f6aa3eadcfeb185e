"""Where the light of a frame should be, by its neighbours: a line that follows what is meant."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MIN_STEP: Final = 0.03
"""Natural logarithm of the smallest lasting change that is taken for a switched lamp."""

STEP_SDS: Final = 6.0
"""How far beyond the flicker around it a change must last to be one. With 4, white flicker of 4 %
was taken for a step three times in 48 frames."""

_STEP_FRAMES: Final = 3
_STEP_KNOWN: Final = 6
"""Second differences that must be known before the flicker can be told from a step."""


def same_light(light: NDArray[np.float64], own: int) -> slice:
    """Return the frames around ``own`` that no lasting step of light parts from it.

    A step differs from flicker in that it stays: the means of three frames before and after it are
    further apart than the flicker around explains, and most of that happens at once.

    Parameters
    ----------
    light : ndarray, shape (n,), dtype float64
        Natural logarithm of the light of neighbouring frames.
    own : int
        The frame it is asked for.

    Returns
    -------
    alike : slice
        Of ``light``, holding ``own``.
    """
    count, reach = len(light), _STEP_FRAMES
    first, last = 0, count
    change = np.diff(light)
    second = np.diff(change)
    for at in range(reach - 1, count - reach):
        # Neither the jump itself nor another place where it shows may count as flicker.
        elsewhere = np.delete(second, [i for i in (at - 1, at) if 0 <= i < len(second)])
        if len(elsewhere) < _STEP_KNOWN:
            continue
        noise = float(np.sqrt(np.mean(elsewhere**2) / 6))
        slope = float(np.median(change))
        after, before = light[at + 1 : at + 1 + reach], light[at + 1 - reach : at + 1]
        step = float(after.mean() - before.mean()) - reach * slope
        at_once = (change[at] - slope) / step if step else 0.0
        if abs(step) > max(MIN_STEP, STEP_SDS * noise) and at_once > 0.6:
            if at < own:
                first = at + 1
            else:
                last = at + 1
                break
    return slice(first, last)


def light_trend(
    offsets: NDArray[np.int_], values: NDArray[np.float64], half_window: int
) -> NDArray[np.float64] | None:
    """Return where the values of the frame at offset 0 should be: column by column.

    Three answers, each steadier and less apt to follow light that is meant to move than the one
    before: a local line, a line over twice the radius, a constant over that (which differs from the
    line at the ends of a shot alone). Each is believed as far as it differs from the one before by
    no more than the flicker explains.

    Parameters
    ----------
    offsets : ndarray, shape (n,), dtype int
        Places of the neighbours, from the frame itself.
    values : ndarray, shape (n, columns), dtype float64
        Light of each of them.
    half_window : int
        Frames to either side that the narrow line takes in.

    Returns
    -------
    trend : ndarray, shape (columns,), dtype float64, or None
        ``None`` with fewer than three neighbours.
    """
    if len(offsets) < 3:
        return None
    answers = (
        _trend_weights(offsets, half_window, 1),
        _trend_weights(offsets, 2 * half_window, 1),
        _trend_weights(offsets, 2 * half_window, 0),
    )
    noise = np.sqrt(np.mean(np.diff(values, 2, axis=0) ** 2, axis=0) / 6)
    weights, trend = answers[0], answers[0] @ values
    for steadier in answers[1:]:
        apart = steadier @ values - trend
        explained = noise * np.linalg.norm(steadier - weights)
        trend = trend + apart * np.clip(2 - np.abs(apart) / np.maximum(2 * explained, 1e-9), 0, 1)
        weights = steadier
    return trend


def _trend_weights(offsets: NDArray[np.int_], half_window: int, degree: int) -> NDArray[np.float64]:
    """Return the weights whose sum over neighbours is the local line at the frame itself.

    Triangular in time, so that inside a shot white flicker falls to 1/20 of its second difference
    (a window of 7; a plain mean leaves 1/8; of 13, 1/60), and linear in value, so that a fade stays
    a fade. At the ends the window becomes one-sided with as many frames.
    """
    order = np.sort(np.abs(offsets))
    # As many frames as the full window has, from whichever side there are any.
    radius = max(half_window, int(order[min(2 * half_window, len(order) - 1)])) + 1
    kernel = np.maximum(radius - np.abs(offsets), 0).astype(np.float64)
    basis = np.power.outer(offsets.astype(np.float64), np.arange(degree + 1))
    normal = basis.T @ (kernel[:, None] * basis)
    return (np.linalg.solve(normal, basis.T * kernel))[0]
