"""The preview is the batch's picture, made quickly."""

import threading
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest
import skimage.data

from finishkit.errors import FinishError
from finishkit.frames import Frames, master_encoding, probe, read_frames, write_frames
from finishkit.measure import Overlap, sample_frames
from finishkit.measure.colour import AXES
from finishkit.measure.sampling import picks
from finishkit.measure.sharpness import shot_sharpness
from finishkit.preview import Preview, Refined
from finishkit.preview.crispness import Crispness
from finishkit.preview.newest import Job, Newest
from finishkit.settings import SharpenSettings
from finishkit.shots import ShotId, open_episode
from finishkit.stages import ShotInput
from finishkit.stages.grade import GradeStage
from finishkit.stages.grain import GrainStage
from finishkit.stages.sharpen import bands, solve_sharpen
from finishkit.stages.upscale import UpscaleStage
from finishkit.template import Draft
from finishkit.verdict.offsets import colour_offsets


def _inputs(preview: Preview, draft: Draft) -> list[ShotInput]:
    offsets = colour_offsets(preview.measurements, draft.look.limits)
    return [
        ShotInput(
            id=s.id,
            scene=s.scene,
            probe=preview._probe(s.id),
            measured=preview.measurements[s.id].values,
            samples=sample_frames(s.path),
            off=offsets.get(s.id),
        )
        for s in preview.episode
    ]


def _graded(preview: Preview, draft: Draft, shot: str):
    """Fit the whole set, as a run does."""
    flagged = {s.shot for s in preview.verdict.shots if any(r.metric in AXES for r in s.reasons)}
    hero = draft.look.hero or preview.verdict.hero
    trusted = ShotId(hero) if hero not in flagged else None
    inputs = _inputs(preview, draft)
    return GradeStage().fit(inputs, draft.look.grade, hero=trusted)[ShotId(shot)]


@pytest.fixture
def colour() -> Draft:
    """A draft of which a still shows everything at once."""
    draft = Draft.from_genre("romance")
    draft.set("sharpen.strength", 0.0)
    draft.set("grain.strength", 0.0)
    return draft


@pytest.mark.parametrize("shot", ["s1", "s4", "s5"])
@pytest.mark.parametrize("matching", ["scene", "off"])
def test_after_is_what_the_batch_makes(preview: Preview, colour: Draft, shot: str, matching: str):
    colour.set("grade.saturation", 1.2)
    colour.set("grade.matching", matching)
    _, after = preview.frame(shot, colour, 5)
    frames, keep = read_frames(preview.episode[shot].path), _graded(preview, colour, shot)
    graded = keep(frames, {}) if keep else frames
    whole = np.concatenate([chunk.as_uint8() for chunk in graded])
    np.testing.assert_array_equal(after, whole[5])


def test_before_is_the_frame_itself(preview: Preview):
    before, _ = preview.frame("s2", Draft.from_genre("thriller"), 7)
    (chunk,) = read_frames(preview.episode["s2"].path, indices=[7])
    np.testing.assert_array_equal(before, chunk.as_uint8()[0])
    assert before.shape == (160, 90, 3)


def test_match_is_what_the_batch_solves(preview: Preview, colour: Draft):
    vector = {
        name: np.array([preview.measurements[name].values[axis] for axis in AXES], float)
        for name in ("s1", "s2", "s3", "s4")
    }
    seen = tuple(
        Overlap(first=name, second="s4", difference=tuple(vector["s4"] - vector[name]), places=60)
        for name in ("s1", "s2", "s3")
    )
    told = Preview(preview.episode, preview.measurements.replace(overlaps=seen), preview.verdict)
    graded = _graded(told, colour, "s4")
    assert graded is not None
    assert graded.match.before_de > graded.match.residual_de
    assert told.match("s4", colour) == graded.match
    assert told.match("s5", colour).before_de == 0
    colour.set("grade.strength", 0.0)
    assert told.match("s4", colour).before_de == 0
    before, after = told.frame("s4", colour)
    np.testing.assert_array_equal(before, after)


