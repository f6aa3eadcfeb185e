"""The value that carries pixels between stages."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32 | np.uint8]
"""R'G'B' as float32 in [0, 1] or as uint8 in [0, 255]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """A chunk of consecutive frames.

    Attributes
    ----------
    data : ndarray, shape (n, height, width, 3), dtype float32 in [0, 1] or uint8 in [0, 255]
        R'G'B', BT.709 primaries and transfer, full range. Read-only: stages return new chunks.
    pts_s : ndarray, shape (n,), dtype float64
        Presentation time of each frame in seconds from the start of the shot, increasing.

    Raises
    ------
    ValueError
        When shapes or dtypes disagree with the above.
    """

    data: Pixels
    pts_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        d, p = self.data, self.pts_s
        if d.ndim != 4 or d.shape[3] != 3 or d.dtype not in (np.float32, np.uint8):
            raise ValueError(f"Frames.data is {d.dtype} {d.shape}, not float32|uint8 (n, h, w, 3)")
        if p.shape != (d.shape[0],):
            raise ValueError(f"Frames: {d.shape[0]} pictures but pts_s of shape {p.shape}")
        d.flags.writeable = False

    def __len__(self) -> int:
        return self.data.shape[0]

    def __repr__(self) -> str:
        return f"Frames({self.data.dtype} {self.data.shape}, from {self.pts_s[:1]} s)"

    def as_float(self) -> NDArray[np.float32]:
        """Return the pictures as float32 in [0, 1]; no copy when they are already."""
        if self.data.dtype == np.float32:
            return self.data  # type: ignore[return-value]
        return self.data.astype(np.float32) / np.float32(255)

    def as_uint8(self) -> NDArray[np.uint8]:
        """Return the pictures as uint8 in [0, 255], rounded; no copy when they are already."""
        if self.data.dtype == np.uint8:
            return self.data  # type: ignore[return-value]
        return np.round(np.clip(self.data, 0, 1) * np.float32(255)).astype(np.uint8)

    def with_data(self, data: Pixels) -> "Frames":
        """Return a chunk with other pictures at the same times."""
        return Frames(data=data, pts_s=self.pts_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedFrames:
    """A chunk of consecutive frames as an encoder takes them, at the end of a pass.

    Attributes
    ----------
    data : ndarray, shape (n, 3 height / 2, width), dtype uint8
        8-bit 4:2:0, BT.709, limited range: luma, then Cb and Cr, as FFmpeg packs ``yuv420p``.
    pts_s : ndarray, shape (n,), dtype float64
        As of :class:`Frames`.
    """

    data: NDArray[np.uint8]
    pts_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        d, p = self.data, self.pts_s
        if d.ndim != 3 or d.dtype != np.uint8 or d.shape[1] % 3 or d.shape[2] % 2:
            raise ValueError(f"CodedFrames.data is {d.dtype} {d.shape}, not uint8 (n, 3 h / 2, w)")
        if p.shape != (d.shape[0],):
            raise ValueError(f"CodedFrames: {d.shape[0]} pictures but pts_s of shape {p.shape}")

    def __len__(self) -> int:
        return self.data.shape[0]
