"""B4: a shot of 96 frames graded, against color-matcher and against FFmpeg's lut3d."""

from typing import Any

import numpy as np

from bench.clips import stack
from bench.rows import OURS, Results, Row, Told, Workplace
from bench.sides import Spec
from finishkit.stages.lut import build_lut, write_cube

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


def levels_from(saved: Results, _told: Told) -> dict[str, Any]:
    """Return how far two sides that use one table are apart, in 8-bit levels."""
    ours = np.load(saved[OURS]).astype(np.int16)
    off = {name: np.abs(ours - np.load(path)) for name, path in saved.items() if name != OURS}
    return {
        f"levels from {name}": {"mean": round(float(o.mean()), 4), "largest": int(o.max())}
        for name, o in off.items()
    }


def rows(at: Workplace) -> list[Row]:
    """Return the rows: a transfer fitted and applied; a table that is there already."""
    size, frames, kept = ((144, 256), 8, 4) if at.tiny else ((1080, 1920), 96, 12)
    pictures, reference = at.folder / "b4.npy", at.folder / "b4_reference.npy"
    np.save(pictures, stack(size, kept))
    other = stack(size, 1, seed=5)[0]
    np.save(reference, np.clip(np.rint(other * WARM), 0, 255).astype(np.uint8))
    given = {"pictures": str(pictures), "reference": str(reference)}
    cube = at.folder / "b4.cube"
    write_cube(cube, build_lut(lambda rgb: np.clip(rgb * WARM.astype(np.float32), 0, 1)))
    tabled = {"pictures": str(pictures), "cube": str(cube), "frames": frames}

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
        ),
        Row(
            name="B4.lut",
            title=f"send {frames} frames, {size[0]}x{size[1]}, through one .cube table",
            unit="frame",
            sides={
                OURS: Spec(module="bench.ours.lut", given=tabled, units=frames),
                "FFmpeg lut3d": Spec(module="bench.peers.lut", given=tabled, units=frames),
            },
            parameters={"width_px": size[0], "height_px": size[1], "frames": frames},
            compare=levels_from,
            notes="8-bit pictures in and out on both sides; theirs trilinear, threads of its own.",
        ),
    ]
