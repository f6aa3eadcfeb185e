"""Peer of B4: color-matcher's ``mkl``, fitted anew for every frame, as its script does."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from color_matcher import ColorMatcher

from bench.serving import serve


class Grading:
    """Give frames the colours of a reference."""

    def prepare(self, pictures, reference, frames, side_by_side):
        """Take the pictures; ``side_by_side``: as many frames at once as there are threads."""
        self._pictures, self._reference = np.load(pictures), np.load(reference)
        self._frames = frames
        threads = int(os.environ["BENCH_THREADS"])
        self._pool = ThreadPoolExecutor(threads if side_by_side else 1)

    def _graded(self, i):
        source = self._pictures[i % len(self._pictures)]
        out = ColorMatcher().transfer(src=source, ref=self._reference, method="mkl")
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)

    def run(self):
        """Transfer every frame."""
        out = list(self._pool.map(self._graded, range(self._frames)))
        self._out = out[: len(self._pictures)]
        return {"frames": len(out)}

    def save(self, path):
        """Keep the first frames."""
        np.save(path, np.stack(self._out))


if __name__ == "__main__":
    serve(Grading())
