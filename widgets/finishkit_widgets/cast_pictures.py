"""Beside the matrix: the worst frame with its face in a box, and what it is compared with."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import read_frames
from finishkit.measure.reference import reference_bytes, reference_picture
from finishkit.measure.values import Box
from finishkit.shots import Episode

Picture = NDArray[np.uint8]

WITHIN_PX = (360, 640)
"""Largest width and height of a picture."""
_FACE_MARGIN = 0.35
"""Of a face's size, kept round it when it is cut out."""


class CastPictures:
    """The frames and the references of an episode, small, as they are asked for.

    Parameters
    ----------
    episode : Episode
        Whose clips and reference pictures are read.
    """

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._frame = lru_cache(maxsize=8)(self._read)

    def boxed(self, shot: str, frame: int, box: Box | None) -> Picture:
        """Return a frame with a face in a box.

        Parameters
        ----------
        shot : str
            Its id.
        frame : int
            Position in the shot.
        box : tuple of float, or None
            Left, top, right, bottom in pixels of the shot at its native size.

        Returns
        -------
        picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
            R'G'B', at most 360x640.
        """
        picture = self._frame(shot, frame)
        small = within(picture)
        return small if box is None else with_box(small, box, small.shape[1] / picture.shape[1])

    def face(self, shot: str, frame: int, box: Box) -> Picture:
        """Return a face cut out of a frame, with some room round it; see :meth:`boxed`."""
        picture = self._frame(shot, frame)
        height, width = picture.shape[:2]
        left, top, right, bottom = box
        room = _FACE_MARGIN * max(right - left, bottom - top)
        rows = slice(max(0, round(top - room)), min(height, round(bottom + room)))
        columns = slice(max(0, round(left - room)), min(width, round(right + room)))
        return within(picture[rows, columns])

    def references(self, character: str) -> list[Picture]:
        """Return the reference pictures of a character.

        Parameters
        ----------
        character : str
            Its name.

        Raises
        ------
        FinishError
            ``bad_reference`` when one is gone, or is no picture.
        """
        paths = self._episode.character(character).reference_images
        return [within(reference_picture(path, reference_bytes(path))) for path in paths]

    def _read(self, shot: str, frame: int) -> Picture:
        path = self._episode[shot].path
        for frames in read_frames(path, dtype="uint8", indices=[frame]):
            return frames.as_uint8()[0]
        raise FinishError(f"{path} ends before frame {frame}.", "no_such_frame")


def within(picture: Picture) -> Picture:
    """Make a picture fit :data:`WITHIN_PX`; never larger than it is.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B'.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, WITHIN_PX[0] / width, WITHIN_PX[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def with_box(picture: Picture, box: Sequence[float], scale: float) -> Picture:
    """Draw a box: white between two black lines, seen on any skin, and no colour of its own.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B'; it is left as it is.
    box : sequence of float
        Left, top, right, bottom.
    scale : float
        Pixels of the picture for one of the box.

    Returns
    -------
    picture : ndarray, shape (h, w, 3), dtype uint8
        A face that reaches beyond the picture keeps its sides inside.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(edge * scale) for edge in box)
    corners = (
        (min(max(left, 1), width - 2), min(max(top, 1), height - 2)),
        (min(max(right, 1), width - 2), min(max(bottom, 1), height - 2)),
    )
    drawn = np.ascontiguousarray(picture).copy()
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.rectangle(drawn, *corners, colour, thickness)
    return drawn
