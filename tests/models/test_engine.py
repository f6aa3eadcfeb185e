"""The engine: enlarges truthfully, in short formats too, and loses nothing when memory is short."""

import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.models import CARDS, engine, memory
from finishkit.models.engine import Upscaler
from finishkit.models.memory import shrinking
from finishkit.models.precision import psnr_db

torch = pytest.importorskip("torch")
FAST = CARDS["realesr-animevideov3"]
Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def portrait() -> Picture:
    from skimage import data

    return data.astronaut()[0:256, 100:356].astype(np.float32) / 255


@pytest.fixture(scope="module")
def exact() -> Upscaler:
    return Upscaler(FAST, device="cpu", dtype="float32")


def shrink(picture: Picture, side_px: int) -> Picture:
    small = cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32, copy=False)


def gradient(picture: Picture) -> float:
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


def test_the_fast_net_restores_edges_a_kernel_cannot(portrait: Picture, exact: Upscaler) -> None:
    small = shrink(portrait, 64)
    net = exact(small[None])
    lanczos = cv2.resize(small, (256, 256), interpolation=cv2.INTER_LANCZOS4).clip(0, 1)
    assert net.shape == (1, 256, 256, 3)
    assert net.dtype == np.float32
    assert 0 <= net.min() <= net.max() <= 1
    assert gradient(net[0]) > 1.25 * gradient(lanczos)
    assert gradient(net[0]) < gradient(portrait)
    assert psnr_db(net[0], portrait) > psnr_db(lanczos, portrait) - 1.5
    # Averaged back to the source's size it is the source again: nothing moved, nothing invented.
    assert psnr_db(shrink(net[0], 64), small) > 28


@pytest.mark.parametrize("name", ["realesrgan-x4plus", "realesrgan-x4plus-anime"])
def test_the_deep_nets_are_mapped_right(name: str, portrait: Picture) -> None:
    small = shrink(portrait, 64)[16:36, 22:42]
    truth = portrait[64:144, 88:168]
    net = Upscaler(CARDS[name], device="cpu", dtype="float32")(small[None])[0]
    lanczos = cv2.resize(small, (80, 80), interpolation=cv2.INTER_LANCZOS4).clip(0, 1)
    assert gradient(net) > 1.3 * gradient(lanczos)
    assert psnr_db(net, truth) > psnr_db(lanczos, truth) - 6
    assert psnr_db(shrink(net, 20), small) > 18


def test_bfloat16_stays_close_to_float32(portrait: Picture, exact: Upscaler) -> None:
    small = shrink(portrait, 96)[None]
    short = Upscaler(FAST, device="cpu", dtype="bfloat16")(small)
    assert psnr_db(short, exact(small)) >= engine.GATE_DB


