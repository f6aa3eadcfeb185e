"""An episode of three scenes whose faults are known, small enough to make anew for each run."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames, master_encoding, write_frames
from finishkit.measure import METRICS, Measurements, ShotMeasurement, sample_frames
from finishkit.measure.colour import AXES, grade_vector
from finishkit.preview import Preview
from finishkit.shots import open_episode
from finishkit.verdict import judge

CASTS = ((1, 1, 1), (1, 0.99, 1.01), (1.01, 1, 0.99), (1.1, 1, 0.75), (1, 1, 1))
SCENES = ("a", "a", "a", "a", "b")
FRAME_COUNT = 12


@pytest.fixture(scope="session")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    """Five shots; ``s4`` has a yellow cast, ``s5`` is alone in its scene."""
    folder = tmp_path_factory.mktemp("show") / "ep"
    folder.mkdir()
    rng = np.random.default_rng(11)
    texture = cv2.GaussianBlur(rng.random((160, 90, 3)).astype(np.float32), (0, 0), 5)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    for number, cast in enumerate(CASTS, start=1):
        tinted = 0.1 + 0.7 * texture * np.array(cast, np.float32)
        pictures = np.stack([np.roll(tinted, i, axis=1) for i in range(FRAME_COUNT)])
        write_frames(
            folder / f"s{number}.mp4",
            [Frames(data=np.clip(pictures, 0, 1), pts_s=np.arange(FRAME_COUNT) / 24)],
            rate_fps=Fraction(24),
            encoding=master_encoding(12, "ultrafast", 1),
        )
    rows = [f"s{n},s{n}.mp4,{scene}" for n, scene in enumerate(SCENES, start=1)]
    (folder / "shots.csv").write_text("\n".join(["shot,file,scene", *rows]))
    episode = open_episode(folder)
    shots = tuple(_measured(s.id, s.path, s.scene, s.order) for s in episode)
    measurements = Measurements(episode=episode.name, shots=shots)
    return Preview(episode, measurements, judge(measurements))


def _measured(shot: str, path: Path, scene: str, order: int) -> ShotMeasurement:
    # The colour is measured, the rest is set: the widgets only show it.
    values: dict[str, float | None] = {m.name: None for m in METRICS}
    vector = grade_vector(sample_frames(path))
    values |= dict(zip(AXES, map(float, vector), strict=True))
    values |= {"eff_px": 80.0, "eff_r": 0.9, "flick_g": 0.05, "noise_sigma": 1.0}
    return ShotMeasurement(
        shot=shot,
        order=order,
        scene=scene,
        width_px=90,
        height_px=160,
        rate_fps=Fraction(24),
        frame_count=FRAME_COUNT,
        duration_s=FRAME_COUNT / 24,
        values=values,
    )
