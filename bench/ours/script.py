"""Ours of the script row: decode, the net alone, encode, through the code of the render pass."""

import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from bench.serving import serve


class Script:
    """Enlarge a clip into another."""

    def prepare(
        self, clip: str, weights: str, model: str, size_px: list[int], crf: int, preset: str
    ) -> dict[str, str]:
        """Load the net, and leave its weights for the peer."""
        import torch

        from finishkit.frames import Encoding
        from finishkit.models import CARDS, load
        from finishkit.models.shared import upscaler
        from finishkit.stages.upscale import Upscale

        threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        torch.save({"params": load(CARDS[model], "cpu", torch.float32).state_dict()}, weights)
        self._clip, self._made = Path(clip), Path("finishkit.mp4").absolute()
        self._stage = Upscale(
            model=model, strength=1.0, tile_px=0, out_px=(size_px[0], size_px[1]), fit="crop"
        )
        self._encoding = Encoding(
            codec="libx264",
            container="mp4",
            pixel_format="yuv420p",
            options=(("crf", str(crf)), ("preset", preset)),
            threads=threads,
        )
        engine = upscaler(model, 0, "")
        return {"runtime": engine.runtime, "dtype": str(engine.dtype).removeprefix("torch.")}

    def run(self) -> dict[str, int]:
        """Read, enlarge, write."""
        from finishkit.frames import read_frames, write_frames

        frames = self._stage(read_frames(self._clip, chunk=2), {})
        count = write_frames(self._made, frames, rate_fps=Fraction(24), encoding=self._encoding)
        return {"frames": count}

    def save(self, path: str) -> dict[str, object]:
        """Tell which file was written."""
        np.save(path, np.zeros(1))
        return {"file": str(self._made), "bytes": self._made.stat().st_size}


if __name__ == "__main__":
    serve(Script())
