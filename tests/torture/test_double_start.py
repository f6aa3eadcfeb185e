"""A few of the suite's trials with every change."""

import random

import pytest

from tests.torture.double_start import _trial, run


def test_one_works_and_the_others_say_who(tmp_path):
    for number, kind in enumerate(("at once", "orphan")):
        folder = tmp_path / kind / "ep01"
        assert _trial(random.Random(number), kind, folder, None, []) == ""


@pytest.mark.slow
def test_the_whole_command_notices_it_before_it_starts_papermill(tmp_path):
    outcome = run(1, 3, tmp_path, print)
    assert outcome.figures["by the whole command"] == 1
    assert outcome.failures == ()
