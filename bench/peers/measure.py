"""Peer of B1: the plain script, moviepy for the frames and scikit-image for the values.

Balance, exposure, contrast and chroma follow the definitions of ``docs/metrics.md``, so that there
are values to compare; sharpness is scikit-image's own measure, and costs what it costs.
"""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from moviepy import VideoFileClip
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.measure import blur_effect

from bench.serving import serve

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
SMALL_PX = 160


def axes(picture):
    """Return the five axes of a grade: log2 ratios of light, exposure, contrast, chroma."""
    height = round(picture.shape[0] * SMALL_PX / picture.shape[1])
    small = cv2.resize(picture, (SMALL_PX, height), interpolation=cv2.INTER_AREA) / 255
    light = np.where(small <= 0.04045, small / 12.92, ((small + 0.055) / 1.055) ** 2.4)
    grey = np.mean(light**12, axis=(0, 1)) ** (1 / 12) + 1e-4
    smooth = ndimage.gaussian_filter(light, (1, 1, 0), mode="mirror")
    slopes = [ndimage.sobel(smooth, axis=a, mode="mirror") for a in (0, 1)]
    edge = np.mean(np.hypot(*slopes) ** 4, axis=(0, 1)) ** (1 / 4) + 1e-6
    balance = (np.log2(grey / grey[1]) + np.log2(edge / edge[1])) / 2
    luminance = light @ [0.2126, 0.7152, 0.0722]
    lab = rgb2lab(small)
    low, high = np.percentile(lab[..., 0], (1, 99))
    chroma = np.mean(np.hypot(lab[..., 1], lab[..., 2]) ** 6) ** (1 / 6)
    return {
        "wb_r": balance[0],
        "wb_b": balance[2],
        "ev": np.log2(np.mean(luminance**6) ** (1 / 6) + 1e-3),
        "con": np.log2(high - low + 3),
        "sat": np.log2(chroma + 1),
    }


def script(path):
    """Go through a clip once: every frame's luma, and five frames looked at closely."""
    found, lumas = [], []
    with VideoFileClip(path, audio=False) as opened:
        count = round(opened.duration * opened.fps)
        chosen = {min(count - 1, int(count * share)) for share in SHARES}
        for i, picture in enumerate(opened.iter_frames()):
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            lumas.append(float(grey.mean()))
            if i in chosen:
                lab = rgb2lab(picture).reshape(-1, 3)
                lab.mean(axis=0), lab.std(axis=0)
                blur_effect(grey, h_size=11)
                found.append(axes(picture))
    values = {k: float(np.median([f[k] for f in found])) for k in found[0]}
    return {**values, "frame_count": len(lumas)}


def script_a_metric(path):
    """Decode anew for every metric, as a folder of small scripts does."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    laplacian = np.outer([1, -2, 1], [1, -2, 1]) / 6

    def decoded():
        with VideoFileClip(path, audio=False) as opened:
            yield from opened.iter_frames()

    def chosen(places):
        return [frame for i, frame in enumerate(decoded()) if i in places]

    def flicker():
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        left, before = [], None
        for frame in decoded():
            small = cv2.resize(frame, (270, 480), interpolation=cv2.INTER_AREA)
            luma, light = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), rgb2lab(small)[..., 0]
            if before is not None:
                moved = flow.calc(luma, before[0], None)
                y, x = np.mgrid[0:480, 0:270]
                where = [y + moved[..., 1], x + moved[..., 0]]
                left.append(np.median(light - ndimage.map_coordinates(before[1], where, order=1)))
            before = luma, light
        return left

    def shake():
        kept = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in decoded()]
        for before, after in itertools.pairwise(kept):
            points = cv2.goodFeaturesToTrack(before, 300, 0.01, 8)
            cv2.calcOpticalFlowPyrLK(before, after, points, None)
        return len(kept)

    values = script(path)
    count = values["frame_count"]
    for frame in chosen({min(count - 1, int(count * share)) for share in SHARES}):
        # Immerkaer (1996).
        ndimage.convolve(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(float), laplacian).std()
    for before, after in itertools.pairwise(decoded()):
        cv2.absdiff(before, after).mean()
    flicker()
    shake()
    for frame in chosen({int((i + 0.5) * count / 8) for i in range(8)}):
        detector(frame, 0)
    return values


class Measuring:
    """Run the script on every clip."""

    def prepare(self, clips, everything, side_by_side):
        """Take the clips; ``side_by_side``: a thread each."""
        threads = int(os.environ["BENCH_THREADS"])
        cv2.setNumThreads(1 if side_by_side else threads)
        self._clips = clips
        self._script = script_a_metric if everything else script
        self._pool = ThreadPoolExecutor(threads if side_by_side else 1)

    def run(self):
        """Measure all clips once."""
        self._seen = list(self._pool.map(self._script, self._clips))
        return {"frames": sum(s["frame_count"] for s in self._seen)}

    def save(self, path):
        """Return the values."""
        np.save(path, np.zeros(1))
        return {"shots": self._seen}


if __name__ == "__main__":
    serve(Measuring())
