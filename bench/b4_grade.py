"""B4: give a shot of 96 frames the colours of another picture, against color-matcher."""

from typing import Any

import numpy as np

from bench.clips import stack
from bench.rows import OURS, Results, Row, Told, Workplace
from bench.sides import Spec

INSTALL = "pip install color-matcher (GPL-3.0; it runs in a process of its own)"
WARM = np.array([1.08, 1.0, 0.88])


def levels_apart(saved: Results, told: Told) -> dict[str, Any]:
    """Return how far the pictures are apart, in 8-bit levels."""
    table = {name: round(value, 4) for name, value in told[OURS].items()}
    found: dict[str, Any] = {"table against the very transfer, levels": table}
    ours = np.load(saved[OURS])
    for name, path in saved.items():
        if name != OURS:
            theirs = np.load(path)
            count = min(len(ours), len(theirs))
            off = np.abs(ours[:count].astype(np.int16) - theirs[:count])
            found[f"mean difference to {name}, fitted anew a frame, levels"] = round(
                float(off.mean()), 4
            )
    return found


def rows(at: Workplace) -> list[Row]:
    """Return the row."""
    size, frames, kept = ((144, 256), 8, 4) if at.tiny else ((1080, 1920), 96, 12)
    pictures, reference = at.folder / "b4.npy", at.folder / "b4_reference.npy"
    np.save(pictures, stack(size, kept))
    other = stack(size, 1, seed=5)[0]
    np.save(reference, np.clip(np.rint(other * WARM), 0, 255).astype(np.uint8))
    given = {"pictures": str(pictures), "reference": str(reference)}

    def peer(side_by_side: bool) -> Spec:
        return Spec(
            module="bench.peers.grade",
            given={**given, "frames": kept, "side_by_side": side_by_side},
            units=kept,
            peer=True,
            install=INSTALL,
        )

    return [
        Row(
            name="B4.mkl",
            title=f"grade a shot of {frames} frames, {size[0]}x{size[1]}, linear MKL transfer",
            unit="frame",
            sides={
                OURS: Spec(
                    module="bench.ours.grade", given={**given, "frames": frames}, units=frames
                ),
                "color-matcher": peer(False),
                "color-matcher, frames side by side": peer(True),
            },
            floors={"color-matcher": 6.0},
            parameters={
                "width_px": size[0],
                "height_px": size[1],
                "frames": frames,
                "frames of the peer": kept,
            },
            compare=levels_apart,
            notes=(
                "Ours: the transfer is fitted once on five small frames, tabulated by build_lut and"
                " applied by apply_lut, the product's own; the fit is the benchmark's, since"
                " finishkit's own match is five bounded moves and no MKL. The peer fits every"
                " frame anew; a frame costs it the same whichever it is, so it is given fewer."
            ),
        )
    ]
