"""G1 to G3: ``kill -9`` at random moments of real ``finishkit batch`` runs."""

import os
import random
import signal
import subprocess
from pathlib import Path

from tests.torture.killing import Bench, Quota, Watchman, in_lanes
from tests.torture.outcome import Outcome, Say

ALONE = 0.25
"""Share of the kills that hit the batch's first process alone: what it started must end too."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Kill ``count`` batches, resume each, compare every byte with an unbroken run."""
    told = in_lanes(_lane, count, seed, folder, say)
    return Outcome(
        suite="kills",
        promises=("G1", "G2", "G3"),
        trials=count,
        failures=tuple(f for failures, _, _ in told for f in failures),
        figures={
            "episodes finished in the end": sum(runs for _, runs, _ in told),
            "files compared under final names": sum(files for _, _, files in told),
        },
    )


def _lane(
    bench: Bench, root: Path, quota: Quota, seed: str, say: Say
) -> tuple[list[str], int, int]:
    rng, failures, runs, files = random.Random(seed), [], 0, 0
    over = False
    while not over:
        runs += 1
        watch = Watchman(root / f"run{runs}" / "ep01", bench.truth)
        while True:
            trial = quota.take()
            over = trial is None
            child = bench.start(watch.folder.parent)
            case = f"{seed} run {runs}, kill {trial}"
            killed = not over and _kill(child, rng, bench.length_s)
            _, error = child.communicate(timeout=300)
            watch.look(case)
            if not killed:
                if child.returncode != 0:
                    failures.append(f"{case}: ended with {child.returncode}: {error.decode()}")
                watch.finished(case)
                break
        failures += watch.failures
        files += watch.checked
        say(f"{quota.left} kills left, {len(failures)} failures in lane {seed}")
    return failures, runs, files


def _kill(child: "subprocess.Popen[bytes]", rng: random.Random, length_s: float) -> bool:
    """Kill it at a random moment; False: it was done before that, and the kill is spent."""
    moment, alone = rng.uniform(0.1, 0.8) * length_s, rng.random() < ALONE
    try:
        child.wait(moment)
    except subprocess.TimeoutExpired:
        if alone:
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
        return True
    return False
