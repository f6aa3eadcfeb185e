import pickle

import cv2
import numpy as np
import pytest

from finishkit.frames import Frames
from finishkit.measure.colour import AXES, de_equivalents, grade_vector
from finishkit.settings import GradeSettings
from finishkit.shots import ShotId
from finishkit.stages import ShotInput
from finishkit.stages.grade import GradeStage, scene_targets
from finishkit.stages.lut import apply_lut
from finishkit.stages.trim import Knees, Trim, apply_trim, temperature_gains
from tests import synth

PROBE = synth.probed(160, 284, 3)


def room(seed, frames=1):
    """A lit room, framed a little differently by each seed."""
    rng = np.random.default_rng(1)
    coarse = 0.28 + 0.34 * rng.random((14, 9, 3))
    wall = cv2.resize(coarse, (240, 400), interpolation=cv2.INTER_CUBIC)
    for _ in range(60):
        x, y = rng.integers(0, 240), rng.integers(0, 400)
        side = int(rng.integers(6, 36))
        wall[y : y + side, x : x + side] = 0.06 + 0.76 * rng.random(3)
    wall[180:230, 60:170] = (0.80, 0.79, 0.78)
    wall[300:340, 40:150] = (0.05, 0.05, 0.05)
    crop = np.random.default_rng(seed).integers(0, 12, (frames, 2))
    cut = [wall[80 + y : 364 + y : 2, 30 + x : 190 + x : 2] for y, x in crop]
    return np.round(255 * np.clip(cut, 0, 1)).astype(np.uint8)


def shot(name, samples, scene="1", flagged=False):
    return ShotInput(
        id=ShotId(name), scene=scene, probe=PROBE, measured={}, samples=samples, flagged=flagged
    )


def spoiled(samples, trim):
    graded = apply_trim(samples.astype(np.float32) / 255, trim)
    return np.round(graded * 255).astype(np.uint8)


def graded(stage_filter, samples):
    chunk = Frames(data=samples.copy(), pts_s=np.arange(len(samples)) / 24)
    notes = {}
    (out,) = stage_filter(iter([chunk]), notes)
    return out.as_uint8(), notes


def distance(a, b):
    return float(np.linalg.norm(de_equivalents(grade_vector(a), grade_vector(b))))


