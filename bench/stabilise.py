"""Stabilise against shake planted on real clips, of which the truth is known.

    python bench/stabilise.py DATA [SHOT ...]

A window is moved over larger real frames: still or in a pan, with and without white jitter of 1 %
of the short side. Nothing is reflected or made up at the edges.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames, read_frames
from finishkit.measure.motion import shake_pct, to_small_luma
from finishkit.measure.sharpness import shot_sharpness
from finishkit.settings import StabiliseSettings
from finishkit.stages.camera_path import camera_path
from finishkit.stages.stabilise import solve

RATE_FPS = 24.0
KEPT = 0.9
SHOTS = (2, 4, 9, 11, 15, 17, 19, 23)

Clip = NDArray[np.float32]


def load(path: Path, frames: int = 48) -> Clip:
    """Read the start of a clip."""
    return np.concatenate([f.data for f in read_frames(path)])[:frames]  # type: ignore[arg-type]


def windowed(clip: Clip, jitter_pct: float, pan: bool, seed: int = 0) -> tuple[Clip, NDArray]:
    """Cut a moving window out of a clip; return it and where its corner was, in short sides."""
    count, height, width = clip.shape[:3]
    wide, high = int(width * KEPT) // 2 * 2, int(height * KEPT) // 2 * 2
    short = min(wide, high)
    room = np.array([width - wide, height - high], float)
    rng = np.random.default_rng(seed)
    jitter = np.clip(rng.normal(size=(count, 2)), -2.5, 2.5) * jitter_pct / 100 * short
    path = np.tile(room / 2, (count, 1))
    if pan:
        reach = room / 2 - 0.028 * short
        path = room / 2 + np.linspace(-1, 1, count)[:, None] * np.maximum(reach, 0)
    corner = np.clip(path + jitter, 0, room)
    out = []
    for picture, (x, y) in zip(clip, corner, strict=True):
        place = np.array([[1, 0, -x], [0, 1, -y]], float)
        out.append(cv2.warpAffine(picture, place, (wide, high), flags=cv2.INTER_LANCZOS4))
    return np.clip(np.stack(out), 0, 1), corner / short


def chunks(clip: Clip) -> Iterator[Frames]:
    """Hand out a clip as a stage sees it."""
    for i in range(0, len(clip), 8):
        part = clip[i : i + 8].copy()
        yield Frames(data=part, pts_s=np.arange(i, i + len(part)) / RATE_FPS)


def shake(clip: Clip) -> float:
    """Measure shake as a shot is measured."""
    codes = np.round(clip * 255).astype(np.uint8)
    return shake_pct(np.stack([to_small_luma(c) for c in codes]), RATE_FPS) or 0.0


def log2_r(clip: Clip) -> float:
    """Measure effective resolution against the picture's size, in octaves."""
    luma = [
        cv2.cvtColor(np.round(c * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for c in clip[::10]
    ]
    found = shot_sharpness(luma, [None] * len(luma))
    return float(np.log2(found.r)) if found else float("nan")


def main() -> None:
    """Print a row a clip, kind of move and strength."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("shots", type=int, nargs="*", default=SHOTS)
    told = parser.parse_args()
    print("shot move  jitter strength  shake before  after  predicted  crop %  oct  bend error %")
    for number in told.shots:
        clip = load(told.data / f"episodes/ep01/s01e01_shot_{number:03d}.mp4")
        for pan in (False, True):
            for jitter in (1.0, 0.0):
                planted, corner = windowed(clip, jitter, pan)
                path = camera_path(chunks(planted))
                # Content moves against the window.
                meant = -np.diff(corner, 2, axis=0)
                wrong = np.abs(path.bends[1:-1, :2] - meant)[~path.repeats[1:-1]]
                error = 100 * np.nanmedian(wrong) if np.isfinite(wrong).any() else np.nan
                for strength in (1.0, 0.3, 0.2) if jitter else (1.0,):
                    made = solve(path, StabiliseSettings(strength=strength), RATE_FPS)
                    row = f"{number:4d} {'pan  ' if pan else 'still'} {jitter:5.1f} {strength:6.1f}"
                    if made is None:
                        print(f"{row} {shake(planted):15.2f}  left alone, bend error {error:.3f} %")
                        continue
                    notes: dict[str, float] = {}
                    out = np.concatenate([f.data for f in made(chunks(planted), notes)])
                    lost = log2_r(out) - log2_r(planted)
                    print(
                        f"{row} {shake(planted):15.2f} {shake(out):6.2f}"
                        f" {notes['stabilise.shake_left_pct']:10.2f}"
                        f" {notes['stabilise.crop_pct']:7.2f} {lost:5.2f} {error:8.3f}"
                        f"  held {notes['stabilise.held_by_crop']:.0f}"
                        f" lost {notes['stabilise.frames_not_followed']:.0f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
