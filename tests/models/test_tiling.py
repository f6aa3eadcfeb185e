import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit.models.tiling import seam_codes, tiled, windows

Picture = NDArray[np.float32]


def blur_and_double(pictures: Picture) -> Picture:
    """Look 3 pixels far, see zeros outside, double the size."""
    blurred = [cv2.blur(p, (7, 7), borderType=cv2.BORDER_CONSTANT) for p in pictures]
    return np.repeat(np.repeat(np.stack(blurred), 2, 1), 2, 2).astype(np.float32)


def noise(h: int, w: int, n: int = 2) -> Picture:
    return np.random.default_rng(1).random((n, h, w, 3), np.float32)


@pytest.mark.parametrize("size", [(40, 40), (61, 37), (37, 61), (16, 200), (33, 17)])
@pytest.mark.parametrize("tile_px", [7, 16, 33])
def test_tiled_is_untiled_when_the_overlap_covers_the_reach(
    size: tuple[int, int], tile_px: int
) -> None:
    pictures = noise(*size)
    got = tiled(blur_and_double, pictures, tile_px=tile_px, overlap_px=3, scale=2)
    np.testing.assert_allclose(got, blur_and_double(pictures), atol=1e-6)


def test_a_smaller_overlap_shows() -> None:
    pictures = noise(40, 40)
    got = tiled(blur_and_double, pictures, tile_px=16, overlap_px=1, scale=2)
    assert np.abs(got - blur_and_double(pictures)).max() > 1e-3


def test_the_net_meets_one_shape_only() -> None:
    shapes: set[tuple[int, ...]] = set()

    def net(part: Picture) -> Picture:
        shapes.add(part.shape)
        return blur_and_double(part)

    tiled(net, noise(61, 47), tile_px=16, overlap_px=3, scale=2)
    assert shapes == {(2, 22, 22, 3)}


@pytest.mark.parametrize(
    ("length", "tile", "overlap"),
    list(itertools.product((1, 5, 31, 64, 65, 100), (1, 8, 31), (0, 2, 9))),
)
def test_windows_cover_an_axis_once_with_context(length: int, tile: int, overlap: int) -> None:
    spans = windows(length, tile, overlap)
    assert [b for _, _, b in spans][:-1] == [a for _, a, _ in spans][1:]
    assert (spans[0][1], spans[-1][2]) == (0, length)
    window = min(tile + 2 * overlap, length)
    for start, a, b in spans:
        assert 0 <= start <= max(a - overlap, 0)
        assert min(b + overlap, length) <= start + window <= length
        assert b > a


def test_tile_zero_is_one_call() -> None:
    calls: list[int] = []
    pictures = noise(20, 20)
    tiled(
        lambda p: calls.append(1) or blur_and_double(p), pictures, tile_px=0, overlap_px=3, scale=2
    )
    assert calls == [1]


def test_a_tile_of_another_brightness_is_a_seam_and_a_wall_is_not() -> None:
    smooth = cv2.GaussianBlur(noise(96, 80, 1)[0], (0, 0), 2)[None].astype(np.float32)
    asked = {"tile_px": 32, "overlap_px": 8, "scale": 2}
    large = np.repeat(np.repeat(smooth, 2, 1), 2, 2)
    assert seam_codes(large, **asked) < 0.5
    assert seam_codes(large, **{**asked, "tile_px": 0}) == 0
    wall = large.copy()
    wall[:, :, 101:] *= 0.5
    assert seam_codes(wall, **asked) < 0.5, "an edge of the picture beside the border of a tile"
    for axis in (1, 2):
        core = windows(smooth.shape[axis], 32, 8)[1][1] * 2
        torn = np.moveaxis(large.copy(), axis, 0)
        torn[core:] += 3 / 255
        assert seam_codes(np.moveaxis(torn, 0, axis), **asked) == pytest.approx(3, abs=0.5)
