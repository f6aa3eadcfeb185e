import numpy as np
import pytest

from finishkit.frames import Frames, probe, read_frames
from finishkit.measure import observe, sample_frames
from finishkit.measure.colour import de_equivalents, frame_vector
from finishkit.measure.overlap import within_shot_drift
from finishkit.measure.sampling import picks
from finishkit.settings import GradeSettings
from finishkit.shots import ShotId
from finishkit.stages import ShotInput
from finishkit.stages.grade import GradeStage
from finishkit.stages.ramp import solve_ramp
from finishkit.stages.trim import Knees, Trim, apply_trim
from tests.stages.test_grade import room
from tests.synth import probed

FRAMES = 40
SAMPLED = [4, 12, 20, 28, 36]


def drifting(red=0.7, light=-0.3):
    """A still room whose colour slides from one grade to another."""
    still = room(1)[0].astype(np.float32) / 255
    shares = np.linspace(-0.5, 0.5, FRAMES)
    return np.stack([apply_trim(still, Trim(wb_r=red * w, ev=light * w), Knees()) for w in shares])


def fitted(pictures, settings=None, drift_de=12.0):
    few = np.round(pictures[SAMPLED] * 255).astype(np.uint8)
    shot = ShotInput(
        id=ShotId("a"),
        scene="1",
        probe=probed(160, 284, FRAMES),
        measured={"drift_de": drift_de},
        samples=few,
    )
    return GradeStage().fit([shot], settings or GradeSettings(strength=1.0))[ShotId("a")]


def run(grade, pictures, chunk):
    times = np.arange(len(pictures)) / 24
    chunks = [
        Frames(data=pictures[i : i + chunk].copy(), pts_s=times[i : i + chunk])
        for i in range(0, len(pictures), chunk)
    ]
    notes = {}
    out = np.concatenate([c.as_float() for c in grade(iter(chunks), notes)])
    return out, notes


def vector(picture):
    return frame_vector(np.round(picture * 255).astype(np.uint8))


def test_drift_is_evened_out_smoothly_whatever_the_chunks():
    pictures = drifting()
    grade = fitted(pictures)
    assert grade is not None
    out, notes = run(grade, pictures, 7)
    drift = np.linalg.norm(de_equivalents(vector(pictures[-1]), vector(pictures[0])))
    left = np.linalg.norm(de_equivalents(vector(out[-1]), vector(out[0])))
    assert drift > 8
    assert left < 0.35 * drift
    assert notes["grade.drift_residual_de"] < 0.35 * notes["grade.drift_before_de"]
    # The middle of the shot keeps its colour, and no frame jumps.
    np.testing.assert_allclose(out[20], pictures[20], atol=1.5 / 255)
    before = np.abs(np.diff(pictures.mean(axis=(1, 2)), axis=0)).max()
    assert np.abs(np.diff(out.mean(axis=(1, 2)), axis=0)).max() < before
    again, _ = run(grade, pictures, 1)
    np.testing.assert_array_equal(out, again)


def test_share_that_is_taken_out_is_the_templates():
    few = np.round(drifting()[SAMPLED] * 255).astype(np.uint8)
    left = []
    for share in (0.3, 0.6, 1.0):
        ramp = solve_ramp(few, FRAMES / 24, 12.0, GradeSettings(strength=1, even_out=share), 7.0)
        assert ramp is not None
        left.append(ramp.residual_de / ramp.before_de)
    np.testing.assert_allclose(left, [0.7, 0.4, 0.0], atol=0.08)


def test_path_stays_inside_the_bounds():
    few = np.round(drifting()[SAMPLED] * 255).astype(np.uint8)
    tight = GradeSettings(strength=1, even_out=1, max_wb_oct=0.1, max_ev=0.05)
    ramp = solve_ramp(few, FRAMES / 24, 12.0, tight, 7.0)
    assert ramp is not None
    assert np.abs(ramp.end[:2]).max() == pytest.approx(0.1)
    assert abs(ramp.end[2]) <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("settings", "drift_de"),
    [
        (GradeSettings(even_out=0), 12.0),
        (GradeSettings(), 6.9),
        (GradeSettings(), None),
        (GradeSettings(matching="off"), 12.0),
    ],
)
def test_shot_that_does_not_drift_or_may_not_be_evened_is_left_alone(settings, drift_de):
    assert fitted(drifting(), settings, drift_de) is None


def test_another_picture_is_no_drift():
    # The camera goes from one room to another: the change of colour is what is seen.
    pictures = drifting()
    pictures[24:] = pictures[24:, ::-1, ::-1]
    assert fitted(pictures) is None


@pytest.mark.footage
@pytest.mark.slow
def test_drift_of_a_generated_clip_falls_below_half(footage):
    path = footage / "ai_shots" / "sf_bird_30s_colourdrift.mp4"
    drift_de = observe(path, only=frozenset({"drift_de"})).values["drift_de"]
    assert drift_de is not None
    shot = ShotInput(
        id=ShotId("bird"),
        scene="1",
        probe=probe(path),
        measured={"drift_de": drift_de},
        samples=sample_frames(path),
    )
    grade = GradeStage().fit([shot], GradeSettings())[ShotId("bird")]
    assert grade is not None
    chosen = picks(shot.probe.frame_count)
    wanted = read_frames(path, dtype="uint8", chunk=1, indices=chosen, short_side_px=270)
    evened = [chunk.as_uint8()[0] for chunk in grade(wanted, {})]
    left = within_shot_drift([frame_vector(f) for f in evened], [None] * len(evened))
    assert left is not None
    assert left < 0.5 * drift_de
