"""A shot before and after as one small clip, side by side: two that can never run apart."""

import math
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from finishkit.errors import FinishError
from finishkit.frames import Encoding, Frames, probe, write_frames
from finishkit.preview.frame import Preview
from finishkit.preview.halves import After, Picture, halves
from finishkit.preview.newest import Job, Newest
from finishkit.store import digest
from finishkit.template import Look

MAX_BYTES = 8 * 2**20
"""A clip travels to the page in one message; see facts: the server passes 8 MB without a pause."""
CRFS = (17, 26, 35)
"""Tried in turn until the clip is small enough; the first nearly always is."""
GROUP = 12
"""Frames between two that stand alone. A player that seeks decodes from there on, and is exact."""
BLOCK_PX = 16
"""The encoder's block. A half is widened to whole blocks, so that no block holds both halves."""
KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proxy:
    """A clip of a shot, before on its left, after on its right.

    Attributes
    ----------
    shot : str
    after : {'draft', 'finished'}
    data : bytes
        MP4, H.264 4:2:0, tagged bt709, limited range. Frame ``n`` is shown at ``n / rate_fps``
        and is frame ``n`` of the source.
    rate_fps : Fraction
        Of the source.
    frame_count : int
    width_px, height_px : int
        Of one half.
    stride_px : int
        Where the right half begins.
    """

    shot: str
    after: After
    data: bytes
    rate_fps: Fraction
    frame_count: int
    width_px: int
    height_px: int
    stride_px: int


def _nothing(_done: int, _total: int) -> None:
    pass


def _go_on() -> None:
    pass


def make_proxy(
    preview: Preview,
    shot: str,
    look: Look,
    *,
    finished: Path | None = None,
    progress: Callable[[int, int], None] = _nothing,
    go_on: Callable[[], None] = _go_on,
    max_bytes: int = MAX_BYTES,
) -> Proxy:
    """Render a shot before and after into one clip.

    Parameters
    ----------
    preview : Preview
        Of the episode.
    shot : str
        Its id.
    look : Look
        What the right half shows: the sections of
        :data:`~finishkit.preview.LIVE_SECTIONS`, by the filters of the batch.
    finished : Path, optional
        The finished shot, shown on the right instead. Its frames are found by their time, since
        it may have another rate.
    progress : callable, optional
        Told of frames done and of their total.
    go_on : callable, optional
        Called before every frame; what it raises ends the work.
    max_bytes : int, optional
        A clip that comes out larger is made again, coarser.

    Returns
    -------
    proxy : Proxy

    Raises
    ------
    FinishError
        ``no_such_shot``, ``proxy_too_large``, or what reading a clip raises.
    """
    source = probe(preview.episode[shot].path)
    total = preview.frame_count(shot)
    duration_s = float(total / source.rate_fps)
    for crf in CRFS:
        pairs = halves(preview, shot, look, finished)
        size: list[tuple[int, int]] = []
        joined = _joined(_counted(pairs, total, progress, go_on), size)
        with tempfile.TemporaryDirectory(prefix="finishkit-") as folder:
            path = Path(folder) / "proxy.mp4"
            count = write_frames(
                path,
                joined,
                rate_fps=source.rate_fps,
                encoding=_encoding(crf, duration_s, max_bytes),
            )
            data = path.read_bytes()
        if len(data) <= max_bytes:
            return Proxy(
                shot=shot,
                after="finished" if finished else "draft",
                data=data,
                rate_fps=source.rate_fps,
                frame_count=count,
                width_px=size[0][0],
                height_px=size[0][1],
                stride_px=_stride(size[0][0]),
            )
    raise FinishError(
        f"A clip of {shot} would be larger than {max_bytes / 2**20:.0f} MB. Look at its stills, or"
        " cut the shot.",
        "proxy_too_large",
    )


