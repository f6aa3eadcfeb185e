"""Does a long night stay within its memory: 80 shots, and three episodes side by side.

    python -m bench.night [--out runs/night] [--shots 80] [--episodes 3] [--count 24]

Synthetic shots of 216x384 go through the real ``finishkit batch`` to a master of 360x640. The
resident memory of the batch and of everything it started is read twice a second from /proc, shared
pages counted once (PSS), and plotted over time. Flat is: over the second half of each stage that
took a minute or more the memory grows by less than 10 % of its middle value. Exit 1 otherwise.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from matplotlib.figure import Figure

from finishkit.template import Draft
from tests import synth

PERIOD_S = 0.5
LEAST_S = 60.0
GROWTH = 0.10
CLIPS = 8
"""Clips that are really different; the others repeat them with other bytes behind the pictures."""


def episode(folder: Path, name: str, shots: int, count: int) -> Path:
    """Write an episode of small shots, a face in some, and return its folder."""
    made = synth.make_episode(folder, shots=min(shots, CLIPS), count=count, name=name, scenes=4)
    rows = (made / "shots.csv").read_text().splitlines()
    for number in range(CLIPS, shots):
        clip = made / f"shot_{number + 1:03d}.mp4"
        # A box that players skip: other bytes, the same pictures.
        box = (8).to_bytes(4, "big") + number.to_bytes(4, "big")
        data = (made / f"shot_{number % CLIPS + 1:03d}.mp4").read_bytes()
        clip.write_bytes(data + len(box + b"free").to_bytes(4, "big") + b"free" + box)
        rows.append(f"{clip.stem},{clip.name},scene {1 + number // 20},,")
    (made / "shots.csv").write_text("\n".join(rows) + "\n")
    return made


def template(folder: Path) -> Path:
    """Lock a look in which every stage that needs no net works."""
    draft = Draft.from_genre("romance")
    for name, value in {
        "master.width_px": 360, "master.height_px": 640, "upscale.model": "lanczos",
    }.items():  # fmt: skip
        draft.set(name, value)
    return draft.lock().save(folder / "night.toml")


def watched(command: list[str]) -> tuple[int, list[tuple[float, float, int]]]:
    """Run a command; return its exit code, and (seconds, MiB, processes) over time."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    top, started, seen = psutil.Process(child.pid), time.monotonic(), []
    while child.poll() is None:
        total, count = 0, 0
        try:
            for process in (top, *top.children(recursive=True)):
                total += _pss(process.pid)
                count += 1
        except psutil.NoSuchProcess:
            pass
        seen.append((time.monotonic() - started, total / 2**20, count))
        time.sleep(PERIOD_S)
    return child.returncode, seen


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("Pss:")), 0)


def stages(out: Path, began_s: float) -> list[tuple[str, str, float, float]]:
    """Return (episode, stage, begin, end) in seconds after the command was started."""
    found = []
    for path in sorted(out.glob("*/events.jsonl")):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        begins = [e for e in events if e["kind"] == "stage"]
        ends = [*(e["time_s"] for e in begins[1:]), events[-1]["time_s"]]
        for event, end in zip(begins, ends, strict=True):
            span = (event["time_s"] - began_s, end - began_s)
            found.append((path.parent.name, event["stage"], *span))
    return found


def growth(seen: list[tuple[float, float, int]], begin_s: float, end_s: float) -> float:
    """Return by which share the memory grows over the second half of a span, by a straight line."""
    half = [(t, mib) for t, mib, _ in seen if (begin_s + end_s) / 2 <= t <= end_s]
    if len(half) < 10:
        return 0.0
    times, mib = np.array(half).T
    slope = np.polyfit(times, mib, 1)[0]
    return float(slope * (times[-1] - times[0]) / np.median(mib))


def plot(
    runs: dict[str, list[tuple[float, float, int]]],
    spans: dict[str, list[tuple[str, str, float, float]]],
    path: Path,
) -> None:
    """Draw memory over time, one panel a run, the stages of its first episode behind."""
    figure = Figure(figsize=(11, 3.4 * len(runs)), layout="constrained")
    for number, (name, seen) in enumerate(runs.items(), start=1):
        axes = figure.add_subplot(len(runs), 1, number)
        times, mib, _ = np.array(seen).T
        axes.plot(times / 60, mib, color="#1f6f78", linewidth=1.1)
        axes.set(title=name, xlabel="minutes", ylabel="MiB, all processes", ylim=(0, None))
        first = spans[name][0][0] if spans[name] else ""
        for index, (whose, stage, begin, end) in enumerate(spans[name]):
            if whose != first or end - begin < 0.01 * times[-1]:
                continue
            axes.axvspan(begin / 60, end / 60, color="#888", alpha=0.14 if index % 2 else 0.05)
            axes.text(begin / 60, 0.02, f" {stage}", transform=axes.get_xaxis_transform(),
                      rotation=90, fontsize=7, va="bottom", color="#555")  # fmt: skip
    figure.savefig(path, dpi=110)


def main() -> int:
    """Run both nights; write figures and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/night"))
    parser.add_argument("--shots", type=int, default=80)
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--count", type=int, default=24, help="frames a shot")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    runs, spans, told = {}, {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        look = template(folder)
        nights = {
            f"{asked.shots} shots": [episode(folder / "long", "long", asked.shots, asked.count)],
            f"{asked.episodes} episodes of {asked.shots // 4} shots side by side": [
                episode(folder / str(n), f"ep{n}", asked.shots // 4, asked.count)
                for n in range(asked.episodes)
            ],
        }
        for title, episodes in nights.items():
            out = folder / "out" / str(len(runs))
            command = [
                sys.executable, "-m", "finishkit", "batch", *map(str, episodes), "-t", str(look),
                "-O", str(out), "--at-once", str(len(episodes)),
                *(("-j", "1") if len(episodes) > 1 else ()),
            ]  # fmt: skip
            began_s = time.time()
            code, runs[title] = watched(command)
            spans[title] = stages(out, began_s)
            told.append(_told(title, code, runs[title], spans[title]))
            shutil.rmtree(out)
    plot(runs, spans, asked.out / "memory.png")
    (asked.out / "night.json").write_text(json.dumps(told, indent=1) + "\n")
    for one in told:
        print(json.dumps(one))
    flat = all(g < GROWTH for one in told for g in one["growth"].values())
    return 0 if flat and all(one["exit_code"] in (0, 3) for one in told) else 1


def _told(
    title: str,
    code: int,
    seen: list[tuple[float, float, int]],
    spans: list[tuple[str, str, float, float]],
) -> dict[str, Any]:
    return {
        "night": title,
        "exit_code": code,
        "minutes": round(seen[-1][0] / 60, 1),
        "peak_mib": round(max(mib for _, mib, _ in seen)),
        "median_mib": round(float(np.median([mib for _, mib, _ in seen]))),
        "growth": {
            f"{whose} {stage}": round(growth(seen, begin, end), 3)
            for whose, stage, begin, end in spans
            if end - begin >= LEAST_S
        },
    }


if __name__ == "__main__":
    sys.exit(main())
