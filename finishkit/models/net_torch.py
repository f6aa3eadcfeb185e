"""A net run by torch, on a GPU or on the CPU, in any number format."""

import functools

import numpy as np
import torch

from finishkit.models.cards import ModelCard
from finishkit.models.memory import keep_large_blocks
from finishkit.models.tiling import Out, Pictures
from finishkit.models.weights import load
from finishkit.working import beat


@functools.cache
def beat_by_layer() -> None:
    """Let every layer that any net of this process finishes count as progress, once.

    A frame of an RRDB net takes minutes on a CPU, a layer of it seconds: whoever watches for hangs
    must not take the one for the other.
    """
    torch.nn.modules.module.register_module_forward_hook(lambda *_: beat())


class TorchNet:
    """A net of :data:`finishkit.models.nets.NETS` with its weights, channels last.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.
    device : str
        ``cpu`` or ``cuda``.
    precision : str
        ``float32``, ``bfloat16`` or ``float16``: what the net computes in.
    """

    def __init__(self, card: ModelCard, device: str, precision: str) -> None:
        keep_large_blocks()
        beat_by_layer()
        if device == "cuda":
            # Shots are long and of one shape, tiles too: the search for the fastest kernels pays.
            torch.backends.cudnn.benchmark = True
        self._device = device
        self._net = load(card, device, getattr(torch, precision))
        # A net of the user's may bear no shorter format.
        self._dtype = next(self._net.parameters()).dtype

    def __call__(self, pictures: Pictures, out: Out = "float32") -> Pictures:
        """Enlarge pictures, see :class:`finishkit.models.engine.Net`."""
        # Uploaded as they come, a quarter of the bytes for codes; converted on the device.
        x = _shared(pictures).to(self._device).permute(0, 3, 1, 2)  # channels last in memory
        x = x.float().div_(255) if pictures.dtype == np.uint8 else x
        with torch.inference_mode():
            y = self.on_device(x)
            if out == "uint8":
                y = y.mul_(255).round_().to(torch.uint8)
            return y.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def on_device(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge pictures that are on the device, and leave them there.

        Parameters
        ----------
        pictures : Tensor, shape (n, 3, h, w), dtype float32
            R'G'B' in [0, 1]; best with the channels last in memory.

        Returns
        -------
        enlarged : Tensor, shape (n, 3, scale h, scale w), dtype float32
            In [0, 1]. Ask for it in torch's inference mode.
        """
        return self._net(pictures.to(self._dtype)).float().clamp_(0, 1)


def _shared(pictures: Pictures) -> torch.Tensor:
    """Return a tensor of the same memory where torch allows it: not of read-only pictures."""
    whole = np.ascontiguousarray(pictures)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())
