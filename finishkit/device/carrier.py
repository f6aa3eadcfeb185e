"""The value that carries pixels between stages on a device."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceFrames:
    """A chunk of consecutive frames in a device's memory.

    Attributes
    ----------
    data : torch.Tensor, shape (n, 3, height, width), dtype float32
        R'G'B', BT.709 primaries and transfer, full range, in [0, 1]. Not to be written to.
    pts_s : ndarray, shape (n,), dtype float64
        As of :class:`finishkit.frames.Frames`.
    """

    data: torch.Tensor
    pts_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        d, p = self.data, self.pts_s
        if d.ndim != 4 or d.shape[1] != 3 or d.dtype != torch.float32:
            raise ValueError(
                f"DeviceFrames.data is {d.dtype} {tuple(d.shape)}, not float32 (n, 3, h, w)"
            )
        if p.shape != (d.shape[0],):
            raise ValueError(f"DeviceFrames: {d.shape[0]} pictures but pts_s of shape {p.shape}")

    def __len__(self) -> int:
        return self.data.shape[0]

    def with_data(self, data: torch.Tensor) -> "DeviceFrames":
        """Return a chunk with other pictures at the same times."""
        return DeviceFrames(data=data, pts_s=self.pts_s)

    def part(self, frames: slice) -> "DeviceFrames":
        """Return some of the frames, in the same memory."""
        return DeviceFrames(data=self.data[frames], pts_s=self.pts_s[frames])

    def picture(self, index: int) -> NDArray[np.float32]:
        """Bring one frame to the host, shape (height, width, 3)."""
        return self.data[index].permute(1, 2, 0).contiguous().cpu().numpy()
