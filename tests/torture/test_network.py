"""Files that point elsewhere: one of each kind, and every name a shot list might give."""

import urllib.error
import urllib.request

import pytest

from tests.torture import network


@pytest.mark.slow
def test_what_points_elsewhere_is_refused_and_nobody_comes(tmp_path):
    outcome = network.run(6, 0, tmp_path, lambda _: None)
    assert outcome.failures == ()


def test_the_trap_counts():
    with network.trap() as (url, asked):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}/a")
        assert asked == ["/a"]
