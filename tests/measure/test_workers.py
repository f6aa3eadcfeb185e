import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from finishkit.errors import FinishError
from finishkit.measure.workers import side_by_side


@dataclass(frozen=True)
class Task:
    shot: str
    deed: str = "work"
    mark: Path | None = None


def perform(task, beat):
    if task.deed == "refuse":
        raise FinishError("no picture", "no_frames")
    if task.deed == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.deed == "die once" and not task.mark.exists():
        task.mark.touch()
        os._exit(9)
    if task.deed == "hang":
        time.sleep(600)
    if task.deed == "take long":
        for _ in range(40):
            time.sleep(0.1)
            beat()
    return f"{task.shot} done"


def children():
    found = psutil.Process().children(recursive=True)
    return {c for c in found if c.is_running() and c.status() != psutil.STATUS_ZOMBIE}


def outcomes(work, jobs, silence_s=120.0):
    found = {}
    for task, answer in side_by_side(work, perform, jobs, silence_s):
        assert task.shot not in found
        found[task.shot] = answer.code if isinstance(answer, FinishError) else answer
    return found


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_clip_that_kills_its_process_costs_only_itself(jobs, tmp_path):
    work = [
        Task("a"),
        Task("b", "die"),
        Task("c", "refuse"),
        Task("d", "die once", tmp_path / "mark"),
        Task("e"),
    ]
    assert outcomes(work, jobs) == {
        "a": "a done",
        "b": "measure_failed",
        "c": "no_frames",
        "d": "d done",
        "e": "e done",
    }


def test_a_hang_is_ended_and_a_long_clip_is_not():
    work = [Task("a", "hang"), Task("b", "take long"), Task("c")]
    found = outcomes(work, 2, silence_s=1.5)
    assert found == {"a": "timeout", "b": "b done", "c": "c done"}


def test_the_message_says_how_it_ended():
    ((_, error),) = side_by_side([Task("b", "die")], perform, 1)
    assert isinstance(error, FinishError)
    assert "Shot b" in str(error)
    assert "SIGKILL" in str(error)


def test_nothing_to_do_and_nobody_left_behind():
    # What other tests of this process have started (a browser, a helper kept) is none of ours.
    before = children()
    assert outcomes([], 2) == {}
    working = side_by_side([Task("a"), Task("b", "hang")], perform, 2)
    assert next(working)[0].shot == "a"
    assert children() - before
    working.close()
    assert children() - before == set()
