"""What every stage promises, whatever it does."""

import pickle
from dataclasses import FrozenInstanceError, fields

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames
from finishkit.shots import ShotId
from finishkit.stages.camera_path import CameraPath
from finishkit.stages.deflicker import DeflickerStage
from finishkit.stages.faces import FacesStage
from finishkit.stages.grade import GradeStage
from finishkit.stages.grain import GrainStage
from finishkit.stages.interpolate import InterpolateStage
from finishkit.stages.sharpen import Sharpen, SharpenStage
from finishkit.stages.stabilise import StabiliseStage
from finishkit.stages.upscale import UpscaleStage
from finishkit.template import (
    DeflickerSettings,
    FacesSettings,
    GradeSettings,
    GrainSettings,
    InterpolateSettings,
    SharpenSettings,
    StabiliseSettings,
    UpscaleSettings,
)

ILL = {"flick_g": 1.0, "flick_l": 1.0, "flick_c": 1.0, "dup_ratio": 0.3, "eff_r": 0.9}
ILL["shake_pct"] = 1.0
SHAKEN = CameraPath(
    bends=np.random.default_rng(1).normal(0, 0.01, (13, 4)) * [1, 1, 0.3, 0.1],
    cuts=(), repeats=np.zeros(13, bool), aspect=80 / 46,
)  # fmt: skip
SHARPENED = Sharpen(
    blur_px=1.0, regular=0.01, skin_share=0.5, core_codes=3.0,
    before_oct=7.0, goal_oct=7.5, after_oct=7.5,
)  # fmt: skip
STAGES = {
    "faces": (FacesStage(), FacesSettings(), {}),
    "deflicker": (DeflickerStage(), DeflickerSettings(), {}),
    "interpolate": (InterpolateStage(), InterpolateSettings(), {}),
    "upscale": (UpscaleStage(), UpscaleSettings(model="lanczos"), {"out_size_px": (72, 128)}),
    "grade": (GradeStage(), GradeSettings(saturation=1.1, contrast=1.05), {}),
    "sharpen": (SharpenStage(), SharpenSettings(), {"solved": {ShotId("a"): SHARPENED}}),
    "grain": (GrainStage(), GrainSettings(), {}),
    "stabilise": (StabiliseStage(), StabiliseSettings(), {"paths": {ShotId("a"): SHAKEN}}),
}
CONTENT = ["faces", "deflicker", "interpolate", "grade", "stabilise"]


def clip(frames=13, height=80, width=46):
    """A pan with flicker and repeats, of odd and even sizes."""
    rng = np.random.default_rng(7)
    coarse = rng.random((9, 14, 3)).astype(np.float32)
    world = cv2.resize(coarse, (width + 60, height), interpolation=cv2.INTER_CUBIC)
    starts = [2 * (i - (i % 4 == 3)) for i in range(frames)]
    cut = np.stack([world[:, s : s + width] for s in starts])
    swing = 1 + 0.03 * rng.normal(size=(frames, 1, 1, 1))
    return np.clip(0.1 + 0.7 * cut * swing, 0, 1).astype(np.float32)


@pytest.fixture(params=STAGES)
def fitted(request, shot_input):
    stage, settings, extra = STAGES[request.param]
    samples = np.round(clip()[::4] * 255).astype(np.uint8)
    found = stage.fit([shot_input("a", samples, **ILL)], settings, **extra)
    assert set(found) == {"a"}
    stage_filter = found[ShotId("a")]
    assert stage_filter is not None
    return request.param, stage_filter


def run(stage_filter, pictures, chunk, dtype=np.float32):
    times = 0.5 + np.arange(len(pictures)) / 25
    chunks = []
    for i in range(0, len(pictures), chunk):
        data = pictures[i : i + chunk]
        data = np.round(data * 255).astype(np.uint8) if dtype == np.uint8 else data.copy()
        chunks.append(Frames(data=data, pts_s=times[i : i + chunk]))
    before = [c.data.copy() for c in chunks]
    notes = {}
    out = list(stage_filter(iter(chunks), notes))
    for chunk_in, data in zip(chunks, before, strict=True):
        np.testing.assert_array_equal(chunk_in.data, data)
    return out, times, notes


