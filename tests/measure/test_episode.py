import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.measure import METRICS, Measurements, measure, measure_shot, sample_frames
from finishkit.shots import Character, Episode, Shot, ShotId


@pytest.fixture(scope="session")
def portrait(stills):
    """A face that moves a little, 270x480, 18 frames."""
    still = cv2.resize(stills["astronaut"][:480, 60:330], (270, 480))
    shifts = [np.array([[1, 0, -i * 1.5], [0, 1, 0]], np.float32) for i in range(18)]
    return np.stack(
        [cv2.warpAffine(still, m, (270, 480), borderMode=cv2.BORDER_REFLECT) for m in shifts]
    )


@pytest.fixture
def episode(clip, pan, portrait, stills, tmp_path):
    reference = tmp_path / "anna.png"
    bgr = cv2.cvtColor(stills["astronaut"], cv2.COLOR_RGB2BGR)
    reference.write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
    scenery = pan(count=20, step_px=3, size=(270, 480))
    doubled = np.repeat(scenery[:10], 2, axis=0)
    shots = (
        Shot(id=ShotId("a"), path=clip("a", portrait), scene="1", characters=("ANNA",), order=0),
        Shot(id=ShotId("b"), path=clip("b", scenery), scene="1", characters=("ANNA",), order=1),
        Shot(id=ShotId("c"), path=clip("c", doubled), scene="2", order=2),
    )
    cast = (Character(name="ANNA", reference_images=(reference,)),)
    return Episode(name="ep", root=tmp_path, shots=shots, characters=cast)


def test_measures_what_is_there_and_keeps_it(episode, tmp_path):
    cache = tmp_path / "cache"
    told = []
    first = measure(episode, jobs=1, cache_dir=cache, progress=lambda *event: told.append(event))
    assert [event[:2] for event in told] == [(1, 3), (2, 3), (3, 3)]
    assert [s.shot for s in first.shots] == ["a", "b", "c"]
    for shot in first.shots:
        assert list(shot.values) == [m.name for m in METRICS]
        assert (shot.width_px, shot.height_px, shot.rate_fps) == (270, 480, 24)

    a, b, c = first.shots
    assert a.frame_count == 18
    assert a.duration_s == pytest.approx(18 / 24)
    assert a.values["id_dist"] is not None
    assert a.values["id_dist"] < 0.25
    assert a.identities[0].n_faces == 8
    assert a.identities[0].worst_box is not None
    assert b.values["id_dist"] is None
    assert any("ANNA" in sentence for sentence in b.unknown)
    assert c.values["dup_ratio"] == pytest.approx(0.5)
    assert c.values["fps_eff"] == pytest.approx(12)
    assert c.unknown == ()
    assert c.identities == ()

    files = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = measure(episode, jobs=1, cache_dir=cache)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == files
    assert Measurements.model_validate_json(first.model_dump_json()) == first


def test_a_spoiled_cache_is_measured_again(episode, tmp_path):
    cache = tmp_path / "cache"
    first = measure_shot(episode, "c", cache_dir=cache, only={"ev", "dup_ratio"})
    (kept,) = cache.iterdir()
    good = kept.read_bytes()
    kept.write_text("{}")
    assert measure_shot(episode, "c", cache_dir=cache, only={"ev", "dup_ratio"}) == first
    assert kept.read_bytes() == good


def test_other_processes_give_the_same_numbers(episode):
    names = {"eff_r", "ev", "dup_ratio"}
    threads, before = cv2.getNumThreads(), dict(os.environ)
    here = measure(episode, jobs=1, only=names)
    there = measure(episode, jobs=2, only=names)
    for a, b in zip(here.shots, there.shots, strict=True):
        # Not to the last bit: a matrix product is summed in another order by another thread count.
        known = {name: value for name, value in a.values.items() if value is not None}
        assert {n: b.values[n] for n in known} == pytest.approx(known, rel=1e-5)
        assert a.replace(values={}) == b.replace(values={})
    assert (cv2.getNumThreads(), dict(os.environ)) == (threads, before)
    assert here["a"].values["ev"] is not None
    assert here["a"].values["flick_g"] is None
    assert here["a"].identities == ()


