"""The end of the render pass on a GPU: from the net to the encoder's planes without a detour."""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from finishkit.device.carrier import DeviceFrames
from finishkit.device.planes import to_420
from finishkit.device.resample import resize
from finishkit.device.transfer import brought_back, sent
from finishkit.errors import FinishError
from finishkit.frames import CodedFrames, Frames
from finishkit.frames.convert import packed_420
from finishkit.models.memory import is_out_of_memory
from finishkit.models.precision import test_picture
from finishkit.stages import DeviceFilter, Filter, Notes, OnDevice
from finishkit.stages.device_twins import recoloured as there_recoloured
from finishkit.stages.gate import Gate, compared_px
from finishkit.stages.grade import Grade
from finishkit.stages.grain import Grain
from finishkit.stages.lut import build_lut
from finishkit.stages.match import Match
from finishkit.stages.upscale import Upscale, recoloured
from finishkit.stages.upscale import resize as resized
from finishkit.working import beat

MOST_CODES: Final = 2
MEAN_CODES: Final = 0.05
"""The device's pictures may differ from the host's by so much, in 8-bit codes: the host looks up
blue in the nearest of a thousand slices (0.27 at most), and sums round in another order."""
_SIDE_PX: Final = 48
_OUT_PX: Final = (210, 260)
"""Of what is compared; no multiple of four times the side, so that resizing is compared too."""


def first_on_device(filters: Sequence[Filter]) -> int | None:
    """Return from which of the filters on frames stay on a device.

    Parameters
    ----------
    filters : sequence of Filter
        Of one shot, in their order.

    Returns
    -------
    first : int or None
        Of the filter that asks a net; None when there is none, or one after it has no twin.
    """
    for first, one in enumerate(filters):
        if isinstance(one, Upscale) and one.asks_a_net:
            return first if all(isinstance(f, OnDevice) for f in filters[first:]) else None
    return None


def finished_on_device(
    frames: Iterator[Frames],
    filters: Sequence[Filter],
    watched: int,
    *,
    shot: str,
    notes: Notes,
    gate: Gate,
    device: str,
) -> Iterator[CodedFrames]:
    """Run filters on a device and hand out what the encoder takes.

    While a chunk is computed the one before it is brought back. Memory that runs out halves what
    is treated at once; below one frame the net halves its tile.

    Parameters
    ----------
    frames : iterator of Frames
        What the first of the filters is given.
    filters : sequence of Filter
        From :func:`first_on_device` on.
    watched : int
        So many of them are judged by the gate; none: what it judges came before.
    shot : str
        Whose frames they are, for errors.
    notes : Notes
        What the filters solve is written there.
    gate : Gate
        Shown what comes out of the last watched filter.
    device : str
        ``cuda``; ``cpu`` for comparison.

    Yields
    ------
    frames : CodedFrames
        In order, as many as went in.

    Raises
    ------
    FinishError
        ``nan`` when a filter gives what is no number, ``out_of_memory``.
    """
    twins = [f.on_device(device, notes) for f in filters if isinstance(f, OnDevice)]
    place, times = torch.device(device), deque[NDArray[np.float64]]()
    halves = _Halves(partial(_through, twins, watched))

    def results() -> Iterator[tuple[torch.Tensor, ...]]:
        for chunk in frames:
            here = DeviceFrames(data=sent(chunk.as_float(), place), pts_s=chunk.pts_s)
            for pts_s, result in halves(here):
                times.append(pts_s)
                yield result

    for planes, small, sums in brought_back(results()):
        beat()
        if not np.isfinite(sums).all():
            raise FinishError(f"{shot}: a stage gave pictures that are no numbers.", "nan")
        pts_s = times.popleft()
        if watched > 0:
            gate.see_out(np.asarray(small, np.float32).transpose(0, 2, 3, 1), pts_s)
        yield CodedFrames(data=np.asarray(planes, np.uint8), pts_s=pts_s)


