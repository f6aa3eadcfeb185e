"""To a device and back, without either side waiting for the other."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNDER_WAY: Final = 1
"""Chunks whose results may be on their way back while the next one is computed."""


def sent(pictures: NDArray[np.float32], device: torch.device) -> Tensor:
    """Send pictures to a device.

    Parameters
    ----------
    pictures : ndarray, shape (n, h, w, 3), dtype float32
        Not kept: they are copied, or read-only.
    device : torch.device
        Where to.

    Returns
    -------
    data : Tensor, shape (n, 3, h, w), dtype float32
        Channels last in memory. Kernels that read it wait for it by themselves.
    """
    whole = torch.from_numpy(np.array(pictures, np.float32))
    if device.type == "cuda":
        whole = whole.pin_memory()  # only such memory is copied while kernels run
    return whole.to(device, non_blocking=True).permute(0, 3, 1, 2)


def brought_back(
    results: Iterable[tuple[Tensor, ...]],
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """Bring tensors to the host in their order, each while the next ones are computed.

    Parameters
    ----------
    results : iterable of tuple of Tensor
        On one device; taken one further than what has been given.

    Yields
    ------
    arrays : tuple of ndarray
        Of the same shapes and types.
    """
    waiting: deque[tuple[tuple[Tensor, ...], torch.cuda.Event | None]] = deque()
    stream: torch.cuda.Stream | None = None
    for tensors in results:
        if tensors[0].device.type == "cuda":
            stream = stream or torch.cuda.Stream()
            waiting.append(_copied(tensors, stream))
        else:
            waiting.append((tensors, None))
        while len(waiting) > UNDER_WAY:
            yield _arrived(*waiting.popleft())
    while waiting:
        yield _arrived(*waiting.popleft())


def _copied(
    tensors: tuple[Tensor, ...], stream: torch.cuda.Stream
) -> tuple[tuple[Tensor, ...], torch.cuda.Event]:
    """Begin to copy what the device is still computing, on a stream of its own."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        # Pinned blocks come from torch's cache, and go back to it with the array that views them.
        host = tuple(torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors)
        for into, tensor in zip(host, tensors, strict=True):
            into.copy_(tensor, non_blocking=True)
            tensor.record_stream(stream)  # its memory is not given away before it is copied
        done = torch.cuda.Event()
        done.record(stream)
        return host, done


def _arrived(
    tensors: tuple[Tensor, ...], done: torch.cuda.Event | None
) -> tuple[NDArray[np.generic], ...]:
    if done is not None:
        done.synchronize()
    return tuple(t.numpy() for t in tensors)
