"""B1: measure shots, against moviepy and scikit-image."""

from typing import Any

from bench.clips import clip
from bench.rows import OURS, Results, Row, Told, Workplace
from bench.sides import Spec

TOLERANCE = {"wb_r": 0.03, "wb_b": 0.03, "ev": 0.03, "con": 0.03, "sat": 0.05, "frame_count": 0}
"""Octaves and stops (frames for the last) by which the same value may differ: the two decoders
round their way to R'G'B' differently, and box filters of the two libraries differ at the rim."""


def agree(saved: Results, told: Told) -> dict[str, Any]:
    """Compare the values that both sides compute, shot by shot."""
    found: dict[str, Any] = {}
    ours = told[OURS]["shots"]
    for name in saved:
        if name == OURS:
            continue
        off = {
            value: max(
                abs(a[value] - b[value]) for a, b in zip(ours, told[name]["shots"], strict=True)
            )
            for value in TOLERANCE
        }
        found[f"largest difference to {name}"] = {k: round(v, 5) for k, v in off.items()}
        found[f"within tolerance of {name}"] = all(off[k] <= TOLERANCE[k] for k in off)
    found["tolerance"] = TOLERANCE
    return found


def rows(at: Workplace) -> list[Row]:
    """Return the rows: what both measure, and everything against a script a metric."""
    size, count = ((144, 256), 12) if at.tiny else ((1080, 1920), 96)
    clips = [str(clip(at.folder / f"b1_{i}.mp4", size, count, seed=i + 1)) for i in range(2)]
    told = {"clips": len(clips), "frames": count, "width_px": size[0], "height_px": size[1]}

    def sides(everything: bool) -> dict[str, Spec]:
        given = {"clips": clips, "everything": everything}
        peer = "bench.peers.measure"
        return {
            OURS: Spec(module="bench.ours.measure", given=given, units=len(clips)),
            "moviepy + skimage": Spec(
                module=peer, given={**given, "side_by_side": False}, units=len(clips)
            ),
            "the same, shots side by side": Spec(
                module=peer, given={**given, "side_by_side": True}, units=len(clips)
            ),
        }

    return [
        Row(
            name="B1.values",
            title="measure a shot: sharpness, noise and colour",
            unit="shot",
            sides=sides(False),
            floors={"moviepy + skimage": 5.0},
            parameters=told,
            compare=agree,
            notes=(
                "Both decode every frame once and look closely at five. The peer reads blur_effect"
                " and Lab mean and spread with scikit-image; ours an effective resolution, noise,"
                " white point, drift and cuts inside. Compared are the colour axes, which both"
                " compute by docs/metrics.md."
            ),
        ),
        Row(
            name="B1.all",
            title="measure a shot: everything, against a script a metric",
            unit="shot",
            sides=dict(list(sides(True).items())[:2]),
            parameters=told,
            compare=agree,
            notes="Faces, flicker, shake and cadence too; each script decodes for itself.",
            repeats=min(at.repeats, 3),
        ),
    ]
