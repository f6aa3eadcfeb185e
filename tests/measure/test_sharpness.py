import cv2
import numpy as np
import pytest

from finishkit.measure.sharpness import MIN_CONFIDENCE, effective_resolution, shot_sharpness

WAYS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def softened(luma, ratio, way=cv2.INTER_CUBIC):
    height, width = luma.shape
    size = (round(width * ratio), round(height * ratio))
    return cv2.resize(
        cv2.resize(luma, size, interpolation=cv2.INTER_AREA), (width, height), interpolation=way
    )


def exposed(luma, stops):
    code = luma / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4) * 2.0**stops
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(np.clip(back, 0, 1) * 255).astype(np.uint8)


def log2_r(luma):
    found = effective_resolution(luma)
    assert found is not None
    return found.log2_r


@pytest.mark.parametrize("ratio", [0.67, 0.5, 0.33])
def test_reads_the_ratio_a_picture_was_reduced_by(luma, ratio):
    # Facts 2.2: mean error 0.19 octave, over contents the weights have not seen.
    found = [log2_r(softened(picture, ratio)) for picture in luma.values()]
    assert np.median(found) == pytest.approx(np.log2(ratio), abs=0.25)


def test_orders_native_before_half_whatever_the_content(luma):
    native = [log2_r(picture) for picture in luma.values()]
    half = [log2_r(softened(picture, 0.5, WAYS[i % 3])) for i, picture in enumerate(luma.values())]
    assert min(native) > max(half)


def test_a_blurred_half_does_not_make_a_soft_picture(luma):
    picture = luma["astronaut"].copy()
    picture[:, :256] = cv2.GaussianBlur(picture[:, :256], (0, 0), 4)
    assert log2_r(picture) > log2_r(softened(luma["astronaut"], 0.67))


def test_exposure_and_contrast_are_not_sharpness(luma):
    plain = [softened(picture, 0.6) for picture in luma.values()]
    darker = [exposed(picture, -1.5) for picture in plain]
    flatter = [np.round((picture.astype(float) - 110) * 0.6 + 110) for picture in plain]
    before = np.array([log2_r(picture) for picture in plain])
    for changed in (darker, flatter):
        moved = np.abs([log2_r(c.astype(np.uint8)) for c in changed] - before)
        assert np.median(moved) < 0.05
        # Single contents lose faint texture to rounding, and with it some of their blocks.
        assert moved.max() < 0.12


def test_enlarging_a_file_adds_no_real_pixels(luma):
    small = luma["chelsea"]
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found_small, found_large = effective_resolution(small), effective_resolution(large)
    assert found_small is not None
    assert found_large is not None
    octaves = np.log2(found_large.r * min(large.shape)) - np.log2(found_small.r * min(small.shape))
    assert abs(octaves) < 0.5


def test_says_nothing_of_flat_black_or_tiny_pictures():
    grey = np.full((400, 300), 128, np.uint8)
    noisy = np.clip(grey + np.random.default_rng(0).normal(0, 2, grey.shape), 0, 255)
    for picture in (grey, np.zeros_like(grey), noisy.astype(np.uint8), grey[:60]):
        found = effective_resolution(picture)
        assert found is None or found.confidence < MIN_CONFIDENCE


def test_the_choice_of_blocks_is_repeatable(luma):
    assert effective_resolution(luma["astronaut"]) == effective_resolution(luma["astronaut"])


def test_moving_frames_are_left_out_while_three_others_remain(luma):
    sharp, soft = luma["astronaut"], softened(luma["astronaut"], 0.4)
    frames = [sharp, soft, soft, sharp, sharp]
    calm = shot_sharpness(frames, [0.1, 3.0, 3.0, 0.2, None])
    plain = shot_sharpness(frames[1:3] + frames[:1], [3.0, 3.0, 0.1])
    assert calm is not None
    assert plain is not None
    assert calm.log2_r == log2_r(sharp)
    assert plain.log2_r == log2_r(soft)
