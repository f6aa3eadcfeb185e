"""``kill -9`` over real batches: at random moments, and at each named point of a write."""

import pytest

from finishkit.store import FAULT_POINTS
from tests.torture import kills, points


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_and_loses_nothing(tmp_path):
    outcome = kills.run(8, 20, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert outcome.figures["files compared under final names"] >= 8


@pytest.mark.slow
def test_dead_at_every_point_of_a_write_it_resumes_and_loses_nothing(tmp_path):
    outcome = points.run(len(FAULT_POINTS), 3, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert set(outcome.figures["died at"]) == set(FAULT_POINTS)
