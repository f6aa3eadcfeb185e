"""A few of the suite's trials with every change."""

import pytest

from tests.torture.disk import run


@pytest.mark.slow
def test_a_full_disk_is_said_and_gone_on_with(tmp_path):
    assert run(1, 7, tmp_path, print).failures == ()
