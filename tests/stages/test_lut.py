import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finishkit.errors import FinishError
from finishkit.stages.lut import (
    apply_lut,
    build_lut,
    look_up,
    read_cube,
    slice_lut,
    write_cube,
)
from finishkit.stages.trim import Knees, Trim, apply_trim


def picture(height=96, width=130, seed=0):
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.random((7, 9, 3)).astype(np.float32), (width, height), interpolation=2)
    return np.clip(smooth + rng.normal(0, 0.02, smooth.shape), 0, 1).astype(np.float32)


def test_identity_table_changes_nothing_visible():
    rgb = picture()
    out = apply_lut(rgb[None], build_lut(lambda nodes: nodes))[0]
    assert out.dtype == np.float32
    # Red and green exactly (remap must interpolate in float, not in 1/32 steps as OpenCV 4 did),
    # blue to the nearest of 961 slices.
    assert np.abs(out - rgb)[..., :2].max() * 255 < 0.01
    assert np.abs(out - rgb)[..., 2].max() * 255 <= 0.5 / 960 * 255 + 0.01


def test_bytes_give_what_floats_give():
    lut = build_lut(lambda n: n[:, [1, 2, 0]] ** np.float32(1.2))
    codes = np.round(picture() * 255).astype(np.uint8)[None]
    unit = codes.astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(apply_lut(codes, lut), apply_lut(unit, lut), atol=1e-3)
    np.testing.assert_array_equal(apply_lut(codes, slice_lut(lut)), apply_lut(codes, lut))


def test_nodes_are_exact():
    lut = np.random.default_rng(3).random((9, 9, 9, 3)).astype(np.float32)
    axis = np.linspace(0, 1, 9, dtype=np.float32)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    nodes = np.stack([red, green, blue], axis=-1)
    np.testing.assert_allclose(apply_lut(nodes, lut), lut, atol=1e-5)
    np.testing.assert_allclose(look_up(nodes, lut), lut, atol=1e-5)


def test_every_corner_and_channel_goes_where_it_should():
    corners = np.array([[[[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)]]], np.float32)
    swapped = apply_lut(corners, build_lut(lambda n: n[:, [2, 0, 1]] * np.float32(0.5)))
    np.testing.assert_allclose(swapped, corners[..., [2, 0, 1]] * 0.5, atol=2e-5)


def test_fast_lookup_is_as_good_as_tetrahedral_on_a_grade():
    def grade(nodes):
        return apply_trim(nodes, Trim(wb_r=0.3, wb_b=-0.3, ev=0.5, con=0.2, sat=0.3), Knees())

    lut, rgb = build_lut(grade), picture()
    ours = np.abs(apply_lut(rgb[None], lut)[0] - grade(rgb)) * 255
    theirs = np.abs(look_up(rgb, lut) - grade(rgb)) * 255
    assert ours.mean() < theirs.mean() * 1.1 + 0.05
    assert np.percentile(ours, 99) < 1


def test_row_strips_leave_no_seam():
    rgb = picture(height=131)
    lut = build_lut(lambda n: n**1.2)
    whole = apply_lut(rgb[None], lut)[0]
    rows = np.concatenate([apply_lut(rgb[None, i : i + 1], lut)[0] for i in range(131)])
    np.testing.assert_array_equal(whole, rows)


def test_values_out_of_range_take_the_nearest_end():
    wild = np.array([[[[-0.5, 0.5, 2.0], [1.5, -1.0, 1.0 + 1e-6]]]], np.float32)
    lut = build_lut(lambda n: n * np.float32(0.9))
    expected = np.clip(wild, 0, 1) * 0.9
    np.testing.assert_allclose(apply_lut(wild, lut), expected, atol=2e-5)


def test_transform_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        build_lut(lambda n: n * np.float32(np.nan))


def test_cube_comes_back_as_written(tmp_path):
    lut = build_lut(lambda n: n**1.3 * np.float32([1, 0.8, 0.6]), size=9)
    path = tmp_path / "look.cube"
    write_cube(path, lut, title='a "quoted"\ntitle')
    lines = path.read_text().splitlines()
    assert lines[0] == 'TITLE "a quoted title"'
    # Red fastest: the second row is the first step along red.
    assert [float(v) for v in lines[5].split()] == pytest.approx([(1 / 8) ** 1.3, 0, 0], abs=1e-6)
    np.testing.assert_allclose(read_cube(path), lut, atol=1e-6)


def test_cube_domain_is_resampled(tmp_path):
    path = tmp_path / "domain.cube"
    # The identity of [0, 2]: nodes 0, 1, 2 hold themselves.
    rows = [f"{r} {g} {b}" for b in range(3) for g in range(3) for r in range(3)]
    text = "# made by hand\nLUT_3D_SIZE 3\nDOMAIN_MAX 2 2 2\n\n" + "\n".join(rows)
    path.write_text(text, encoding="utf-8-sig")
    lut = read_cube(path)
    np.testing.assert_allclose(lut[0, 0, :, 0], [0, 0.5, 1.0], atol=2e-5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("LUT_3D_SIZE 66\n", 1),
        ("TITLE x\nLUT_3D_SIZE -2\n", 2),
        ("LUT_3D_SIZE ²\n", 1),
        ("LUT_1D_SIZE 4\n0 0 0\n", 1),
        ("0 0 0\n", 1),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7, 8),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 9, 10),
        ("LUT_3D_SIZE 2\n0 0 0\n0 nan 0\n", 3),
        ("LUT_3D_SIZE 2\n0 0 0\n0 inf 0\n", 3),
        ("LUT_3D_SIZE 2\n0 0\n", 2),
        ("LUT_3D_SIZE 2\n0 0 0 0\n", 2),
        ("LUT_3D_SIZE 2\nhello\n", 2),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN a b c\n", 2),
        ("", 0),
    ],
)
def test_bad_cube_is_refused_with_its_line(tmp_path, text, line):
    path = tmp_path / "bad.cube"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FinishError, match=rf"bad\.cube, line {line}: ") as caught:
        read_cube(path)
    assert caught.value.code == "bad_lut"


def test_turned_domain_and_binary_are_refused(tmp_path):
    path = tmp_path / "bad.cube"
    path.write_text("LUT_3D_SIZE 2\nDOMAIN_MIN 1 1 1\n" + "0 0 0\n" * 8)
    with pytest.raises(FinishError, match="not below"):
        read_cube(path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FinishError, match="cannot be read"):
        read_cube(path)
    with pytest.raises(FinishError, match="cannot be read"):
        read_cube(tmp_path / "missing.cube")


def test_long_line_of_numbers_is_refused_quickly(tmp_path):
    path = tmp_path / "long.cube"
    path.write_text("LUT_3D_SIZE 2\n" + "0 " * 2_000_000)
    start = time.perf_counter()
    with pytest.raises(FinishError, match="line 2"):
        read_cube(path)
    assert time.perf_counter() - start < 5


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(2, 33))
def test_any_size_of_picture_and_table(height, width, size):
    rgb = picture(height, width)
    slices = slice_lut(build_lut(lambda n: n, size=size))
    step = 1 / ((size - 1) * slices.per_cell)
    near = step / 2 + 1e-3 / (size - 1)
    np.testing.assert_allclose(apply_lut(rgb[None], slices)[0], rgb, atol=near)
    np.testing.assert_allclose(look_up(rgb, build_lut(lambda n: n, size=size)), rgb, atol=2e-5)
