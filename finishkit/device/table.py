"""3D lookup tables on a device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def uploaded(lut: NDArray[np.float32], device: torch.device) -> Tensor:
    """Put a table on a device, as :func:`apply` takes it.

    Parameters
    ----------
    lut : ndarray, shape (size, size, size, 3), dtype float32
        Indexed [blue, green, red].
    device : torch.device
        Where to.

    Returns
    -------
    table : Tensor, shape (1, 3, size, size, size), dtype float32
    """
    return torch.from_numpy(np.ascontiguousarray(lut)).to(device).permute(3, 0, 1, 2)[None]


def apply(data: Tensor, table: Tensor) -> Tensor:
    """Send every pixel through a table, trilinearly.

    Parameters
    ----------
    data : Tensor, shape (n, 3, h, w), dtype float32
        R'G'B'; values outside [0, 1] are clipped.
    table : Tensor, shape (1, 3, size, size, size), dtype float32
        From :func:`uploaded`.

    Returns
    -------
    graded : Tensor, shape (n, 3, h, w), dtype float32
    """
    n, _, h, w = data.shape
    # Across is red, down green, deep blue, as -1 to 1; the border clips.
    at = data.permute(0, 2, 3, 1).reshape(1, n, h, w, 3) * 2 - 1
    looked = F.grid_sample(table, at, mode="bilinear", padding_mode="border", align_corners=True)
    return looked[0].permute(1, 0, 2, 3)
