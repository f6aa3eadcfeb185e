"""``kill -9`` over real batches: at random moments, and at each named point of a write."""

import pytest

from finishkit.store import FAULT_POINTS
from tests.torture import kills, points


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_and_loses_nothing(tmp_path):
    outcome = kills.run(5, 20, tmp_path, lambda _: None)
    assert outcome.failures == ()
    # Each of the two lanes ends with a run that was left alone, and the runs are compared whole.
    finished = outcome.figures["episodes finished in the end"]
    assert finished >= 2
    assert outcome.figures["files compared under final names"] >= 3 * finished


@pytest.mark.slow
def test_dead_at_every_point_of_a_write_it_resumes_and_loses_nothing(tmp_path):
    outcome = points.run(len(FAULT_POINTS), 3, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert set(outcome.figures["died at"]) == set(FAULT_POINTS)
