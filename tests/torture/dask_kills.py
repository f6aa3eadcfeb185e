"""G20: losing workers of a cluster changes nothing. Their processes are killed while they work."""

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from finishkit.engines.dask import DaskEngine
from finishkit.engines.local import LocalEngine
from finishkit.engines.step import execute_step
from finishkit.progress import Progress
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from tests import synth
from tests.test_finishing import template
from tests.torture.outcome import Outcome, Say, at_least

POISON = "shot_002"
WORKERS = 2
EVERY_S = (0.4, 1.4)


@dataclass(frozen=True)
class Counted:
    """A function that writes down each call, and dies of one shot."""

    function: Callable[[Any], Any]
    log: Path

    def __call__(self, item):
        self._note("begun", item)
        if self.function is execute_step and item.shot == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self.function(item)
        self._note("done", item)
        return answer

    def _note(self, what: str, item) -> None:
        # The parent of the process that works is the Dask worker.
        with self.log.open("a") as file:
            file.write(f"{os.getppid()} {what} {self.function.__name__} {item.shot}\n")


class Counting:
    """An engine of the product, whose work is written down."""

    def __init__(self, engine, log: Path) -> None:
        self.engine, self.log, self.working = engine, log, False

    @property
    def offers(self):
        return self.engine.offers

    def map(self, function, items, *, jobs=None, needs=None):
        self.working = True
        try:
            yield from self.engine.map(Counted(function, self.log), items, jobs=jobs, needs=needs)
        finally:
            self.working = False

    def close(self) -> None:
        self.engine.close()


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Finish a small episode over and over until ``count`` workers were killed."""
    folder.mkdir(exist_ok=True)
    episode = synth.make_episode(folder, shots=5, count=16)
    with LocalEngine(WORKERS) as local:
        truth = _finish(episode, folder / "local", Counting(local, folder / "local.log"))
    failures = [] if truth.quarantined == {POISON: 1} else [f"local: {truth.quarantined}"]
    kills = wasted = runs = 0
    seconds = time.monotonic()
    with DaskEngine("local", jobs=WORKERS) as dask:
        while kills < count:
            log = folder / f"{runs}.log"
            counting = Counting(dask, log)
            killer = _Killer(counting, dask, random.Random(f"{seed}:{runs}"), count - kills)
            with killer.at_work():
                made = _finish(episode, folder / "dask", counting)
            again = _again(log)
            failures += [f"{seed}:{runs}: {said}" for said in _wrong(made, truth, folder / "dask")]
            if again > killer.kills * WORKERS:
                failures.append(f"{seed}:{runs}: {again} reruns after {killer.kills} kills")
            kills, wasted, runs = kills + killer.kills, wasted + again, runs + 1
            say(f"{kills} of {count} kills, {runs} runs, {wasted} reruns, {len(failures)} failures")
            if not killer.kills and runs > count:
                failures.append("the killer found nobody at work")
                break
    return Outcome(
        suite="dask_kills",
        promises=("G20",),
        trials=kills,
        failures=tuple(failures),
        figures={
            "runs": runs,
            "files compared a run": len(truth.files),
            "pieces of work done again": wasted,
            "seconds": round(time.monotonic() - seconds),
            "true rate below": at_least(kills) if kills and not failures else None,
        },
    )


@dataclass(frozen=True)
class Made:
    files: dict[str, str]
    quarantined: dict[str, int]
    code: int


def _finish(episode: Path, out: Path, engine: Counting) -> Made:
    told: Counter[str] = Counter()

    def listen(event):
        if event.kind == "quarantine":
            told[event.shot] += 1

    opened = open_episode(episode)
    done = finish_episode(
        opened, template(), out, jobs=1, engine=engine, redo=[s.id for s in opened],
        progress=Progress(listen),
    )  # fmt: skip
    names = ("shots/*.mp4", "work/*_*/*.mkv", "master.mp4")
    files = {
        p.relative_to(done.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for name in names
        for p in done.folder.glob(name)
    }
    return Made(files, dict(told), done.exit_code)


def _wrong(made: Made, truth: Made, out: Path) -> Iterator[str]:
    if made.files != truth.files:
        yield f"other files: {sorted(set(made.files.items()) ^ set(truth.files.items()))}"
    if (made.quarantined, made.code) != (truth.quarantined, truth.code):
        yield f"quarantined {made.quarantined}, exit code {made.code}"
    if left := [p.name for p in out.rglob(".*.part*")]:
        yield f"left behind: {left}"


def _again(log: Path) -> int:
    """Return how often a piece of work was begun and not done, the poison's left out."""
    notes = [line.split() for line in log.read_text().splitlines()]
    counted = Counter(what for _, what, _, shot in notes if shot != POISON)
    return counted["begun"] - counted["done"]


class _Killer:
    def __init__(self, counting: Counting, dask: DaskEngine, rng: random.Random, most: int) -> None:
        self.counting, self.dask, self.rng, self.most = counting, dask, rng, most
        self.kills = 0
        self._over = threading.Event()

    @contextlib.contextmanager
    def at_work(self):
        thread = threading.Thread(target=self._kill)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _kill(self) -> None:
        while not self._over.wait(self.rng.uniform(*EVERY_S)) and self.kills < self.most:
            if self.counting.working and (busy := self._at_work()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.rng.choice(busy), signal.SIGKILL)
                    self.kills += 1

    def _at_work(self) -> list[int]:
        """Return the Dask workers in whose child something has begun and is not done."""
        if not self.counting.log.exists():
            return []
        under_way: dict[int, str] = {}
        for line in self.counting.log.read_text().splitlines():
            worker, what, _ = line.split(maxsplit=2)
            under_way[int(worker)] = what
        mine = {p.pid for p in psutil.Process().children()}
        return sorted(w for w, what in under_way.items() if what == "begun" and w in mine)
