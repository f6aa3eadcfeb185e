"""Clips for the benchmark, made from a seed: a slow zoom into a photograph, with grain."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from finishkit.frames import Frames, master_encoding, write_frames

RATE_FPS = 24
GRAIN_CODES = 1.5


def pictures(
    size_px: tuple[int, int], count: int, seed: int = 1, sweep: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures of a woman's face and shoulders, drifting, with fresh grain.

    Parameters
    ----------
    size_px : (int, int)
        Width and height.
    count : int
        Pictures.
    seed : int
        Another seed, another framing and other grain.
    sweep : int
        Frames the drift takes one way before it turns; 0: all of them. Clips of several lengths
        move alike only with the same.
    """
    width, height = size_px
    rng = np.random.default_rng(seed)
    # 288x512 of the photograph have the shape of a phone, and the face in their upper half.
    scale = 1.12 * height / 512
    photo = data.astronaut()[:, 64 + 2 * (seed % 8) : 384]
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    room = min(large.shape[1] - width, large.shape[0] - height)
    for i in range(count):
        part = 1 - abs(i / sweep % 2 - 1) if sweep else i / max(1, count - 1)
        at = round(room * (0.15 + 0.7 * part))
        view = large[at : at + height, at // 2 : at // 2 + width].astype(np.float32)
        grain = rng.normal(0, GRAIN_CODES, view.shape).astype(np.float32)
        yield np.clip(np.round(view + grain), 0, 255).astype(np.uint8)


def stack(size_px: tuple[int, int], count: int, seed: int = 1) -> NDArray[np.uint8]:
    """Return the pictures at once, (count, height, width, 3)."""
    return np.stack(list(pictures(size_px, count, seed)))


def clip(path: Path, size_px: tuple[int, int], count: int, seed: int = 1, sweep: int = 0) -> Path:
    """Write the pictures as H.264 of good quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (
        Frames(data=picture[None], pts_s=np.array([i / RATE_FPS]))
        for i, picture in enumerate(pictures(size_px, count, seed, sweep))
    )
    encoding = master_encoding(20, "veryfast", 2)
    write_frames(path, frames, rate_fps=Fraction(RATE_FPS), encoding=encoding)
    return path
