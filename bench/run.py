"""Ratios against the field's own tools, side by side in one run: ``make bench``.

    python bench/run.py [B1 B2.rrdb ...] [--repeats 5] [--anyway] [--out runs/bench]
        [--peers PYTHON]

Each side runs warm in a process of its own, with two threads, and they take turns. Written are
``bench.json`` and ``bench.png``; a table is printed. A side whose package is missing stays in it,
with the command that installs it.
"""

import argparse
import datetime
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import quiet
from bench.rows import OURS, Row, Workplace, measured
from bench.serving import versions
from bench.sides import THREADS

SCHEMA = 1
MODULES = {
    "B1": "bench.b1_measure",
    "B2": "bench.b2_upscale",
    "B3": "bench.b3_faces",
    "B4": "bench.b4_grade",
    "B5": "bench.b5_video",
    "B6": "bench.b6_chain",
}
ORDER = ("B2", "B1", "B4", "B5", "B3", "B6")
"""What matters most first: a run that is broken off has it."""


def chosen(names: list[str], at: Workplace) -> list[Row]:
    """Return the rows asked for: ``B2`` for all of a group, ``B2.rrdb`` for some of it."""
    groups = [g for g in ORDER if not names or any(n.split(".")[0] == g for n in names)]
    made = [row for group in groups for row in importlib.import_module(MODULES[group]).rows(at)]
    kept = [r for r in made if not names or any(r.name.startswith(n) for n in names)]
    if not kept:
        raise SystemExit(f"No row is called {' or '.join(names)}. There are {', '.join(MODULES)}.")
    return kept


def bench(names: list[str], at: Workplace, out: Path, anyway: bool) -> dict[str, Any]:
    """Run the rows, writing after each what is known so far."""
    before = quiet.require_quiet(anyway)
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": quiet.machine(),
        "device": at.device,
        "versions": versions(),
        "threads": THREADS,
        "repeats": at.repeats,
        "tiny": at.tiny,
        "anyway": anyway,
        "quiet": True,
        "before": before,
        "rows": [],
    }
    out.mkdir(parents=True, exist_ok=True)
    limit = record["machine"]["cores"]
    for row in chosen(names, at):
        print(f"{row.name}: {row.title}", flush=True)
        done = measured(row, at)
        record["rows"].append(done)
        loads = [done[when]["foreign_cores"] for when in ("before", "after")]
        done["quiet"] = all(quiet.is_quiet(load, limit) for load in loads)
        record["quiet"] = record["quiet"] and done["quiet"]
        write(record, out)
        print("\n".join(lines(done)), flush=True)
        if not done["quiet"] and not anyway:
            raise SystemExit(
                f"The machine was busy during {row.name} ({max(loads):.2f} processors). What was"
                f" measured is in {out}; repeat it when it is quiet, or say --anyway."
            )
    record["after"] = quiet.load()
    write(record, out)
    return record


def write(record: dict[str, Any], out: Path) -> None:
    """Write the record, whole or not at all."""
    part = out / ".bench.json.part"
    part.write_text(json.dumps(record, indent=1))
    part.replace(out / "bench.json")


def lines(row: dict[str, Any]) -> list[str]:
    """Return a row's printed table: seconds a unit, ratio, floor, memory."""
    made = []
    for name, side in row["sides"].items():
        said = side.get("missing") or side.get("failed")
        if said:
            made.append(f"  {name:<32} {said}")
            continue
        each = 1e3 * side["median_s"] / side["units"]
        least = 1e3 * side["min_s"] / side["units"]
        text = f"  {name:<32} {each:10.1f} ms a {row['unit']} (min {least:.1f})"
        ratio = row["ratios"].get(name)
        if ratio:
            text += f"  {ratio['median']:6.2f}x (min {ratio['min']:.2f}x)"
            text += f"  asked {ratio['floor']:g}x" if "floor" in ratio else ""
        peak = max(side.get("peak_bytes", 0), side.get("peak_child_bytes", 0))
        made.append(f"{text}  {peak / 2**20:.0f} MiB")
    made += [f"  {name}: {value}" for name, value in row["equality"].items()]
    return made


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="B1 to B6, or the beginning of a row's name")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--anyway", action="store_true", help="also on a busy machine")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--tiny", action="store_true", help="sizes that only try the code")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--peers", default=os.environ.get("FINISHKIT_BENCH_PEERS", ""))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        at = Workplace(
            folder=Path(folder),
            peers=asked.peers,
            repeats=asked.repeats,
            tiny=asked.tiny,
            device=asked.device,
        )
        bench(asked.rows, at, asked.out, asked.anyway)
    from bench.plot import plot

    plot(asked.out / "bench.json", asked.out / "bench.png")
    print(f"Written to {asked.out / 'bench.json'} and bench.png; {OURS} is 1.")


if __name__ == "__main__":
    main()
