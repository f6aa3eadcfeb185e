"""From R'G'B' to what an encoder takes, on a device."""

import torch
from torch import Tensor

from finishkit.frames.convert import CHROMA_8, LUMA_8


def to_420(data: Tensor) -> Tensor:
    """Return pictures as 8-bit 4:2:0, BT.709, limited range, rounded, chroma sited left.

    Parameters
    ----------
    data : Tensor, shape (n, 3, h, w), dtype float32
        R'G'B', clipped to [0, 1]; both sides even.

    Returns
    -------
    packed : Tensor, shape (n, 3 h / 2, w), dtype uint8
        Luma, then both chroma planes, as FFmpeg packs ``yuv420p``; the formula of
        :func:`finishkit.frames.convert.to_frame`, from which a code in 10,000 differs by one where
        sums are rounded in another order.
    """
    n, _, h, w = data.shape
    unit = data.clamp(0, 1)
    packed = torch.empty((n, 3 * h // 2, w), dtype=torch.uint8, device=data.device)
    packed[:, :h] = _codes(_weighed(unit, LUMA_8[0]))
    halved = (unit[:, :, ::2] + unit[:, :, 1::2]) / 2
    planes = packed[:, h:].view(n, 2, h // 2, w // 2)
    for i in range(2):
        chroma = _weighed(halved, CHROMA_8[i])
        # A quarter of each neighbour; beyond the left edge lies what lies inside it.
        left = torch.cat((chroma[..., 1:2], chroma[..., 1:-1:2]), -1)
        sited = chroma[..., ::2] / 2 + (left + chroma[..., 1::2]) / 4
        planes[:, i] = _codes(sited + 128)
    return packed


def _weighed(unit: Tensor, weights: object) -> Tensor:
    red, green, blue, *offset = (float(x) for x in weights)  # type: ignore[attr-defined]
    light = unit[:, 0] * red + unit[:, 1] * green + unit[:, 2] * blue
    return light + offset[0] if offset else light


def _codes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
