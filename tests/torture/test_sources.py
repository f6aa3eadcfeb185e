"""Links to sources lie where results go."""

import pytest

from tests.torture import sources


@pytest.mark.slow
def test_links_to_sources_are_replaced_and_never_written_through(tmp_path):
    outcome = sources.run(3, 1, tmp_path, lambda _: None)
    assert outcome.failures == ()
