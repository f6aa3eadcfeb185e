import cv2
import numpy as np
import pytest

from calibration.degrade import blurred_around, compressed, exposed, flattened, noisy, softened
from finishkit.measure.classes import class_px, fake_hd
from finishkit.measure.sharpness import (
    MIN_CONFIDENCE,
    effective_resolution,
    face_sharpness,
    shot_sharpness,
)

WAYS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


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


@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.5])
def test_exposure_and_contrast_are_not_sharpness(luma, ratio):
    for picture in luma.values():
        plain = softened(picture, ratio)
        before = log2_r(plain)
        assert abs(log2_r(exposed(plain, -1.5)) - before) < 0.05
        assert abs(log2_r(flattened(plain, 0.6)) - before) < 0.05


def test_noise_does_not_make_a_soft_picture_sharp(luma):
    native = [log2_r(picture) for picture in luma.values()]
    noisy_half = [log2_r(noisy(softened(picture, 0.5), 4)) for picture in luma.values()]
    assert max(noisy_half) < min(native)
    plain_half = [log2_r(softened(picture, 0.5)) for picture in luma.values()]
    assert np.median(np.subtract(noisy_half, plain_half)) < 0.1


def test_noise_over_a_clipped_background_is_still_noise(luma):
    # Clipping halves the noise of white and black places, of all the flattest.
    picture = softened(luma["astronaut"], 0.5).copy()
    picture[:, :200] = 255
    assert log2_r(noisy(picture, 4)) == pytest.approx(log2_r(picture), abs=0.15)


@pytest.mark.parametrize("crf", [23, 28])
def test_compression_inflates_soft_pictures_by_less_than_an_octave_half(luma, crf):
    half = [softened(picture, 0.5) for picture in luma.values()]
    added = [log2_r(compressed(picture, crf)) - log2_r(picture) for picture in half]
    assert np.median(added) < 0.5
    assert max(log2_r(compressed(picture, crf)) for picture in half) < min(
        map(log2_r, luma.values())
    )


def test_a_close_up_with_a_soft_background_is_not_soft(luma):
    for picture in luma.values():
        assert log2_r(blurred_around(picture)) > log2_r(softened(picture, 0.5))


@pytest.mark.parametrize("sigma", [3.0, 5.0, 10.0])
def test_out_of_all_focus_is_the_softest_of_all(luma, sigma):
    # A quadratic alone turns up again there, and read 0.6 to 0.9.
    for picture in luma.values():
        assert 2 ** log2_r(cv2.GaussianBlur(picture, (0, 0), sigma)) < 0.36


def test_enlarging_a_file_adds_no_real_pixels(luma):
    small = luma["chelsea"]
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found_small, found_large = effective_resolution(small), effective_resolution(large)
    assert found_small is not None
    assert found_large is not None
    octaves = np.log2(found_large.r * min(large.shape)) - np.log2(found_small.r * min(small.shape))
    assert abs(octaves) < 0.5


def test_says_nothing_where_there_is_nothing_to_judge_by(luma):
    grey = np.full((400, 300), 128, np.uint8)
    fog = np.round(luma["astronaut"] * 0.02 + 180).astype(np.uint8)
    noise = noisy(grey, 2)
    for picture in (
        grey,
        np.zeros_like(grey),
        noise,
        fog,
        noisy(fog, 2),
        grey[:60],
        luma["camera"][:80, :80],
    ):
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


def face_picture(luma):
    return luma["astronaut"], (155.0, 50.0, 300.0, 195.0)


def test_a_face_is_judged_by_its_own_pixels(luma):
    picture, box = face_picture(luma)
    soft_around = blurred_around_box(picture, box)
    own, other = face_sharpness(picture, box), face_sharpness(soft_around, box)
    assert own is not None
    assert other is not None
    assert own.confidence >= MIN_CONFIDENCE
    assert other.log2_r == pytest.approx(own.log2_r, abs=0.02)
    read = [face_sharpness(softened(picture, ratio), box) for ratio in (1.0, 0.67, 0.5, 0.33)]
    values = [found.log2_r for found in read if found is not None]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert values[2] == pytest.approx(-1, abs=0.3)


def blurred_around_box(picture, box):
    soft = cv2.GaussianBlur(picture, (0, 0), 4)
    left, top, right, bottom = (round(edge) for edge in box)
    margin = 40
    rows, columns = slice(top - margin, bottom + margin), slice(left - margin, right + margin)
    soft[rows, columns] = picture[rows, columns]
    return soft


def test_a_small_or_smooth_face_is_unknown(luma):
    picture, (left, top, right, bottom) = face_picture(luma)
    assert face_sharpness(picture, (left, top, left + 127, bottom)) is None
    assert face_sharpness(np.full_like(picture, 90), (left, top, right, bottom)) is None


def test_a_face_may_reach_over_the_edge(luma):
    picture = luma["astronaut"]
    assert face_sharpness(picture, (-30.0, 300.0, 200.0, 560.0)) is not None
    assert face_sharpness(picture, (-300.0, 300.0, -100.0, 560.0)) is None


@pytest.mark.parametrize(
    ("eff_px", "short_px"),
    [(50, 270), (300, 270), (520, 540), (505, 480), (700, 720), (2500, 2160)],
)
def test_names_the_nearest_class_by_ratio(eff_px, short_px):
    assert class_px(eff_px) == short_px


def test_only_what_claims_to_be_hd_can_be_fake(luma):
    assert fake_hd(np.log2(0.59), 1080) == "yes"
    assert fake_hd(np.log2(0.65), 1080) == "maybe"
    assert fake_hd(np.log2(0.75), 1080) == "no"
    assert fake_hd(np.log2(0.3), 720) == "no"
    large = cv2.resize(luma["astronaut"], (1080, 1080), interpolation=cv2.INTER_CUBIC)
    found = shot_sharpness([large] * 5)
    assert found is not None
    assert fake_hd(found.log2_r, 1080) == "yes"
