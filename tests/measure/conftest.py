"""Pictures and motion whose truth is known."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from finishkit.frames import Frames, master_encoding, write_frames

Picture = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope="session")
def stills() -> dict[str, Picture]:
    """Photographs of different content, shipped inside scikit-image's wheel."""
    return {
        "astronaut": skimage.data.astronaut(),
        "coffee": skimage.data.coffee(),
        "chelsea": skimage.data.chelsea(),
        "rocket": skimage.data.rocket(),
        "camera": np.repeat(skimage.data.camera()[..., None], 3, axis=2),
        "coins": np.repeat(skimage.data.coins()[..., None], 3, axis=2),
    }


@pytest.fixture(scope="session")
def luma(stills) -> dict[str, Picture]:
    return {name: cv2.cvtColor(still, cv2.COLOR_RGB2GRAY) for name, still in stills.items()}


@pytest.fixture(scope="session")
def pan(stills) -> Callable[..., Picture]:
    """A steady pan over a photograph, with an optional jitter of the camera."""

    def make(
        count: int = 24,
        step_px: float = 2.0,
        jitter_px: float = 0.0,
        still: str = "coffee",
        size: tuple[int, int] = (270, 270),
    ) -> Picture:
        rng = np.random.default_rng(7)
        width, height = size
        frames = []
        for i in range(count):
            x, y = 30 + i * step_px, 30.0
            x, y = x + rng.normal() * jitter_px, y + rng.normal() * jitter_px
            shift = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
            frames.append(cv2.warpAffine(stills[still], shift, size, borderMode=cv2.BORDER_REFLECT))
        assert frames[0].shape == (height, width, 3)
        return np.stack(frames)

    return make


@pytest.fixture
def clip(tmp_path) -> Callable[..., Path]:
    """Write pictures as a clip."""

    def write(name: str, pictures: Picture, rate_fps: int = 24, crf: int = 12) -> Path:
        path = tmp_path / f"{name}.mp4"
        frames = Frames(data=pictures.copy(), pts_s=np.arange(len(pictures)) / rate_fps)
        write_frames(
            path,
            [frames],
            rate_fps=Fraction(rate_fps),
            encoding=master_encoding(crf, "veryfast", 1),
        )
        return path

    return write
