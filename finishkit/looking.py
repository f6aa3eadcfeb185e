"""What must be seen of a shot's pictures before the set can be fitted: work for the engine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import read_frames
from finishkit.measure import sample_frames
from finishkit.measure.identity import load_backend
from finishkit.measure.sampling import picks
from finishkit.settings import SharpenSettings
from finishkit.shots import ShotId
from finishkit.stages.camera_path import CameraPath, camera_path
from finishkit.stages.conform import Conform
from finishkit.stages.sharpen import Band, Sharpen, solve_sharpen
from finishkit.stages.stabilise import FaceAt
from finishkit.working import beating

FACES_EVERY_S = 0.5
"""How often faces are looked for where the camera is steadied: none may be cut off."""

PATH_SHORT_PX = 360
"""Size at which a camera is followed: the metric's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleJob:
    """Where to take a shot's sample frames from."""

    shot: ShotId
    source: Path


def take_samples(job: SampleJob) -> NDArray[np.uint8]:
    """Return a few small frames of a shot.

    Parameters
    ----------
    job : SampleJob
        Which clip.

    Returns
    -------
    samples : ndarray, shape (n, h, 160, 3), dtype uint8
    """
    return sample_frames(job.source, n=5, width_px=160)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpenJob:
    """A shot whose sharpness is to be brought into a band.

    Attributes
    ----------
    shot : ShotId
    source : Path
    frame_count : int
    band : Band
    settings : SharpenSettings
    """

    shot: ShotId
    source: Path
    frame_count: int
    band: Band
    settings: SharpenSettings


def fit_sharpen(job: SharpenJob) -> Sharpen | None:
    """Try what it takes on whole frames of the shot; see :func:`solve_sharpen`.

    Parameters
    ----------
    job : SharpenJob
        Which clip, and where it should be.
    """
    read = read_frames(job.source, dtype="uint8", chunk=1, indices=picks(job.frame_count))
    frames = np.concatenate([chunk.as_uint8() for chunk in beating(read)])
    return solve_sharpen(frames, job.band, job.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathJob:
    """A shot whose camera is to be followed.

    Attributes
    ----------
    shot : ShotId
    source : Path
    before : Conform or None
        Comes first in the pass too: the path must be of the frames that will be moved.
    backend : str
        What finds faces.
    """

    shot: ShotId
    source: Path
    before: Conform | None
    backend: str


def follow_camera(job: PathJob) -> tuple[CameraPath, tuple[FaceAt, ...]]:
    """Follow a shot's camera and find its faces.

    Parameters
    ----------
    job : PathJob
        Which clip.

    Returns
    -------
    path : CameraPath
    faces : tuple of (float, (left, top, right, bottom))
        Times in seconds, boxes in px of the clip.
    """
    backend = load_backend(job.backend)
    faces: list[FaceAt] = []
    next_s = 0.0
    for chunk in beating(read_frames(job.source, dtype="uint8", chunk=1)):
        if chunk.pts_s[0] >= next_s:
            next_s = float(chunk.pts_s[0]) + FACES_EVERY_S
            found = backend.detect(chunk.as_uint8()[0])
            faces += [(float(chunk.pts_s[0]), face.box) for face in found]
    read = read_frames(job.source, dtype="uint8", chunk=4, short_side_px=PATH_SHORT_PX)
    frames = beating(read)
    return camera_path(frames if job.before is None else job.before(frames, {})), tuple(faces)
