"""Grain: the same over the set, no place lighter for it, every frame its own."""

import pickle

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames
from finishkit.measure.noise import noise_sigma
from finishkit.settings import GrainSettings
from finishkit.shots import ShotId
from finishkit.stages.grain import Clean, Grain, GrainStage, own_grain

SIZE = (480, 270)


def plain(level=0.5, size=SIZE):
    return np.full((*size, 3), level, np.float32)


def graded(picture, chunk=1, frames=1, sigma=2.0, strength=1.0, shot="a", notes=None):
    grain = Grain(shot=shot, sigma_codes=sigma, strength=strength)
    pts = 0.25 + np.arange(frames) / 24
    parts = [
        Frames(data=np.stack([picture] * len(t)), pts_s=t)
        for t in (pts[i : i + chunk] for i in range(0, frames, chunk))
    ]
    out = list(grain(iter(parts), {} if notes is None else notes))
    return np.concatenate([c.data for c in out])


def sigma_codes(picture, like):
    return float((picture - like)[..., 0].std() * 255)


def noisy(codes, seed=1, size=SIZE):
    noise = np.random.default_rng(seed).normal(0, codes / 255, (*size, 1))
    return np.clip(plain(size=size) + noise, 0, 1).astype(np.float32)


def test_grain_is_as_strong_as_asked_and_neutral():
    for sigma in (0.5, 1.0, 3.0):
        got = graded(plain(), sigma=sigma)[0]
        assert sigma_codes(got, plain()) == pytest.approx(sigma, rel=0.04)
        np.testing.assert_allclose(got[..., 0], got[..., 2], atol=1e-6)


def test_shots_with_and_without_noise_end_alike():
    notes = {}
    bare, own = graded(plain())[0], graded(noisy(1.2), shot="b", notes=notes)[0]
    assert notes["grain.own_codes"] == pytest.approx(1.2, rel=0.12)
    assert sigma_codes(own, plain()) == pytest.approx(sigma_codes(bare, plain()), rel=0.06)
    coarse = noisy(3.0)
    np.testing.assert_array_equal(graded(coarse)[0], coarse)


def test_no_place_becomes_lighter():
    got = graded(plain(size=(960, 540)), sigma=4.0)[0]
    cells = cv2.resize(got - 0.5, (9, 16), interpolation=cv2.INTER_AREA) * 255
    assert np.abs(cells).max() < 0.05


def test_black_and_white_have_less():
    middle, dark, black = (sigma_codes(graded(plain(v))[0], plain(v)) for v in (0.5, 0.1, 0.02))
    assert black < 0.5 * middle
    assert black < dark < 0.8 * middle
    assert abs(float(graded(plain(0.0))[0].mean())) < 0.2 / 255


def test_two_runs_and_all_chunks_give_the_same_bits_and_every_frame_its_own():
    whole = graded(plain(), chunk=7, frames=7)
    for chunk in (1, 3):
        np.testing.assert_array_equal(graded(plain(), chunk=chunk, frames=7), whole)
    flat = whole[..., 0].reshape(7, -1)
    related = np.corrcoef(np.vstack([flat, graded(plain(), shot="b")[..., 0].reshape(1, -1)]))
    assert np.abs(related - np.eye(8)).max() < 0.05


def test_grain_at_the_masters_size_is_a_little_larger_than_a_pixel():
    got = graded(plain(size=(2160, 2160)))[0][..., 0]
    near = np.corrcoef(got[:, :-1].ravel(), got[:, 1:].ravel())[0, 1]
    far = np.corrcoef(got[:, :-3].ravel(), got[:, 3:].ravel())[0, 1]
    assert 0.35 < near < 0.6
    assert abs(far) < 0.1


def test_none_wanted_is_no_filter(shot_input):
    shots = [shot_input("a", noise_sigma=3.0)]
    stage = GrainStage()
    for settings in (GrainSettings(strength=0.0), GrainSettings(sigma_codes=0.0)):
        assert stage.fit(shots, settings) == {"a": None}
    assert stage.clean(shots, GrainSettings(strength=0.0)) == {"a": None}
    assert stage.clean(shots, GrainSettings(denoise=0.0)) == {"a": None}
    assert stage.fit([], GrainSettings()) == {}
    found = stage.fit(shots, GrainSettings())[ShotId("a")]
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("noise", "share"), [(None, None), (0.4, None), (1.0, None), (1.25, 0.2), (4.0, 0.3)]
)
def test_only_what_is_noisier_is_cleaned_and_by_no_more_than_allowed(shot_input, noise, share):
    found = GrainStage().clean([shot_input("a", noise_sigma=noise)], GrainSettings())[ShotId("a")]
    if share is None:
        assert found is None
    else:
        assert found is not None
        assert found.share == pytest.approx(share)


def test_cleaning_takes_noise_and_leaves_detail():
    from skimage import data

    truth = data.astronaut()[:256, 128:384].astype(np.float32) / 255
    noise = np.random.default_rng(2).normal(0, 4 / 255, (256, 256, 1))
    dirty = np.clip(truth + noise, 0, 1).astype(np.float32)
    clean = Clean(noise_codes=4.0, share=0.6)
    (got,) = clean(iter([Frames(data=np.stack([dirty]), pts_s=np.zeros(1))]), {})

    def error(picture):
        return float(((picture - truth) ** 2).mean())

    assert error(got.data[0]) < 0.7 * error(dirty)
    levels = [noise_sigma(np.round(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) * 255).astype(np.uint8))
              for p in (dirty, got.data[0])]  # fmt: skip
    assert levels[0] is not None
    assert levels[1] is not None
    assert levels[1] < 0.65 * levels[0]
    (same,) = clean(iter([Frames(data=np.stack([truth]), pts_s=np.zeros(1))]), {})
    assert np.abs(same.data[0] - truth).mean() < 0.8 / 255


def test_the_grain_of_a_black_frame_is_unknown():
    assert own_grain(plain(0.0)) is None
