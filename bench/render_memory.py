"""Peak memory of a 4K render: one shot of ten seconds, with the whole tree of processes.

    python bench/render_memory.py [--model lanczos] [--seconds 10] [--anyway] [--out runs/bench]

With a net the time is the net's and the memory its activations': a second is enough to see it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import quiet
from bench.b6_chain import locked
from bench.clips import RATE_FPS, clip
from bench.tree import watched

SOURCE_PX, MASTER_PX = (540, 960), (2160, 3840)


def main() -> None:
    """Render, and write ``memory_MODEL.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="lanczos")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--anyway", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    asked = parser.parse_args()
    before = quiet.load()  # memory is the same on a busy machine; the time is not
    frames = max(1, round(asked.seconds * RATE_FPS))
    with tempfile.TemporaryDirectory(prefix="memory") as name:
        folder = Path(name)
        clip(folder / "ep" / "shot_001.mp4", SOURCE_PX, frames)
        look = locked(folder / "look.toml", MASTER_PX, asked.model)
        command = [sys.executable, "-m", "finishkit", "finish", str(folder / "ep")]
        command += ["--template", str(look), "--out", str(folder / "out")]
        told = watched(command, folder / "log", good=(0, 3))
    record = {
        "schema": 1,
        "machine": quiet.machine(),
        "model": asked.model,
        "frames": frames,
        "master_px": MASTER_PX,
        "before": before,
        **told,
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    target = asked.out / f"memory_{asked.model}.json"
    target.write_text(json.dumps(record, indent=1))
    print(f"{told['tree_peak_bytes'] / 2**30:.2f} GiB, {told['seconds']:.0f} s: {target}")


if __name__ == "__main__":
    main()
