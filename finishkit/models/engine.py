"""Run an upscaling net over chunks of frames: batched, tiled when memory asks for it."""

import contextlib
import ctypes
import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.models.nets import PEAK_CHANNELS
from finishkit.models.tiling import seam_codes, tiled
from finishkit.models.weights import load
from finishkit.working import beat

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

GATE_DB = 50.0
"""A shorter number format must come this close to float32 (PSNR), or float32 is used."""

MEMORY_SHARE = 0.5
"""Share of the free memory a net may plan with: decoders, encoders and other workers need some."""

TILE_MIN_PX = 32
"""No smaller tiles: with the overlap they would be mostly context."""

CUDA_BATCH = 4
"""Frames in one go on a GPU; on a CPU one frame at a time is fastest, since it stays in cache."""


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


@functools.cache
def beat_by_layer() -> None:
    """Let every layer that any net of this process finishes count as progress, once.

    A frame of an RRDB net takes minutes on a CPU, a layer of it seconds: whoever watches for hangs
    must not take the one for the other.
    """
    torch.nn.modules.module.register_module_forward_hook(lambda *_: beat())


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out, on a GPU or on the host.

    Parameters
    ----------
    error : BaseException
        As raised by torch, NumPy or Python.

    Returns
    -------
    out_of_memory : bool
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    signs = ("not enough memory", "can't allocate memory", "could not allocate", "out of memory")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def shrinking(
    attempt: Callable[[int, int], NDArray[np.float32]], batch: int, tile_px: int, side_px: int
) -> tuple[NDArray[np.float32], int, int]:
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
    result : ndarray
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


