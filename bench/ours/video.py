"""Ours of B5: read clips, and write them again, through finishkit.frames."""

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from bench.serving import serve
from finishkit.frames import Encoding, ahead, glances, read_frames, write_frames


class Video:
    """Decode to planes, or read and write."""

    def prepare(self, clips: list[str], crf: int, preset: str, write: bool) -> None:
        """Take the clips; without ``write`` they are decoded to luma planes only."""
        threads = int(os.environ["BENCH_THREADS"])
        cv2.setNumThreads(1)
        self._clips = [Path(c) for c in clips]
        self._pool = ThreadPoolExecutor(threads)
        self._made = Path("finishkit.mp4").absolute()
        self._encoding = Encoding(
            codec="libx264",
            container="mp4",
            pixel_format="yuv420p",
            options=(("crf", str(crf)), ("preset", preset)),
            threads=threads,
        )
        self._one = self._write if write else self._decode

    def _decode(self, path: Path) -> int:
        return sum(len(g.luma(10_000)) > 0 for g in glances(path))

    def _write(self, path: Path) -> int:
        frames = ahead(read_frames(path, dtype="uint8"))
        return write_frames(self._made, frames, rate_fps=Fraction(24), encoding=self._encoding)

    def run(self) -> dict[str, int]:
        """Go through every clip once."""
        return {"frames": sum(self._pool.map(self._one, self._clips))}

    def save(self, path: str) -> dict[str, object]:
        """Tell which file was written."""
        np.save(path, np.zeros(1))
        return {"file": str(self._made), "bytes": self._made.stat().st_size}


if __name__ == "__main__":
    serve(Video())