def test_one_shot_alone_and_another_file_in_its_place(episode, tmp_path):
    a = measure_shot(episode, "a", only={"ev", "id_dist"})
    swapped = measure_shot(episode, "a", only={"ev", "id_dist"}, path=episode["b"].path)
    assert a.values["id_dist"] is not None
    assert swapped.values["id_dist"] is None
    whole = measure(episode, jobs=1, only={"ev"}, paths={ShotId("a"): episode["b"].path})
    assert whole["a"].values["ev"] == whole["b"].values["ev"] == swapped.values["ev"]
    with pytest.raises(FinishError, match="no shot 'z'"):
        measure_shot(episode, "z")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_names_the_shot(episode, jobs):
    episode["b"].path.write_bytes(b"not a clip")
    with pytest.raises(FinishError, match=r"Shot b: .*b\.mp4"):
        measure(episode, jobs=jobs, only={"ev"})


def test_cures_are_told(episode):
    with pytest.raises(FinishError, match="no metric sharpness"):
        measure(episode, only={"sharpness"})
    reference = episode.characters[0].reference_images[0]
    reference.write_bytes(b"no picture")
    with pytest.raises(FinishError, match=r"anna\.png is no picture"):
        measure(episode, jobs=1)
    reference.unlink()
    with pytest.raises(FinishError, match=r"anna\.png cannot be read"):
        measure(episode, jobs=1)


def test_black_is_unknown_and_never_a_number(clip, tmp_path):
    path = clip("black", np.zeros((12, 480, 270, 3), np.uint8))
    shots = (Shot(id=ShotId("x"), path=path, scene="1"),)
    pixels = {m.name for m in METRICS if m.family != "face"}
    (x,) = measure(Episode(name="e", root=tmp_path, shots=shots), jobs=1, only=pixels).shots
    assert x.static
    for name in ("eff_px", "eff_r", "wb_r", "sat", "noise_sigma", "dup_ratio", "shake_pct"):
        assert x.values[name] is None, name
    for word in ("Sharpness", "Noise", "Colour", "Shake"):
        assert any(sentence.startswith(word) for sentence in x.unknown), word


def test_samples_are_small_and_spread(episode, pan):
    path = episode["b"].path
    frames = sample_frames(path, n=4, width_px=120)
    assert frames.shape == (4, 213, 120, 3)
    assert frames.dtype == np.uint8
    scenery = pan(count=20, step_px=3, size=(270, 480))
    for frame, index in zip(frames, (2, 7, 12, 17), strict=True):
        small = cv2.resize(scenery[index], (120, 213), interpolation=cv2.INTER_AREA)
        assert np.abs(frame.astype(int) - small).mean() < 3
    assert len(sample_frames(path, n=50)) == 20


@pytest.mark.footage
@pytest.mark.slow
def test_finds_what_was_planted(footage):
    from finishkit.shots import open_episode

    planted = open_episode(footage / "episodes" / "ep01_planted")
    clean = open_episode(footage / "episodes" / "ep01")
    names = ("003", "006", "011", "012", "014")
    before, after = (
        measure(
            Episode(
                name=e.name,
                root=e.root,
                shots=tuple(s for s in e if Path(s.path).stem[-3:] in names),
                characters=e.characters,
            ),
            jobs=2,
        )
        for e in (clean, planted)
    )

    def moved(shot, metric):
        a, b = (m[f"s01e01_shot_{shot}"].values[metric] for m in (before, after))
        assert a is not None
        assert b is not None
        return b - a

    assert moved("003", "eff_r") < -0.25
    assert moved("006", "wb_r") == pytest.approx(2.2 * np.log2(1.1), abs=0.05)
    assert moved("006", "wb_b") == pytest.approx(2.2 * np.log2(0.86), abs=0.06)
    assert moved("011", "flick_g") > 1
    assert moved("012", "dup_ratio") == pytest.approx(0.25)
    assert moved("014", "id_dist") > 0.4
