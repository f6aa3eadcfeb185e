"""The chain itself: RealESRGANer a frame at a time, color-matcher, moviepy, each through a file."""

import json
import os
import sys

import numpy as np
from color_matcher import ColorMatcher
from moviepy import VideoFileClip, concatenate_videoclips
from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

from bench.peers.upscale import enhancer

REFERENCE_EVERY = 8
"""The reference is thinned: mean and covariance do not need every pixel of a 4K frame."""


def main():
    """Upscale every clip to a file, then match every frame to the first shot and join."""
    import torch

    given = json.loads(sys.argv[1])
    threads = int(os.environ["BENCH_THREADS"])
    torch.set_num_threads(threads)
    made = enhancer(given["model"], given["weights"], given["device"], tuned=False)
    options = ["-crf", str(given["crf"]), "-pix_fmt", "yuv420p"]
    large = []
    for i, clip in enumerate(given["clips"]):
        with VideoFileClip(clip, audio=False) as opened:
            size = [4 * side for side in opened.size]
            name = f"large_{i}.mp4"
            writer = FFMPEG_VideoWriter(
                name, size, opened.fps, codec="libx264", preset=given["preset"],
                threads=threads, ffmpeg_params=options,
            )  # fmt: skip
            for picture in opened.iter_frames():
                out = made.enhance(picture[..., ::-1].copy(), outscale=4)[0]
                writer.write_frame(np.ascontiguousarray(out[..., ::-1]))
            writer.close()
            large.append(VideoFileClip(name, audio=False))
    reference = large[0].get_frame(0)[::REFERENCE_EVERY, ::REFERENCE_EVERY]

    def matched(picture):
        out = ColorMatcher().transfer(src=picture, ref=reference, method="mkl")
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)

    whole = concatenate_videoclips([clip.image_transform(matched) for clip in large])
    whole.write_videofile(
        "episode.mp4", codec="libx264", preset=given["preset"], ffmpeg_params=options,
        threads=threads, audio=False, logger=None,
    )  # fmt: skip
    for clip in large:
        clip.close()


if __name__ == "__main__":
    main()
