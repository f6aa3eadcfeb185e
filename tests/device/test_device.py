"""On a device: OpenCV's resizes, the table, the planes, and nothing lost on the way back."""

import cv2
import numpy as np
import pytest

from finishkit.device import table
from finishkit.device.carrier import DeviceFrames
from finishkit.device.planes import to_420
from finishkit.device.resample import blurred_to, resize
from finishkit.device.transfer import brought_back, sent
from finishkit.frames.convert import packed_420
from finishkit.stages.lut import apply_lut, build_lut, look_up

torch = pytest.importorskip("torch")
FLAGS = {"area": cv2.INTER_AREA, "lanczos": cv2.INTER_LANCZOS4, "linear": cv2.INTER_LINEAR}
SIZES = {
    "area": [(30, 40), (45, 77), (90, 120), (60, 120), (89, 33), (160, 213)],
    "lanczos": [(180, 240), (197, 301), (91, 121), (90, 240)],
    "linear": [(180, 240), (301, 197), (360, 480)],
}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    return torch.device(request.param)


def pictures(n=2, h=120, w=90):
    """Noise over a ramp: every frequency, no symmetry."""
    ramp = np.linspace(0, 0.6, w, dtype=np.float32)[None, None, :, None]
    noise = np.random.default_rng(5).random((n, h, w, 3), np.float32)
    return np.asarray((noise * 0.4 + ramp).clip(0, 1), np.float32)


def back(data):
    return data.permute(0, 2, 3, 1).cpu().numpy()


@pytest.mark.parametrize(("kernel", "size"), [(k, s) for k, ss in SIZES.items() for s in ss])
def test_resizes_as_opencv_does(device, kernel, size):
    given = pictures()
    got = back(resize(sent(given, device), size, kernel))
    for one, picture in zip(got, given, strict=True):
        wanted = cv2.resize(picture, size, interpolation=FLAGS[kernel])
        np.testing.assert_allclose(one, wanted, atol=2e-6)


def test_areas_are_not_averaged_where_one_side_grows(device):
    with pytest.raises(ValueError, match="no areas"):
        resize(sent(pictures(), device), (91, 33), "area")


def test_nothing_to_resize_is_the_very_frames(device):
    data = sent(pictures(), device)
    assert resize(data, (90, 120), "lanczos") is data


@pytest.mark.parametrize("size", [(90, 120), (360, 480), (200, 311)])
def test_blurs_and_enlarges_as_opencv_does(device, size):
    given = pictures() - np.float32(0.5)
    got = back(blurred_to(sent(given, device), 4.0, size))
    for one, picture in zip(got, given, strict=True):
        blurred = cv2.GaussianBlur(picture, (0, 0), 4.0)
        wanted = cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(one, wanted, atol=3e-6)


@pytest.mark.parametrize("size", [2, 17, 33])
def test_a_table_is_trilinear_and_clips(device, size):
    lut = build_lut(lambda rgb: np.clip(rgb[:, [1, 2, 0]] ** 1.7 * 0.9 + 0.05, 0, 1), size)
    axis = np.linspace(0, 1, size, dtype=np.float32)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    nodes = np.asarray(cube.reshape(1, size, -1, 3), np.float32)
    there = table.uploaded(lut, device)
    np.testing.assert_allclose(
        back(table.apply(sent(nodes, device), there)), look_up(nodes, lut), atol=1e-5
    )
    given = pictures() * np.float32(1.5) - np.float32(0.25)
    got = back(table.apply(sent(given, device), there))
    assert 255 * np.abs(got - apply_lut(given.clip(0, 1), lut)).max() < 0.5
    inside = np.asarray(given.clip(0, 1), np.float32)
    np.testing.assert_allclose(got, back(table.apply(sent(inside, device), there)), atol=1e-6)


@pytest.mark.parametrize("size", [(120, 90), (2, 2), (6, 4), (122, 62)])
def test_planes_are_the_hosts(device, size):
    given = pictures(3, *size) * np.float32(1.2) - np.float32(0.1)
    got = to_420(sent(given, device)).cpu().numpy()
    assert got.dtype == np.uint8
    wanted = np.stack([packed_420(p) for p in given])
    off = np.abs(got.astype(int) - wanted)
    assert off.max() <= 1, "sums in another order round another way"
    assert (off > 0).mean() < 1e-3


def test_planes_hold_the_colours_of_the_standard(device):
    # BT.709-6 table 3, 8 bits: white, black, and the primaries' own codes.
    known = {
        (1, 1, 1): (235, 128, 128),
        (0, 0, 0): (16, 128, 128),
        (1, 0, 0): (63, 102, 240),
        (0, 1, 0): (173, 42, 26),
        (0, 0, 1): (32, 240, 118),
    }
    for rgb, codes in known.items():
        flat = np.full((1, 4, 4, 3), rgb, np.float32)
        packed = to_420(sent(flat, device))[0].cpu().numpy()
        planes = packed[:4], packed[4:].reshape(2, 2, 2)[0], packed[4:].reshape(2, 2, 2)[1]
        assert [int(p.flat[0]) for p in planes] == list(codes)
        assert all((p == p.flat[0]).all() for p in planes)


def test_what_comes_back_is_in_order_and_one_is_under_way(device):
    made = []

    def results():
        for i in range(5):
            made.append(i)
            yield torch.full((2, 3), i, device=device), torch.full((1,), -i, device=device)

    seen = []
    for whole, single in brought_back(results()):
        assert (whole == len(seen)).all()
        assert single[0] == -len(seen)
        seen.append(int(whole[0, 0]))
        assert len(made) == min(5, len(seen) + 1), "the next is begun before this one is given"
    assert seen == [0, 1, 2, 3, 4]
    assert list(brought_back([])) == []


def test_what_is_sent_may_be_overwritten(device):
    given = pictures(1)
    kept = given.copy()
    data = sent(given, device)
    given[:] = 0
    np.testing.assert_array_equal(back(data), kept)


def test_only_frames_are_carried(device):
    data, pts_s = sent(pictures(2), device), np.arange(2.0)
    chunk = DeviceFrames(data=data, pts_s=pts_s)
    assert len(chunk) == 2
    assert len(chunk.part(slice(1, 2))) == 1
    assert chunk.part(slice(1, 2)).pts_s[0] == 1
    np.testing.assert_array_equal(chunk.picture(1), pictures(2)[1])
    with pytest.raises(ValueError, match="not float32"):
        DeviceFrames(data=data.double(), pts_s=pts_s)
    with pytest.raises(ValueError, match="2 pictures"):
        DeviceFrames(data=data, pts_s=np.arange(3.0))
