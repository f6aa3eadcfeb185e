"""Peer of B5: the same with moviepy, whose frames come and go through pipes to ffmpeg."""

import os
from pathlib import Path

import numpy as np
from moviepy import VideoFileClip

from bench.serving import serve


class Video:
    """Iterate over frames, or read and write."""

    def prepare(self, clips, crf, preset, write):
        """Take the clips."""
        self._clips, self._crf, self._preset = clips, crf, preset
        self._made = Path("moviepy.mp4").absolute()
        self._one = self._write if write else self._decode

    def _decode(self, path):
        with VideoFileClip(path, audio=False) as opened:
            return sum(1 for _ in opened.iter_frames())

    def _write(self, path):
        with VideoFileClip(path, audio=False) as opened:
            opened.write_videofile(
                str(self._made),
                codec="libx264",
                preset=self._preset,
                ffmpeg_params=["-crf", str(self._crf), "-pix_fmt", "yuv420p"],
                threads=int(os.environ["BENCH_THREADS"]),
                audio=False,
                logger=None,
            )
            return round(opened.duration * opened.fps)

    def run(self):
        """Go through every clip once."""
        return {"frames": sum(map(self._one, self._clips))}

    def save(self, path):
        """Tell which file was written."""
        np.save(path, np.zeros(1))
        return {"file": str(self._made), "bytes": self._made.stat().st_size}


if __name__ == "__main__":
    serve(Video())
