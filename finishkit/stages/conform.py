"""Every shot at the master's rate: frames chosen by their time, never by their number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from finishkit.frames import Frames, Probe
from finishkit.stages import Notes


def conformed_count(probe: Probe, rate_fps: Fraction) -> int:
    """Return how many frames a clip has at another rate.

    Parameters
    ----------
    probe : Probe
        With counted frames and measured duration.
    rate_fps : Fraction
        The master's rate.
    """
    if probe.constant_rate and probe.rate_fps == rate_fps:
        return probe.frame_count
    return max(1, round(probe.duration_s * rate_fps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conform:
    """Show at each tick of the new rate the frame that a player would show there.

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
        # A tick a thousandth of a frame early still shows the frame that starts there.
        early = 1e-3 / float(self.rate_fps)
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
