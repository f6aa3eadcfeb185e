"""Episodes whose every colour is known: bands of flat colour after a grey keyframe."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from finishkit.frames import Frames, master_encoding, write_frames
from finishkit.measure import METRICS, Measurements, ShotMeasurement
from finishkit.preview import Preview
from finishkit.shots import open_episode
from finishkit.verdict import judge

Colour = tuple[int, int, int]
Bands = Sequence[tuple[Colour, float]]

SIZE_PX = (144, 256)
"""That of a thumbnail: what is expected is not blurred by scaling."""
FRAMES = 6
KEYFRAME: Colour = (60, 60, 60)
"""The first frame shows this and nothing of the bands."""


def picture_of(bands: Bands, size_px: tuple[int, int] = SIZE_PX) -> np.ndarray:
    """Return bands from top to bottom, each with its share of the height; uint8, (h, w, 3)."""
    width, height = size_px
    picture = np.zeros((height, width, 3), np.uint8)
    top = 0.0
    for colour, share in bands:
        picture[round(top) : round(top + share * height)] = colour
        top += share * height
    return picture


def write_bands(path: Path, bands: Bands) -> None:
    """Write a clip whose first frame is grey, and whose others show the bands."""
    shown = np.repeat(picture_of(bands)[None], FRAMES, axis=0)
    shown[0] = KEYFRAME
    write_frames(
        path,
        [Frames(data=shown.astype(np.float32) / 255, pts_s=np.arange(FRAMES) / 24)],
        rate_fps=Fraction(24),
        encoding=master_encoding(4, "ultrafast", 1),
    )


def coloured(folder: Path, shots: Sequence[tuple[str, Bands]]) -> Preview:
    """Write an episode of (scene, bands), one a shot, and open it without measuring."""
    folder.mkdir(parents=True)
    names = [f"c{number:02d}" for number in range(1, len(shots) + 1)]
    for name, (_, bands) in zip(names, shots, strict=True):
        write_bands(folder / f"{name}.mp4", bands)
    rows = [f"{n},{n}.mp4,{scene}" for n, (scene, _) in zip(names, shots, strict=True)]
    (folder / "shots.csv").write_text("\n".join(["shot,file,scene", *rows]))
    episode = open_episode(folder)
    measured = tuple(
        ShotMeasurement(
            shot=shot.id,
            order=shot.order,
            scene=shot.scene,
            width_px=SIZE_PX[0],
            height_px=SIZE_PX[1],
            rate_fps=Fraction(24),
            frame_count=FRAMES,
            duration_s=FRAMES / 24,
            values={metric.name: None for metric in METRICS},
        )
        for shot in episode
    )
    measurements = Measurements(episode=episode.name, shots=measured)
    return Preview(episode, measurements, judge(measurements))
