import numpy as np
import pytest

from finishkit.measure.colour import AXES, colour_jump, de_equivalents, frame_vector, grade_vector


def linear(picture):
    code = picture / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def coded(light):
    back = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(np.clip(back, 0, 1) * 255).astype(np.uint8)


def shift(before, after):
    return dict(zip(AXES, frame_vector(after) - frame_vector(before), strict=True))


@pytest.fixture
def picture(stills):
    # Half a stop down, so that gains do not clip.
    return coded(linear(stills["coffee"]) * 0.5)


@pytest.mark.parametrize("octaves", [-0.4, -0.2, 0.2, 0.4])
def test_a_gain_on_red_moves_red_by_that_much(picture, octaves):
    moved = shift(picture, coded(linear(picture) * np.array([2.0**octaves, 1, 1])))
    assert moved["wb_r"] == pytest.approx(octaves, abs=0.03)
    assert moved["wb_b"] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("octaves", [-0.4, 0.4])
def test_a_gain_on_blue_moves_blue_by_that_much(picture, octaves):
    moved = shift(picture, coded(linear(picture) * np.array([1, 1, 2.0**octaves])))
    assert moved["wb_b"] == pytest.approx(octaves, abs=0.03)
    assert moved["wb_r"] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("stops", [-1.0, -0.5, 0.5])
def test_exposure_moves_exposure_and_not_balance(picture, stops):
    moved = shift(picture, coded(linear(picture) * 2.0**stops))
    assert moved["ev"] == pytest.approx(stops, abs=0.05)
    assert moved["wb_r"] == pytest.approx(0, abs=0.05)
    assert moved["wb_b"] == pytest.approx(0, abs=0.05)


def test_contrast_and_saturation_move_their_axes(picture):
    flat = np.round((picture.astype(float) - 90) * 0.7 + 90).astype(np.uint8)
    grey = picture.astype(float) @ np.array([0.2126, 0.7152, 0.0722])
    pale = np.round(grey[..., None] + 0.6 * (picture - grey[..., None])).astype(np.uint8)
    assert shift(picture, flat)["con"] == pytest.approx(np.log2(0.7), abs=0.1)
    assert shift(picture, pale)["sat"] == pytest.approx(np.log2(0.6), abs=0.15)


def test_a_reframing_moves_less_than_a_grade(stills):
    wide = stills["astronaut"]
    close = wide[40:400, 100:460]
    graded = coded(linear(wide) * np.array([2**-0.4, 1, 2**0.4]))
    assert colour_jump(frame_vector(wide), frame_vector(close)) < colour_jump(
        frame_vector(wide), frame_vector(graded)
    )


def test_black_and_flat_grey_are_finite_and_neutral():
    for code in (0, 128, 255):
        vector = frame_vector(np.full((200, 120, 3), code, np.uint8))
        assert np.isfinite(vector).all()
        assert vector[:2] == pytest.approx([0, 0], abs=1e-9)


def test_a_shot_is_the_median_of_its_frames(stills):
    still = stills["coffee"]
    frames = np.stack([still, still, np.zeros_like(still)])
    assert grade_vector(frames) == pytest.approx(frame_vector(still))


def test_the_size_of_the_file_hardly_matters(stills):
    import cv2

    still = stills["coffee"]
    large = cv2.resize(still, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert np.abs(de_equivalents(frame_vector(large), frame_vector(still))).max() < 0.5


def test_differences_are_signed_and_weighed():
    a = np.array([0.1, 0.0, -1.0, 0.5, 2.0])
    b = np.zeros(5)
    assert de_equivalents(a, b) == pytest.approx([1.7, 0, -13, 4.25, 10])
    assert colour_jump(a, b) == pytest.approx(np.sqrt(1.7**2 + 13**2 + 4.25**2 + 10**2))


def test_refuses_what_is_no_row_of_pictures(stills):
    with pytest.raises(ValueError, match="uint8"):
        grade_vector(stills["coffee"])
