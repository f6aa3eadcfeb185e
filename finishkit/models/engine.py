"""Run an upscaling net over chunks of frames: batched, tiled when memory asks for it."""

import functools
import math
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from finishkit.environment import GPU_BATCH, net_engine
from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.models.memory import MEMORY_SHARE, TILE_MIN_PX, free_bytes, shrinking
from finishkit.models.net_openvino import OpenVinoNet, knows
from finishkit.models.net_torch import TorchNet
from finishkit.models.nets import PEAK_CHANNELS
from finishkit.models.precision import GATE_DB, psnr_db, test_picture
from finishkit.models.tiling import Held, Out, Pictures, seam_codes, tiled

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Runtime = Literal["auto", "torch", "openvino"]


class Net(Protocol):
    """Anything that enlarges pictures: one method, whoever computes.

    Called with pictures of shape (n, h, w, 3), R'G'B', float32 in [0, 1] or uint8 codes. Returns
    (n, scale h, scale w, 3) in the format asked for: float32 in [0, 1], or uint8, rounded to the
    nearest code. An engine that runs out of memory raises what
    :func:`finishkit.models.memory.is_out_of_memory` knows, and has changed nothing.
    """

    def __call__(self, pictures: Pictures, out: Out = "float32") -> Pictures:
        """Enlarge pictures."""
        ...


@functools.cache
def _net(card: ModelCard, device: str, precision: str, runtime: str, threads: int) -> Net:
    if runtime == "torch":
        return TorchNet(card, device, precision)
    try:
        return OpenVinoNet(card, precision, threads)
    except ImportError as error:
        raise FinishError(
            f"OpenVINO cannot be imported here ({error}). Run: pip install"
            ' "finishkit[cpu]", or use torch.',
            "models_missing",
        ) from error


