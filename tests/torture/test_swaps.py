"""A few files harmed between runs and during them."""

import pytest

from tests.torture import swaps


@pytest.mark.slow
def test_what_is_harmed_is_noticed(tmp_path):
    outcome = swaps.run(6, 4, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert sum(outcome.figures["what became of them"].values()) == 6
