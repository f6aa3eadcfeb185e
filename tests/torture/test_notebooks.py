"""A few of the suite's trials with every change."""

import pytest

from tests.torture.notebooks import run


@pytest.mark.slow
def test_exit_code_overview_and_manifest_agree(tmp_path):
    outcome = run(3, 5, tmp_path, print)
    assert outcome.failures == ()
    assert outcome.trials == 3
