"""The shipped calibration is what its script makes, and holds for contents it has not seen."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.degrade import WAYS, exposed, flattened, softened
from calibration.fit_sharpness import (
    FOOTAGE,
    auc,
    calibrate,
    fit_both,
    held_out,
    pictures,
    reductions,
    samples,
)
from finishkit.frames import probe, read_frames
from finishkit.measure.identity import load_backend
from finishkit.measure.sharpness import (
    MIN_CONFIDENCE,
    effective_resolution,
    face_sharpness,
    shot_sharpness,
    texture_spectrum,
)
from finishkit.measure.sharpness_fit import calibration, regressed

pytestmark = pytest.mark.slow
SHARES = (0.3, 0.5, 0.7)
"""Frames of a clip that the fit has not seen either."""


@pytest.fixture(scope="module")
def of_stills():
    found = samples(pictures(None))
    return found, held_out(found)


@pytest.fixture(scope="module")
def of_footage():
    found = samples(pictures(Path(os.environ["FINISHKIT_FOOTAGE"])))
    return found, held_out(found)


@pytest.fixture(scope="module")
def native():
    """Three frames as they are of each clip or photograph that the fit knows."""
    footage = Path(os.environ["FINISHKIT_FOOTAGE"])
    return {name: list(_frames(footage / name)) for name in FOOTAGE}


def _frames(path):
    if path.suffix == ".jpg":
        yield cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        return
    count = probe(path).frame_count
    for chunk in read_frames(
        path, dtype="uint8", chunk=1, indices=[int(count * share) for share in SHARES]
    ):
        yield chunk.as_uint8()[0].copy()


def _luma(frame):
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _of_kind(found, estimates, kind):
    return {s.picture: e for s, e in zip(found, estimates, strict=True) if s.kind == kind}


def test_photographs_alone_make_a_calibration(of_stills):
    found, estimates = of_stills
    fitted = calibrate(found, estimates)
    assert fitted.pictures == len(fitted.contents) == 12
    assert fitted.auc_full_half >= 0.98
    # Measured 0.187 and 0.995: twelve contents are few.
    assert fitted.mean_error_octaves < 0.22


@pytest.mark.footage
def test_the_shipped_data_are_what_the_script_makes(of_footage):
    found, estimates = of_footage
    fitted, shipped = calibrate(found, estimates), calibration()
    assert fitted.contents == shipped.contents
    assert fitted.pictures == shipped.pictures
    # Another build of x264 or OpenCV moves them a little.
    assert fitted.auc_full_half == pytest.approx(shipped.auc_full_half, abs=0.002)
    assert fitted.mean_error_octaves == pytest.approx(shipped.mean_error_octaves, abs=0.01)
    moved = [
        regressed(sample.spectrum, fitted.weights, fitted.guard)
        - regressed(sample.spectrum, shipped.weights, shipped.guard)
        for sample in found
    ]
    assert np.abs(moved).max() < 0.05


@pytest.mark.footage
def test_contents_left_out_are_told_apart(of_footage):
    found, estimates = of_footage
    # Measured: 0.9995, 0.973, 0.999, 0.990, 0.980, 0.996.
    assert auc(found, estimates, {"native"}, reductions(0.5)) >= 0.98
    assert auc(found, estimates, {"native"}, reductions(0.67)) >= 0.96
    assert auc(found, estimates, {"native"}, {"noise4 0.5"}) >= 0.99
    assert auc(found, estimates, {"native"}, {"sharpened 0.5"}) >= 0.97
    assert auc(found, estimates, {"crf28 1"}, {"crf28 0.5"}) >= 0.96
    assert auc(found, estimates, {"bokeh 1"}, reductions(0.5) | {"bokeh 0.5"}) >= 0.98
    error = np.abs(estimates - [sample.log2_r for sample in found])
    assert error[[not sample.lost for sample in found]].mean() < 0.19
    # Out of all focus is never taken for half resolution.
    assert max(estimates[[s.lost and s.log2_r < -2 for s in found]]) < -1


@pytest.mark.footage
@pytest.mark.parametrize("nuisance", ["ev-1.5", "contrast0.6"])
def test_exposure_and_contrast_do_not_move_contents_left_out(of_footage, nuisance):
    found, estimates = of_footage
    names = list(dict.fromkeys(sample.picture for sample in found))
    moved = []
    for ratio in ("1", "0.67", "0.5"):
        changed = _of_kind(found, estimates, f"{nuisance} {ratio}")
        plain = [_of_kind(found, estimates, f"{way} {ratio}") for way in WAYS]
        for picture, value in changed.items():
            same_way = plain[names.index(picture) % len(WAYS)]
            before = _of_kind(found, estimates, "native") if ratio == "1" else same_way
            moved.append(value - before[picture])
    # Single frames; one of 276, dark and at half resolution, is moved by 0.054. Shots: see below.
    assert len(moved) > 270
    assert (np.abs(moved) < 0.05).mean() > 0.99
    assert np.abs(moved).max() < 0.06


@pytest.mark.footage
@pytest.mark.parametrize("change", [lambda x: exposed(x, -1.5), lambda x: flattened(x, 0.6)])
def test_exposure_and_contrast_do_not_move_a_shot(native, change):
    for name, frames in native.items():
        lumas = [_luma(frame) for frame in frames]
        before, after = shot_sharpness(lumas), shot_sharpness([change(luma) for luma in lumas])
        assert before is not None
        assert after is not None
        assert after.log2_r == pytest.approx(before.log2_r, abs=0.05), name


@pytest.mark.footage
def test_generators_own_frames_read_above_halves_of_others(of_footage, native):
    # The frames as they are, some of them soft: full resolution is what the generator gave.
    found, _ = of_footage
    full, half, contents = [], [], []
    for name, frames in native.items():
        content = FOOTAGE[name][0]
        both = fit_both([sample for sample in found if sample.content != content])
        lumas = [_luma(frame) for frame in frames]
        full.append(np.median([_told(luma, both) for luma in lumas]))
        half.append(
            [
                np.median([_told(softened(luma, 0.5, way), both) for luma in lumas])
                for way in WAYS.values()
            ]
        )
        contents.append(content)
    other = np.array(contents)[:, None] != contents
    above = np.array(full)[:, None, None] > np.array(half)[None]
    # Measured 0.982 and 0.996: one of six generators gives its man in a tuxedo at half resolution,
    # and beside the others' halves he looks it.
    assert above[other].mean() >= 0.98
    crisp = np.array([name != "ai_shots/hc_tux_skyreels.mp4" for name in native])
    assert above[other & crisp[:, None]].mean() >= 0.99


def _told(luma, both):
    seen = texture_spectrum(luma)
    assert seen is not None
    assert seen.confidence >= MIN_CONFIDENCE
    return regressed(seen.log10_power, *both)


@pytest.mark.footage
def test_an_enlarged_clip_keeps_its_real_pixels(native):
    apart = []
    for frames in native.values():
        luma = _luma(frames[0])[:720, :720]
        own = effective_resolution(luma)
        assert own is not None
        for way in WAYS.values():
            large = effective_resolution(cv2.resize(luma, None, fx=2, fy=2, interpolation=way))
            assert large is not None
            apart.append(large.log2_r + 1 - own.log2_r)
    assert np.median(np.abs(apart)) < 0.25
    assert np.quantile(np.abs(apart), 0.9) < 0.5


@pytest.mark.footage
def test_faces_are_told_apart_between_persons(native):
    backend = load_backend("dlib")
    full, half, persons = [], [], []
    for name, frames in native.items():
        frame = frames[len(frames) // 2]
        faces = backend.detect(frame)
        luma = _luma(frame)
        read = [
            [face_sharpness(softened(luma, ratio, way), faces[0].box) if faces else None]
            for ratio, way in ((1, 1), (0.67, 2), (0.5, 1), (0.5, 2), (0.5, 4), (0.33, 2))
        ]
        values = [found.log2_r for (found,) in read if found is not None]
        if len(values) < len(read):
            continue
        native_r, two_thirds, *halves, third = values
        assert native_r > two_thirds > np.median(halves) > third, name
        full.append(native_r)
        half.append(halves)
        persons.append(FOOTAGE[name][0])
    assert len(set(persons)) >= 14
    other = np.array(persons)[:, None] != persons
    assert (np.array(full)[:, None, None] > np.array(half)[None])[other].mean() >= 0.96
