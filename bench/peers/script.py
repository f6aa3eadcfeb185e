"""Peer of the script row: frames through pipes of ffmpeg, ``RealESRGANer.enhance`` in between.

What ``inference_realesrgan_video.py`` of the package does, with moviepy's pipes for its own.
"""

import os
from pathlib import Path

import cv2
import numpy as np
from moviepy import VideoFileClip
from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

from bench.peers.upscale import enhancer
from bench.serving import serve


class Script:
    """Enlarge a clip into another."""

    def prepare(self, clip, weights, model, size_px, crf, preset):
        """Load the net."""
        import torch

        self._threads = int(os.environ["BENCH_THREADS"])
        torch.set_num_threads(self._threads)
        cv2.setNumThreads(self._threads)
        self._clip, self._size, self._preset = clip, tuple(size_px), preset
        self._options = ["-crf", str(crf), "-pix_fmt", "yuv420p"]
        self._made = Path("realesrgan.mp4").absolute()
        self._enhancer = enhancer(model, weights, "cpu", tuned=False)

    def run(self):
        """Read, enlarge, write."""
        count = 0
        with VideoFileClip(self._clip, audio=False) as opened:
            writer = FFMPEG_VideoWriter(
                str(self._made), self._size, opened.fps, codec="libx264", preset=self._preset,
                threads=self._threads, ffmpeg_params=self._options,
            )  # fmt: skip
            for picture in opened.iter_frames():
                out = self._enhancer.enhance(picture[..., ::-1].copy(), outscale=4)[0]
                writer.write_frame(np.ascontiguousarray(out[..., ::-1]))
                count += 1
            writer.close()
        return {"frames": count}

    def save(self, path):
        """Tell which file was written."""
        np.save(path, np.zeros(1))
        return {"file": str(self._made), "bytes": self._made.stat().st_size}


if __name__ == "__main__":
    serve(Script())
