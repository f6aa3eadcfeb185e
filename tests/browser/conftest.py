"""A real Chromium, a real JupyterLab and a tiny episode, each made once."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from finishkit.frames import Frames, master_encoding, write_frames
from tests.browser.lab import Lab, running_lab


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A blank page that must not complain."""
    opened = browser.new_page(viewport={"width": 900, "height": 900})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield opened
    opened.close()
    assert wrong == []


@pytest.fixture(scope="session")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of 24 frames: the same moving texture, the third with a yellow cast."""
    folder = tmp_path_factory.mktemp("show") / "ep"
    folder.mkdir()
    rng = np.random.default_rng(7)
    texture = cv2.GaussianBlur(rng.random((320, 180, 3)).astype(np.float32), (0, 0), 8)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    for number, cast in enumerate([(1, 1, 1), (1, 0.98, 1.02), (1.1, 1, 0.75)], start=1):
        tinted = 0.1 + 0.7 * texture * np.array(cast, np.float32)
        moving = np.stack([np.roll(tinted, i, axis=1) for i in range(24)])
        grain = rng.normal(0, 0.01, moving.shape).astype(np.float32)
        pictures = np.clip(moving + grain, 0, 1).astype(np.float32)
        write_frames(
            folder / f"shot_{number}.mp4",
            [Frames(data=pictures, pts_s=np.arange(24) / 24)],
            rate_fps=Fraction(24),
            encoding=master_encoding(18, "ultrafast", 1),
        )
    return folder


@pytest.fixture(scope="session")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab for all browser tests."""
    root, state = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("jupyter")
    with running_lab(browser, root, state) as started:
        yield started
