"""What follows a net in the render pass, for frames that stay in a device's memory.

Each class does what its filter does on the host, with the filter's own numbers.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from finishkit.device import table
from finishkit.device.carrier import DeviceFrames
from finishkit.device.resample import blurred_to, resize
from finishkit.models.shared import upscaler
from finishkit.stages import Notes
from finishkit.stages.grain import EXTREMES, LUMA, grain_field, own_grain
from finishkit.stages.upscale import COLOUR_SIGMA_PX, shrinks

if TYPE_CHECKING:
    from finishkit.stages.grade import Grade
    from finishkit.stages.grain import Grain
    from finishkit.stages.upscale import Upscale


class UpscaleOnDevice:
    """Enlarge on a device, see :class:`finishkit.stages.upscale.Upscale`.

    Parameters
    ----------
    stage : Upscale
    device : str
    notes : Notes
    """

    def __init__(self, stage: "Upscale", device: str, notes: Notes) -> None:
        self._stage, self._device, self._notes = stage, device, notes

    def __call__(self, chunk: DeviceFrames) -> DeviceFrames:
        """Return the frames at the master's size; all of a chunk go to the net at once."""
        h, w = chunk.data.shape[2:]
        plan, share = self._stage.planned((w, h), self._notes)
        left, top, right, bottom = plan.window_px
        window = chunk.data[:, :, top:bottom, left:right]
        plain = None if share == 1 else _resized(window, plan.inner_px)
        inner = self._netted(window, plan.inner_px) if share else plain
        assert inner is not None
        if share and plain is not None:
            inner = torch.lerp(plain.clamp_(0, 1), inner, share)
        return chunk.with_data(_placed(inner, self._stage.out_px))

    def _netted(self, window: Tensor, inner_px: tuple[int, int]) -> Tensor:
        stage = self._stage
        given = _resized(window, stage.given_px((window.shape[3], window.shape[2]))).clamp(0, 1)
        net = upscaler(
            stage.model, stage.tile_px, stage.model_sha256, stage.gpu_memory_gb, self._device
        )
        answer = net.on_device(given)
        return recoloured(_resized(answer, inner_px).clamp(0, 1), answer, given)


def recoloured(pictures: Tensor, answer: Tensor, given: Tensor) -> Tensor:
    """Give enlarged pictures the light and colour of what the net was given.

    Parameters
    ----------
    pictures, answer, given : Tensor, shape (n, 3, h, w), dtype float32
        As for :func:`finishkit.stages.upscale.recoloured`.

    Returns
    -------
    recoloured : Tensor, shape of ``pictures``, dtype float32
        In [0, 1].
    """
    small = resize(answer, (given.shape[3], given.shape[2]), "area")
    size_px = (pictures.shape[3], pictures.shape[2])
    added = blurred_to(given - small, COLOUR_SIGMA_PX, size_px)
    return added.add_(pictures).clamp_(0, 1)


def _resized(pictures: Tensor, size_px: tuple[int, int]) -> Tensor:
    less = shrinks((pictures.shape[3], pictures.shape[2]), size_px)
    return resize(pictures, size_px, "area" if less else "lanczos")


def _placed(inner: Tensor, out_px: tuple[int, int]) -> Tensor:
    """Centre pictures in a master: cut what sticks out, leave black what is not covered."""
    (h, w), (out_w, out_h) = inner.shape[2:], out_px
    left, top = (w - out_w) // 2, (h - out_h) // 2
    cut = inner[:, :, max(top, 0) : max(top, 0) + out_h, max(left, 0) : max(left, 0) + out_w]
    y, x = max(-top, 0), max(-left, 0)
    border = (x, out_w - x - cut.shape[3], y, out_h - y - cut.shape[2])
    return F.pad(cut.clamp(0, 1), border) if any(border) else cut.clamp(0, 1)


class GradeOnDevice:
    """Grade on a device, see :class:`finishkit.stages.grade.Grade`.

    Parameters
    ----------
    stage : Grade
    device : str
    """

    def __init__(self, stage: "Grade", device: str) -> None:
        self._stage, self._device = stage, torch.device(device)
        self._fixed = table.uploaded(stage.lut, self._device) if stage.ramp is None else None

    def __call__(self, chunk: DeviceFrames) -> DeviceFrames:
        """Return graded frames."""
        if self._fixed is not None:
            return chunk.with_data(table.apply(chunk.data, self._fixed))
        graded = [
            table.apply(
                chunk.data[i : i + 1],
                table.uploaded(self._stage.table_at(float(time_s)), self._device),
            )
            for i, time_s in enumerate(chunk.pts_s)
        ]
        return chunk.with_data(torch.cat(graded))


class GrainOnDevice:
    """Add grain on a device, see :class:`finishkit.stages.grain.Grain`.

    Parameters
    ----------
    stage : Grain
    device : str
    notes : Notes
    """

    def __init__(self, stage: "Grain", device: str, notes: Notes) -> None:
        self._stage, self._device, self._notes = stage, device, notes
        self._own: float | None = None

    def __call__(self, chunk: DeviceFrames) -> DeviceFrames:
        """Return the frames with grain."""
        n, _, height, width = chunk.data.shape
        field = _field(height, width, self._device)
        fields, codes = [], []
        for i in range(n):
            if self._own is None:  # read on the host, once a shot
                self._own = own_grain(chunk.picture(i))
            codes.append(self._stage.added_codes(self._own, self._notes))
            top, left, upside_down, mirrored = self._stage.place(float(chunk.pts_s[i]))
            shown = field[top : top + height, left : left + width]
            turned = [axis for axis, turn in ((0, upside_down), (1, mirrored)) if turn]
            fields.append(shown.flip(turned) if turned else shown)
        unit = chunk.data.new_tensor(np.array(codes, np.float32) / 255).view(n, 1, 1)
        red, green, blue = (float(2 * weight) for weight in LUMA)
        light = chunk.data[:, 0] * red + chunk.data[:, 1] * green + chunk.data[:, 2] * blue - 1
        amount = (unit - light.square_() * (EXTREMES * unit)) * torch.stack(fields)
        return chunk.with_data((chunk.data + amount[:, None]).clamp_(0, 1))


@lru_cache(maxsize=2)
def _field(height: int, width: int, device: str) -> Tensor:
    return torch.from_numpy(np.array(grain_field(height, width))).to(device)
