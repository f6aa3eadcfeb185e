"""Which moment of the source each frame of the master shows."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from finishkit.frames import Probe

Mode = Literal["auto", "exact", "nearest"]

NEAR: Final = Fraction(1, 12)
"""Rates that differ by less than this (24 and 25, 23.976 and 24) are near: ``auto`` eases."""
EASE_TICKS: Final = 3
"""Ticks on either side of a gained or lost frame, between the outer of which a ramp is laid."""
TRUE_SHARE: Final = 0.1
"""A tick this near to a true frame, in frames, shows it untouched: no eye sees a step off by a
tenth, every eye sees a frame that is softer than the next."""


def retimed_count(probe: Probe, rate_fps: Fraction) -> int:
    """Return how many frames a clip has at another rate: its duration, to half a frame.

    Parameters
    ----------
    probe : Probe
        With counted frames and measured duration.
    rate_fps : Fraction
        The master's rate.
    """
    if probe.constant_rate:
        # Exact: durations read from a container are rounded to its clock.
        return max(1, math.floor(probe.frame_count * rate_fps / probe.rate_fps + Fraction(1, 2)))
    return max(1, round(probe.duration_s * rate_fps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """From the master's ticks to the source's time.

    Attributes
    ----------
    source_fps : Fraction
        The shot's own rate.
    rate_fps : Fraction
        The master's.
    frame_count : int
        Ticks to give, see :func:`retimed_count`.
    mode : {'auto', 'exact', 'nearest'}
        ``exact``: each tick shows its very moment, which for 24 in 25 makes 20 of 25 frames anew.
        ``nearest``: the true frame nearest to it, so that one in 25 repeats, with a hitch.
        ``auto``: exact, but between near rates eased: true frames, untouched, each within half a
        frame of its moment, and where the nearest would repeat or leave one out, a ramp of five
        steps, a fifth slower or faster than the rest. No hitch, sound in sync, and 21 of 25
        frames are the source's own. (An editor's other way, playing 24 at 25, would move the
        sound by a whole second in 25.)
    """

    source_fps: Fraction
    rate_fps: Fraction
    frame_count: int
    mode: Mode

    @property
    def near(self) -> bool:
        """Whether the rates are near."""
        return abs(self.rate_fps / self.source_fps - 1) <= NEAR

    def source_s(self, tick: int) -> float:
        """Return the moment of the source that a tick shows, in seconds from its first frame.

        Parameters
        ----------
        tick : int
            0 to ``frame_count`` - 1.
        """
        if self.mode == "auto" and self.near:
            return float(self._eased(tick) / self.source_fps)
        return float(Fraction(tick) / self.rate_fps)

    def _nearest(self, tick: int) -> int:
        exact = tick * self.source_fps / self.rate_fps
        return math.ceil(exact - Fraction(1, 2))

    def _eased(self, tick: int) -> Fraction:
        """Return the moment in source frames: whole numbers but on ramps."""
        for left in range(max(0, tick - EASE_TICKS), tick + EASE_TICKS):
            # A frame is repeated or left out between ``left`` and the tick after it.
            hitch = self._nearest(left + 1) - self._nearest(left) != 1
            if hitch and left + 1 < self.frame_count:
                first, last = max(0, left + 1 - EASE_TICKS), left + EASE_TICKS
                start, stop = self._nearest(first), self._nearest(last)
                return start + Fraction(tick - first, last - first) * (stop - start)
        return Fraction(self._nearest(tick))
