"""G1 to G3: the process dies at each named point of a commit, in real ``finishkit batch`` runs."""

import os
import random
from pathlib import Path

from finishkit.store import FAULT_POINTS
from tests.torture.killing import Bench, Quota, Watchman, in_lanes
from tests.torture.outcome import Outcome, Say

FAULTS = Path(__file__).parents[1] / "inside"
DEEPEST = 3
"""A commit that late at most: the next run goes on from there, so that all are reached."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Die ``count`` times, the points taken in turn; resume each time, compare every byte."""
    told = in_lanes(_lane, count, seed, folder, say)
    died: dict[str, int] = {}
    for _, points, _ in told:
        for point in points:
            died[point] = died.get(point, 0) + 1
    return Outcome(
        suite="points",
        promises=("G1", "G2", "G3"),
        trials=sum(died.values()),
        failures=tuple(f for failures, _, _ in told for f in failures),
        figures={"died at": died, "files compared": sum(files for _, _, files in told)},
    )


def _lane(
    bench: Bench, root: Path, quota: Quota, seed: str, say: Say
) -> tuple[list[str], list[str], int]:
    rng, failures, files, points = random.Random(seed), [], 0, []
    runs, trial = 0, quota.take()
    while trial is not None:
        runs += 1
        watch = Watchman(root / f"run{runs}" / "ep01", bench.truth)
        root.mkdir(exist_ok=True)
        said = root / "said"
        done = False
        while not done:
            said.unlink(missing_ok=True)
            point = FAULT_POINTS[trial % len(FAULT_POINTS)] if trial is not None else ""
            env = {
                "PYTHONPATH": os.pathsep.join([str(FAULTS), os.environ.get("PYTHONPATH", "")]),
                "TORTURE_POINT": point,
                "TORTURE_NTH": str(rng.randint(1, DEEPEST)),
                "TORTURE_TOP": str(os.getpid()),
                "TORTURE_SAID": str(said),
            }
            child = bench.start(watch.folder.parent, env)
            _, error = child.communicate(timeout=300)
            case = f"{seed} run {runs} at {point}"
            watch.look(case)
            if said.exists():
                points.append(point)
                trial = quota.take()
                continue
            # It came to its end before the fault: that trial is still to be made.
            done = True
            if child.returncode != 0:
                failures.append(f"{case}: ended with {child.returncode}: {error.decode()}")
            watch.finished(case)
        failures += watch.failures
        files += watch.checked
        say(f"{quota.left} faults left, {len(failures)} failures in lane {seed}")
    return failures, points, files
