"""G12: nothing hangs: work that comes to a stop in every way we know, beside work that does not."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from finishkit.crew import Patience
from finishkit.engines.local import LocalEngine
from finishkit.progress import Progress
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.store import Store
from tests import synth
from tests.engines.deeds import Deed, perform
from tests.test_finishing import template
from tests.torture.outcome import Outcome, Say, at_least

# Long enough that a busy machine's worker, waiting for its disk, is not taken for one that hangs.
SHORT = Patience(idle_s=1.5, busy_s=4.0, loading_s=4.0, grace_s=1.0)
LIMITS_S = {"spin": SHORT.busy_s + SHORT.loading_s}
LIMIT_S = SHORT.idle_s + SHORT.loading_s
LATE_S = 10.0
KINDS = ("fifo", "sleep", "stop", "pipe", "leave a child", "spin")
ONCE = ("sleep once", "stop once")
"""These hang at the first attempt only: the second must finish them."""
RUNS = ("a stage in a run", "a stopped worker in a run", "a FIFO in a run")
RUN_EVERY = 10
"""Every so many trials is a whole finishing run."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Let one item of a few hang, ``count`` times."""
    failures: list[str] = []
    kinds: Counter[str] = Counter()
    latest_s = 0.0
    episode = None
    for index in range(count):
        rng = random.Random(f"{seed}:{index}")
        if index % RUN_EVERY == RUN_EVERY - 1:
            episode = episode or synth.make_episode(folder, shots=3, count=8)
            kind = RUNS[index // RUN_EVERY % len(RUNS)]
            wrong = whole_run(episode, folder / f"out{index}", kind)
        else:
            kind = (KINDS + ONCE)[index % len(KINDS + ONCE)]
            wrong, late_s = one_trial(kind, rng, folder / str(index))
            latest_s = max(latest_s, late_s)
        kinds[kind] += 1
        failures += [f"{seed}:{index} ({kind}): {said}" for said in wrong]
        say(f"{index + 1} of {count}, {len(failures)} failures, {kind}")
    return Outcome(
        suite="hangs",
        promises=("G12",),
        trials=count,
        failures=tuple(failures),
        figures={
            "by kind": dict(sorted(kinds.items())),
            "limit_s": {"idle": LIMIT_S, "computing": LIMITS_S["spin"]},
            "latest after its limit_s": round(latest_s, 2),
            "true rate below": at_least(count) if not failures else None,
        },
    )


def one_trial(kind: str, rng: random.Random, folder: Path) -> tuple[list[str], float]:
    """Return what was wrong, and how long after its limit the second attempt was ended."""
    folder.mkdir()
    mark = folder / "clip.mp4"
    if kind == "fifo":
        os.mkfifo(mark)
    begun = folder / "begun"
    deeds = [Deed("hangs", kind, mark, begun=begun), *(Deed(s) for s in "abc")]
    rng.shuffle(deeds)
    found: dict[str, object] = {}
    late_s, wrong = 0.0, []
    with LocalEngine(rng.choice((1, 2, 3)), patience=SHORT) as engine:
        for deed, answer in engine.map(perform, deeds):
            found[deed.shot] = getattr(answer, "code", type(answer).__name__)
            if deed.shot == "hangs" and kind in KINDS:
                limit_s = LIMITS_S.get(kind, LIMIT_S)
                late_s = time.monotonic() - float(begun.read_text().split()[-1]) - limit_s
    due = {"hangs": "timeout" if kind in KINDS else "int", "a": "int", "b": "int", "c": "int"}
    if found != due:
        wrong.append(f"{found} instead of {due}")
    if late_s > LATE_S:
        wrong.append(f"ended {late_s:.1f} s after its limit")
    attempts = len(begun.read_text().split())
    if attempts != 2:
        wrong.append(f"{attempts} attempts instead of 2")
    left = _alive()
    if left or (kind == "leave a child" and not _gone(int(mark.read_text()))):
        wrong.append(f"processes are left: {left}")
    return wrong, late_s


@dataclass(frozen=True)
class Hanging:
    """A function that comes to a stop on one shot of the last pass."""

    function: Callable[[Any], Any]

    def __call__(self, item):
        if item.shot == "shot_002" and getattr(item, "audio_from", None) is not None:
            time.sleep(600)
        return self.function(item)


class HangingEngine(LocalEngine):
    """The engine of the product, given such functions."""

    def map(self, function, items, *, jobs=None, needs=None):
        return super().map(Hanging(function), items, jobs=jobs, needs=needs)


def whole_run(episode: Path, out: Path, kind: str) -> list[str]:
    """Finish an episode in which a stage hangs, a worker is stopped, or a clip becomes a FIFO."""
    clip = episode / "shot_002.mp4"
    kept, done = clip.read_bytes(), []
    when, state = {"a stage in a run": ("upscale+grade", "timeout"),
                   "a stopped worker in a run": ("upscale+grade", "finished"),
                   "a FIFO in a run": ("fit the set", "unreadable")}[kind]  # fmt: skip

    def disturb(event):
        if event.kind != "stage" or event.stage != when or done:
            return
        done.append(when)
        if "worker" in kind:
            # One of those that were used before: idle, and about to be given work.
            os.kill(engine.pids[0], signal.SIGSTOP)
        elif "FIFO" in kind:
            clip.unlink()
            os.mkfifo(clip)

    make = HangingEngine if "stage" in kind else LocalEngine
    try:
        with make(2, patience=SHORT) as engine:
            ended = finish_episode(
                open_episode(episode), template(), out, jobs=2, engine=engine,
                progress=Progress(disturb),
            )  # fmt: skip
    finally:
        clip.unlink()
        clip.write_bytes(kept)
    shots = {s: v.code or v.state for s, v in Store(ended.folder).manifest().shots.items()}
    due = {"shot_001": "finished", "shot_002": state, "shot_003": "finished"}
    wrong = [] if shots == due else [f"{shots} instead of {due}"]
    if not done:
        wrong.append("nothing was disturbed")
    if ended.exit_code != (0 if state == "finished" else 3):
        wrong.append(f"exit code {ended.exit_code}")
    return wrong


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def _alive() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [p.pid for p in children if _is_worker(p) and not _gone(p.pid)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "finishkit.working" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also of one that has ended and was not asked about yet
        return False