def test_a_short_format_that_strays_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "net_engine", lambda: ("torch", "bfloat16"))
    monkeypatch.setattr(engine, "precision_db", lambda *_: engine.GATE_DB - 1)
    assert Upscaler(FAST, device="cpu").dtype == torch.float32
    monkeypatch.setattr(engine, "precision_db", lambda *_: engine.GATE_DB)
    assert Upscaler(FAST, device="cpu").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("strays", "chosen"),
    [
        ((), ("openvino", torch.bfloat16)),
        (("bfloat16",), ("openvino", torch.float32)),
        (("bfloat16", "float32"), ("torch", torch.float32)),
    ],
)
def test_another_runtime_is_chosen_only_where_it_is_accurate(
    strays: tuple[str, ...], chosen: tuple[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def db(_card: object, _device: str, precision: str, _runtime: str) -> float:
        return engine.GATE_DB - (precision in strays)

    monkeypatch.setattr(engine, "net_engine", lambda: ("openvino", "bfloat16"))
    monkeypatch.setattr(engine, "precision_db", db)
    monkeypatch.setattr(engine, "_net", lambda *_: None)
    own = Upscaler(FAST, device="cpu")
    assert (own.runtime, own.dtype) == chosen
    asked = Upscaler(FAST, device="cpu", dtype="float32")
    assert (asked.runtime, asked.dtype) == ("torch", torch.float32), "the yardstick stays torch"


def test_codes_give_what_floats_give(portrait: Picture, exact: Upscaler) -> None:
    codes = np.rint(255 * np.stack((shrink(portrait, 40), shrink(portrait, 40)[::-1])))
    codes = codes.astype(np.uint8)
    unit = exact(codes.astype(np.float32) / 255)
    as_unit = exact.from_codes(codes, out="float32")
    assert as_unit.dtype == np.float32
    np.testing.assert_allclose(as_unit, unit, atol=2e-6)
    out = exact.from_codes(codes)
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(out, np.rint(255 * np.asarray(as_unit)))
    tiles = Upscaler(FAST, device="cpu", dtype="float32", tile_px=20).from_codes(codes)
    assert tiles.dtype == np.uint8
    assert np.abs(tiles.astype(int) - out).max() <= 1
    assert exact.from_codes(codes[:0]).shape == (0, 160, 160, 3)


def test_tiles_are_exact(portrait: Picture, exact: Upscaler) -> None:
    picture = portrait[None, 60:130, 90:152]
    small_tiles = Upscaler(FAST, device="cpu", dtype="float32", tile_px=24)
    np.testing.assert_allclose(small_tiles(picture), exact(picture), atol=1e-5)


def test_frames_of_a_batch_do_not_touch(portrait: Picture, exact: Upscaler) -> None:
    small = shrink(portrait, 40)
    pair = np.stack((small, small[::-1]))
    pair.flags.writeable = False
    both = exact(pair)
    np.testing.assert_array_equal(both[0], exact(pair[:1])[0])
    np.testing.assert_array_equal(both[1], exact(pair[1:])[0])
    assert exact(pair[:0]).shape == (0, 160, 160, 3)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to ..."),
        MemoryError(),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:224: std::bad_alloc"),
    ],
)
def test_when_memory_runs_out_every_frame_is_still_there(
    error: Exception, portrait: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    pictures = np.stack([shrink(portrait, 90) * s for s in rng.uniform(0.5, 1, 5)])
    pictures = pictures.astype(np.float32)
    sizes: list[tuple[int, ...]] = []

    def as_a_net(part: Picture) -> Picture:
        """Look 18 px far, like the net, and see zeros outside."""
        wide = [cv2.blur(p, (37, 37), borderType=cv2.BORDER_CONSTANT) for p in part]
        return np.repeat(np.repeat(np.stack(wide), 4, 1), 4, 2).astype(np.float32)

    def small_memory(part: Picture, out: str = "float32") -> Picture:
        assert out == "float32"
        sizes.append(part.shape)
        if part[..., 0].size > 85 * 85:
            raise error
        return as_a_net(part)

    monkeypatch.setattr(engine, "_net", lambda *_: small_memory)
    own = Upscaler(FAST, device="cpu", dtype="float32")
    own._batch = 4
    np.testing.assert_allclose(own(pictures), as_a_net(pictures), atol=1e-5)
    assert [s[0] for s in sizes[:3]] == [4, 2, 1], "the batch goes first"
    assert sizes[3][1] == 45 + 2 * FAST.halo_px, "then the tile is halved"
    before = len(sizes)
    np.testing.assert_allclose(own(pictures), as_a_net(pictures), atol=1e-5)
    assert sizes[before][1] == 81, "what worked is remembered"


def test_other_errors_are_not_swallowed() -> None:
    def broken(batch: int, tile_px: int) -> Picture:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        shrinking(broken, 4, 0, 100)


def test_when_nothing_fits_the_message_says_so() -> None:
    tried: list[tuple[int, int]] = []

    def never(batch: int, tile_px: int) -> Picture:
        tried.append((batch, tile_px))
        raise MemoryError

    with pytest.raises(FinishError, match="Memory ran out") as caught:
        shrinking(never, 2, 0, 300)
    assert caught.value.code == "out_of_memory"
    assert tried == [(2, 0), (1, 0), (1, 150), (1, 75), (1, 37)]


def test_little_memory_means_tiles(exact: Upscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "free_bytes", lambda device: 2**34)
    assert exact._planned_tile_px(960, 540, 1) == 0
    monkeypatch.setattr(engine, "free_bytes", lambda device: 2**28)
    tile_px = exact._planned_tile_px(960, 540, 1)
    assert 32 <= tile_px < 540
    assert tile_px % 16 == 0


def test_a_batch_is_made_smaller_before_a_picture_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Upscaler(FAST, device="cpu", dtype="float32")
    own._batch = 4
    whole_bytes = 1024  # what one frame takes is found by trying
    while True:
        monkeypatch.setattr(engine, "free_bytes", lambda device, free=whole_bytes: free)
        if own._planned_tile_px(96, 54, 1) == 0:
            break
        whole_bytes *= 2
    monkeypatch.setattr(engine, "free_bytes", lambda device: 2 * whole_bytes)
    assert own._planned(96, 54, 4) == (2, 0)
    monkeypatch.setattr(engine, "free_bytes", lambda device: whole_bytes // 4)
    assert own._planned(96, 54, 4) == (2, 0), "one shape a shot, whatever else takes memory"
    batch, tile_px = own._planned(54, 96, 4)
    assert batch == 1
    assert tile_px > 0


def test_a_bound_on_the_gpu_means_tiles_however_much_is_free(
    exact: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "free_bytes", lambda device: 2**37)
    assert exact._planned_tile_px(960, 540, 1) == 0
    monkeypatch.setattr(exact, "_gpu_bytes", 2**28)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 0)
    assert 32 <= exact._planned_tile_px(960, 540, 1) < 540


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_the_allocator_is_told_once() -> None:
    assert memory.keep_large_blocks() is memory.keep_large_blocks()


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(FinishError, match="not a net that enlarges"):
        Upscaler(CARDS["gfpgan-v1.4"])
    if not torch.cuda.is_available():
        with pytest.raises(FinishError, match="No CUDA device"):
            Upscaler(FAST, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_float16_on_a_gpu_stays_close_to_float32(portrait: Picture, exact: Upscaler) -> None:
    small = shrink(portrait, 96)[None]
    gpu = Upscaler(FAST, device="cuda")
    assert gpu.dtype == torch.float16
    assert psnr_db(gpu(small), exact(small)) >= engine.GATE_DB
