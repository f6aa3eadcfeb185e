"""Ours of B1: what finishkit reads off a shot in one decode pass, two shots side by side."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from bench.serving import serve
from finishkit.measure import observe
from finishkit.measure.one_pass import ALL, COLOUR, DETAIL


class Measuring:
    """Observe every clip, a thread each."""

    def prepare(self, clips: list[str], everything: bool) -> None:
        """Take the clips; ``everything``: faces, flicker, shake and cadence too."""
        cv2.setNumThreads(1)
        self._pool = ThreadPoolExecutor(int(os.environ["BENCH_THREADS"]))
        self._clips = [Path(c) for c in clips]
        self._only = ALL if everything else DETAIL | COLOUR

    def run(self) -> dict[str, int]:
        """Measure all clips once."""
        self._seen = list(self._pool.map(lambda c: observe(c, only=self._only), self._clips))
        return {"frames": sum(seen.frame_count for seen in self._seen)}

    def save(self, path: str) -> dict[str, list]:
        """Return the values."""
        np.save(path, np.zeros(1))
        return {"shots": [{**s.values, "frame_count": s.frame_count} for s in self._seen]}


if __name__ == "__main__":
    serve(Measuring())
