"""How the time of ``finishkit finish`` grows with shots, with their length and with their size.

    python bench/growth.py [--repeats 2] [--series frames] [--out runs/bench] [--model lanczos]

Each point is the command as a user runs it, into a new folder. Two slopes are told: of the whole
time against the size on double logarithmic axes, which a fixed cost flattens; and of the part above
the fixed cost, which is what a long episode costs.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.optimize import curve_fit

from bench import quiet
from bench.b6_chain import locked
from bench.clips import clip
from bench.tree import watched

SMALL_PX, MASTER_PX = (144, 256), (288, 512)
SERIES: dict[str, list[tuple[int, int, int]]] = {
    "shots": [(n, 12, 1) for n in (2, 4, 8, 16)],
    "frames": [(2, n, 3) for n in (96, 192, 384, 768)],
    "pixels": [(2, 96, n) for n in (1, 2, 3, 4)],
}
"""Shots, frames a shot, and how many times as wide and high the clips and the master are. Length is
tried at a large size: small clips cost little beside what a run and a shot cost anyway."""

SWEEP = 48
"""Frames of one drift, there or back: a longer clip must not be a slower one, which costs less."""

BARE: dict[str, list[tuple[int, int, int]]] = {
    "shots": [(1, 4, 1), (2, 4, 1), (3, 4, 1)],
    "frames": [],
    "pixels": [],
}


def exponent(sizes: list[float], seconds: list[float]) -> dict[str, float | None]:
    """Fit how time grows.

    Parameters
    ----------
    sizes : list of float
        Shots, frames or pixels, growing.
    seconds : list of float
        The time of each.

    Returns
    -------
    fit : dict
        ``raw``: slope of log time against log size. ``fixed_s``, ``each_s`` and ``marginal``: of
        ``fixed + each * size ** marginal``, by least squares of relative errors; None with fewer
        than four points, which three unknowns would fit whatever they are.
    """
    x, y = np.array(sizes, float), np.array(seconds, float)
    raw = float(np.polyfit(np.log(x), np.log(y), 1)[0])
    found: dict[str, float | None] = {"raw": round(raw, 3), "marginal": None}
    if len(x) < 4:
        return found
    unit = x / x[0]

    def model(size: np.ndarray, fixed: float, each: float, power: float) -> np.ndarray:
        return fixed + each * size**power

    each = max((y[-1] - y[0]) / (unit[-1] - 1), 1e-6)
    start = (max(y[0] - each, 0.0), each, 1.0)
    (fixed, each, power), _ = curve_fit(
        model, unit, y, p0=start, sigma=y, bounds=([0, 0, 0.2], [np.inf, np.inf, 3]), maxfev=20_000
    )
    found["fixed_s"], found["each_s"] = round(float(fixed), 3), round(float(each / x[0]), 6)
    found["marginal"] = round(float(power), 3)
    return found


def timed(folder: Path, point: tuple[int, int, int], model: str, repeats: int) -> dict[str, Any]:
    """Finish an episode of a size some times, and keep the shortest and the memory."""
    shots, frames, times = point
    episode = folder / f"ep_{shots}_{frames}_{times}"
    size = (SMALL_PX[0] * times, SMALL_PX[1] * times)
    if not episode.exists():
        for i in range(shots):
            clip(episode / f"shot_{i:03d}.mp4", size, frames, seed=i % 8 + 1, sweep=SWEEP)
    master = (MASTER_PX[0] * times, MASTER_PX[1] * times)
    look = locked(folder / f"look_{times}.toml", master, model)
    out = folder / "out"
    told = []
    for _ in range(repeats):
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "finishkit", "finish", str(episode)]
        command += ["--template", str(look), "--out", str(out)]
        told.append(watched(command, folder / "growth.log", good=(0, 3)))
    return {
        "shots": shots,
        "frames": frames,
        "pixels": size[0] * size[1],
        "seconds": [t["seconds"] for t in told],
        "min_s": min(t["seconds"] for t in told),
        "tree_peak_bytes": max(t["tree_peak_bytes"] for t in told),
    }


def grown(folder: Path, model: str, repeats: int, series: dict[str, Any]) -> dict[str, Any]:
    """Time every point of every series, and fit."""
    found: dict[str, Any] = {}
    timed(folder, (1, 4, 1), model, 1)  # imports and weights come from the disk's cache from now on
    known: dict[tuple[int, int, int], dict[str, Any]] = {}
    for name, points in series.items():
        for point in points:
            if point not in known:
                known[point] = timed(folder, point, model, repeats)
                print(f"{name} {point}: {known[point]['min_s']:.2f} s", flush=True)
        if points:
            rows = [known[p] for p in points]
            fit = exponent([float(r[name]) for r in rows], [r["min_s"] for r in rows])
            found[name] = {"points": rows, "fit": fit}
            print(f"{name}: {fit}", flush=True)
    return found


def main() -> None:
    """Time, fit, write ``growth.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--anyway", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument("--model", default="lanczos")
    parser.add_argument("--series", nargs="*", choices=tuple(SERIES), default=tuple(SERIES))
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args()
    before = quiet.require_quiet(asked.anyway)
    with tempfile.TemporaryDirectory(prefix="growth") as folder:
        series = {k: v for k, v in (BARE if asked.tiny else SERIES).items() if k in asked.series}
        found = grown(Path(folder), asked.model, asked.repeats, series)
    record = {
        "schema": 1,
        "machine": quiet.machine(),
        "model": asked.model,
        "repeats": asked.repeats,
        "anyway": asked.anyway,
        "before": before,
        "after": quiet.load(),
        "series": found,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    target = asked.out / f"growth_{asked.model}.json"
    target.write_text(json.dumps(record, indent=1))
    print(f"Written to {target}")


if __name__ == "__main__":
    main()
