import itertools

import cv2
import numpy as np
import pytest

from finishkit.measure.flicker import flicker
from finishkit.measure.motion import (
    cadence,
    duplicate_flags,
    flags_from_differences,
    shake_pct,
    speed_pct,
    to_small_luma,
)
from finishkit.measure.noise import noise_sigma


def lumas(frames):
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def repeated(frames, order):
    return lumas(frames[np.array(order)])


def true_repeats(order):
    return np.array([False, *(a == b for a, b in itertools.pairwise(order))])


@pytest.mark.parametrize(
    "order",
    [
        [0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 9, 10],  # now and then
        [i // 2 for i in range(24)],  # every frame twice
        [i * 4 // 5 for i in range(30)],  # pulldown, 24 in 30
        [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 9, 10, 11, 12],  # a freeze, then a jump
        [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6],  # frozen to the end
        [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6],  # frozen from the start
        list(range(24)),  # none
    ],
)
def test_finds_exactly_the_repeats(pan, order):
    flags = duplicate_flags(repeated(pan(count=30, step_px=3), order))
    assert flags.dtype == bool
    assert flags.tolist() == true_repeats(order).tolist()


def test_survives_compression(pan, clip):
    from finishkit.frames import read_frames

    rng = np.random.default_rng(3)
    order = np.sort(np.concatenate([np.arange(36), rng.choice(36, 9, replace=False)]))
    path = clip("a", pan(count=36, step_px=3, size=(360, 360))[order], crf=23)
    frames = np.concatenate([c.as_uint8() for c in read_frames(path, dtype="uint8")])
    flags, truth = duplicate_flags(lumas(frames)), true_repeats(order.tolist())
    assert (flags & truth).sum() >= 0.85 * truth.sum()
    assert not (flags & ~truth).any()


def test_slowing_down_is_no_repeat():
    # Differences of motion that swings and stops: nothing here is ever shown twice.
    swing = 12 + 7 * np.sin(np.arange(48) * 0.9)
    lull = np.array([30.0, 65, 69, 22, 68, 36, 66, 20, 48, 22, 60, 18, 55])
    stop = np.array([9.0, 9, 7, 5, 4, 3, 2.2, 1.8, 1.6, 1.6, 1.7, 1.9, 2.4, 3, 4, 6, 8])
    for differences in (swing, lull, stop):
        assert not flags_from_differences(differences).any()


def test_repeats_of_a_slow_shot_are_found():
    # Differences of a nearly still talking head, encoded at CRF 12; then the same without repeats.
    slow = np.array([1.4, 2.1, 0.6, 1.3, 2.6, 1.5, 0.3, 1.8, 3.5, 2.0, 0.7, 1.6, 2.2])
    flags = flags_from_differences(slow)
    assert np.flatnonzero(flags).tolist() == [3, 7, 11]
    assert not flags_from_differences(np.where(slow < 1, slow + 1.0, slow)).any()
    fade = np.array([6.0, 5, 4, 3, 2, 1.4, 1, 0.6, 0.2, 0, 0, 0, 0.2, 0.6, 1, 2, 3, 5])
    assert not flags_from_differences(fade).any()


def test_a_still_picture_is_static_not_repeated(pan):
    still = cadence(np.zeros(20), 24.0)
    assert still.static
    assert still.dup_ratio is None
    assert cadence(np.array([9.0]), 24.0).dup_ratio is None


def test_the_effective_rate_leaves_repeats_out():
    rhythm = cadence(np.array([9.0, 0, 9, 0, 9, 0, 9]), 24.0)
    assert rhythm.dup_ratio == pytest.approx(3 / 8)
    assert rhythm.fps_eff == pytest.approx(15)


@pytest.mark.parametrize("jitter_px", [1.0, 2.0, 4.0])
def test_shake_reads_the_jitter_and_not_the_pan(pan, jitter_px):
    shaken = lumas(pan(count=40, step_px=1, jitter_px=jitter_px))
    assert shake_pct(shaken, 24.0) == pytest.approx(jitter_px / 270 * 100, rel=0.35)


def test_a_steady_pan_does_not_shake(pan):
    assert shake_pct(lumas(pan(count=24, step_px=3)), 24.0) == pytest.approx(0, abs=0.03)
    assert shake_pct(np.full((24, 200, 200), 90, np.uint8), 24.0) is None


def test_speed_is_in_percent_of_the_short_side(pan):
    a, b = lumas(pan(count=2, step_px=5))
    assert speed_pct(a, b) == pytest.approx(5 / 270 * 100, rel=0.05)


def test_small_luma_keeps_small_pictures(stills):
    assert to_small_luma(stills["coins"], 360).shape == stills["coins"].shape[:2]
    assert min(to_small_luma(stills["astronaut"], 360).shape) == 360


def gained(frames, gains):
    return np.clip(np.round(frames * np.asarray(gains)), 0, 255).astype(np.uint8)


@pytest.fixture
def moving(pan):
    return (pan(count=32, step_px=2, still="chelsea", size=(330, 270)) * 0.8).astype(np.uint8)


@pytest.mark.parametrize(("sigma", "low", "high"), [(0.01, 0.25, 0.9), (0.04, 1.0, 3.2)])
def test_flicker_of_the_whole_is_read_in_l_star(moving, sigma, low, high):
    gains = 1 + sigma * np.random.default_rng(1).normal(size=(32, 1, 1, 1))
    found, clean = flicker(gained(moving, gains)), flicker(moving)
    assert clean.whole is not None
    assert found.whole is not None
    assert clean.whole < 0.1
    assert low < found.whole < high


def test_flicker_of_places_is_not_of_the_whole(moving):
    rng = np.random.default_rng(2)
    gains = np.stack(
        [
            cv2.resize(rng.normal(size=(6, 8)), (330, 270), interpolation=cv2.INTER_CUBIC)
            for _ in moving
        ]
    )
    found, clean = flicker(gained(moving, 1 + 0.02 * gains[..., None])), flicker(moving)
    assert found.local is not None
    assert clean.local is not None
    assert found.local > 0.3 > 3 * clean.local


def test_flicker_of_colour(moving):
    swing = 0.02 * np.random.default_rng(4).normal(size=(32, 1, 1))
    gains = np.stack([1 + swing, np.ones_like(swing), 1 - swing], axis=-1)
    found = flicker(gained(moving, gains))
    assert found.chroma is not None
    assert found.whole is not None
    assert found.chroma > 0.5 > found.whole


def test_a_fade_is_no_flicker(moving):
    faded = gained(moving, np.linspace(1, 0.5, 32).reshape(-1, 1, 1, 1))
    found = flicker(faded)
    assert found.whole is not None
    assert found.whole < 0.1


def test_strong_flicker_is_flicker_and_not_unknown(moving):
    gains = 1 + 0.15 * np.random.default_rng(5).normal(size=(32, 1, 1, 1))
    whole = flicker(gained(moving, gains)).whole
    assert whole is not None
    assert whole > 2


def test_a_cut_inside_the_clip_is_no_flicker(pan):
    size = (270, 270)
    both = [pan(count=16, step_px=2, still=name, size=size) for name in ("coffee", "astronaut")]
    found = flicker(np.concatenate(both))
    assert found.whole is not None
    assert found.local is not None
    assert found.whole < 0.1
    assert found.local < 0.2


def test_unrelated_pictures_are_undetermined():
    rng = np.random.default_rng(6)
    noise = [cv2.resize(rng.integers(0, 255, (9, 9, 3), np.uint8), (270, 270)) for _ in range(10)]
    found = flicker(np.stack(noise))
    assert found.whole is None
    assert found.local is None
    assert flicker(np.stack(noise)[:3]).whole is None


@pytest.mark.parametrize("level", [0.12, 0.3])
def test_flicker_of_a_dark_shot_is_read_in_its_lit_places(moving, level):
    # Two thirds of the picture black: there 2 % of light is less than a code.
    frames = (moving * level).astype(np.uint8)
    frames[:, :, 100:] = frames[:, :, 100:] // 8
    frames[:, 60:200, 20:80] = moving[:, 60:200, 20:80]
    gains = 1 + 0.02 * np.random.default_rng(9).normal(size=(32, 1, 1, 1))
    found, clean = flicker(gained(frames, gains)).whole, flicker(frames).whole
    assert found is not None
    assert clean is not None
    assert found > 0.4 > 4 * clean


def test_a_picture_of_a_few_pixels_has_no_flicker():
    assert flicker(np.zeros((12, 2, 2, 3), np.uint8)).whole is None


def test_one_flash_is_no_flicker(moving):
    frames = moving.copy()
    frames[12] = np.clip(frames[12] * 1.6, 0, 255).astype(np.uint8)
    found = flicker(frames).whole
    assert found is not None
    assert found < 0.25


def test_flat_white_studio_is_finite(pan):
    # More than 70 % of the picture has no gradient at all: its percentile is zero.
    frames = np.full((12, 270, 270, 3), 240, np.uint8)
    frames[:, 100:160, 100:160] = pan(count=12, size=(60, 60))
    found = flicker(frames)
    assert found.whole == pytest.approx(0, abs=0.05)
    assert found.chroma == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 8.0])
def test_noise_is_read_in_codes(luma, sigma):
    rng = np.random.default_rng(8)
    for name in ("astronaut", "coffee", "rocket"):
        # Softened: what is left to measure is the noise that is put on.
        clean = cv2.GaussianBlur(luma[name], (0, 0), 2).astype(float)
        noisy = np.clip(np.round(clean + rng.normal(0, sigma, clean.shape)), 0, 255)
        assert noise_sigma(noisy.astype(np.uint8)) == pytest.approx(sigma, rel=0.25)


def test_noise_of_black_is_unknown():
    assert noise_sigma(np.zeros((400, 400), np.uint8)) is None
    assert noise_sigma(np.full((8, 8), 128, np.uint8)) is None
