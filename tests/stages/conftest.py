from fractions import Fraction

import numpy as np
import pytest

from finishkit.frames import Probe
from finishkit.shots import ShotId
from finishkit.stages import ShotInput


@pytest.fixture
def shot_input():
    """Make a ShotInput from an id, a few samples and what was measured."""

    def make(name, samples=None, scene="1", flagged=False, **measured):
        if samples is None:
            samples = np.full((1, 16, 9, 3), 128, np.uint8)
        probe = Probe(
            width_px=samples.shape[2],
            height_px=samples.shape[1],
            rate_fps=Fraction(24),
            frame_count=24,
            duration_s=1.0,
            codec="h264",
            container="mp4",
            pixel_format="yuv420p",
            matrix="bt709",
            colour_tagged=True,
            full_range=False,
            transfer="sdr",
            rotation_deg=0,
        )
        return ShotInput(
            id=ShotId(name),
            scene=scene,
            probe=probe,
            measured=measured,
            samples=samples,
            flagged=flagged,
        )

    return make