@pytest.mark.parametrize("dtype", [np.float32, np.uint8], ids=["float32", "uint8"])
def test_frames_in_are_frames_out_and_inputs_are_not_written(fitted, dtype):
    name, stage_filter = fitted
    out, times, notes = run(stage_filter, clip(), 4, dtype)
    data = np.concatenate([c.as_float() for c in out])
    assert len(data) == 13
    np.testing.assert_array_equal(np.concatenate([c.pts_s for c in out]), times)
    assert np.isfinite(data).all()
    assert data.min() >= 0
    assert data.max() <= 1
    assert all(key.startswith(f"{name}.") for key in notes)
    assert all(np.isfinite(value) for value in notes.values())


def test_chunk_size_changes_no_bit(fitted):
    _, stage_filter = fitted
    whole, _, notes = run(stage_filter, clip(), 13)
    want = np.concatenate([c.data for c in whole])
    for chunk in (1, 5):
        out, _, again = run(stage_filter, clip(), chunk)
        np.testing.assert_array_equal(np.concatenate([c.data for c in out]), want)
        assert again == notes


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(1, 80, 46), (2, 33, 61), (9, 47, 29), (3, 17, 16)]
)
def test_short_shots_and_odd_sizes(fitted, frames, height, width):
    name, stage_filter = fitted
    out, times, _ = run(stage_filter, clip(frames, height, width), 2)
    assert sum(len(c) for c in out) == len(times)
    if name != "upscale":
        assert out[0].data.shape[1:] == (height, width, 3)


def test_no_frames_give_no_frames(fitted):
    _, stage_filter = fitted
    assert list(stage_filter(iter([]), {})) == []


@pytest.mark.parametrize("level", [0.0, 1.0], ids=["black", "white"])
def test_flat_pictures_stay_flat(fitted, level):
    _, stage_filter = fitted
    flat = np.full((6, 48, 32, 3), level, np.float32)
    out, _, _ = run(stage_filter, flat, 3)
    data = np.concatenate([c.as_float() for c in out])
    assert data.max() - data.min() < 1 / 255


def test_it_looks_ahead_a_bounded_number_of_frames(fitted):
    _, stage_filter = fitted
    taken = 0

    def endless():
        nonlocal taken
        pictures = clip(8, 48, 32)
        while True:
            pts = np.arange(taken, taken + 1) / 25
            yield Frames(data=pictures[taken % 8 : taken % 8 + 1].copy(), pts_s=pts)
            taken += 1

    out = stage_filter(endless(), {})
    for _ in range(6):
        next(out)
    assert taken <= 6 + 32


def test_filters_are_frozen_and_travel(fitted):
    _, stage_filter = fitted
    again = pickle.loads(pickle.dumps(stage_filter))
    first, second = run(stage_filter, clip(5), 2)[0], run(again, clip(5), 2)[0]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    with pytest.raises(FrozenInstanceError):
        setattr(stage_filter, fields(stage_filter)[0].name, 0)


@pytest.mark.parametrize("name", CONTENT)
def test_strength_zero_is_no_filter(name, shot_input):
    stage, settings, extra = STAGES[name]
    off = settings.replace(strength=0.0)
    shots = [shot_input("a", **ILL), shot_input("b", **ILL)]
    assert stage.fit(shots, off, **extra) == {"a": None, "b": None}


@pytest.mark.parametrize("name", STAGES)
def test_names_are_tables_of_the_template(name):
    stage = STAGES[name][0]
    assert stage.name == name
    assert stage.version >= 1


@pytest.mark.parametrize("name", STAGES)
def test_no_shots_give_no_filters(name):
    stage, settings, extra = STAGES[name]
    assert dict(stage.fit([], settings, **extra)) == {}
