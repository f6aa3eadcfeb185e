"""Deflicker against FFmpeg's ``deflicker`` filter and against the clean twin, in one run.

    python bench/deflicker.py DATA

``DATA`` holds ``episodes/ep01`` and ``episodes/ep01_planted``: shot 011 of the second has the white
luma flicker of ``planted.csv``. Every row is the same frames, treated by one or the other, measured
by the same code; PSNR is to the frames of the twin.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames, read_frames
from finishkit.measure.flicker import SHORT_PX, Flicker, flicker
from finishkit.stages.deflicker import Deflicker, removed_share

SHOT = "s01e01_shot_011.mp4"
MODES = ("am", "gm", "hm", "qm", "cm", "pm", "median")
RATE_FPS = 24
STRENGTHS = {"horror": (0.3, 5), "thriller": (0.4, 5), "romance": (0.6, 7), "full": (1.0, 7)}
"""Strength and window of the genre table (facts, mission 5)."""

Clip = NDArray[np.float32]


def load(path: Path) -> Clip:
    """Read a whole short clip."""
    return np.concatenate([f.data for f in read_frames(path)])  # type: ignore[arg-type]


def measured(clip: Clip) -> Flicker:
    """Measure flicker as a shot is measured."""
    scale = SHORT_PX / min(clip.shape[1:3])
    size = (round(clip.shape[2] * scale), round(clip.shape[1] * scale))
    codes = np.round(clip * 255).astype(np.uint8)
    small = [cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in codes]
    return flicker(np.stack(small))


def treated(clip: Clip, made: Deflicker) -> Clip:
    """Run a filter over a clip."""

    def chunks() -> Iterator[Frames]:
        for i in range(0, len(clip), 8):
            part = clip[i : i + 8].copy()
            yield Frames(data=part, pts_s=np.arange(i, i + len(part)) / RATE_FPS)

    return np.concatenate([c.as_float() for c in made(chunks(), {})])


def peer(clip: Clip, mode: str, size: int = 5) -> Clip:
    """Run FFmpeg's filter, on Y'CbCr 4:4:4 so that it loses no chroma on the way."""
    height, width = clip.shape[1:3]
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format="rgb24", time_base=Fraction(1, RATE_FPS)
    )
    chain = [
        source,
        graph.add(
            "scale", "out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int"
        ),
        graph.add("format", "yuv444p"),
        graph.add("deflicker", f"mode={mode}:size={size}"),
        graph.add("scale", "in_color_matrix=bt709:in_range=tv:flags=accurate_rnd+full_chroma_int"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    for before, after in itertools.pairwise(chain):
        before.link_to(after)
    graph.configure()
    out: list[NDArray[np.uint8]] = []

    def drain() -> None:
        while True:
            try:
                out.append(chain[-1].pull().to_ndarray())
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    for i, picture in enumerate(np.round(clip * 255).astype(np.uint8)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, RATE_FPS)
        source.push(frame)
        drain()
    source.push(None)
    drain()
    return np.stack(out).astype(np.float32) / 255


def psnr_db(a: Clip, b: Clip) -> float:
    """PSNR over all frames, 8-bit codes."""
    codes = [np.round(x * 255).astype(np.float64) for x in (a, b)]
    error = float(np.mean((codes[0] - codes[1]) ** 2))
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def compare(planted: Clip, twin: Clip) -> dict[str, tuple[float, float, float]]:
    """Return ``flick_g``, PSNR to the twin and processor seconds of every treatment."""
    rows: dict[str, tuple[float, float, float]] = {}

    def add(name: str, run) -> None:
        started = time.process_time()
        clip = run()
        spent = time.process_time() - started
        rows[name] = (measured(clip).whole or 0.0, psnr_db(clip, twin), spent)

    add("clean twin", lambda: twin)
    add("planted", lambda: planted)
    for genre, (strength, window) in STRENGTHS.items():
        made = Deflicker(share=removed_share(strength), half_window=window // 2, local=False)
        add(f"finishkit {genre} {strength}/{window}", lambda made=made: treated(planted, made))
    for mode in MODES:
        add(f"ffmpeg deflicker mode={mode}", lambda mode=mode: peer(planted, mode))
    add("ffmpeg deflicker mode=am:size=7", lambda: peer(planted, "am", 7))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    episodes = parser.parse_args().data / "episodes"
    planted, twin = (load(episodes / e / SHOT) for e in ("ep01_planted", "ep01"))
    rows = compare(planted, twin)
    base = rows["planted"][0]
    print(f"{'':<34} flick_g  of planted  PSNR dB  CPU s")
    for name, (level, psnr, spent) in rows.items():
        print(f"{name:<34} {level:7.3f} {level / base:10.3f} {psnr:8.2f} {spent:6.2f}")


if __name__ == "__main__":
    main()
