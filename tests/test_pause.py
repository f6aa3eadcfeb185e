"""Pausing between two shots loses nothing; a batch outlives whoever started it."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from finishkit.batch import RunParams, run_batch, start_batch
from finishkit.engines.local import LocalEngine
from finishkit.errors import FinishError
from finishkit.pause import PAUSE_FILE, Paused, is_held, request_pause
from finishkit.progress import Progress
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.store import Store
from finishkit.watch import watch_batch
from tests import synth
from tests.test_finishing import template

PATIENCE_S = 120


def _made(folder):
    files = [
        *folder.glob("shots/*.mp4"),
        *folder.glob("work/*_*/*.mkv"),
        *folder.glob("master.mp4"),
    ]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def _until(true):
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _double(number):
    return 2 * number


def test_the_engine_hands_out_nothing_more_and_gives_what_was_under_way():
    asked = []
    with LocalEngine(1, lambda: len(asked) >= 2) as engine:
        going = engine.map(_double, [1, 2, 3, 4])
        for due in ((1, 2), (2, 4)):
            assert next(going) == due
            asked.append(due)
        with pytest.raises(Paused):
            next(going)
        asked.clear()
        assert list(engine.map(_double, [5])) == [(5, 10)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    folder = synth.make_episode(root, shots=3, count=8)
    done = finish_episode(open_episode(folder), template(), root / "out", jobs=1)
    assert done.exit_code == 0
    return folder, _made(done.folder)


@pytest.mark.slow
def test_a_paused_run_keeps_every_byte_and_the_next_one_goes_on(unbroken, tmp_path):
    folder, truth = unbroken
    out = tmp_path / "ep01"

    def ask(event):
        if event.kind == "shot" and event.stage == "upscale+grade" and event.done == 1:
            request_pause(out)

    with pytest.raises(Paused, match=r"1 of 3 shots are finished.*Run the same command again"):
        finish_episode(open_episode(folder), template(), tmp_path, jobs=1, progress=Progress(ask))
    store = Store(out)
    assert [s.state for s in store.manifest().shots.values()] == ["finished"]
    assert store.manifest().exit_code == 1
    assert not list(out.rglob(".*.part*"))
    before = _made(out)
    assert before.items() <= truth.items()
    state = watch_batch(out).state()
    assert (state.phase, state.done, state.left) == ("paused", 1, 2)

    made = []

    def count(event):
        if (event.kind, event.stage) == ("shot", "upscale+grade"):
            made.append(event.shot)

    done = finish_episode(
        open_episode(folder), template(), tmp_path, jobs=1,
        progress=Progress(count),
    )  # fmt: skip
    assert done.exit_code == 0
    assert made == ["shot_002", "shot_003"]
    assert _made(out) == truth
    assert not (out / PAUSE_FILE).exists()
    assert watch_batch(out).state().phase == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["check", "measure", "measure again"])
def test_a_pause_is_noticed_between_two_shots_of_every_stage(unbroken, tmp_path, stage):
    folder, truth = unbroken
    done = []

    def ask(event):
        if event.kind == "shot":
            done.append(event.stage)
            if event.stage == stage:
                request_pause(tmp_path / "ep01")

    with pytest.raises(Paused, match="of 3"):
        finish_episode(open_episode(folder), template(), tmp_path, jobs=1, progress=Progress(ask))
    assert done.count(stage) == 1
    assert done[-1] == stage
    again = finish_episode(open_episode(folder), template(), tmp_path, jobs=1)
    assert again.exit_code == 0
    assert _made(again.folder) == truth


@pytest.mark.slow
def test_a_paused_batch_says_so_and_begins_no_other_episode(unbroken, tmp_path):
    folder, truth = unbroken
    other = synth.make_episode(tmp_path / "more", shots=1, count=4, name="ep02")
    toml = template().save(tmp_path / "t.toml")
    out = tmp_path / "out"
    params = [
        RunParams(episode=str(e), template=str(toml), out=str(out), jobs=1) for e in (folder, other)
    ]
    watch = watch_batch(out / "ep01")

    def ask():
        _until(lambda: watch.state().phase == "running")
        request_pause(out / "ep01")

    asking = threading.Thread(target=ask)
    asking.start()
    first, second = run_batch(params)
    asking.join()
    assert (first.exit_code, first.notebook) == (1, "ep01.paused.ipynb")
    assert f"finishkit batch {folder} -t {toml} -O {out}" in first.resume
    assert second.exit_code == 1
    assert "not begun" in second.text
    assert not (out / "ep02" / "events.jsonl").exists()
    (again,) = run_batch(params[:1])
    assert (again.exit_code, again.notebook) == (0, "ep01.ipynb")
    assert not (out / "ep01" / "ep01.paused.ipynb").exists()
    assert _made(out / "ep01") == truth


@pytest.mark.slow
def test_a_batch_outlives_who_started_it(unbroken, tmp_path):
    folder, truth = unbroken
    toml = template().save(tmp_path / "t.toml")
    out = tmp_path / "out"
    code = (
        "import sys, time\nfrom finishkit.batch import start_batch\n"
        "print(start_batch([sys.argv[1]], sys.argv[2], sys.argv[3], jobs=1).pid, flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(toml), str(out)],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) > 0
    watch = watch_batch(out / "ep01")
    assert watch.state().phase in ("starting", "running")
    with pytest.raises(FinishError, match="worked on already"):
        start_batch([folder], toml, out)
    _until(lambda: watch.state().phase == "running")
    # As a kernel is ended: it, and all of its group.
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    anew = watch_batch(out / "ep01")
    _until(lambda: not anew.state().going_on)
    assert anew.state().phase == "finished"
    assert anew.state().done == 3
    _until(lambda: not is_held(out / "ep01"))
    assert _made(out / "ep01") == truth


def test_only_a_locked_template_is_started(unbroken, tmp_path):
    folder, _ = unbroken
    toml = template().save(tmp_path / "t.toml")
    toml.write_text(toml.read_text().replace("romance", "thriller", 1))
    with pytest.raises(FinishError):
        start_batch([folder], toml, tmp_path / "out")
    assert not (tmp_path / "out").exists()
