"""B5: read clips and write them again, against moviepy."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.clips import clip
from bench.rows import OURS, Results, Row, Told, Workplace, psnr_db
from bench.sides import Spec
from finishkit.frames import read_frames

CRF, PRESET = 18, "veryfast"


def same_files(saved: Results, told: Told) -> dict[str, Any]:
    """Compare the files written: frames, bytes, and the pictures they hold."""

    def decoded(name: str) -> np.ndarray:
        chunks = read_frames(Path(told[name]["file"]), dtype="uint8")
        return np.concatenate([chunk.as_uint8() for chunk in chunks])

    ours = decoded(OURS)
    found: dict[str, Any] = {f"frames of {OURS}": len(ours)}
    for name in saved:
        found[f"bytes of {name}"] = told[name]["bytes"]
        if name != OURS:
            theirs = decoded(name)
            found[f"frames of {name}"] = len(theirs)
            if len(theirs) == len(ours):
                found[f"psnr_db to {name}"] = psnr_db(ours, theirs)
    return found


def rows(at: Workplace) -> list[Row]:
    """Return the rows: decode two shots; read one and write it."""
    size, count = ((144, 256), 12) if at.tiny else ((1080, 1920), 96)
    clips = [str(clip(at.folder / f"b5_{i}.mp4", size, count, seed=i + 1)) for i in range(2)]
    told = {"frames": count, "width_px": size[0], "height_px": size[1]}

    def sides(given: dict[str, Any]) -> dict[str, Spec]:
        units = len(given["clips"]) * count
        settings = {"crf": CRF, "preset": PRESET, **given}
        return {
            OURS: Spec(module="bench.ours.video", given=settings, units=units),
            "moviepy": Spec(module="bench.peers.video", given=settings, units=units),
        }

    return [
        Row(
            name="B5.decode",
            title=f"decode two shots, {size[0]}x{size[1]}",
            unit="frame",
            sides=sides({"clips": clips, "write": False}),
            floors={"moviepy": 2.0},
            parameters={**told, "clips": 2},
            notes="Ours: to luma planes, a thread a shot. Peer: to RGB, the way it has.",
        ),
        Row(
            name="B5.read_write",
            title=f"read and write a shot, {size[0]}x{size[1]}, x264 {PRESET} CRF {CRF}",
            unit="frame",
            sides=sides({"clips": clips[:1], "write": True}),
            parameters={**told, "crf": CRF, "preset": PRESET},
            compare=same_files,
            notes="Frames pass through R'G'B' on both sides, decoded ahead as a pass does.",
        ),
    ]
