import numpy as np
import pytest

from finishkit.shots import ShotId
from finishkit.stages import ShotInput
from tests import synth


@pytest.fixture
def shot_input():
    """Make a ShotInput from an id, a few samples and what was measured."""

    def make(name, samples=None, scene="1", flagged=False, **measured):
        if samples is None:
            samples = np.full((1, 16, 9, 3), 128, np.uint8)
        probe = synth.probed(samples.shape[2], samples.shape[1], 24)
        return ShotInput(
            id=ShotId(name),
            scene=scene,
            probe=probe,
            measured=measured,
            samples=samples,
            flagged=flagged,
        )

    return make
