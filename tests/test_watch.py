"""How a batch stands, read back from events whose times are known."""

import fcntl
import json
import subprocess
import sys

import pytest

from finishkit.pause import is_held, request_pause
from finishkit.store import Store
from finishkit.timing import StageTimes, estimate
from finishkit.watch import BATCH_FILE, BATCH_LOG, StageState, birth, watch_batch

STAGES = [["measure", 4], ["upscale+grade", 4], ["master", 1]]


class Writer:
    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "events.jsonl"

    def __call__(self, kind, time_s, **more):
        with self.path.open("a") as file:
            file.write(json.dumps({"kind": kind, "time_s": time_s, **more}) + "\n")

    def begin(self, time_s, shots=4):
        facts = {
            "shots": shots,
            "stages": STAGES,
            "template": "romance",
            "template_sha256": "ab" * 32,
        }
        self("begin", time_s, facts=facts)

    def stage(self, name, time_s, total, every=(), first=1, kind="shot"):
        self("stage", time_s, stage=name, total=total)
        for done, when in enumerate(every, start=first):
            self(kind, when, stage=name, shot=f"s{done}", done=done, total=total)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ep01"


@pytest.fixture
def held(folder):
    """Somebody works on the folder."""
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder


def test_nothing_was_ever_run(folder):
    state = watch_batch(folder).state()
    assert (state.phase, state.alive, state.going_on, state.eta.eta_s) == (
        "idle",
        False,
        False,
        None,
    )
    assert not folder.exists()


def test_a_run_under_way(held):
    write = Writer(held)
    write.begin(0)
    write.stage("measure", 0, 4, (2, 4, 6, 8))
    write.stage("upscale+grade", 10, 4, (110, 230))
    store = Store(held)
    store.plan("ep01", ("s1", "s2", "s3", "s4"))
    store.mark("s1", "finished")
    write("quarantine", 231, shot="s4", text="s4: decoding breaks off.")
    watch = watch_batch(held)
    state = watch.state(now_s=240)
    assert (state.phase, state.alive, state.stage) == ("running", True, "upscale+grade")
    assert (state.shots, state.done, state.quarantined, state.left) == (4, 1, 1, 2)
    assert [(s.shot, s.text) for s in state.set_aside] == [("s4", "s4: decoding breaks off.")]
    assert state.last_error == "s4: decoding breaks off."
    assert [(s.name, s.done, s.total, s.begun) for s in state.stages] == [
        ("measure", 4, 4, True), ("upscale+grade", 2, 4, True), ("master", 0, 1, False)
    ]  # fmt: skip
    # Two shots in the 230 s since the stage began.
    assert state.shots_per_h == pytest.approx(3600 * 2 / 230)
    # They took 100 and 120 s, two are left, and the one under way has had 10 s.
    assert state.eta.eta_s == pytest.approx(2 * 110 - 10)
    spread = 200**0.5
    reach = 2 * (2 * spread**2 + (2 * spread) ** 2 / 2) ** 0.5
    assert state.eta.low_s == pytest.approx(210 - reach)
    assert state.eta.high_s == pytest.approx(210 + reach)
    assert state.eta.waiting_for == ("master",)
    assert state.template_sha256 == "ab" * 32


def test_nothing_is_said_before_there_is_anything_to_go_by(held):
    write = Writer(held)
    write.begin(0)
    write.stage("measure", 0, 4, (2, 4))
    state = watch_batch(held).state(now_s=5)
    assert state.eta.eta_s is state.eta.low_s is state.eta.high_s is None
    assert "upscale+grade" in state.eta.waiting_for


def test_a_run_before_it_says_what_a_stage_costs(held):
    write = Writer(held)
    write.begin(0)
    write.stage("measure", 0, 4, (2, 4, 6, 8))
    write.stage("upscale+grade", 10, 4, (60, 110, 160, 210))
    write("end", 211, facts={"exit_code": 0})
    write.begin(1000)
    write.stage("measure", 1000, 4, (1003, 1006))
    state = watch_batch(held).state(now_s=1006)
    assert state.eta.eta_s == pytest.approx(2 * 3 + 4 * 50)
    assert state.started_s == 1000


def test_what_was_kept_from_before_says_nothing_of_the_cost(held):
    write = Writer(held)
    write.begin(0)
    write.stage("measure", 0, 4, (0.001, 0.002, 0.003, 0.004))
    write.stage("upscale+grade", 10, 4, (10.001, 10.002), kind="skip")
    state = watch_batch(held).state(now_s=20)
    assert state.eta.eta_s is None
    assert state.shots_per_h is None


def test_the_rate_is_that_of_the_last_ten_minutes():
    times = StageTimes(total=99, begun_s=0)
    for done, when in enumerate((1000, 1100, 1200, 1300), start=1):
        times.add(done, when, made=True)
    # From 700 to 1300: all four; from 1250 on, one.
    assert times.per_hour(1300) == pytest.approx(3600 * 4 / 600)
    assert times.per_hour(1850) == pytest.approx(3600 * 1 / 600)
    assert times.per_hour(3000) is None


