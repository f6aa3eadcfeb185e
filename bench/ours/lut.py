"""Ours of B4's table: read from its file, every frame sent through it, a thread a frame."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.serving import serve
from finishkit.stages.lut import apply_lut, read_cube, slice_lut


class Table:
    """Send frames through a table."""

    def prepare(self, pictures: str, cube: str, frames: int) -> None:
        """Take the pictures and the table."""
        cv2.setNumThreads(1)
        self._pictures, self._frames = np.load(pictures), frames
        self._table = slice_lut(read_cube(Path(cube)))
        self._pool = ThreadPoolExecutor(int(os.environ["BENCH_THREADS"]))

    def _graded(self, i: int) -> NDArray[np.uint8]:
        out = apply_lut(self._pictures[i % len(self._pictures)][None], self._table)[0]
        return cv2.convertScaleAbs(out, alpha=255)  # type: ignore[return-value]

    def run(self) -> dict[str, int]:
        """Send every frame through."""
        self._out = []
        for picture in self._pool.map(self._graded, range(self._frames)):
            if len(self._out) < len(self._pictures):
                self._out.append(picture)
        return {"frames": self._frames}

    def save(self, path: str) -> None:
        """Keep the first frames."""
        np.save(path, np.stack(self._out))


if __name__ == "__main__":
    serve(Table())
