"""What to call an effective resolution: the class of picture it looks like."""

import math
from typing import Final, Literal

CLASSES_PX: Final = (270, 360, 480, 540, 720, 1080, 1440, 2160)
HD_SHORT_PX: Final = 900
FAKE_HD_R: Final = (0.60, 0.70)
"""Effective resolution below the first looks enlarged, below the second may be (facts 2.2)."""


def class_px(eff_px: float) -> int:
    """Name the class of pictures an effective resolution belongs to.

    Parameters
    ----------
    eff_px : float
        Effective pixels on the short side, > 0.

    Returns
    -------
    short_px : {270, 360, 480, 540, 720, 1080, 1440, 2160}
        The nearest, by ratio. For "looks like N-class": the estimate is good to about 0.2 octave,
        so its own pixels would say too much.
    """
    return min(CLASSES_PX, key=lambda short_px: abs(math.log2(eff_px / short_px)))


def fake_hd(log2_r: float, short_px: int) -> Literal["yes", "maybe", "no"]:
    """Say whether a file looks enlarged from a smaller one.

    Parameters
    ----------
    log2_r : float
        Of the shot, octaves: the median of its frames.
    short_px : int
        Short side of the file.

    Returns
    -------
    verdict : {'yes', 'maybe', 'no'}
        Always ``no`` below a short side of 900 px: such a file does not claim to be HD.
    """
    if short_px < HD_SHORT_PX:
        return "no"
    yes, maybe = FAKE_HD_R
    ratio = 2.0**log2_r
    return "yes" if ratio < yes else "maybe" if ratio < maybe else "no"