def test_a_look_slider_answers_at_once(preview: Preview):
    draft = Draft.from_genre("romance")
    preview.frame("s4", draft)
    spent = []
    for step in range(5):
        draft.set("grade.saturation", 0.9 + step / 50)
        start = time.process_time()
        preview.frame("s4", draft)
        spent.append(time.process_time() - start)
    # 150 ms is felt; processor time, since the machine may be busy. Solving again takes seconds.
    assert min(spent) < 0.15


def test_frames_that_are_not_there_are_refused(preview: Preview):
    with pytest.raises(FinishError, match="frames 0 to 11, not 12"):
        preview.frame("s1", Draft(), 12)
    with pytest.raises(FinishError, match="no shot 's9'"):
        preview.frame("s9", Draft(), 0)
    with pytest.raises(FinishError, match="frames 0 to 11, not 12"):
        preview.refine("s1", Draft(), 12, print)


def test_grain_is_seen_at_once_and_the_same_every_time(preview: Preview, colour: Draft):
    _, without = preview.frame("s1", colour, 5)
    colour.set("grain.strength", 1.0)
    colour.set("grain.sigma_codes", 4.0)
    _, grainy = preview.frame("s1", colour, 5)
    _, again = preview.frame("s1", colour, 5)
    np.testing.assert_array_equal(grainy, again)
    assert 1 < np.std(grainy.astype(float) - without) < 5


# What follows from a thread


@pytest.fixture
def plain(preview: Preview) -> Draft:
    """A draft that needs no net; the first shot is measured as crisper than its scene."""
    draft = Draft.from_genre("romance")
    for path, value in {
        "faces.strength": 0.0,
        "upscale.model": "lanczos",
        "master.width_px": 180,
        "master.height_px": 320,
    }.items():
        draft.set(path, value)
    return draft


def _refined(preview: Preview, draft: Draft, shot: str) -> Refined:
    got: list[Refined | Exception] = []
    assert preview.refine(shot, draft, 5, got.append).wait(60)
    (one,) = got
    assert isinstance(one, Refined), one
    return one


def test_refined_is_what_the_batch_makes(preview: Preview, plain: Draft):
    one = _refined(preview, plain, "s4")
    assert one.before.shape == one.after.shape == (320, 180, 3)
    path, look = preview.episode["s4"].path, plain.look
    inputs = _inputs(preview, plain)
    band = bands(inputs, look.sharpen)[ShotId("s4")]
    seen = list(read_frames(path, dtype="uint8", indices=picks(12)))
    sharpen = solve_sharpen(np.concatenate([c.as_uint8() for c in seen]), band, look.sharpen)
    enlarge = UpscaleStage().fit(inputs, look.upscale, out_size_px=(180, 320))[ShotId("s4")]
    frames = read_frames(path)
    clean = GrainStage().clean(inputs, look.grain)[ShotId("s4")]
    grain = GrainStage().fit(inputs, look.grain)[ShotId("s4")]
    for apply in (clean, sharpen, _graded(preview, plain, "s4"), enlarge, grain):
        frames = apply(frames, {}) if apply else frames
    whole = np.concatenate([chunk.as_uint8() for chunk in frames])
    np.testing.assert_array_equal(one.after, whole[5])
    assert one.notes["upscale.scale"] == 2.0


