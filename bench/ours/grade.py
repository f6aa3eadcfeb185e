"""Ours of B4: a transfer fitted once a shot, tabulated, and every frame sent through the table."""

import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.serving import serve
from finishkit.stages.lut import apply_lut, build_lut, slice_lut

FITTED_WIDTH_PX = 270
FITTED_FRAMES = 5


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def linear_transfer(
    seen: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix, and means before and after, of the Monge-Kantorovich linear transfer.

    Pitie and Kokaram, The linear Monge-Kantorovitch linear colour mapping for example-based colour
    transfer, 2007.

    Parameters
    ----------
    seen, wanted : ndarray, shape (n, 3)
        Colours as they are, and colours whose mean and covariance they are to have.
    """
    before, after = np.cov(seen.T), np.cov(wanted.T)
    root = _root(before)
    back = np.linalg.inv(root + 1e-9 * np.eye(3))
    return back @ _root(root @ after @ root) @ back, seen.mean(0), wanted.mean(0)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    height = round(picture.shape[0] * FITTED_WIDTH_PX / picture.shape[1])
    size = (min(FITTED_WIDTH_PX, picture.shape[1]), min(height, picture.shape[0]))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small.reshape(-1, 3) / 255.0


class Grading:
    """Give a shot the colours of a reference."""

    def prepare(self, pictures: str, reference: str, frames: int) -> None:
        """Take the pictures; a shot of ``frames`` shows them over and over."""
        cv2.setNumThreads(1)
        self._pictures, self._reference = np.load(pictures), np.load(reference)
        self._frames = frames
        self._pool = ThreadPoolExecutor(int(os.environ["BENCH_THREADS"]))

    def run(self) -> dict[str, int]:
        """Fit, tabulate, and send every frame through."""
        picked = np.linspace(0, len(self._pictures) - 1, FITTED_FRAMES).round().astype(int)
        seen = np.concatenate([_small(self._pictures[i]) for i in picked])
        matrix, before, after = linear_transfer(seen, _small(self._reference))
        self._matrix, self._before, self._after = matrix, before, after
        table = slice_lut(
            build_lut(lambda rgb: np.clip((rgb - before) @ matrix.T + after, 0, 1))  # type: ignore[arg-type]
        )

        def graded(i: int) -> NDArray[np.uint8]:
            out = apply_lut(self._pictures[i % len(self._pictures)][None], table)[0]
            return np.rint(out * np.float32(255)).astype(np.uint8)

        count = 0
        self._out = []
        for picture in self._pool.map(graded, range(self._frames)):
            count += 1
            if len(self._out) < len(self._pictures):
                self._out.append(picture)
        return {"frames": count}

    def save(self, path: str) -> dict[str, float]:
        """Keep the first frames, as they came and as the very transfer makes them, untabulated."""
        exact = [
            np.clip((picture / 255.0 - self._before) @ self._matrix.T + self._after, 0, 1)
            for picture in self._pictures[: len(self._out)]
        ]
        off = [np.abs(255 * a - b) for a, b in zip(exact, self._out, strict=True)]
        np.save(path, np.stack(self._out))
        return {"mean": float(np.mean(off)), "largest": float(np.max(off))}


if __name__ == "__main__":
    serve(Grading())