Result = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Planes, small pictures for the gate, and sums over all pixels: no number where one is none."""


def _through(twins: Sequence[DeviceFilter], watched: int, chunk: DeviceFrames) -> Result:
    with torch.inference_mode():
        done, seen = chunk, chunk
        for number, twin in enumerate(twins, start=1):
            done = twin(done)
            seen = done if number == watched else seen
        # Here, since a table and the planes turn what is no number into one.
        sums = seen.data.sum(dim=(1, 2, 3)) + done.data.sum(dim=(1, 2, 3))
        size_px = compared_px(seen.data.shape[3], seen.data.shape[2])
        return to_420(done.data), resize(seen.data, size_px, "area"), sums


class _Halves:
    """Treats a chunk at once, or in halves of halves when memory runs out, from then on."""

    def __init__(self, work: Callable[[DeviceFrames], Result]) -> None:
        self._work, self._most = work, 0

    def __call__(self, chunk: DeviceFrames) -> Iterator[tuple[NDArray[np.float64], Result]]:
        at = 0
        self._most = self._most or max(1, len(chunk))
        while at < len(chunk):
            part = chunk.part(slice(at, at + self._most))
            result = self._tried(part)
            if result is None:
                continue
            yield part.pts_s, result
            at += len(part)

    def _tried(self, part: DeviceFrames) -> Result | None:
        try:
            return self._work(part)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise FinishError(
                    "The GPU's memory does not hold one frame of the master. Close other programs,"
                    " or give upscale.gpu_memory_gb more.",
                    "out_of_memory",
                ) from error
        # Outside the handler, where the failed attempt's tensors are no longer referenced.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._most = len(part) // 2
        return None


@functools.cache
def why_not_here(device: str) -> str:
    """Compare the device's pictures with the host's, once a process.

    Parameters
    ----------
    device : str
        ``cuda`` or ``cpu``.

    Returns
    -------
    why : str
        Why the device's are not used: they differ by more than :data:`MOST_CODES` or, on the
        average, :data:`MEAN_CODES`, or what the device said. Empty where they agree.
    """
    try:
        worst, mean = differences(device)
    except (RuntimeError, FinishError) as error:
        return str(error)
    if worst <= MOST_CODES and mean <= MEAN_CODES:
        return ""
    return f"pictures differ by up to {worst:.0f} codes, {mean:.3f} on average"


def differences(device: str) -> tuple[float, float]:
    """Return how far a device strays from the host on a fixed picture, all but the net.

    Parameters
    ----------
    device : str
        ``cuda`` or ``cpu``.

    Returns
    -------
    worst, mean : float
        8-bit codes of luma and chroma.
    """
    given = test_picture(_SIDE_PX)
    # In the net's place: four times as large, with a cast that must be taken out.
    answer = np.clip(given.repeat(4, axis=1).repeat(4, axis=2) * np.float32(0.9), 0, 1)
    lut = build_lut(lambda rgb: np.clip(rgb**1.2 * np.array([1.02, 1, 0.95], np.float32), 0, 1))
    grade = Grade(tables=lut[None], match=Match())
    grain = Grain(shot="comparison", sigma_codes=2.0, strength=1.0)
    wanted = resized(recoloured(answer[0], answer[0], given[0]), _OUT_PX)
    host = Frames(data=wanted[None], pts_s=np.zeros(1))
    (graded,) = grade(iter([host]), {})
    (grained,) = grain(iter([graded]), {})
    place = torch.device(device)
    there = there_recoloured(sent(answer, place), sent(answer, place), sent(given, place))
    there = resize(there, _OUT_PX, "lanczos").clamp(0, 1)
    twins = [f.on_device(device, {}) for f in (grade, grain)]
    planes, _, _ = _through(twins, 1, DeviceFrames(data=there, pts_s=np.zeros(1)))
    off = np.abs(planes[0].cpu().numpy().astype(np.int16) - packed_420(grained.data[0]))
    return float(off.max()), float(off.mean())