def psnr_db(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Peak signal-to-noise ratio of two pictures in [0, 1].

    Parameters
    ----------
    a, b : ndarray, same shape, dtype float32
        Any shape.

    Returns
    -------
    psnr : float
        In decibels; infinite when equal.
    """
    mse = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if mse == 0 else -10 * math.log10(mse)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    # In a container the kernel's limit counts, not the machine's memory.
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with contextlib.suppress(OSError, ValueError):  # no such files, or the limit reads "max"
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(free, 0)


def _has_fast_bfloat16() -> bool:
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


@functools.cache
def _net(card: ModelCard, device: str, dtype: torch.dtype) -> torch.nn.Module:
    return load(card, device, dtype)


def _run(
    net: torch.nn.Module, pictures: NDArray[np.float32], device: str, dtype: torch.dtype
) -> NDArray[np.float32]:
    # The copy is for torch, which warns of read-only arrays; it is a thousandth of the net's time.
    host = torch.from_numpy(np.array(pictures, np.float32, order="C", copy=True))
    x = host.to(device=device, dtype=dtype).permute(0, 3, 1, 2)  # channels last in memory
    with torch.inference_mode():
        y = net(x).permute(0, 2, 3, 1).float().clamp_(0, 1)
    return np.ascontiguousarray(y.cpu().numpy())


def _test_picture() -> NDArray[np.float32]:
    """Gradients, edges and grain, 32 px: enough of each to show rounding."""
    y, x = np.mgrid[0:32, 0:32].astype(np.float32) / 31
    bars = (np.sin(40 * x * (0.3 + y)) > 0).astype(np.float32)
    base = np.stack((x, 0.6 * bars + 0.2 * y, 1 - y), -1)
    grain = np.random.default_rng(0).normal(0, 0.03, base.shape)
    return np.clip(base + grain, 0, 1).astype(np.float32)[None]


@functools.cache
def precision_db(card: ModelCard, device: str, dtype: torch.dtype) -> float:
    """How close a net in a shorter number format comes to itself in float32.

    Parameters
    ----------
    card : ModelCard
        The net.
    device : str
        ``cpu`` or ``cuda``.
    dtype : torch.dtype
        The shorter format.

    Returns
    -------
    psnr : float
        In decibels, on a fixed test picture.
    """
    picture = _test_picture()
    exact = _run(load(card, device, torch.float32), picture, device, torch.float32)
    return psnr_db(_run(_net(card, device, dtype), picture, device, dtype), exact)


class Upscaler:
    """A net with its weights, its number format and its memory habits.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.
    device : {'auto', 'cpu', 'cuda'}
        ``auto``: a GPU when there is one.
    dtype : {'auto', 'float32', 'bfloat16', 'float16'}
        ``auto``: float16 on a GPU, bfloat16 on a CPU that computes in it, float32 elsewhere and
        wherever the shorter format strays from float32 (below :data:`GATE_DB`).
    tile_px : int
        Side of a tile at the input's size; 0 chooses by free memory.
    threads : int
        CPU threads for the whole process; 0 leaves torch's own choice.

    Attributes
    ----------
    device : str
    dtype : torch.dtype
        What was chosen.
    seam_codes : float
        Clearest step between tiles in the last answer, see
        :func:`finishkit.models.tiling.seam_codes`.

    Raises
    ------
    FinishError
        When weights or packages are missing or changed, or ``cuda`` is asked for and absent.

    Notes
    -----
    Tiles of ``realesr-animevideov3`` are exact (:func:`finishkit.models.tiling.tiled`). Those of
    the RRDB nets are not, since their field spans the picture: at a halo of 32 px tiled and untiled
    agree to 64 dB or more (measured), float32 and bfloat16 to 50.
    """

    def __init__(
        self,
        card: ModelCard,
        device: Device = "auto",
        dtype: Precision = "auto",
        tile_px: int = 0,
        threads: int = 0,
    ) -> None:
        if card.arch not in PEAK_CHANNELS:
            raise FinishError(f"{card.name} is not a net that enlarges.", "wrong_model")
        if device == "cuda" and not torch.cuda.is_available():
            raise FinishError("No CUDA device here. Use device = auto or cpu.", "no_cuda")
        keep_large_blocks()
        beat_by_layer()
        if threads > 0:
            torch.set_num_threads(threads)
        self.card = card
        self.device = (
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        self.dtype = self._choose() if dtype == "auto" else getattr(torch, dtype)
        self._tile_px = tile_px
        self._batch = CUDA_BATCH if self.device == "cuda" else 1
        self._net = _net(card, self.device, self.dtype)
        self.seam_codes = 0.0

    def _choose(self) -> torch.dtype:
        if self.device == "cuda":
            short = torch.float16
        elif _has_fast_bfloat16():
            short = torch.bfloat16
        else:
            return torch.float32
        close = precision_db(self.card, self.device, short) >= GATE_DB
        return short if close else torch.float32

    def _planned_tile_px(self, h: int, w: int, batch: int) -> int:
        value_bytes = torch.finfo(self.dtype).bits // 8
        needed = PEAK_CHANNELS[self.card.arch] * value_bytes + 2 * 4 * 3 * self.card.scale**2
        room_px = MEMORY_SHARE * _free_bytes(torch.device(self.device)) / needed / batch
        if h * w <= room_px:
            return 0
        side_px = int(math.sqrt(room_px)) - 2 * self.card.halo_px
        return max(TILE_MIN_PX, side_px // 16 * 16)

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge pictures.

        When memory runs out the work is repeated with a smaller batch, then with smaller tiles; a
        frame is never left out or replaced.

        Parameters
        ----------
        pictures : ndarray, shape (n, h, w, 3), dtype float32
            R'G'B' in [0, 1].

        Returns
        -------
        enlarged : ndarray, shape (n, scale h, scale w, 3), dtype float32
            In [0, 1].

        Raises
        ------
        FinishError
            Code ``out_of_memory`` when the smallest tile of one frame does not fit.
        """
        n, h, w, _ = pictures.shape
        scale = self.card.scale
        if n == 0:
            return np.empty((0, h * scale, w * scale, 3), np.float32)

        def attempt(batch: int, tile_px: int) -> NDArray[np.float32]:
            parts = [
                tiled(
                    lambda part: _run(self._net, part, self.device, self.dtype),
                    pictures[i : i + batch],
                    tile_px=tile_px,
                    overlap_px=self.card.halo_px,
                    scale=scale,
                )
                for i in range(0, n, batch)
            ]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        batch = min(self._batch, n)
        tile_px = self._tile_px or self._planned_tile_px(h, w, batch)
        out, fitted, fitted_px = shrinking(attempt, batch, tile_px, max(h, w))
        if (fitted, fitted_px) != (batch, tile_px):  # memory ran out: do not run into it again
            self._batch, self._tile_px = fitted, fitted_px
        self.seam_codes = seam_codes(
            out, tile_px=fitted_px, overlap_px=self.card.halo_px, scale=scale
        )
        return out
