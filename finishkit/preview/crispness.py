"""Sharpness under a slider: solved once, in a thread, and estimated from that meanwhile."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from finishkit.frames import read_frames
from finishkit.measure.sampling import picks
from finishkit.settings import SharpenSettings
from finishkit.shots import Episode, ShotId
from finishkit.stages import ShotInput
from finishkit.stages.sharpen import CLOSE_OCT, REGULAR, Sharpen, bands, solve_sharpen


class Crispness:
    """The sharpening of every shot, as far as it has been solved.

    Solving tries filters on the shot and takes seconds; a slider has a tenth of one.

    Parameters
    ----------
    episode : Episode
    """

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._solved: dict[tuple[str, SharpenSettings], Sharpen | None] = {}

    def at_once(
        self, shot: str, settings: SharpenSettings, shots: Sequence[ShotInput]
    ) -> Sharpen | None:
        """Return the filter of a shot, or the best guess.

        Parameters
        ----------
        shot : str
            Its id.
        settings : SharpenSettings
            As they stand.
        shots : sequence of ShotInput
            The whole set, which decides where the shot should be.

        Returns
        -------
        sharpen : Sharpen or None
            The solved one, else one in proportion to what was solved under other settings;
            ``None`` where nothing is to be done, or nothing was solved yet.
        """
        if settings.strength == 0:
            return None
        if (shot, settings) in self._solved:
            return self._solved[shot, settings]
        band = bands(shots, settings).get(ShotId(shot))
        solved = [f for (name, _), f in list(self._solved.items()) if name == shot and f]
        if band is None or not solved:
            return None
        known = max(solved, key=lambda f: abs(f.goal_oct - f.before_oct))
        wanted = band.goal_oct(known.before_oct, settings.strength) - known.before_oct
        share = wanted / (known.goal_oct - known.before_oct)
        if share <= 0 or abs(wanted) < CLOSE_OCT:
            return None
        if not known.regular:
            return replace(known, blur_px=known.blur_px * math.sqrt(share))
        regular = max(REGULAR[0], known.regular**share)
        return replace(known, regular=regular, skin_share=settings.skin_share)

    def solve(
        self, shot: str, settings: SharpenSettings, shots: Sequence[ShotInput]
    ) -> Sharpen | None:
        """Solve the filter of a shot as the batch does, on whole frames; once.

        Parameters
        ----------
        shot : str
            Its id.
        settings : SharpenSettings
            As they stand.
        shots : sequence of ShotInput
            The whole set.

        Returns
        -------
        sharpen : Sharpen or None
        """
        if settings.strength == 0:
            return None
        if (shot, settings) not in self._solved:
            band = bands(shots, settings).get(ShotId(shot))
            path = self._episode[shot].path
            wanted = picks(next(s for s in shots if s.id == shot).probe.frame_count)
            found = None
            if band is not None:
                seen = [c.as_uint8() for c in read_frames(path, dtype="uint8", indices=wanted)]
                found = solve_sharpen(np.concatenate(seen), band, settings)
            self._solved[shot, settings] = found
        return self._solved[shot, settings]
