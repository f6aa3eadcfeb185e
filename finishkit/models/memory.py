"""Memory of the nets: large blocks kept, what is free, and less at once when it runs out."""

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from finishkit.errors import FinishError

T = TypeVar("T")

MEMORY_SHARE = 0.5
"""Share of the free memory a net may plan with: decoders, encoders and other workers need some."""

TILE_MIN_PX = 32
"""No smaller tiles: with the overlap they would be mostly context."""

_SIGNS = (
    "not enough memory",
    "can't allocate memory",
    "could not allocate",
    "out of memory",
    "bad_alloc",  # OpenVINO passes on the name of C++'s own error
    "bad allocation",
)


@functools.cache
def keep_large_blocks() -> bool:
    """Tell glibc to reuse large blocks instead of returning each to the kernel.

    By default glibc maps every block above 32 MiB afresh and unmaps it when it is freed. A layer's
    activation at 540x960 is 133 MB, so each layer pays for zeroing tens of thousands of pages:
    1,679 ms a frame become 864 (facts/performance 3c). The price is that a process
    keeps up to 2 GiB of freed memory. Applies to the process, once; other C libraries are left
    alone.

    Returns
    -------
    applied : bool
    """
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        _ = libc.gnu_get_libc_version  # absent from musl, whose malloc has no thresholds
    except (OSError, AttributeError):
        return False
    m_trim_threshold, m_mmap_threshold, most = -1, -3, 2**31 - 1
    return bool(libc.mallopt(m_mmap_threshold, most)) and bool(libc.mallopt(m_trim_threshold, most))


def free_bytes(device: str) -> int:
    """Return the memory that is free now: the GPU's, or what the host or its container has left.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    free : int
    """
    if device == "cuda":
        # What torch keeps to use again is free for this process, and taken for the driver.
        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + kept
    free = psutil.virtual_memory().available
    # In a container the kernel's limit counts, not the machine's memory.
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with contextlib.suppress(OSError, ValueError):  # no such files, or the limit reads "max"
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on a GPU or on the host.

    Parameters
    ----------
    error : BaseException
        As raised by torch, OpenVINO, NumPy or Python.

    Returns
    -------
    out_of_memory : bool
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def shrinking(
    attempt: Callable[[int, int], T], batch: int, tile_px: int, side_px: int
) -> tuple[T, int, int]:
    """Try, and try again with less at once each time memory runs out.

    First the batch is halved down to one frame, then the tile. A failed attempt leaves nothing
    behind: the result is whole, or an error is raised.

    Parameters
    ----------
    attempt : callable of (batch, tile_px)
        Does the whole work; tile 0 means untiled.
    batch : int
        Frames at once, to begin with.
    tile_px : int
        Tile side, to begin with.
    side_px : int
        Longest side of the pictures: what "untiled" is halved from.

    Returns
    -------
    result : as ``attempt`` returns
    batch, tile_px : int
        What worked, to begin with next time.

    Raises
    ------
    FinishError
        Code ``out_of_memory`` when the smallest tile does not fit either.
    """
    while True:
        try:
            return attempt(batch, tile_px), batch, tile_px
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, where the failed attempt's tensors are no longer referenced.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if batch > 1:
            batch //= 2
            continue
        tile_px = (min(tile_px, side_px) if tile_px else side_px) // 2
        if tile_px < TILE_MIN_PX:
            raise FinishError(
                f"Memory ran out even with tiles of {2 * tile_px} px. Close other programs, or "
                "run fewer jobs at once.",
                "out_of_memory",
            )
