"""Ratios against peers, side by side in one run: medians of interleaved repeats.

Absolute times of a shared machine say little, and a busy one gives false headlines, so this refuses
to start above a load of 0.3 a processor. ``make bench`` writes ``runs/bench.json``.
"""

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage
from skimage import data

from finishkit.environment import environment
from finishkit.frames import Frames, master_encoding, read_frames, write_frames
from finishkit.measure import observe
from finishkit.measure.colour import frame_vector
from finishkit.stages.lut import SIZE, apply_lut, build_lut

REPEATS = 5
LOAD_LIMIT = 0.3


def paired(ours: Callable[[], object], peer: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of both, taken in turn after one warm-up each."""
    ours()
    peer()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for run, kept in zip((ours, peer), times, strict=True):
            started = time.perf_counter()
            run()
            kept.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def clip(folder: Path) -> Path:
    """Write 48 frames of 1080x1920: a slow zoom into a photograph, with grain."""
    rng = np.random.default_rng(1)
    photo = cv2.resize(data.astronaut(), (1400, 2400), interpolation=cv2.INTER_CUBIC)
    path = folder / "clip.mp4"

    def frames():
        for i in range(48):
            view = photo[4 * i : 4 * i + 1920, 2 * i : 2 * i + 1080].astype(np.float32)
            grainy = np.clip(view + rng.normal(0, 1.5, view.shape), 0, 255) / 255
            yield Frames(data=grainy[None].astype(np.float32), pts_s=np.array([i / 24]))

    encoding = master_encoding(20, "veryfast", 2)
    write_frames(path, frames(), rate_fps=Fraction(24), encoding=encoding)
    return path


def reading(path: Path) -> tuple[float, float]:
    """Decode a clip to R'G'B': finishkit against moviepy."""
    from moviepy import VideoFileClip

    def peer() -> None:
        with VideoFileClip(str(path)) as opened:
            for _ in opened.iter_frames():
                pass

    return paired(lambda: [len(f) for f in read_frames(path, dtype="uint8")], peer)


def measuring(path: Path) -> tuple[float, float]:
    """Measure a shot: one pass against a plain script a metric, each decoding for itself."""
    import dlib
    from skimage.color import rgb2lab
    from skimage.measure import blur_effect

    detector = dlib.get_frontal_face_detector()  # type: ignore[attr-defined]
    laplacian = np.outer([1, -2, 1], [1, -2, 1]) / 6
    fifths, eighths = [5, 14, 24, 34, 43], range(3, 48, 6)

    def decoded():
        capture = cv2.VideoCapture(str(path))
        while True:
            more, frame = capture.read()
            if not more:
                return capture.release()
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def chosen(places):
        return [frame for i, frame in enumerate(decoded()) if i in places]

    def flicker() -> list[float]:
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        left, before = [], None
        for frame in decoded():
            small = cv2.resize(frame, (270, 480), interpolation=cv2.INTER_AREA)
            luma, light = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), rgb2lab(small)[..., 0]
            if before is not None:
                moved = flow.calc(luma, before[0], None)  # type: ignore[arg-type]
                y, x = np.mgrid[0:480, 0:270]
                where = [y + moved[..., 1], x + moved[..., 0]]
                left.append(
                    float(np.median(light - ndimage.map_coordinates(before[1], where, order=1)))
                )
            before = luma, light
        return left

    def shake() -> list[object]:
        kept = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in decoded()]
        paths = []
        for before, after in itertools.pairwise(kept):
            points = cv2.goodFeaturesToTrack(before, 300, 0.01, 8)
            paths.append(cv2.calcOpticalFlowPyrLK(before, after, points, None))  # type: ignore[arg-type]
        return paths

    def peer() -> None:
        for frame in chosen(fifths):
            blur_effect(frame, channel_axis=-1)
        for frame in chosen(fifths):
            rgb2lab(frame).reshape(-1, 3).mean(axis=0)
        for frame in chosen(fifths):
            # Immerkaer (1996).
            ndimage.convolve(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(float), laplacian).std()
        for before, after in itertools.pairwise(decoded()):
            cv2.absdiff(before, after).mean()
        flicker()
        shake()
        for frame in chosen(eighths):
            detector(frame, 0)

    return paired(lambda: observe(path), peer)


def grading() -> tuple[float, float]:
    """Apply a 33^3 table to a 1080x1920 frame: finishkit against SciPy's trilinear lookup."""
    lut = build_lut(lambda rgb: rgb**1.1)
    picture = np.random.default_rng(0).random((1, 1920, 1080, 3), np.float32)

    def peer() -> None:
        places = picture[0].reshape(-1, 3).T * (SIZE - 1)
        for channel in range(3):
            ndimage.map_coordinates(lut[..., channel], places, order=1)

    return paired(lambda: apply_lut(picture, lut), peer)


def colour() -> tuple[float, float]:
    """Five colour axes of a frame against the mean and spread of skimage's Lab."""
    from skimage.color import rgb2lab

    picture = cv2.resize(data.astronaut(), (1080, 1920))

    def peer() -> None:
        lab = rgb2lab(picture)
        lab.mean(axis=(0, 1))
        lab.std(axis=(0, 1))

    return paired(lambda: frame_vector(picture), peer)


def upscaling() -> tuple[float, float]:
    """Enlarge a frame with the same weights: our engine against plain float32 torch."""
    import torch

    from finishkit.models import CARDS, load
    from finishkit.models.engine import Upscaler

    card = CARDS["realesr-animevideov3"]
    engine = Upscaler(card)
    plain = load(card, "cpu", torch.float32)
    picture = cv2.resize(data.astronaut(), (216, 384))[None].astype(np.float32) / 255
    tensor = torch.from_numpy(picture.transpose(0, 3, 1, 2).copy())

    def peer() -> None:
        with torch.inference_mode():
            plain(tensor)

    return paired(lambda: engine(picture), peer)


def main() -> None:
    """Run everything, print a table, write the JSON."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    if load > LOAD_LIMIT * cores and "--anyway" not in sys.argv:
        sys.exit(
            f"The load is {load:.1f} on {cores} processors: timings would lie. Wait until the"
            " machine is quiet, or say --anyway."
        )
    with tempfile.TemporaryDirectory() as folder:
        shot = clip(Path(folder))
        rows = {
            "decode 1080x1920 to RGB, against moviepy": reading(shot),
            "measure a shot, against a script a metric": measuring(shot),
            "apply a 33^3 LUT at 1080x1920, against SciPy": grading(),
            "five colour axes, against skimage Lab": colour(),
            "animevideov3 at 216x384, against float32 torch": upscaling(),
        }
    for name, (ours, peer) in rows.items():
        print(f"{name:<50} {ours * 1e3:9.1f} ms {peer * 1e3:9.1f} ms   {peer / ours:5.1f}x")
    record = {
        "environment": environment(),
        "cores": cores,
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "median_s": {name: {"finishkit": o, "peer": p} for name, (o, p) in rows.items()},
    }
    target = Path("runs/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(record, indent=1))
    print(f"Written to {target}")


if __name__ == "__main__":
    main()