@functools.cache
def precision_db(card: ModelCard, device: str, precision: str, runtime: str = "torch") -> float:
    """How close a net comes to itself in float32 by torch.

    Parameters
    ----------
    card : ModelCard
        The net.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        Number format.
    runtime : str
        ``torch`` or ``openvino``.

    Returns
    -------
    psnr : float
        In decibels, on a fixed test picture.
    """
    picture, threads = test_picture(32), torch.get_num_threads()
    exact = TorchNet(card, device, "float32")(picture)
    found = _net(card, device, precision, runtime, threads)(picture)
    return psnr_db(found.astype(np.float32), exact.astype(np.float32))


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
    runtime : {'auto', 'torch', 'openvino'}
        What runs the net. ``auto``: OpenVINO on a CPU where it is installed and the choice of
        ``dtype`` is left open too, see :func:`finishkit.environment.net_engine`; torch elsewhere,
        and where OpenVINO strays from it.
    gpu_bytes : int
        Most memory this process may take of a GPU: torch refuses more, and what it refuses is
        tried again with smaller tiles. 0: what is free.

    Attributes
    ----------
    device : str
    dtype : torch.dtype
    runtime : str
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
        runtime: Runtime = "auto",
        gpu_bytes: int = 0,
    ) -> None:
        if card.arch not in PEAK_CHANNELS:
            raise FinishError(f"{card.name} is not a net that enlarges.", "wrong_model")
        if device == "cuda" and not torch.cuda.is_available():
            raise FinishError("No CUDA device here. Use device = auto or cpu.", "no_cuda")
        if threads > 0:
            torch.set_num_threads(threads)
        self.card = card
        self.device = (
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        self.runtime, precision = self._choose(runtime, dtype)
        self.dtype: torch.dtype = getattr(torch, precision)
        self._tile_px = tile_px
        self._gpu_bytes = gpu_bytes if self.device == "cuda" else 0
        if self._gpu_bytes:
            total_bytes = torch.cuda.mem_get_info()[1]
            torch.cuda.set_per_process_memory_fraction(min(1.0, self._gpu_bytes / total_bytes))
        # On a CPU one frame at a time is fastest, since it stays in cache.
        self._batch = GPU_BATCH if self.device == "cuda" else 1
        self._net = _net(card, self.device, precision, self.runtime, torch.get_num_threads())
        self._plans: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.seam_codes = 0.0

    def _choose(self, runtime: Runtime, dtype: Precision) -> tuple[str, str]:
        if self.device == "cuda":
            engine, short = "torch", "float16"
        else:
            engine, short = net_engine()
        if runtime != "auto" or dtype != "auto" or engine == "cuda":
            engine = runtime if runtime != "auto" else "torch"
        if engine == "openvino" and runtime == "auto" and not knows(self.card):
            engine = "torch"
        if engine == "openvino" and self.device == "cuda":
            raise FinishError("OpenVINO runs nets on the CPU here. Use device = cpu.", "no_cuda")
        if dtype != "auto":
            return engine, dtype
        if self.device == "cpu" and short == "float16":  # the machine has a GPU, this net is off it
            short = "float32"
        # The best first, whatever is exact last: torch in float32 needs no test.
        for found in ((engine, short), (engine, "float32")):
            if found == ("torch", "float32"):
                return found
            if precision_db(self.card, self.device, found[1], found[0]) >= GATE_DB:
                return found
        return "torch", "float32"

    def _planned(self, h: int, w: int, n: int) -> tuple[int, int]:
        """Return the batch and the tile to begin with: a batch gains less than tiles cost."""
        batch = min(self._batch, n)
        if self._tile_px:
            return batch, self._tile_px
        if (h, w, batch) not in self._plans:
            fitted = batch
            while fitted > 1 and self._planned_tile_px(h, w, fitted):
                fitted //= 2
            # Kept: what is free changes from chunk to chunk, and every new shape of a tile costs a
            # search for kernels.
            self._plans[h, w, batch] = fitted, self._planned_tile_px(h, w, fitted)
        return self._plans[h, w, batch]

    def _planned_tile_px(self, h: int, w: int, batch: int) -> int:
        value_bytes = torch.finfo(self.dtype).bits // 8
        needed = PEAK_CHANNELS[self.card.arch] * value_bytes + 2 * 4 * 3 * self.card.scale**2
        free = float(free_bytes(self.device))
        if self._gpu_bytes:
            free = min(free, self._gpu_bytes - torch.cuda.memory_allocated())
        room_px = max(0.0, MEMORY_SHARE * free / needed / batch)
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
        return self._enlarged(pictures, "float32").astype(np.float32, copy=False)

    def from_codes(
        self, pictures: NDArray[np.uint8], out: Out = "uint8"
    ) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Enlarge 8-bit pictures: a quarter of the bytes to the device, and back for codes.

        Parameters
        ----------
        pictures : ndarray, shape (n, h, w, 3), dtype uint8
            R'G'B' codes, full range.
        out : {'uint8', 'float32'}
            Codes, rounded to the nearest, or [0, 1].

        Returns
        -------
        enlarged : ndarray, shape (n, scale h, scale w, 3)
            What :meth:`__call__` gives for the same pictures, in that format.

        Raises
        ------
        FinishError
            As :meth:`__call__`.
        """
        return self._enlarged(pictures, out)  # type: ignore[return-value]

    def on_device(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge pictures that are on the device, and leave them there.

        Parameters
        ----------
        pictures : Tensor, shape (n, 3, h, w), dtype float32
            R'G'B' in [0, 1].

        Returns
        -------
        enlarged : Tensor, shape (n, 3, scale h, scale w), dtype float32
            In [0, 1]: what :meth:`__call__` gives.

        Raises
        ------
        FinishError
            As :meth:`__call__`; ``wrong_model`` when another runtime than torch runs the net.
        """
        if not isinstance(self._net, TorchNet):
            raise FinishError(f"{self.runtime} keeps no pictures on a device.", "wrong_model")
        net = self._net.on_device

        def run(part: torch.Tensor) -> torch.Tensor:
            return net(part.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

        with torch.inference_mode():
            enlarged, _ = self._all(pictures.permute(0, 2, 3, 1), run, torch.cat)
            return enlarged.permute(0, 3, 1, 2)

    def _enlarged(self, pictures: Pictures, out: Out) -> Pictures:
        n, h, w, _ = pictures.shape
        scale = self.card.scale
        if n == 0:
            return np.empty((0, h * scale, w * scale, 3), out)
        enlarged, tile_px = self._all(pictures, lambda p: self._net(p, out), np.concatenate)
        self.seam_codes = seam_codes(
            enlarged, tile_px=tile_px, overlap_px=self.card.halo_px, scale=scale
        )
        return enlarged

    def _all(
        self, pictures: Held, run: Callable[[Held], Held], joined: Callable[[list[Held]], Held]
    ) -> tuple[Held, int]:
        """Enlarge pictures of shape (n, h, w, 3), n > 0; return them and the tile that fitted."""

        def attempt(batch: int, tile_px: int) -> Held:
            parts = [
                tiled(
                    run,
                    pictures[i : i + batch],
                    tile_px=tile_px,
                    overlap_px=self.card.halo_px,
                    scale=self.card.scale,
                )
                for i in range(0, n, batch)
            ]
            return parts[0] if len(parts) == 1 else joined(parts)

        n, h, w, _ = pictures.shape
        batch, tile_px = self._planned(h, w, n)
        enlarged, fitted, fitted_px = shrinking(attempt, batch, tile_px, max(h, w))
        if (fitted, fitted_px) != (batch, tile_px):  # memory ran out: do not run into it again
            self._batch, self._tile_px = fitted, fitted_px
        return enlarged, fitted_px
