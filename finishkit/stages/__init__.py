"""How is it made so: the stages, in the order in which they run."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames, Probe
from finishkit.shots import ShotId
from finishkit.verdict.offsets import ColourOffset

if TYPE_CHECKING:
    from finishkit.device.carrier import DeviceFrames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotInput:
    """What a stage is told of one shot when it fits the set.

    Attributes
    ----------
    id : ShotId
    scene : str
    probe : Probe
        Size and rate of the pictures this stage will be given.
    measured : Mapping of str to (float or None)
        Metrics of the shot, ``None`` where they could not be judged.
    samples : ndarray, shape (n, h, w, 3), dtype uint8
        A few frames, spread over the shot, small (160 px wide), R'G'B' full range.
    flagged : bool
        True when the verdict says this shot's colour must not serve as a target.
    off : ColourOffset, optional
        What the grade should undo, see :func:`finishkit.verdict.offsets.colour_offsets`. Without
        it the shot is not matched.
    """

    id: ShotId
    scene: str
    probe: Probe
    measured: Mapping[str, float | None]
    samples: NDArray[np.uint8]
    flagged: bool = False
    off: ColourOffset | None = None


Notes = MutableMapping[str, float]
"""What a filter solved or measured while it ran, for the report: name to value."""


class Filter(Protocol):
    """One stage's treatment of one shot: frames in, frames out.

    A frozen, picklable value, since it travels to a worker process. It keeps times and counts
    unless its stage says otherwise, never writes into the frames it is given, and gives the same
    pictures whatever the chunk size.
    """

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the treated frames; write what was solved into ``notes``."""
        ...


class DeviceFilter(Protocol):
    """A filter's treatment of frames in a device's memory: a chunk in, a chunk out.

    The same pictures as the filter gives on the host, to a code. Without memory of the chunks
    before, but for what it notes: a chunk may be given again in parts when memory runs out.
    """

    def __call__(self, chunk: "DeviceFrames") -> "DeviceFrames":
        """Return the treated frames."""
        ...


@runtime_checkable
class OnDevice(Protocol):
    """A filter that has a twin for a device: those that follow a net in the render pass."""

    def on_device(self, device: str, notes: Notes) -> DeviceFilter:
        """Return the twin, which writes into ``notes`` what the filter would."""
        ...


class Stage(Protocol):
    """One kind of treatment, fitted on the whole set.

    Attributes
    ----------
    name : str
        The stage's table in the template.
    version : int
        Raised when the code gives other pictures: it is part of the cache key.
    """

    name: str
    version: int

    def fit(self, shots: Sequence[ShotInput], settings: Any) -> Mapping[ShotId, Filter | None]:
        """Return a filter a shot; ``None`` where the stage has nothing to do."""
        ...
