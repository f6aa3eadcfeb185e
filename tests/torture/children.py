"""Many cases in one child process, each with its own limits, each blamed for what it does.

A suite's module has ``case(seed, index, folder) -> str``: the kind of case, with a sentence after
a colon when a promise was broken. The child says what it begins, so that a crash, a hang or a
memory bomb is charged to its case; the next child goes on behind it.
"""

import importlib
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHILD_BYTES = 24 * 2**30
"""Address space of a child: torch maps several gigabytes. What a case fills is measured."""
BAIT = ("/etc/passwd", "/etc/hostname", "/etc/hosts")
CANARY = "canary_was_here"
"""Every payload tries to make a file of this name in its case's folder, or around it."""

CALLS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.getaddrinfo")


@dataclass
class Tally:
    """What came of the cases."""

    trials: int = 0
    failures: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    largest_mb: float = 0.0


def run_cases(
    module: str,
    count: int,
    seed: int,
    folder: Path,
    *,
    limit_s: float,
    most_s: float,
    most_mb: float,
    allowed: tuple[str, ...] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Run a suite's cases in children; a case over ``most_s`` or ``most_mb`` has failed."""
    tally = Tally()
    start = 0
    while start < count:
        command = [sys.executable, "-m", "tests.torture.children", module, str(seed), str(start)]
        command += [str(count), str(folder), ",".join(allowed)]
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        start = _listen(child, start, count, seed, limit_s, most_s, most_mb, tally, say)
    return tally


def _listen(child: Any, start: int, count: int, seed: int, limit_s: float, most_s: float,
            most_mb: float, tally: Tally, say: Callable[[str], None]) -> int:  # fmt: skip
    """Take a child's answers; return the case the next child begins with."""
    pending, index, started = b"", start, False
    try:
        while True:
            ready, _, _ = select.select([child.stdout], [], [], limit_s if started else 180)
            data = os.read(child.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                if index >= count:
                    return index
                child.kill()
                end = child.wait()
                how = f"ended by {end}" if ready else f"hung for {limit_s:g} s"
                tally.trials += 1
                tally.failures.append(f"{seed}:{index} {how}")
                return index + 1
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                said = json.loads(line)
                started = True
                if "begin" in said:
                    index = said["begin"]
                    continue
                _count(said, seed, most_s, most_mb, tally)
                index += 1
                if index % 100 == 0:
                    say(f"{index} cases, {len(tally.failures)} failures")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _count(said: dict[str, Any], seed: int, most_s: float, most_mb: float, tally: Tally) -> None:
    tally.trials += 1
    kind, _, broken = said["told"].partition(":")
    tally.kinds[kind] += 1
    tally.slowest_s = max(tally.slowest_s, said["s"])
    tally.largest_mb = max(tally.largest_mb, said["mb"])
    if said["s"] > most_s:
        broken += f" took {said['s']:.2f} s"
    if said["mb"] > most_mb:
        broken += f" took {said['mb']:.0f} MB"
    if broken:
        tally.failures.append(f"{seed}:{said['end']} {kind}: {broken.strip()}")


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _child(module: str, seed: int, start: int, count: int, folder: Path, allowed: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    suite = importlib.import_module(f"tests.torture.{module}")
    if hasattr(suite, "warm_up"):
        suite.warm_up(folder)
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    seen: list[str] = []
    calls = tuple(c for c in CALLS if c not in allowed.split(","))

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in calls or (event == "open" and str(given[0]) in BAIT):
            seen.append(f"{event} {given[0]!r}"[:100])
        elif event == "socket.connect" and str(given[1][0]) not in ("127.0.0.1", "::1"):
            seen.append(f"{event} {given[1]!r}")

    sys.addaudithook(hook)
    for index in range(start, count):
        print(json.dumps({"begin": index}), file=say, flush=True)
        place = folder / f"{seed}_{index}"
        place.mkdir(parents=True, exist_ok=True)
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before, began = _memory_mb("VmRSS"), time.process_time()
        seen.clear()
        try:
            told = suite.case(seed, index, place)
        except Exception as error:  # a traceback is what is looked for
            told = f"traceback: {type(error).__name__} {str(error)[:200]}"
        spent, grown = time.process_time() - began, _memory_mb("VmHWM") - before
        if seen:
            told += f"{'' if ':' in told else ':'} called {seen[0]}"
        canaries = [p for p in (*place.rglob(CANARY), folder / CANARY, Path(CANARY)) if p.exists()]
        for canary in canaries:
            canary.unlink()
            told += f"{'' if ':' in told else ':'} ran code"
        answer = {"end": index, "told": told, "s": spent, "mb": max(0.0, grown)}
        print(json.dumps(answer), file=say, flush=True)
        if ":" not in told:
            _forget(place)


def _forget(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]),
           sys.argv[6])  # fmt: skip
