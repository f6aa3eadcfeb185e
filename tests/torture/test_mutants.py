"""A few trials of the suites ``mutants``, ``damage``, ``conform`` and ``bombs``."""

import subprocess
import sys

import pytest

from tests.torture import bombs, conform, corpus, damage, mutants
from tests.torture.mutators import boxes, elements


def _say(text):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("suite", [damage, bombs], ids=["damage", "bombs"])
def test_the_promise_holds_in_a_few_trials(suite, tmp_path):
    outcome = suite.run(4 if suite is damage else 9, 5, tmp_path, _say)
    assert outcome.failures == ()


@pytest.mark.slow
def test_broken_clips_are_set_aside_and_the_good_ones_are_the_same(tmp_path):
    outcome = mutants.run(3, 3, tmp_path, _say)  # and what lies on the shelf
    assert outcome.failures == ()
    assert outcome.figures["set_aside"] > 0
    assert outcome.figures["finishing_runs"] == 1


@pytest.mark.slow
def test_a_look_that_changes_nothing_keeps_count_order_sync_and_colour(tmp_path):
    assert conform.run(5, 2, tmp_path, _say).failures == ()


def test_a_case_is_the_same_bytes_again_and_can_be_written_alone(tmp_path):
    first, again = corpus.case(4, 11), corpus.case(4, 11)
    assert first == again
    assert corpus.case(4, 12).data != first.data
    made = tmp_path / "case"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.torture.corpus", "4:11", "-o", str(made)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.read_bytes() == first.data
    assert str(first) in ended.stdout


def test_the_walks_see_what_is_in_a_file():
    kinds = {kind for kind, _, _ in boxes(corpus.clip("h264"))}
    assert {b"moov", b"mdat", b"stsz", b"stts", b"elst", b"tkhd"} <= kinds
    ids = [kind for kind, *_ in elements(corpus.clip("h264_mkv"))]
    assert {0x18538067, 0x1F43B675, 0x1654AE6B} <= set(ids)
    assert ids.count(0xA3) + ids.count(0xA0) > 24
