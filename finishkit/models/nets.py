"""The nets themselves, written from their published descriptions.

Module names follow the published checkpoints, so that any checkpoint of the same net loads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_leaky_into = torch.ops.aten.leaky_relu.out
"""The leaky rectifier that writes where it is told to; torch's own names have none."""


def _conv3(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class SRVGGNetCompact(nn.Module):
    """A plain chain of convolutions that predicts what a pixel-doubled picture lacks.

    Works at the input's size throughout and enlarges in the last step, which makes it fast.
    Wang et al., Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
    2021, and the repository's ``realesr-animevideov3`` release.

    Parameters
    ----------
    channels : int
        Width of the chain.
    convs : int
        Convolutions between the first and the last.
    scale : int
        Output size over input size.
    """

    def __init__(self, channels: int = 64, convs: int = 16, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale
        chain: list[nn.Module] = [_conv3(3, channels), nn.PReLU(channels)]
        for _ in range(convs):
            chain += [_conv3(channels, channels), nn.PReLU(channels)]
        chain.append(_conv3(channels, 3 * scale * scale))
        self.body = nn.Sequential(*chain)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures of shape (n, 3, h, w), R'G'B' in [0, 1], to (n, 3, scale h, scale w)."""
        enlarged = F.pixel_shuffle(self.body(x), self.scale)
        return enlarged.add_(F.interpolate(x, scale_factor=self.scale, mode="nearest"))


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        for i in range(1, 5):
            self.add_module(f"conv{i}", _conv3(channels + (i - 1) * growth, growth))
        self.conv5 = _conv3(channels + 4 * growth, channels)

    def forward(self, x: Tensor) -> Tensor:
        # One buffer for all that is seen: every convolution reads its first channels and its
        # answer is written, through the activation, behind them. Nothing is concatenated.
        n, channels, h, w = x.shape
        width = self.conv5.in_channels
        layout = torch.channels_last
        seen = torch.empty((n, width, h, w), dtype=x.dtype, device=x.device, memory_format=layout)
        seen[:, :channels] = x
        growth = (width - channels) // 4
        for i in range(1, 5):
            first = channels + (i - 1) * growth
            new = self.get_submodule(f"conv{i}")(seen[:, :first])
            _leaky_into(new, 0.2, out=seen[:, first : first + growth])
        return self.conv5(seen).mul_(0.2).add_(x)


class _ResidualInResidual(nn.Module):
    """Three dense blocks and a short cut round them."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(channels, growth)
        self.rdb2 = _DenseBlock(channels, growth)
        self.rdb3 = _DenseBlock(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """Residual-in-residual dense blocks, then two doublings.

    Wang et al., ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, 2018.

    Parameters
    ----------
    blocks : int
        23 for the photographic net, 6 for the drawn one.
    channels, growth : int
        Width, and what each convolution of a dense block adds.
    """

    def __init__(self, blocks: int = 23, channels: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = _conv3(3, channels)
        self.body = nn.Sequential(*(_ResidualInResidual(channels, growth) for _ in range(blocks)))
        self.conv_body = _conv3(channels, channels)
        self.conv_up1 = _conv3(channels, channels)
        self.conv_up2 = _conv3(channels, channels)
        self.conv_hr = _conv3(channels, channels)
        self.conv_last = _conv3(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge pictures of shape (n, 3, h, w), R'G'B' in [0, 1], to (n, 3, 4 h, 4 w)."""
        first = self.conv_first(x)
        deep = first + self.conv_body(self.body(first))
        for conv in (self.conv_up1, self.conv_up2):
            deep = F.leaky_relu(conv(F.interpolate(deep, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(deep), 0.2))


NETS = {
    "srvgg-16": lambda: SRVGGNetCompact(channels=64, convs=16, scale=4),
    "srvgg-32": lambda: SRVGGNetCompact(channels=64, convs=32, scale=4),
    "rrdb-23": lambda: RRDBNet(blocks=23),
    "rrdb-6": lambda: RRDBNet(blocks=6),
}
"""How to make each net, by the card's ``arch``."""

PEAK_CHANNELS = {
    "srvgg-16": 4 * 64,
    "srvgg-32": 4 * 64,
    "rrdb-23": 3 * 16 * 64,
    "rrdb-6": 3 * 16 * 64,
    "spandrel": 6 * 16 * 64,
}
"""Values alive at the worst moment for one input pixel, counted in the nets' forward passes.

SRVGG: an activation, its successor and the doubled output; RRDB: three 64-channel maps at the
output's size, 16 times the input's pixels. A net of the user's (``spandrel``): unknown, twice that;
where it is too little, memory runs out once and the engine halves the tile.
"""
