"""The watchdog, the retry, and what a worker process is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from finishkit.crew import Crew, Patience
from finishkit.engines import open_engine
from finishkit.engines.local import LocalEngine
from finishkit.errors import FinishError
from finishkit.working import beat, beating
from tests.engines.deeds import Deed, perform

SHORT = Patience(idle_s=1.0, busy_s=30.0, loading_s=0.5, grace_s=0.5)


def outcomes(deeds, jobs=2, patience=SHORT):
    found = {}
    with LocalEngine(jobs, patience=patience) as engine:
        for deed, answer in engine.map(perform, deeds):
            assert deed.shot not in found
            found[deed.shot] = answer
    return found


def gone(pid):
    """Whether a process ends within a moment."""
    for _ in range(200):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def codes(found):
    return {s: getattr(a, "code", type(a).__name__) for s, a in found.items()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_death_costs_only_its_own_item_and_is_tried_twice(jobs, tmp_path):
    deeds = [Deed("a"), Deed("b", "die"), Deed("c", "refuse"), Deed("e", "fail"),
             Deed("d", "die once", tmp_path / "mark"), Deed("f", "fail oddly"),
             Deed("g", "unpicklable")]  # fmt: skip
    found = outcomes(deeds, jobs, Patience())
    assert codes(found) == {
        "a": "int", "b": "killed", "c": "no_frames", "d": "int", "e": "ZeroDivisionError",
        "f": "stage_failed", "g": "AttributeError",
    }  # fmt: skip
    assert str(found["b"]).startswith("Shot b: the process that worked on it died twice (SIGKILL")


def test_whoever_does_nothing_is_ended_and_who_works_is_not(tmp_path):
    fifo = tmp_path / "clip.mp4"
    os.mkfifo(fifo)
    deeds = [Deed("fifo", "fifo", fifo), Deed("slow", "beat slowly"), Deed("pipe", "pipe"),
             Deed("busy", "compute"), Deed("stop", "stop once", tmp_path / "mark")]  # fmt: skip
    found = outcomes(deeds, 3)
    assert codes(found) == {
        "fifo": "timeout", "slow": "int", "pipe": "timeout", "busy": "int", "stop": "int",
    }  # fmt: skip
    assert "Shot fifo: the work on it came to a stop twice (no progress for" in str(found["fifo"])


def test_a_loop_without_end_is_ended_at_its_own_limit():
    patience = Patience(idle_s=1.0, busy_s=1.5, loading_s=0.5, grace_s=1.0)
    begun = time.monotonic()
    assert codes(outcomes([Deed("a", "spin")], 1, patience)) == {"a": "timeout"}
    assert time.monotonic() - begun < 2 * (2.0 + 5.0)


def test_the_whole_group_is_ended_also_who_ignores_the_signal(tmp_path):
    mark = tmp_path / "pid"
    assert codes(outcomes([Deed("a", "leave a child", mark)], 1)) == {"a": "timeout"}
    child = int(mark.read_text())
    assert gone(child)


def test_workers_stay_warm_and_one_that_grows_is_replaced():
    with LocalEngine(1) as engine:
        ((_, first),) = engine.map(perform, [Deed("a")])
        grown = [answer for _, answer in engine.map(perform, [Deed(s, "grow") for s in "bcde"])]
        second = grown[-1]
        assert grown == [first, first, second, second]
        assert engine.pids == (second,)
        assert second != first
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)


def test_a_worker_is_alone_quiet_and_has_one_thread(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://nowhere")
    (seen,) = outcomes([Deed("a", "environment")], 1).values()
    assert seen == {"stdin": "", "core": (0, 0), "cv2": 1, "leads": True,
                    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                    "HTTPS_PROXY": None}  # fmt: skip


def test_who_stops_listening_stops_the_work():
    with LocalEngine(2) as engine:
        going = engine.map(perform, [Deed("a"), Deed("b", "sleep")])
        assert next(going)[0].shot == "a"
        going.close()  # type: ignore[attr-defined]
        assert len(engine.pids) <= 1
        assert [type(a) for _, a in engine.map(perform, [Deed("c")])] == [int]


def test_workers_die_with_who_started_them():
    code = (
        "from finishkit.engines.local import LocalEngine\n"
        "from tests.engines.deeds import Deed, perform\n"
        "engine = LocalEngine(1)\nprint(*(a for _, a in engine.map(perform, [Deed('a')])),"
        " flush=True)\nlist(engine.map(perform, [Deed('b', 'sleep')]))"
    )
    root = Path(__file__).parents[2]
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)
    assert starter.stdout is not None
    worker = int(starter.stdout.readline())
    assert psutil.pid_exists(worker)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert gone(worker)


def test_a_large_item_for_a_stopped_worker_goes_to_another(monkeypatch):
    monkeypatch.setattr("finishkit.crew.PIPE_S", 1.0)
    with Crew(1, SHORT) as crew:
        list(crew.run(_size, [np.zeros(3)]))
        (stopped,) = crew.pids
        os.kill(stopped, signal.SIGSTOP)
        ((_, answer),) = crew.run(_size, [np.zeros(2_000_000)])
        assert answer == 2_000_000
        assert crew.pids != (stopped,)


def _size(data):
    return data.size


def test_outside_a_worker_a_beat_is_nothing():
    beat()
    assert list(beating("ab")) == ["a", "b"]


def test_every_layer_of_a_net_is_progress(monkeypatch):
    import torch

    from finishkit.models import net_torch

    net_torch.beat_by_layer()
    beats = []
    monkeypatch.setattr(net_torch, "beat", lambda: beats.append(1))
    torch.nn.Sequential(torch.nn.Identity(), torch.nn.Identity())(torch.zeros(1))
    assert len(beats) == 3


@pytest.mark.parametrize("where", ["cloud", "dask", "dask:http://x:1", "dask:local:2", "Local"])
def test_an_unknown_engine_is_refused_with_what_there_is(where):
    with pytest.raises(FinishError, match="There are: local, dask:local, dask:tcp://HOST:PORT"):
        open_engine(where)


def test_local_is_this_machine():
    engine = open_engine("local", 3)
    assert isinstance(engine, LocalEngine)
    assert engine.jobs == 3
    engine.close()
