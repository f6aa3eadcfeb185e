"""A trial of each kind of hang, and a run with one in it."""

import pytest

from tests import synth
from tests.torture import hangs


@pytest.mark.slow
def test_what_hangs_is_ended_in_time_and_the_rest_is_done(tmp_path):
    outcome = hangs.run(2, 1, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert outcome.figures["by kind"] == {"fifo": 1, "sleep": 1}


@pytest.mark.slow
def test_a_shot_that_hangs_is_set_aside_and_its_run_goes_on(tmp_path):
    episode = synth.make_episode(tmp_path, shots=3, count=4)
    assert hangs.whole_run(episode, tmp_path / "out", "a stage in a run") == []
