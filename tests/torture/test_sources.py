"""Links to sources lie where results go."""

from tests.torture import sources


def test_links_to_sources_are_replaced_and_never_written_through(tmp_path):
    outcome = sources.run(3, 1, tmp_path, lambda _: None)
    assert outcome.failures == ()