class Proxies:
    """The clips of an episode: made in a thread, the newest wins, the latest few are kept.

    Parameters
    ----------
    preview : Preview
    """

    def __init__(self, preview: Preview) -> None:
        self._preview = preview
        self._worker: Newest[Proxy] = Newest()
        self._kept: OrderedDict[str, Proxy] = OrderedDict()
        self._lock = threading.Lock()

    def kept(self, shot: str, look: Look, finished: Path | None = None) -> Proxy | None:
        """Return a clip that was made before, if it still is what would be made now."""
        key = _key(shot, look, finished)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def start(
        self,
        shot: str,
        look: Look,
        finished: Path | None,
        done: Callable[[Proxy | Exception], None],
        progress: Callable[[int, int], None] = _nothing,
        *,
        patience_s: float = 0.0,
        first: Job[Any] | None = None,
    ) -> Job[Proxy]:
        """Make a clip in the thread; whatever was under way is called off.

        Parameters
        ----------
        shot, look, finished
            As for :func:`make_proxy`.
        done : callable
            Called in the thread with the clip or with the exception; never for a clip that was
            called off.
        progress : callable, optional
            Called in the thread.
        patience_s : float, optional
            Wait so long first: a slider that is being dragged asks for a clip at every tick.
        first : Job, optional
            Waited for too: a still of the same shot solves what the clip then finds solved.

        Returns
        -------
        job : Job
        """
        key = _key(shot, look, finished)

        def work(go_on: Callable[[], None]) -> Proxy:
            until = time.monotonic() + patience_s
            while time.monotonic() < until or not (first is None or first.wait(0.0)):
                go_on()
                time.sleep(0.02)
            made = self.kept(shot, look, finished) or make_proxy(
                self._preview, shot, look, finished=finished, progress=progress, go_on=go_on
            )
            with self._lock:
                self._kept[key] = made
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return made

        return self._worker.start(Job(work, done))


def _key(shot: str, look: Look, finished: Path | None) -> str:
    if finished is not None:
        said = finished.stat()
        return digest(shot, str(finished), said.st_mtime_ns, said.st_size, look.master)
    # What the filters are made of: turning the sound's slider makes no other pictures.
    return digest(shot, look.hero, look.grade, look.sharpen, look.grain, look.limits)


def _counted(
    pairs: Iterator[tuple[Picture, Picture]],
    total: int,
    progress: Callable[[int, int], None],
    go_on: Callable[[], None],
) -> Iterator[tuple[Picture, Picture]]:
    go_on()
    for done, pair in enumerate(pairs, start=1):
        go_on()
        yield pair
        progress(min(done, total), total)


# One clip out of two halves


def _joined(
    pairs: Iterator[tuple[Picture, Picture]], size: list[tuple[int, int]]
) -> Iterator[Frames]:
    """Lay the halves side by side; the size of one half is left in ``size``."""
    for number, (before, after) in enumerate(pairs):
        height, width = before.shape[:2]
        if not size:
            size.append((width, height))
        room = ((0, 0), (0, _stride(width) - width), (0, 0))
        both = np.concatenate([np.pad(p, room, mode="edge") for p in (before, after)], axis=1)
        yield Frames(data=both[None], pts_s=np.array([float(number)]))


def _stride(width_px: int) -> int:
    return math.ceil(width_px / BLOCK_PX) * BLOCK_PX


def _encoding(crf: int, duration_s: float, max_bytes: int) -> Encoding:
    # The rate is held below what fills the message, so that a long shot is coarser, not refused.
    kbit_s = max(100, min(60_000, int(max_bytes * 8 * 0.85 / max(duration_s, 0.5) / 1000)))
    x264 = (
        f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:open-gop=0:bframes=0"
        f":vbv-maxrate={kbit_s}:vbv-bufsize={kbit_s // 2}"
    )
    return Encoding(
        codec="libx264",
        container="mp4",
        pixel_format="yuv420p",
        options=(
            ("crf", str(crf)),
            ("preset", "veryfast"),
            ("profile", "high"),
            ("x264-params", x264),
        ),
        threads=2,
    )
