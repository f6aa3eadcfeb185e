"""Uneven times made even: frames chosen by their time, never by their number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from finishkit.frames import Frames, Probe
from finishkit.stages import Notes

STANDARD_FPS: Final = (
    *(Fraction(n) for n in (8, 10, 12, 15, 16)),
    *(Fraction(n * 1000, 1001) for n in (24, 30, 60)),
    *(Fraction(n) for n in (24, 25, 30, 48, 50, 60)),
)
"""Rates that clips are made at."""
RATE_SLACK: Final = 0.01
"""An average this near to a standard rate is that rate, with jitter."""


def nominal_rate(probe: Probe) -> Fraction:
    """Return the constant rate a clip is brought to before its content is treated.

    Parameters
    ----------
    probe : Probe
        With counted frames and measured duration.

    Returns
    -------
    rate_fps : Fraction
        The clip's own where its frames are evenly spaced. Otherwise the standard rate at its
        average, or the next above, or the one at which most of its frames follow each other, when
        that is higher: frames that a recorder left out pull the average down, and none that is
        there may be lost.
    """
    if probe.constant_rate or not probe.duration_s:
        return probe.rate_fps
    average = probe.frame_count / probe.duration_s
    above = [rate for rate in STANDARD_FPS if rate > average]
    by_average = _standard(average) or min(above, default=probe.rate_fps)
    by_step = _standard(1 / probe.usual_step_s) if probe.usual_step_s else None
    # A clip whose frames come in bursts of 24 a second, with pauses, may have 16 on the average.
    return max(by_average, by_step) if by_step else by_average


def _standard(fps: float) -> Fraction | None:
    nearest = min(STANDARD_FPS, key=lambda rate: abs(float(rate) / fps - 1))
    return nearest if abs(float(nearest) / fps - 1) <= RATE_SLACK else None


def conformed_count(probe: Probe, rate_fps: Fraction) -> int:
    """Return how many frames a clip has at another rate.

    Parameters
    ----------
    probe : Probe
        With counted frames and measured duration.
    rate_fps : Fraction
        The rate wanted, see :func:`nominal_rate`.
    """
    if probe.constant_rate and probe.rate_fps == rate_fps:
        return probe.frame_count
    return max(1, round(probe.duration_s * rate_fps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conform:
    """Show each frame from the tick nearest to its time on, until the next one's.

    To the nearest, not to the next: a frame that jitters round its tick would otherwise be shown
    late, its neighbour twice, and the one after it not at all.

    Attributes
    ----------
    rate_fps : Fraction
    frame_count : int
        Frames to give, see :func:`conformed_count`.
    """

    rate_fps: Fraction
    frame_count: int

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield one frame a chunk; a frame may be shown again or not at all."""
        notes["conform.frames"] = float(self.frame_count)
        given = 0
        early = 0.5 / float(self.rate_fps)
        shown = None
        for chunk in frames:
            for i in range(len(chunk)):
                upto = math.ceil((float(chunk.pts_s[i]) - early) * self.rate_fps)
                while shown is not None and given < min(upto, self.frame_count):
                    yield self._tick(shown, given)
                    given += 1
                shown = chunk.data[i : i + 1]
        while shown is not None and given < self.frame_count:
            yield self._tick(shown, given)
            given += 1

    def _tick(self, picture: np.ndarray, index: int) -> Frames:
        return Frames(data=picture, pts_s=np.array([float(index / self.rate_fps)]))
