"""Sharpness to target: into the band from both sides, nearer to the truth, no harm elsewhere."""

import math
import pickle

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames
from finishkit.measure.sharpness import effective_resolution
from finishkit.settings import SharpenSettings
from finishkit.shots import ShotId
from finishkit.stages.deconvolve import within_neighbours
from finishkit.stages.sharpen import (
    MAX_RAISE_OCT,
    Band,
    Sharpen,
    SharpenStage,
    bands,
    solve_sharpen,
)

SETTINGS = SharpenSettings()


def photograph():
    from skimage import data

    return data.astronaut()[:384, 64:448]


def blurred(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def eff_oct(picture):
    found = effective_resolution(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    assert found is not None
    return found.log2_r + math.log2(min(picture.shape[:2]))


def psnr_db(a, b):
    return -10 * math.log10(np.mean((a.astype(float) - b) ** 2) / 255**2)


def treated(sharpen, picture):
    (out,) = sharpen(iter([Frames(data=picture[None], pts_s=np.zeros(1))]), {})
    return out.as_uint8()[0]


def made(**changes):
    values = {"blur_px": 1.2, "regular": 0.01, "skin_share": 0.5, "core_codes": 3.0,
              "before_oct": 8.0, "goal_oct": 8.0, "after_oct": 8.0}  # fmt: skip
    return Sharpen(**{**values, **changes})


@pytest.fixture(scope="module")
def solved():
    truth = photograph()
    soft = blurred(truth, 1.1)
    band = Band(centre_oct=eff_oct(truth), half_oct=0.15)
    found = solve_sharpen(soft[None], band, SETTINGS)
    assert found is not None
    return truth, soft, band, found


def test_half_the_gap_is_closed_and_the_picture_nears_the_truth(solved):
    truth, soft, band, found = solved
    sharp = treated(found, soft)
    before, after = (eff_oct(p) - band.centre_oct for p in (soft, sharp))
    assert before < -0.6
    assert abs(after) <= 0.5 * abs(before)
    assert eff_oct(sharp) <= band.upper_oct
    assert psnr_db(sharp, truth) > psnr_db(soft, truth) + 2


def test_what_it_says_it_reached_is_what_is_there(solved):
    _, soft, _, found = solved
    assert found.after_oct == pytest.approx(eff_oct(treated(found, soft)), abs=0.02)
    assert found.before_oct == pytest.approx(eff_oct(soft), abs=1e-6)


def test_a_shot_above_the_band_is_softened_into_it():
    truth = photograph()
    band = Band(centre_oct=eff_oct(truth) - 0.6, half_oct=0.15)
    found = solve_sharpen(truth[None], band, SETTINGS)
    assert found is not None
    after = eff_oct(treated(found, truth))
    assert band.centre_oct - 0.15 <= after <= band.upper_oct


def test_a_shot_in_its_band_or_without_texture_is_left_alone():
    truth = photograph()
    band = Band(centre_oct=eff_oct(truth) + 0.1, half_oct=0.15)
    assert solve_sharpen(truth[None], band, SETTINGS) is None
    fog = np.full((1, 200, 150, 3), 130, np.uint8)
    assert solve_sharpen(fog, band, SETTINGS) is None


@pytest.mark.parametrize(
    ("own", "strength", "goal"),
    [
        (8.0, 0.8, 8.0),  # in the band
        (7.9, 0.0, 7.9),
        (7.5, 1.0, 7.925),  # to half of the band
        (7.5, 0.5, 7.7125),
        (9.0, 1.0, 8.075),
        (9.0, 0.1, 8.12),  # never above the upper bound, however weak
        (5.0, 1.0, 5.0 + MAX_RAISE_OCT),
    ],
)
def test_goals(own, strength, goal):
    assert Band(centre_oct=8.0, half_oct=0.15).goal_oct(own, strength) == pytest.approx(goal)


@pytest.mark.parametrize(("scatter", "follows"), [(0.05, (0.6, 1.0)), (0.5, (0.02, 0.25))])
def test_scenes_are_drawn_to_the_episode_the_more_their_shots_scatter(shot_input, scatter, follows):
    shots = [
        shot_input(f"{scene}{i}", scene=scene, eff_px=px * 2**step)
        for scene, px in (("a", 200), ("b", 400), ("c", 400))
        for i, step in enumerate((-2 * scatter, -scatter, 0, scatter, 2 * scatter))
    ]
    shots.append(shot_input("unknown", scene="a", eff_px=None))
    found = bands(shots, SETTINGS)
    assert "unknown" not in found
    soft, crisp = found[ShotId("a0")], found[ShotId("b0")]
    assert {found[s.id] for s in shots[:5]} == {soft}
    low, high = follows
    assert low < crisp.centre_oct - soft.centre_oct < high
    crisper = bands(shots, SETTINGS.replace(target_oct=0.2))
    assert crisper[ShotId("a0")].centre_oct == pytest.approx(soft.centre_oct + 0.2)


def test_two_shots_set_no_standard(shot_input):
    assert bands([shot_input("a", eff_px=200.0), shot_input("b", eff_px=400.0)], SETTINGS) == {}


def test_flat_places_keep_their_grain():
    rng = np.random.default_rng(3)
    grainy = blurred(photograph(), 1.6)
    grainy[:, :192] = 120
    grainy = np.clip(grainy + rng.normal(0, 1.5, grainy.shape[:2])[..., None], 0, 255)
    grainy = grainy.round().astype(np.uint8)

    def flat(core_codes):
        return float(treated(made(core_codes=core_codes), grainy)[8:, 8:180].std())

    before = float(grainy[8:, 8:180].std())
    assert flat(4.5) < 1.1 * before
    assert flat(0.1) > 1.3 * flat(4.5)


def test_no_halo_passes_the_neighbourhood():
    step = np.full((64, 64, 3), 40, np.uint8)
    step[:, 32:] = 200
    sharp = treated(made(), blurred(step, 1.6))
    assert sharp.min() >= 39
    assert sharp.max() <= 201
    assert np.abs(np.diff(sharp[32, :, 0].astype(int))).max() > 1.3 * np.abs(
        np.diff(blurred(step, 1.6)[32, :, 0].astype(int))
    ).max()  # fmt: skip


def test_the_limit_is_the_neighbourhoods_range():
    rng = np.random.default_rng(5)
    luma = rng.random((20, 30)).astype(np.float32)
    out = luma + within_neighbours(luma, rng.normal(0, 2, luma.shape).astype(np.float32))
    square = np.ones((5, 5), np.uint8)
    assert (out <= cv2.dilate(luma, square) + 1e-6).all()
    assert (out >= cv2.erode(luma, square) - 1e-6).all()


def test_slanted_edges_do_not_become_saw_teeth(monkeypatch):
    y, x = np.mgrid[0:384, 0:384]
    stairs = np.where(y > 0.35 * x + 100, 210.0, 40.0).astype(np.float32)
    small = cv2.resize(stairs, (38, 38), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (96, 96), interpolation=cv2.INTER_LINEAR)
    picture = np.repeat(enlarged[..., None].round().astype(np.uint8), 3, 2)
    sharpen = made(blur_px=1.0, regular=0.002)

    def ripple():
        sharp = treated(sharpen, picture).astype(float)
        # Along a straight edge every row is the one above, moved by 1 / 0.35 pixels.
        rows = [
            np.interp(np.arange(20, 70) + k / 0.35, np.arange(96), sharp[40 + k, :, 0])
            for k in range(7)
        ]
        return float(np.std(rows, axis=0).mean())

    steered = ripple()
    monkeypatch.setattr("finishkit.stages.sharpen.along_edges", lambda _, changed: changed)
    assert steered < 0.75 * ripple()


def test_skin_gets_the_smaller_share():
    rng = np.random.default_rng(7)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (128, 128)), (0, 0), 1.6)[..., None] / 255
    changes = []
    for colour in ((0.82, 0.62, 0.52), (0.30, 0.45, 0.75)):
        picture = np.clip(np.array(colour) + texture, 0, 1).astype(np.float32)
        changes.append([
            float(np.abs(made(skin_share=share).picture(picture) - picture).mean())
            for share in (1.0, 0.25)
        ])  # fmt: skip
    (skin_whole, skin), (wall_whole, wall) = changes
    assert skin < 0.55 * skin_whole
    assert wall > 0.9 * wall_whole


def test_strength_zero_is_no_filter_and_filters_travel(shot_input):
    shots = [shot_input("a"), shot_input("b")]
    found = {ShotId("a"): made(), ShotId("b"): None}
    assert SharpenStage().fit(shots, SETTINGS, solved=found) == found
    assert SharpenStage().fit(shots, SETTINGS.replace(strength=0.0), solved=found) == {
        "a": None,
        "b": None,
    }
    assert pickle.loads(pickle.dumps(made())) == made()


@pytest.mark.footage
@pytest.mark.slow
def test_blurred_shots_of_the_planted_episode_near_their_scene_and_their_twin(footage):
    from bench.sharpness import PLANTED, table

    rows = table(footage, SETTINGS, only=PLANTED)
    assert [row.shot for row in rows] == list(PLANTED)
    for row in rows:
        assert row.left <= 0.5
        assert row.after_oct <= row.band.upper_oct
        assert row.psnr_db is not None
        assert row.psnr_db[1] > row.psnr_db[0]
