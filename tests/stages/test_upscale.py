"""Enlarging: the master's exact size, nothing stretched, the net where it helps."""

import pickle

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.models.shared import upscaler
from finishkit.settings import UpscaleSettings
from finishkit.shots import ShotId
from finishkit.stages import ShotInput
from finishkit.stages.upscale import Upscale, UpscaleStage, framing, within_budget
from tests import synth

NET = "realesr-animevideov3"
Picture = NDArray[np.float32]


def portrait() -> Picture:
    from skimage import data

    return data.astronaut()[20:180, 150:270].astype(np.float32) / 255


def shrunk(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def chunk(*pictures: Picture) -> Frames:
    return Frames(data=np.stack(pictures), pts_s=np.arange(len(pictures)) / 24 + 0.5)


def upscale(
    model: str = NET,
    strength: float = 1.0,
    out_px: tuple[int, int] = (120, 160),
    fit: str = "crop",
    input_scale: float = 1.0,
    tile_px: int = 0,
) -> Upscale:
    return Upscale(
        model=model,
        strength=strength,
        tile_px=tile_px,
        out_px=out_px,
        fit=fit,  # type: ignore[arg-type]
        input_scale=input_scale,
    )


def one(stage: Upscale, picture: Picture, notes: dict[str, float] | None = None) -> Picture:
    (out,) = stage(iter([chunk(picture)]), {} if notes is None else notes)
    return out.as_float()[0]


def gradient(picture: Picture) -> float:
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


def psnr_db(a: Picture, b: Picture) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def disc(w: int, h: int, radius: float) -> Picture:
    y, x = np.mgrid[0:h, 0:w]
    far = np.hypot(x - (w - 1) / 2, y - (h - 1) / 2)
    return np.repeat(np.clip(radius + 0.5 - far, 0, 1)[..., None], 3, 2).astype(np.float32)


def extent(picture: Picture) -> tuple[float, float, float, float]:
    """Centre and size of what is bright, in pixels: x, y, width, height."""
    bright = picture[..., 0]
    across, down = bright.max(0), bright.max(1)
    x, y = (
        np.average(np.arange(across.size), weights=across),
        np.average(np.arange(down.size), weights=down),
    )
    return float(x), float(y), float(across.sum()), float(down.sum())


def test_the_net_restores_edges_and_stays_near_the_truth() -> None:
    truth = portrait()
    small = shrunk(truth, (30, 40))
    net, lanczos = one(upscale(), small), one(upscale(strength=0), small)
    assert net.shape == truth.shape
    assert gradient(net) > 1.1 * gradient(lanczos)
    assert psnr_db(net, truth) > psnr_db(lanczos, truth) - 2.5


def test_tiles_do_not_show() -> None:
    small = shrunk(portrait(), (60, 80))
    whole = one(upscale(out_px=(240, 320)), small)
    tiled = one(upscale(out_px=(240, 320), tile_px=16), small)
    np.testing.assert_allclose(tiled, whole, atol=1e-3)


def test_light_and_colour_stay_the_sources() -> None:
    small = shrunk(portrait(), (60, 80))
    plain, net = one(upscale(strength=0), small), one(upscale(), small)
    bare = shrunk(upscaler(NET)(small[None])[0], (120, 160))
    moved = [np.abs(cv2.GaussianBlur(p - plain, (0, 0), 10)) for p in (bare, net)]
    assert np.percentile(moved[1], 95) < 1 / 255
    assert np.percentile(moved[1], 95) < 0.4 * np.percentile(moved[0], 95)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("source", [(64, 48), (48, 64), (37, 71), (101, 33)])
@pytest.mark.parametrize("out", [(90, 160), (91, 161)])
def test_a_circle_stays_a_circle_in_the_middle(
    source: tuple[int, int], out: tuple[int, int], fit: str
) -> None:
    radius = 9.0
    got = one(upscale("lanczos", out_px=out, fit=fit), disc(*source, radius))
    assert got.shape == (out[1], out[0], 3)
    pick = max if fit == "crop" else min
    scale = pick(out[0] / source[0], out[1] / source[1])
    x, y, wide, tall = extent(got)
    assert (x, y) == (
        pytest.approx((out[0] - 1) / 2, abs=0.6),
        pytest.approx((out[1] - 1) / 2, abs=0.6),
    )
    visible = min(2 * radius * scale, out[0])
    assert wide == pytest.approx(visible, rel=0.04, abs=1)
    assert tall == pytest.approx(2 * radius * scale, rel=0.04, abs=1)


def test_padding_is_black_and_the_picture_whole() -> None:
    got = one(
        upscale("lanczos", out_px=(80, 160), fit="pad"), np.full((40, 40, 3), 0.5, np.float32)
    )
    np.testing.assert_allclose(got[40:120], 0.5, atol=1e-5)
    assert not got[:40].any()
    assert not got[120:].any()


def test_only_what_will_be_seen_goes_to_the_net() -> None:
    plan = framing((192, 108), (90, 160), "crop")
    left, top, right, bottom = plan.window_px
    assert (top, bottom) == (0, 108)
    assert right - left < 192 / 1.9
    assert left == 192 - right


def test_strength_zero_is_lanczos_and_needs_no_net(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the net was asked")

    monkeypatch.setattr("finishkit.stages.upscale.upscaler", refuse)
    small = shrunk(portrait(), (60, 80))
    want = cv2.resize(small, (120, 160), interpolation=cv2.INTER_LANCZOS4).clip(0, 1)
    np.testing.assert_array_equal(one(upscale(strength=0), small), want)
    np.testing.assert_array_equal(one(upscale("lanczos"), small), want)
    np.testing.assert_array_equal(one(upscale(strength=0, out_px=(60, 80)), small), small)


def test_nothing_to_enlarge_means_no_net() -> None:
    notes: dict[str, float] = {}
    got = one(upscale(out_px=(60, 80)), portrait(), notes)
    np.testing.assert_allclose(got, shrunk(portrait(), (60, 80)), atol=1e-6)
    assert notes["upscale.strength"] == 0
    assert notes["upscale.scale"] == 0.5


def test_strength_blends_net_and_lanczos() -> None:
    small = shrunk(portrait(), (45, 60))
    ends = [one(upscale(strength=s, out_px=(90, 120)), small) for s in (0.0, 1.0)]
    got = one(upscale(strength=0.25, out_px=(90, 120)), small)
    np.testing.assert_allclose(got, 0.75 * ends[0] + 0.25 * ends[1], atol=1e-5)


def test_a_blown_up_picture_goes_in_at_half_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def net(batch: Picture) -> Picture:
        seen.append(batch.shape)
        return np.repeat(np.repeat(batch, 4, axis=1), 4, axis=2)

    monkeypatch.setattr("finishkit.stages.upscale.upscaler", lambda *_: net)
    small = shrunk(portrait(), (60, 80))
    fake = np.asarray(cv2.resize(small, (120, 160), interpolation=cv2.INTER_CUBIC).clip(0, 1))
    notes: dict[str, float] = {}
    got = one(upscale(out_px=(240, 320), input_scale=0.5), fake, notes)
    assert seen == [(1, 80, 60, 3)]
    assert notes["upscale.input_scale"] == 0.5
    assert psnr_db(shrunk(got, (120, 160)), fake) > 28


def shot(name: str, eff_r: float | None, short_px: int = 1080) -> ShotInput:
    probe = synth.probed(short_px, short_px * 16 // 9, 3)
    samples = np.zeros((1, 8, 8, 3), np.uint8)
    return ShotInput(
        id=ShotId(name), scene="a", probe=probe, measured={"eff_r": eff_r}, samples=samples
    )


def test_fit_gives_every_shot_the_same_but_for_what_was_measured() -> None:
    stage = UpscaleStage()
    assert (stage.name, stage.version) == ("upscale", 3)
    settings = UpscaleSettings(strength=0.5, tile_px=64)
    shots = [
        shot("sharp", 0.9),
        shot("fake", 0.5),
        shot("unknown", None),
        shot("small", 0.5, short_px=404),
    ]
    filters = stage.fit(shots, settings, out_size_px=(90, 160), fit_mode="pad")
    assert {name: f.input_scale for name, f in filters.items()} == {
        "sharp": 1.0,
        "fake": 0.5,
        "unknown": 1.0,
        "small": 1.0,
    }
    first = filters[ShotId("sharp")]
    assert (first.model, first.strength, first.tile_px) == (NET, 0.5, 64)
    assert (first.out_px, first.fit) == ((90, 160), "pad")
    assert pickle.loads(pickle.dumps(first)) == first


def test_frames_and_times_are_kept_whatever_the_chunks() -> None:
    base = shrunk(portrait(), (30, 40))
    pictures = [np.clip(base * g, 0, 1).astype(np.float32) for g in (1.0, 0.8, 0.9, 0.7, 0.6)]
    whole = chunk(*pictures)
    stage = upscale(out_px=(75, 100))
    outs = []
    for size in (1, 2, 5):
        parts = [
            Frames(data=whole.data[i : i + size].copy(), pts_s=whole.pts_s[i : i + size])
            for i in range(0, 5, size)
        ]
        out = list(stage(iter(parts), {}))
        np.testing.assert_array_equal(np.concatenate([o.pts_s for o in out]), whole.pts_s)
        outs.append(np.concatenate([o.data for o in out]))
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(outs[0], outs[2])
    np.testing.assert_array_equal(whole.data, np.stack(pictures))
    assert list(stage(iter([]), {})) == []


def test_eight_bit_chunks_are_read_too() -> None:
    picture = np.round(portrait() * 255).astype(np.uint8)
    (out,) = upscale("lanczos")(iter([Frames(data=picture[None], pts_s=np.zeros(1))]), {})
    np.testing.assert_allclose(out.data[0], picture.astype(np.float32) / 255, atol=1e-6)


def in_scene(name: str, scene: str) -> ShotInput:
    return ShotInput(
        id=ShotId(name),
        scene=scene,
        probe=synth.probed(1000, 1000, 2),  # two megapixels a shot
        measured={},
        samples=np.zeros((0, 1, 1, 3), np.uint8),
    )


@pytest.mark.parametrize(
    ("budget_mpx", "netted"),
    [(0, "abcde"), (3.9, ""), (4, "ab"), (7.9, "ab"), (8, "abcd"), (10, "abcde")],
)
def test_the_budget_goes_to_whole_scenes_from_the_hook_on(budget_mpx, netted):
    shots = [in_scene(n, s) for n, s in zip("abcde", "11223", strict=True)]
    assert within_budget(shots, budget_mpx) == set(netted)
    fitted = UpscaleStage().fit(
        shots, UpscaleSettings(net_budget_mpx=budget_mpx), out_size_px=(64, 64)
    )
    assert {n for n, f in fitted.items() if f.strength > 0} == set(netted)
