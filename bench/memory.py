"""Peak memory and time of finishing: an episode, and 10 s against 60 s of the same footage.

``FINISHKIT_FOOTAGE`` names the folder with ``episodes/ep01``. The command line is run as a user
runs it; the memory is that of the whole tree of processes, read ten times a second.
"""

import argparse
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil

from finishkit.frames import Frames, master_encoding, read_frames, write_frames
from finishkit.template import Draft


def watched(arguments: list[str]) -> tuple[float, float]:
    """Run finishkit; return its seconds and the peak of its tree's resident memory, GiB."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "finishkit", *arguments])
    top = 0
    while process.poll() is None:
        try:
            root = psutil.Process(process.pid)
            tree = [root, *root.children(recursive=True)]
            # Unique memory: pages shared between the processes count once in the machine too.
            top = max(top, sum(_unique(p) for p in tree))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.1)
    if process.returncode not in (0, 3):
        raise SystemExit(f"finishkit {' '.join(arguments)} ended with {process.returncode}")
    return time.monotonic() - started, top / 2**30


def _unique(process: psutil.Process) -> int:
    try:
        info = process.memory_info()
        return info.rss - info.shared
    except psutil.NoSuchProcess:
        return 0


def looped(source: Path, path: Path, seconds: int) -> Path:
    """Write a clip of a given length: the source to and fro."""
    pictures = [p for f in read_frames(source, dtype="uint8") for p in f.as_uint8()]
    way = [*pictures, *pictures[-2:0:-1]]

    def frames():
        for i in range(24 * seconds):
            yield Frames(data=way[i % len(way)][None], pts_s=np.array([i / 24]))

    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = master_encoding(16, "veryfast", 2)
    write_frames(path, frames(), rate_fps=Fraction(24), encoding=encoding)
    return path


def template(path: Path, width_px: int, height_px: int) -> Path:
    """Lock the baseline with the draft upscaler."""
    draft = Draft()
    for name, value in {
        "upscale.model": "lanczos",
        "master.width_px": width_px,
        "master.height_px": height_px,
    }.items():
        draft.set(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    return draft.lock().save(path)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/memory"))
    parser.add_argument("--skip-episode", action="store_true")
    asked = parser.parse_args()
    footage = Path(os.environ["FINISHKIT_FOOTAGE"]) / "episodes" / "ep01"
    print(f"load before: {os.getloadavg()[0]:.1f}")
    if not asked.skip_episode:
        look = template(asked.out / "draft.toml", 2160, 3840)
        out = str(asked.out / "episode")
        seconds, top = watched(["finish", str(footage), "--template", str(look), "--out", out])
        print(f"23 shots to 2160x3840: {seconds:.0f} s, peak {top:.2f} GiB")
    look = template(asked.out / "small.toml", 540, 960)
    peaks = []
    for length_s in (10, 60):
        folder = asked.out / f"clip_{length_s}"
        looped(footage / "s01e01_shot_004.mp4", folder / "a.mp4", length_s)
        out = str(asked.out / f"out_{length_s}")
        seconds, top = watched(["finish", str(folder), "--template", str(look), "--out", out])
        peaks.append(top)
        print(f"one shot of {length_s} s to 540x960: {seconds:.0f} s, peak {top:.2f} GiB")
    print(f"60 s over 10 s: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
