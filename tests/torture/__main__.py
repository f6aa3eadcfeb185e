"""``python -m tests.torture``: run a fault suite, or all of them, with its full count."""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.outcome import Outcome

SUITES = {
    "pulls": 360,
    "weights": 120,
    "tables": 500,
    "templates": 1000,
    "mutants": 500,
    "damage": 200,
    "conform": 60,
    "bombs": 40,
    "kills": 200,
    "points": 240,
    "power": 50,
    "swaps": 300,
    "sources": 20,
    "network": 60,
    "same": 10,
    "hangs": 50,
    "dask_kills": 100,
    "notebooks": 80,
    "double_start": 100,
    "disk": 60,
}
"""Suite (a module of this package with a function ``run``) to the trials of a full run."""

RESULTS = Path(__file__).parent / "results"


def _run(name: str, count: int, seed: int, folder: Path) -> Outcome:
    suite = importlib.import_module(f"tests.torture.{name}")
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{name} {time.monotonic() - started:6.0f} s  {text}", flush=True)  # noqa: T201

    return suite.run(count, seed, folder, say)


def main() -> int:
    """Run what the command line names; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="suite",
                        help=f"default: all of {', '.join(SUITES)}")  # fmt: skip
    parser.add_argument("--count", type=int, help="trials; default: those of a full run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    asked = parser.parse_args()
    broken = 0
    for name in asked.suites or SUITES:
        with tempfile.TemporaryDirectory(prefix=f"torture-{name}-") as folder:
            outcome = _run(name, asked.count or SUITES[name], asked.seed, Path(folder))
        outcome.save(asked.results)
        print(f"{name}: {len(outcome.failures)} failures in {outcome.trials} trials")  # noqa: T201
        for failure in outcome.failures[:20]:
            print(f"  {failure}")  # noqa: T201
        for key, value in outcome.figures.items():
            print(f"  {key}: {value}")  # noqa: T201
        broken += bool(outcome.failures)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
