"""The RRDB net's one buffer gives what concatenation gives, and tiles of it do not show."""

import numpy as np
import pytest

from finishkit.environment import net_engine
from finishkit.models import CARDS
from finishkit.models.engine import Upscaler
from finishkit.models.precision import psnr_db
from finishkit.models.tiling import seam_codes

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

from finishkit.models.nets import RRDBNet  # noqa: E402


def plain_dense(block, x):
    seen = [x]
    for i in range(1, 5):
        conv = block.get_submodule(f"conv{i}")
        seen.append(F.leaky_relu(conv(torch.cat(seen, 1)), 0.2))
    return x + 0.2 * block.conv5(torch.cat(seen, 1))


def plain_rrdb(net, x):
    """The net as its paper draws it, with every map concatenated."""
    first = net.conv_first(x)
    deep = first
    for block in net.body:
        into = deep
        for name in ("rdb1", "rdb2", "rdb3"):
            into = plain_dense(block.get_submodule(name), into)
        deep = deep + 0.2 * into
    deep = first + net.conv_body(deep)
    for conv in (net.conv_up1, net.conv_up2):
        deep = F.leaky_relu(conv(F.interpolate(deep, scale_factor=2, mode="nearest")), 0.2)
    return net.conv_last(F.leaky_relu(net.conv_hr(deep), 0.2))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("n", [1, 2])
def test_one_buffer_is_concatenation(layout, n: int) -> None:
    torch.manual_seed(3)
    net = RRDBNet(blocks=2).eval().requires_grad_(False).to(memory_format=layout)
    x = torch.rand(n, 3, 17, 22)
    given = x.clone()
    with torch.inference_mode():
        got, wanted = net(x), plain_rrdb(net, x)
    swing = float(wanted.max() - wanted.min())
    assert psnr_db(got.numpy() / swing, wanted.numpy() / swing) >= 120
    torch.testing.assert_close(x, given, rtol=0, atol=0)


def test_one_buffer_is_concatenation_with_the_real_weights() -> None:
    from finishkit.models import load

    net = load(CARDS["realesrgan-x4plus-anime"])
    x = torch.from_numpy(np.random.default_rng(0).random((1, 3, 12, 16), np.float32))
    with torch.inference_mode():
        got, wanted = net(x).numpy(), plain_rrdb(net, x).numpy()
    assert psnr_db(got, wanted) >= 90


def test_no_dense_block_concatenates(monkeypatch: pytest.MonkeyPatch) -> None:
    def copies(*_args: object, **_more: object) -> None:
        raise AssertionError("a dense block concatenated its maps")

    monkeypatch.setattr(torch, "cat", copies)
    with torch.inference_mode():
        RRDBNet(blocks=1).requires_grad_(False)(torch.rand(1, 3, 8, 8))


def test_tiles_of_the_deep_net_do_not_show() -> None:
    from skimage import data

    card = CARDS["realesrgan-x4plus-anime"]
    picture = data.astronaut()[40:152, 190:222].astype(np.float32)[None] / 255
    runtime = "openvino" if net_engine()[0] == "openvino" else "torch"
    whole = Upscaler(card, device="cpu", dtype="float32", runtime=runtime)(picture)
    tiles = Upscaler(card, device="cpu", dtype="float32", runtime=runtime, tile_px=16)
    tiled = tiles(picture)
    assert not np.array_equal(tiled, whole), "it was tiled"
    assert psnr_db(tiled, whole) >= 60
    # Edges of the picture lie on some borders: what counts is what tiling adds to them.
    there = seam_codes(whole, tile_px=16, overlap_px=card.halo_px, scale=card.scale)
    assert tiles.seam_codes <= there + 0.5
