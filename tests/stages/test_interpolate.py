from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames
from finishkit.measure.motion import duplicate_flags
from finishkit.settings import InterpolateSettings
from finishkit.stages.interpolate import Cadence, InterpolateStage

HEIGHT, WIDTH = 192, 128
REPAIR = Cadence(strength=1.0, confidence_min=0.7)


def texture(seed, height, width):
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((5, 0.4), (20, 0.35), (60, 0.25)):
        noise = rng.random((cells, cells, 3)).astype(np.float32)
        out += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(out, 0, 1)


BACK, FRONT = texture(1, HEIGHT, WIDTH + 120), texture(2, 60, 40) ** 2


def moving(frames=24, pan=1.5, walk=-3.0):
    """A pan, with something walking against it."""
    out = []
    for i in range(frames):
        shift = np.float32([[1, 0, -i * pan], [0, 1, 0]])
        picture = cv2.warpAffine(BACK, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        at = np.float32([[1, 0, 90 + i * walk], [0, 1, 70]])
        inside = cv2.warpAffine(np.ones((60, 40), np.float32), at, (WIDTH, HEIGHT))[..., None]
        front = cv2.warpAffine(FRONT, at, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        out.append(picture * (1 - inside) + front * inside)
    return np.stack(out).astype(np.float32)


def repeat(pictures, indices):
    out = pictures.copy()
    for i in indices:
        out[i] = out[i - 1]
    return out


def run(stage_filter, pictures, chunk=5, times=None):
    times = np.arange(len(pictures)) / 24 if times is None else times

    def chunks() -> Iterator[Frames]:
        for i in range(0, len(pictures), chunk):
            yield Frames(data=pictures[i : i + chunk].copy(), pts_s=times[i : i + chunk])

    notes = {}
    out = list(stage_filter(chunks(), notes))
    np.testing.assert_array_equal(np.concatenate([c.pts_s for c in out]), times)
    return np.concatenate([c.data for c in out]), notes


def dup_ratio(pictures):
    codes = np.round(pictures * 255).astype(np.uint8)
    return duplicate_flags(np.stack([cv2.cvtColor(c, cv2.COLOR_RGB2GRAY) for c in codes])).mean()


def psnr(a, b):
    return float(10 * np.log10(1 / max(np.mean((a - b) ** 2), 1e-12)))


@pytest.mark.parametrize(
    "indices",
    [[3, 7, 11, 15, 19], [9, 10], [8, 9, 10, 11, 12], [4, 5, 13, 17, 18]],
    ids=["every-fourth", "pair", "freeze", "mixed"],
)
def test_repeats_become_the_motion_that_was_missing(indices):
    true = moving()
    held = repeat(true, indices)
    assert dup_ratio(held) == len(indices) / len(held)
    out, notes = run(REPAIR, held)
    assert notes == {"interpolate.repaired": len(indices), "interpolate.kept": 0}
    assert dup_ratio(out) <= 0.02
    for i in indices:
        assert psnr(out[i], true[i]) > psnr(held[i], true[i]) + 5
    others = [i for i in range(len(true)) if i not in indices]
    np.testing.assert_array_equal(out[others], held[others])


def test_single_repeat_becomes_the_midpoint():
    true = moving(12, walk=0.0)
    out, _ = run(REPAIR, repeat(true, [6]))
    # The inside of the picture, where the pan brings in nothing new.
    assert psnr(out[6, 20:-20, 20:-20], true[6, 20:-20, 20:-20]) > 32


def test_uneven_times_keep_even_motion():
    true = moving(13, walk=0.0)
    held = repeat(true, [6])
    times = np.arange(13) / 24
    times[6] = times[5] + 0.25 / 24 * 2
    out, _ = run(REPAIR, held, times=times)
    shift = np.float32([[1, 0, -5.5 * 1.5], [0, 1, 0]])
    want = cv2.warpAffine(BACK, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    inner = np.s_[10:60, 20:60]
    assert psnr(out[6][inner], want[inner]) > psnr(out[6][inner], true[6][inner])


def test_repeats_at_the_end_are_spread_too():
    true = moving(16)
    held = repeat(true, [15])
    out, notes = run(REPAIR, held)
    assert notes["interpolate.repaired"] == 1
    np.testing.assert_array_equal(out[15], held[14])
    assert dup_ratio(out) == 0


def test_repeats_at_the_start_are_spread_too():
    true = moving(16)
    held = repeat(true, [1])
    out, notes = run(REPAIR, held)
    assert notes["interpolate.kept"] == 0
    assert dup_ratio(out) == 0


def test_nothing_is_made_up_across_a_cut():
    first, second = moving(12), np.ascontiguousarray(1 - moving(12)[:, ::-1])
    cut = np.concatenate([first, second])
    held = repeat(cut, [11])
    out, notes = run(REPAIR, held)
    assert notes == {"interpolate.repaired": 0, "interpolate.kept": 1}
    np.testing.assert_array_equal(out, held)


def test_motion_nobody_can_follow_is_kept():
    noise = np.random.default_rng(0).random((12, HEIGHT, WIDTH, 3)).astype(np.float32)
    blurred = np.stack([cv2.GaussianBlur(n, (0, 0), 2) for n in noise])
    blurred = np.clip(0.5 + 4 * (blurred - 0.5), 0, 1)
    held = repeat(blurred, [6])
    out, notes = run(REPAIR, held)
    assert notes["interpolate.kept"] == 1
    np.testing.assert_array_equal(out, held)


@pytest.mark.parametrize("length", [11, 14, 16, 30])
def test_long_still_is_kept(length):
    held = repeat(moving(16 + length), range(8, 8 + length))
    # Not exact, as an encoder leaves it.
    wobble = np.random.default_rng(0).normal(0, 0.002, (len(held), 1, 1, 1))
    held = np.clip(held + wobble, 0, 1).astype(np.float32)
    out, notes = run(REPAIR, held)
    assert notes == {"interpolate.repaired": 0, "interpolate.kept": length}
    np.testing.assert_array_equal(out, held)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_shortest_shots_pass_untouched(frames):
    held = np.repeat(moving(1), frames, axis=0)
    out, _ = run(REPAIR, held)
    np.testing.assert_array_equal(out, held)


def test_clean_motion_passes_untouched():
    true = moving()
    out, notes = run(REPAIR, true)
    np.testing.assert_array_equal(out, true)
    assert notes == {"interpolate.repaired": 0, "interpolate.kept": 0}


def test_strength_moves_a_repeat_part_of_the_way():
    true = moving(12, walk=0.0)
    held = repeat(true, [6])
    half, _ = run(Cadence(strength=0.5, confidence_min=0.7), held)
    shift = np.float32([[1, 0, -5.5 * 1.5], [0, 1, 0]])
    want = cv2.warpAffine(BACK, shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    inner = np.s_[10:60, 20:60]
    assert psnr(half[6][inner], want[inner]) > psnr(half[6][inner], true[6][inner])
    assert psnr(half[6][inner], want[inner]) > psnr(half[6][inner], held[6][inner])


def test_result_does_not_depend_on_the_chunks():
    held = repeat(moving(20), [3, 7, 8, 9, 15, 19])
    whole = run(REPAIR, held, chunk=20)[0]
    for chunk in (1, 3, 7):
        np.testing.assert_array_equal(run(REPAIR, held, chunk)[0], whole)


def test_only_shots_with_repeats_get_a_filter(shot_input):
    shots = [
        shot_input("clean", dup_ratio=0.0),
        shot_input("one", dup_ratio=0.019),
        shot_input("stutter", dup_ratio=0.25),
        shot_input("static", dup_ratio=None),
    ]
    filters = InterpolateStage().fit(shots, InterpolateSettings(strength=0.8, confidence_min=0.6))
    assert filters == {
        "clean": None,
        "one": None,
        "stutter": Cadence(strength=0.8, confidence_min=0.6),
        "static": None,
    }
    assert InterpolateStage().fit(shots, InterpolateSettings(strength=0.0))["stutter"] is None