def test_the_newest_call_is_the_one_that_answers(preview: Preview, plain: Draft, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    read = preview._whole

    def slow(shot: str, index: int):
        begun.set()
        go.wait(10)
        return read(shot, index)

    monkeypatch.setattr(preview, "_whole", slow)
    got: list[tuple[str, object]] = []
    first = preview.refine("s1", plain, 0, lambda r: got.append(("first", r)))
    assert begun.wait(10)
    second = preview.refine("s2", plain, 0, lambda r: got.append(("second", r)))
    third = preview.refine("s3", plain, 0, lambda r: got.append(("third", r)))
    go.set()
    assert first.wait(30)
    assert second.wait(30)
    assert third.wait(30)
    assert [name for name, _ in got] == ["third"]
    assert isinstance(got[0][1], Refined)
    assert got[0][1].shot == "s3"


def test_what_goes_wrong_in_the_thread_is_handed_over(preview: Preview, plain: Draft):
    plain.set("grade.look_lut", "nowhere.cube")
    got: list[Refined | Exception] = []
    assert preview.refine("s1", plain, 0, got.append).wait(30)
    assert isinstance(got[0], FinishError)
    assert "nowhere.cube" in str(got[0])


def test_a_cancelled_job_says_nothing():
    hold = threading.Event()
    got: list[object] = []

    def work(go_on):
        hold.wait(10)
        go_on()
        return 1

    worker: Newest[int] = Newest()
    job = worker.start(Job(work, got.append))
    job.cancel()
    hold.set()
    assert job.wait(10)
    assert got == []
    assert worker.start(Job(lambda go_on: 2, got.append)).wait(10)
    assert got == [2]


def test_the_one_who_is_told_may_ask_again():
    got: list[object] = []
    worker: Newest[int] = Newest()
    jobs: list[Job[int]] = []

    def again(result: object) -> None:
        got.append(result)
        jobs.append(worker.start(Job(lambda go_on: 2, got.append)))

    assert worker.start(Job(lambda go_on: 1, again)).wait(10)
    assert jobs[0].wait(10)
    assert got == [1, 2]


@pytest.fixture(scope="module")
def soft(tmp_path_factory):
    """One clip of a photograph, softened, and the set it is said to stand in."""
    folder = tmp_path_factory.mktemp("soft")
    photo = cv2.resize(skimage.data.astronaut(), (270, 480), interpolation=cv2.INTER_AREA)
    picture = cv2.GaussianBlur(photo.astype(np.float32) / 255, (0, 0), 1.0)
    write_frames(
        folder / "s1.mp4",
        [Frames(data=np.repeat(picture[None], 6, axis=0), pts_s=np.arange(6) / 24)],
        rate_fps=Fraction(24),
        encoding=master_encoding(10, "ultrafast", 1),
    )
    episode = open_episode(folder)
    path = episode["s1"].path
    luma = cv2.cvtColor(next(iter(read_frames(path, dtype="uint8"))).data[0], cv2.COLOR_RGB2GRAY)
    own = shot_sharpness([luma])
    assert own is not None
    shots = [
        ShotInput(
            id=ShotId(name),
            scene="a",
            probe=probe(path),
            measured={"eff_px": 270 * own.r * share},
            samples=np.zeros((0, 1, 1, 3), np.uint8),
        )
        for name, share in (("s1", 1.0), ("s2", 1.6), ("s3", 1.6))
    ]
    return episode, shots


def test_sharpness_is_estimated_between_what_was_solved(soft):
    episode, shots = soft
    crispness, settings = Crispness(episode), SharpenSettings()
    # Nothing is guessed before anything is known.
    assert crispness.at_once("s1", settings, shots) is None
    solved = crispness.solve("s1", settings, shots)
    assert solved is not None
    assert crispness.at_once("s1", settings, shots) is solved
    (chunk,) = read_frames(episode["s1"].path, indices=[2])

    def detail(strength: float) -> float:
        found = crispness.at_once("s1", settings.replace(strength=strength), shots)
        picture = chunk.data[0] if found is None else found.picture(chunk.as_float()[0])
        return float(np.abs(np.diff(picture, axis=1)).mean())

    assert detail(0.0) < detail(0.3) < detail(0.6) < detail(0.8)
    # What was solved at half the strength is near what was guessed for it.
    half = settings.replace(strength=0.4)
    guess = crispness.at_once("s1", half, shots)
    real = crispness.solve("s1", half, shots)
    assert guess is not None
    assert real is not None
    before, reached = chunk.as_float()[0], solved.picture(chunk.as_float()[0])
    off = np.abs(guess.picture(before) - real.picture(before)).mean()
    assert off < 0.5 * np.abs(reached - before).mean()
