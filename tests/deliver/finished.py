"""A finished episode in a second: tiny shots of known colours, committed as a run commits them."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from finishkit.frames import join_shots, master_encoding, write_frames
from finishkit.store import Store
from tests import synth

RATE = Fraction(24)
COUNTS = {"shot_001": 8, "shot_002": 1, "shot_003": 12}
"""One with a single frame: its headers must be those of the others, or nothing could be joined."""
COLOURS = {"shot_001": (180, 60, 50), "shot_002": (60, 150, 70), "shot_003": (60, 80, 170)}
"""R'G'B' of the flat upper half; the lower half moves, so that frames differ."""
WIDTH_PX, HEIGHT_PX = 90, 160


def pictures(shot: str) -> np.ndarray:
    count = COUNTS[shot]
    data = synth.panning(seed=len(shot), count=count, height=HEIGHT_PX, width=WIDTH_PX)
    data[:, : HEIGHT_PX // 2] = np.array(COLOURS[shot], np.float32) / 255
    return data


def add_shot(store: Store, source: Path, shot: str) -> Path:
    """Write a source with a click at its first frame, and the finished shot from it."""
    clip = synth.write_clip(source / f"{shot}.mp4", pictures(shot))
    name = f"shots/{shot}.mp4"
    write_frames(
        store.part(name), synth.chunks(pictures(shot)), rate_fps=RATE,
        encoding=master_encoding(10, "veryfast", 1), audio_from=clip,
    )  # fmt: skip
    store.commit(
        name,
        key=shot,
        check=lambda _: None,
        facts={"frame_count": COUNTS[shot], "rate_fps": str(RATE)},
    )
    store.mark(shot, "finished")
    return clip


def finished_folder(root: Path) -> Path:
    """Return ``root/out/ep01`` as a run that came to its end leaves it."""
    store = Store(root / "out" / "ep01")
    source = root / "ep01"
    source.mkdir(parents=True)
    shots = tuple(COUNTS)
    store.plan("ep01", shots)
    sounds = [add_shot(store, source, shot) for shot in shots]
    count = join_shots(
        store.part("master.mp4"), [store.path(f"shots/{s}.mp4") for s in shots], sounds,
        rate_fps=RATE,
    )  # fmt: skip
    store.commit(
        "master.mp4",
        key="master",
        check=lambda _: None,
        facts={"frame_count": count, "rate_fps": str(RATE)},
    )
    store.end()
    return store.root
