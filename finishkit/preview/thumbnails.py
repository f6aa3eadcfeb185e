"""What every shot looks like, small: made by a few threads, kept by content."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import Glance, decoder_versions, read_frames
from finishkit.frames.probe import matrix_of, opened, video_stream
from finishkit.shots import Episode
from finishkit.store import digest, sha256_file, write_bytes

VERSION = 1
"""Raised whenever a thumbnail may look otherwise: it is part of the cache key."""

WIDTH_PX, HEIGHT_PX = 144, 256
"""Box a thumbnail fits into: twice 72x128, for displays with two pixels a point."""

QUALITY = 95
"""Of the kept JPEG, without chroma subsampling: a flat colour comes back within 2 codes."""

THREADS = 2
"""Decoding lets go of the interpreter, but sliders and the player want a core of their own too."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thumbnail:
    """One shot, small.

    Attributes
    ----------
    shot : str
    picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B' full range, whole, at most 144x256.
    exact : bool
        The middle frame. False: the keyframe before it, to be shown until the middle one is there.
    """

    shot: str
    picture: Picture
    exact: bool


Told = Callable[[str, Thumbnail | Exception], None]
"""Given the id of a shot, and its thumbnail or why there is none."""


class Thumbnails:
    """The middle frame of every shot; first, where none is kept, the keyframe before it.

    A clip of two seconds often holds one keyframe: decoding on to its middle takes ten times as
    long as the keyframe. So all keyframes are shown first, and the middle frames follow.

    Parameters
    ----------
    episode : Episode
        Its clips are only read.
    counts : Mapping of str to int
        Frames of each shot.
    folder : Path
        Keeps the thumbnails, by the content of the clips.
    """

    def __init__(self, episode: Episode, counts: Mapping[str, int], folder: Path) -> None:
        self._paths = {str(shot.id): shot.path for shot in episode}
        self._counts = dict(counts)
        self._folder = folder
        self._found: dict[str, Thumbnail] = {}
        self._failed: dict[str, Exception] = {}
        self._steps = deque[Callable[[], None]]()
        self._followers: list[Told] = []
        self._busy = 0
        # The first for a moment; the second as long as the followers are told.
        self._lock, self._telling = threading.Lock(), threading.RLock()
        self._over = threading.Event()
        for shot in self._paths:
            self._steps.append(lambda shot=shot: self._begin(shot))
        if not self._paths:
            self._over.set()

    @property
    def found(self) -> dict[str, Thumbnail]:
        """What there is by now, by shot."""
        return dict(self._found)

    @property
    def left(self) -> int:
        """How many shots have neither their middle frame nor an error yet."""
        settled = sum(seen.exact for seen in list(self._found.values())) + len(self._failed)
        return len(self._paths) - settled

    def follow(self, told: Told) -> Callable[[], None]:
        """Be told of what there is, at once, and of what is still made, in a thread.

        Parameters
        ----------
        told : callable
            Never called by two threads at a time. A shot may be told twice: roughly, then exactly.

        Returns
        -------
        stop : callable
            After it has returned, nothing more is told. Work nobody follows is not gone on with.
        """
        with self._telling:
            self._followers.append(told)
            for shot, seen in list(self._found.items()):
                told(shot, seen)
            for shot, error in list(self._failed.items()):
                told(shot, error)
        self._start()

        def stop() -> None:
            with self._telling:
                if told in self._followers:
                    self._followers.remove(told)

        return stop

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the middle frames.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default, so have a follower.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._over.wait(timeout_s)

    def _start(self) -> None:
        with self._lock:
            wanted = min(THREADS, len(self._steps)) - self._busy
            self._busy += max(0, wanted)
        for _ in range(wanted):
            threading.Thread(target=self._serve, name="finishkit-thumbnails", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._steps or not self._followers:
                    self._busy -= 1
                    return
                step = self._steps.popleft()
            step()

    def _begin(self, shot: str) -> None:
        try:
            kept = self._kept_at(shot)
            picture = _read(kept)
            if picture is not None:
                return self._tell(shot, Thumbnail(shot=shot, picture=picture, exact=True))
            rough = _keyframe(self._paths[shot])
            if rough is not None:
                self._tell(shot, Thumbnail(shot=shot, picture=rough, exact=False))
        except Exception as error:
            return self._tell(shot, error)
        with self._lock:
            self._steps.append(lambda: self._finish(shot, kept))
        return None

    def _finish(self, shot: str, kept: Path) -> None:
        try:
            # Told as it is kept: its colours must be the same at the next opening.
            data = _encoded(_middle(self._paths[shot], self._counts[shot]))
            picture = _decoded(data)
            if picture is None:
                raise ValueError(f"the thumbnail of {shot} cannot be encoded as JPEG")
            # A full disk costs time at the next opening, not the picture now.
            with contextlib.suppress(FinishError):
                write_bytes(kept, data)
        except Exception as error:
            return self._tell(shot, error)
        return self._tell(shot, Thumbnail(shot=shot, picture=picture, exact=True))

    def _tell(self, shot: str, seen: Thumbnail | Exception) -> None:
        with self._telling:
            if isinstance(seen, Exception):
                self._failed[shot] = seen
            else:
                self._found[shot] = seen
            over = not self.left
            for told in list(self._followers):
                told(shot, seen)
            if over:
                self._over.set()

    def _kept_at(self, shot: str) -> Path:
        path = self._paths[shot]
        try:
            source = sha256_file(path)
        except OSError as error:
            raise FinishError(
                f"Shot {shot}: {path} cannot be read ({error.strerror}). Put the clip back.",
                "unreadable",
            ) from error
        made = (WIDTH_PX, HEIGHT_PX, self._counts[shot] // 2, _decoder())
        return self._folder / f"{digest('thumbnail', VERSION, source, made)}.jpg"


def inside(picture: Picture, width_px: int, height_px: int) -> Picture:
    """Return a picture reduced until it fits into a box; never enlarged, never cropped.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', or any other three channels.
    width_px, height_px : int
        Size of the box.

    Returns
    -------
    small : ndarray, shape (h, w, 3), dtype uint8
    """
    height, width = picture.shape[:2]
    scale = min(1.0, width_px / width, height_px / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _keyframe(path: Path) -> Picture | None:
    """Return the keyframe before the middle; None where it cannot be had this way."""
    try:
        with opened(path) as container:
            stream = video_stream(container, path)
            stream.codec_context.skip_frame = "NONKEY"
            container.seek((stream.start_time or 0) + (stream.duration or 0) // 2, stream=stream)
            for frame in container.decode(stream):
                sar = stream.sample_aspect_ratio or 1
                size = (max(1, round(frame.width * sar)), frame.height)
                glance = Glance(frame, 0, 0.0, matrix_of(frame), size)
                return _small(glance.rgb(2 * WIDTH_PX))
    except (OSError, ValueError, EOFError, FinishError):
        pass  # some containers cannot be sought in: decoding from the start can always be
    return None


def _middle(path: Path, count: int) -> Picture:
    for frames in read_frames(
        path, dtype="uint8", indices=[count // 2], short_side_px=2 * WIDTH_PX
    ):
        return _small(frames.data[0])
    raise FinishError(f"{path} ends before frame {count // 2}.", "no_such_frame")


def _small(picture: NDArray) -> Picture:
    return inside(np.ascontiguousarray(picture, np.uint8), WIDTH_PX, HEIGHT_PX)


@cache
def _decoder() -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted(decoder_versions().items()))


def _read(kept: Path) -> Picture | None:
    try:
        return _decoded(kept.read_bytes())
    except OSError:
        return None


def _decoded(data: bytes) -> Picture | None:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if found is None else cv2.cvtColor(found, cv2.COLOR_BGR2RGB).astype(np.uint8)


def _encoded(picture: Picture) -> bytes:
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *sampling]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return data.tobytes() if done else b""
