"""A few kills while an episode is finished on a cluster."""

import pytest

from tests.torture.dask_kills import run


@pytest.mark.slow
def test_lost_workers_change_nothing(tmp_path):
    outcome = run(3, 1, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert outcome.trials == 3