FAULTS = {
    "red": Trim(wb_r=0.3),
    "warm": Trim(wb_r=0.25, wb_b=-0.4),
    "dark": Trim(ev=-0.6),
    "bright": Trim(ev=0.3),
    "flat": Trim(con=-0.5),
    "pale": Trim(sat=-0.7),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_taken_out_and_its_neighbours_are_left_alone(fault):
    clean = [room(seed) for seed in range(5)]
    bad = spoiled(clean[4], FAULTS[fault])
    shots = [shot(f"s{i}", s) for i, s in enumerate(clean[:4])] + [shot("bad", bad, flagged=True)]
    filters = GradeStage().fit(shots, GradeSettings(strength=1.0))
    repair = filters[ShotId("bad")]
    assert repair is not None
    after, notes = graded(repair, bad)
    before_de = distance(bad, clean[4])
    assert before_de > 3
    assert distance(after, clean[4]) < 0.35 * before_de
    assert notes["grade.residual_de"] < 0.4 * notes["grade.before_de"]
    # Only the planted axes move far: lost saturation must not come back as a colour cast.
    weights = np.array([17, 17, 13, 8.5, 5])
    moved = np.array([notes[f"grade.{axis}"] for axis in AXES]) * weights
    planted = np.array([getattr(FAULTS[fault], axis) for axis in AXES])
    assert np.abs(moved[planted == 0]).max(initial=0) < 1.6
    assert (moved * planted <= 0).all()
    for i in range(4):
        untouched = filters[ShotId(f"s{i}")]
        if untouched is not None:
            assert distance(graded(untouched, clean[i])[0], clean[i]) < 1.0


def test_moves_stay_inside_the_limits():
    clean = [room(seed) for seed in range(4)]
    bad = spoiled(room(9), Trim(wb_r=0.45, wb_b=-0.45, ev=-0.65, sat=-0.7))
    shots = [shot(f"s{i}", s) for i, s in enumerate(clean)] + [shot("bad", bad, flagged=True)]
    tight = GradeSettings(strength=1.0, max_wb_oct=0.3, max_ev=0.5, max_gain=1.3)
    repair = GradeStage().fit(shots, tight)[ShotId("bad")]
    assert repair is not None
    trim = repair.match.trim
    assert max(abs(trim.wb_r), abs(trim.wb_b)) <= 0.3 + 1e-9
    assert abs(trim.ev) <= 0.5 + 1e-9
    assert max(abs(trim.con), abs(trim.sat)) <= np.log2(1.3) + 1e-9


def test_strength_scales_the_moves():
    clean = [room(seed) for seed in range(4)]
    bad = spoiled(room(9), Trim(ev=-0.5))
    shots = [shot(f"s{i}", s) for i, s in enumerate(clean)] + [shot("bad", bad, flagged=True)]
    moves = []
    for strength in (0.5, 1.0):
        repair = GradeStage().fit(shots, GradeSettings(strength=strength))[ShotId("bad")]
        assert repair is not None
        moves.append(repair.match.trim.ev)
    assert moves[0] == pytest.approx(moves[1] / 2)


def test_target_is_the_hero_or_the_shots_that_are_not_flagged():
    good, dark = room(1), spoiled(room(2), Trim(ev=-0.6))
    shots = [shot("a", good), shot("b", dark, flagged=True), shot("c", dark, scene="2")]
    targets = scene_targets(shots)
    np.testing.assert_array_equal(targets["1"], grade_vector(good))
    assert "2" not in targets
    np.testing.assert_array_equal(scene_targets(shots, ShotId("b"))["1"], grade_vector(dark))
    everyone = [shot("a", good, flagged=True), shot("b", dark, flagged=True)]
    middle = (grade_vector(good) + grade_vector(dark)) / 2
    np.testing.assert_allclose(scene_targets(everyone)["1"], middle)


def test_scene_follows_its_hero():
    dark = [spoiled(room(i), Trim(ev=-0.5)) for i in range(3)]
    shots = [shot(f"s{i}", s) for i, s in enumerate(dark)] + [shot("hero", room(7))]
    filters = GradeStage().fit(shots, GradeSettings(strength=1.0), hero=ShotId("hero"))
    assert filters[ShotId("hero")] is None
    for i in range(3):
        repair = filters[ShotId(f"s{i}")]
        assert repair is not None
        assert repair.match.trim.ev > 0.25


def test_one_shot_alone_matching_off_and_strength_zero_do_nothing():
    shots = [shot("a", room(1)), shot("b", spoiled(room(2), Trim(ev=-0.6)))]
    assert GradeStage().fit(shots[:1], GradeSettings()) == {"a": None}
    assert GradeStage().fit(shots, GradeSettings(matching="off")) == {"a": None, "b": None}
    look = GradeSettings(strength=0, saturation=1.2)
    assert GradeStage().fit(shots, look) == {"a": None, "b": None}


def test_black_shot_is_left_alone():
    black = np.zeros_like(room(0))
    filters = GradeStage().fit([shot("a", room(1)), shot("b", black)], GradeSettings())
    if (repair := filters[ShotId("b")]) is not None:
        assert graded(repair, black)[0].max() <= 2


def test_another_light_is_not_forced():
    # Two stops down is no fault of grade: it is night, and stays night.
    clean = [room(seed) for seed in range(4)]
    night = spoiled(room(9), Trim(ev=-2.5))
    shots = [shot(f"s{i}", s) for i, s in enumerate(clean)] + [shot("night", night, flagged=True)]
    repair = GradeStage().fit(shots, GradeSettings(strength=1.0))[ShotId("night")]
    assert repair is None or repair.match.trim.ev < 0.1


def test_look_is_the_same_for_every_shot_and_leaves_the_match_alone():
    shots = [shot("a", room(1)), shot("b", room(2)), shot("c", room(3), scene="2")]
    settings = GradeSettings(
        strength=1.0, matching="off", saturation=1.15, contrast=1.08, temperature_k=150
    )
    filters = GradeStage().fit(shots, settings)
    tables = [f.lut for f in filters.values() if f is not None]
    assert len(tables) == 3
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_array_equal(tables[0], tables[2])
    clean = [room(seed) for seed in range(4)]
    bad = spoiled(room(9), Trim(ev=-0.5))
    members = [shot(f"s{i}", s) for i, s in enumerate(clean)] + [shot("bad", bad, flagged=True)]
    plain = GradeStage().fit(members, GradeSettings(strength=1.0))[ShotId("bad")]
    looked = GradeStage().fit(members, settings.replace(matching="scene"))[ShotId("bad")]
    assert plain is not None
    assert looked is not None
    assert plain.match == looked.match


def test_looks_go_the_way_they_are_named():
    grey = np.full((1, 1, 3), 0.5, np.float32)
    warm_r, warm_b = temperature_gains(1500)
    assert warm_r > 0 > warm_b
    assert temperature_gains(0) == (0, 0)
    cool_r, cool_b = temperature_gains(-1500)
    assert cool_r < 0 < cool_b
    # D50 (X, Y, Z = 0.9642, 1, 0.8249) is 1.176, 0.976, 0.722 in linear BT.709.
    assert warm_r == pytest.approx(np.log2(1.176 / 0.976), abs=0.02)
    assert warm_b == pytest.approx(np.log2(0.722 / 0.976), abs=0.02)
    warm = apply_trim(grey, Trim(wb_r=warm_r, wb_b=warm_b), Knees())[0, 0]
    assert warm[0] > warm[1] > warm[2]
    assert warm @ [0.2126, 0.7152, 0.0722] == pytest.approx(0.5, abs=0.01)
    black = np.zeros((1, 1, 3), np.float32)
    assert apply_trim(black, Trim(lift=0.02), Knees()).max() == pytest.approx(0.02, abs=1e-5)
    dark = np.full((1, 1, 3), 0.06, np.float32)
    assert apply_trim(dark, Trim(lift=-0.02), Knees()).max() < 0.055


def test_nothing_clips_hard_and_order_is_kept():
    ramp = np.repeat(np.linspace(0, 1, 512, dtype=np.float32)[:, None], 3, axis=1)
    for trim in (Trim(ev=0.7), Trim(con=0.8), Trim(ev=0.7, con=0.8, sat=0.8), Trim(wb_r=0.5)):
        out = apply_trim(ramp, trim)
        step = np.diff(out, axis=0)
        assert (step[1:-1] > 0).all(), trim
        assert out.min() >= 0
        assert out.max() <= 1


def test_saturation_keeps_luma_and_range():
    rgb = np.random.default_rng(0).random((500, 3)).astype(np.float32)
    out = apply_trim(rgb, Trim(sat=0.8), Knees(toe=1e-3, shoulder=0.999))
    luma = np.array([0.2126, 0.7152, 0.0722])
    np.testing.assert_allclose(out @ luma, rgb @ luma, atol=2e-3)
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_table_is_within_a_code_of_the_transform(fault):
    clean = [room(seed) for seed in range(4)]
    bad = spoiled(room(9), FAULTS[fault])
    shots = [shot(f"s{i}", s) for i, s in enumerate(clean)] + [shot("bad", bad, flagged=True)]
    repair = GradeStage().fit(shots, GradeSettings(strength=1.0))[ShotId("bad")]
    assert repair is not None
    rgb = bad.astype(np.float32) / 255
    direct = apply_trim(rgb, repair.match.trim, repair.match.knees)
    error = np.abs(apply_lut(rgb, repair.lut) - direct) * 255
    assert error.mean() <= 0.25
    assert np.percentile(error, 99.9) <= 1


def test_filter_travels_to_a_worker():
    shots = [shot("a", room(1)), shot("b", room(2))]
    repair = GradeStage().fit(shots, GradeSettings(contrast=1.1))[ShotId("a")]
    assert repair is not None
    again = pickle.loads(pickle.dumps(repair))
    np.testing.assert_array_equal(graded(again, room(5))[0], graded(repair, room(5))[0])
