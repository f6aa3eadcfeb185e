"""G19: same inputs and same template give the same bytes, however many workers there are."""

import itertools
import os
import subprocess
from pathlib import Path

from tests.torture.killing import Bench, made
from tests.torture.outcome import Outcome, Say

SETTINGS = tuple(itertools.product((1, 2), (1, 2, 4)))
"""Worker processes, and threads that the environment allows each."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Finish one episode ``count`` times and compare every byte with the first time."""
    bench = Bench.make(folder, shots=3, count=10)
    failures = []
    for index in range(count):
        jobs, threads = SETTINGS[(seed + index) % len(SETTINGS)]
        out = folder / f"run{index}"
        command = [*bench.command(out)[:-1], str(jobs)]
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(names, str(threads))}
        ran = subprocess.run(command, capture_output=True, env=env, check=False)
        found = made(out / "ep01")
        other = sorted(n for n in bench.truth if found.get(n) != bench.truth[n])
        if ran.returncode or other:
            failures.append(
                f"{seed}:{index} -j {jobs}, {threads} threads: ended with {ran.returncode},"
                f" other bytes in {', '.join(other) or 'nothing'}"
            )
        say(f"{index + 1} of {count}: -j {jobs}, {threads} threads, {len(other)} files differ")
    return Outcome(suite="same", promises=("G19",), trials=count, failures=tuple(failures))
