"""The page of guarantees says what the full runs found, and names every suite there is."""

import pytest

from tests.torture import table
from tests.torture.__main__ import SUITES
from tests.torture.outcome import Outcome, at_least


def test_the_page_says_what_was_found():
    page = table.GUARANTEES.read_text()
    assert table.written(page, table.outcomes()) == page


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_explained(suite):
    assert f"`{suite}`" in table.GUARANTEES.read_text()


def test_a_broken_promise_has_no_bound():
    whole = Outcome(suite="a", promises=("G1",), trials=200)
    broken = Outcome(suite="b", promises=("G2",), trials=200, failures=("1:1 lost",))
    rows = table.trials([whole, broken]).splitlines()[2:]
    assert rows == ["| G1 | `a` | 200 | 0 | 1.5 % |", "| G2 | `b` | 200 | 1 |  |"]
    assert at_least(300) == 0.01
