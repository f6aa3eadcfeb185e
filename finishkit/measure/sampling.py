"""Which frames of a shot are looked at, and small ones for pictures."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Matrix, probe, read_frames

PICKS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where in the shot sharpness, colour and noise are read: frame to frame they vary by 0.02 to 0.06
octave (facts 2.2), so five frames are enough."""


def picks(count: int) -> list[int]:
    """Return the frames read at full size: at :data:`PICKS` of the shot.

    Parameters
    ----------
    count : int
        Frames of the shot.
    """
    return sorted({min(count - 1, int(count * share)) for share in PICKS})


def spread(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` frames spread evenly, each in the middle of its part.

    Parameters
    ----------
    count : int
        Frames of the shot.
    wanted : int
        At most so many.
    """
    return sorted({int((i + 0.5) * count / wanted) for i in range(wanted)})


def window(count: int, wanted: int) -> range:
    """Return ``wanted`` consecutive frames about the middle.

    Parameters
    ----------
    count : int
        Frames of the shot.
    wanted : int
        At most so many.
    """
    start = max(0, (count - wanted) // 2)
    return range(start, min(count, start + wanted))


def sample_frames(
    path: Path, n: int = 5, width_px: int = 160, *, matrix: Matrix | None = None
) -> NDArray[np.uint8]:
    """Read a few small frames spread over a clip, for colour and for pictures.

    Parameters
    ----------
    path : Path
        A clip that can be read to its end.
    n : int
        How many; fewer when the clip is shorter.
    width_px : int
        Their width (never enlarged).
    matrix : {'bt709', 'bt601'}, optional
        Overrides the file's own, see :func:`finishkit.frames.read_frames`.

    Returns
    -------
    frames : ndarray, shape (n, h, width_px, 3), dtype uint8
        R'G'B', BT.709, full range.

    Raises
    ------
    FinishError
        When the clip cannot be read.
    """
    count = probe(path).frame_count
    small = _sampled(path, spread(count, n) if count else None, width_px, matrix)
    if not count or len(small) < min(n, count):
        small = _sampled(path, None, width_px, matrix)
        small = [small[i] for i in spread(len(small), n)]
    return np.stack(small)


def _sampled(
    path: Path, indices: list[int] | None, width_px: int, matrix: Matrix | None
) -> list[NDArray[np.uint8]]:
    small: list[NDArray[np.uint8]] = []
    for chunk in read_frames(path, dtype="uint8", chunk=1, indices=indices, matrix=matrix):
        frame = chunk.as_uint8()[0]
        height, width = frame.shape[:2]
        if width > width_px:
            size = (width_px, max(1, round(height * width_px / width)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        small.append(frame)  # type: ignore[arg-type]
    return small