def test_the_range_narrows_with_what_was_seen():
    def reach(count):
        times = StageTimes(total=100, begun_s=0)
        when = 0.0
        for done in range(count):
            when += 8 if done % 2 else 12
            times.add(done + 1, when, made=True)
        stage = StageState(name="x", done=count, total=100, begun=True)
        found = estimate([stage], {"x": times}, "x", when)
        return found.eta_s, found.high_s - found.low_s

    early, late = reach(4), reach(60)
    assert early[0] == pytest.approx(960)
    assert late[0] == pytest.approx(400)
    assert late[1] / late[0] < early[1] / early[0] / 2


def test_only_whole_lines_are_taken_and_each_once(held):
    write = Writer(held)
    write.begin(0)
    watch = watch_batch(held)
    line = json.dumps({"kind": "stage", "time_s": 1, "stage": "measure", "total": 4}) + "\n"
    with write.path.open("a") as file:
        file.write(line[:20])
    assert watch.state(now_s=2).stage == ""
    with write.path.open("a") as file:
        file.write(line[20:])
    assert watch.state(now_s=2).stage == "measure"
    write("shot", 2, stage="measure", shot="s1", done=1, total=4)
    for _ in range(3):
        state = watch.state(now_s=3)
    assert state.stages[0].done == 1
    assert state.shots_per_h == pytest.approx(3600 / 2)
    assert watch_batch(held).state(now_s=3) == state


def test_a_broken_line_and_a_replaced_file_do_no_harm(folder):
    write = Writer(folder)
    write.begin(0)
    write.path.write_text(write.path.read_text() + '{"kind": "sto\n')
    write("end", 5, facts={"exit_code": 3})
    watch = watch_batch(folder)
    assert (watch.state().phase, watch.state().exit_code) == ("finished", 3)
    write.path.write_text("")
    assert watch.state().phase == "idle"


@pytest.mark.parametrize(
    ("kind", "more", "phase"),
    [
        ("end", {"facts": {"exit_code": 0}}, "finished"),
        ("end", {"facts": {"exit_code": 1}}, "failed"),
        ("error", {"text": "The disk is full."}, "failed"),
        ("paused", {"text": "ep01 is paused."}, "paused"),
        ("note", {"text": "still on its way"}, "stopped"),
    ],
)
def test_how_it_ended(folder, kind, more, phase):
    write = Writer(folder)
    write.begin(0)
    write.stage("measure", 0, 4, (1,))
    write(kind, 5, **more)
    state = watch_batch(folder).state()
    assert (state.phase, state.going_on, state.stage) == (phase, False, "")
    assert state.eta.eta_s is None
    assert state.last_error == ("The disk is full." if kind == "error" else "")


def test_a_pause_is_asked_for_only_where_somebody_works(held, tmp_path):
    Writer(held).begin(0)
    assert is_held(held)
    request_pause(held)
    assert watch_batch(held).state().phase == "pausing"
    with pytest.raises(Exception, match="nothing to pause"):
        request_pause(tmp_path)
    assert not (tmp_path / "pause.request").exists()


def test_a_batch_that_starts_and_one_that_could_not(folder):
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    said = {"pid": child.pid, "birth": birth(child.pid), "time_s": 10}
    (folder / BATCH_FILE).write_text(json.dumps(said))
    (folder / BATCH_LOG).write_text("some progress\nfinishkit: t.toml was edited.\n")
    watch = watch_batch(folder)
    assert watch.state().phase == "starting"
    child.communicate(b"\n")
    state = watch.state()
    assert (state.phase, state.last_error) == ("failed", "finishkit: t.toml was edited.")
    # Another process that has been given the same number is not it.
    (folder / BATCH_FILE).write_text(json.dumps({**said, "pid": 1}))
    assert watch.state().phase == "failed"
    Writer(folder).begin(20)
    assert watch.state().phase == "stopped"


def test_a_stage_that_had_nothing_to_do_is_over_when_a_later_one_begins(held):
    write = Writer(held)
    write.begin(0)
    write.stage("upscale+grade", 0, 4, (100, 200))
    state = watch_batch(held).state(now_s=200)
    assert [(s.name, s.total, s.begun) for s in state.stages[:1]] == [("measure", 0, True)]
    assert state.eta.eta_s == pytest.approx(200)


def test_a_stage_that_was_not_planned_stands_where_it_happened(held):
    say = Writer(held)
    say.begin(0)
    say.stage("measure", 0, 4, (1, 2, 3, 4))
    say.stage("fit sharpness", 4, 4, (5, 6, 7, 8))
    say.stage("upscale+grade", 9, 4, (10,))
    state = watch_batch(held).state()
    assert [s.name for s in state.stages] == ["measure", "fit sharpness", "upscale+grade", "master"]
