"""The sample episode: it is what its script makes, and holds the faults its table says."""

import csv
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit.frames import probe, read_frames
from finishkit.measure.identity import load_backend, reference_embedding
from finishkit.shots import open_episode
from sample_shots.camera import FRAME_COUNT, film
from sample_shots.episode import PORTRAITS, SHOTS, ShotPlan, portrait, truth_rows
from sample_shots.make_sample_shots import render, write_tables
from sample_shots.people import to_linear

EP01 = Path(__file__).parents[1] / "sample_shots" / "ep01"
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def rows(name: str) -> list[dict[str, str]]:
    with (EP01 / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def planted(fault: str) -> ShotPlan:
    return next(p for p in SHOTS if p.fault is not None and p.fault.kind == fault)


def truth(fault: str, metric: str) -> float:
    return next(float(r["truth"]) for r in rows("planted.csv") if r["metric"] == metric)


def clip(plan: ShotPlan, frame_count: int = FRAME_COUNT) -> NDArray[np.float32]:
    chunks = read_frames(EP01 / f"{plan.shot}.mp4", indices=range(frame_count))
    return np.concatenate([c.as_float() for c in chunks])


def octaves(plan: ShotPlan, twin: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median change of linear R, G, B from the clean twin to the committed clip, in octaves."""
    before, after = to_linear(twin), to_linear(clip(plan, len(twin)))
    # Dark pixels are all rounding, and bright ones clip.
    usable = ((before > 0.05) & (before < 0.60)).all(-1)
    return np.median(np.log2(after[usable] / before[usable]), 0)


@pytest.mark.parametrize("number", [4, 12, 13])
def test_the_script_makes_the_committed_frames(number: int) -> None:
    made = render(SHOTS[number - 1], 6)
    error = ((made - clip(SHOTS[number - 1], 6)) ** 2).mean((1, 2, 3))
    assert (-10 * np.log10(error)).min() >= 34


def test_two_renders_are_identical() -> None:
    assert np.array_equal(render(SHOTS[1], 2), render(SHOTS[1], 2))


def test_a_shorter_render_is_the_beginning_of_a_longer_one() -> None:
    assert np.array_equal(render(SHOTS[7], 1), render(SHOTS[7], 3)[:1])


@pytest.mark.parametrize("plan", SHOTS, ids=lambda p: p.shot)
def test_every_clip_is_vertical_tagged_and_has_sound(plan: ShotPlan) -> None:
    seen = probe(EP01 / f"{plan.shot}.mp4")
    assert (seen.width_px, seen.height_px, seen.frame_count) == (216, 384, 48)
    assert seen.rate_fps == Fraction(24)
    assert (seen.matrix, seen.colour_tagged, seen.full_range) == ("bt709", True, False)
    assert (seen.codec, seen.pixel_format) == ("h264", "yuv420p")
    assert seen.duration_s == pytest.approx(2.0, abs=1e-6)
    assert seen.audio_rate_hz == 48_000


def test_the_sound_is_as_long_as_the_picture() -> None:
    import av

    for plan in SHOTS:
        with av.open(str(EP01 / f"{plan.shot}.mp4")) as container:
            track = container.streams.audio[0]
            length_s = float((track.duration or 0) * (track.time_base or 0))
            loudest = max(float(np.abs(f.to_ndarray()).max()) for f in container.decode(track))
        assert length_s == pytest.approx(2.0, abs=1024 / 48_000), plan.shot
        assert 0.005 < loudest < 0.2, plan.shot


def test_the_tables_are_those_of_the_script(tmp_path: Path) -> None:
    write_tables(tmp_path)
    for name in ("shots.csv", "characters.csv", "planted.csv"):
        assert (tmp_path / name).read_bytes() == (EP01 / name).read_bytes()


def test_the_tables_agree_with_the_folder() -> None:
    episode = open_episode(EP01)
    assert [s.id for s in episode.shots] == [p.shot for p in SHOTS]
    assert {s.path.name for s in episode.shots} == {p.name for p in EP01.glob("*.mp4")}
    assert all(s.notes["prompt"] and s.notes["seed"] for s in episode.shots)
    assert {c.name for c in episode.characters} == {"ADA", "MIA"}
    listed = [p for c in episode.characters for p in c.reference_images]
    assert sorted(p.name for p in listed) == sorted(p.name for p in (EP01 / "refs").iterdir())
    assert all(len(c.reference_images) == 3 for c in episode.characters)
    assert {s.scene for s in episode.shots} == {"quarters", "pad", "briefing"}
    assert min(sum(s.scene == scene for s in episode.shots) for scene in ("quarters", "pad")) >= 4


def test_the_faults_are_six_and_apart() -> None:
    table = rows("planted.csv")
    faults = {(r["shot"], r["fault"]) for r in table}
    assert len(faults) == len({shot for shot, _ in faults}) == 6
    assert {r["shot"] for r in table} <= {p.shot for p in SHOTS}
    assert len(SHOTS) - len(faults) >= 7
    assert SHOTS[0].fault is not None, "one fault lies in the first three seconds"
    assert len(table) == sum(len(truth_rows(p)) for p in SHOTS)


def test_the_folder_stays_small() -> None:
    assert sum(p.stat().st_size for p in EP01.rglob("*") if p.is_file()) < 6 * 2**20


def test_the_exposure_is_down_by_what_is_written() -> None:
    plan = planted("exposure")
    assert octaves(plan, film(plan.take, 2)) == pytest.approx(
        [truth("exposure", "ev")] * 3, abs=0.04
    )


def test_the_cast_is_as_strong_as_written() -> None:
    plan = planted("white_balance")
    red, green, blue = octaves(plan, film(plan.take, 2))
    assert red - green == pytest.approx(truth("white_balance", "wb_r"), abs=0.04)
    assert blue - green == pytest.approx(truth("white_balance", "wb_b"), abs=0.04)
    assert green == pytest.approx(0, abs=0.03)


def test_the_soft_shot_has_lost_its_finest_detail() -> None:
    plan = planted("soft")
    twin, soft = film(plan.take, 2)[1] @ LUMA, clip(plan, 2)[1] @ LUMA

    def energy(luma: NDArray[np.float32], low: float, high: float) -> float:
        spectrum = np.abs(np.fft.fft2(luma * np.outer(np.hanning(384), np.hanning(216)))) ** 2
        y, x = np.meshgrid(np.fft.fftfreq(384), np.fft.fftfreq(216), indexing="ij")
        radius = 2 * np.hypot(x, y)
        return float(spectrum[(radius >= low) & (radius < high)].sum())

    assert energy(soft, 0.6, 1.0) < 0.2 * energy(twin, 0.6, 1.0)
    assert energy(soft, 0.02, 0.2) == pytest.approx(energy(twin, 0.02, 0.2), rel=0.1)


def test_the_flicker_is_there_and_not_in_its_twin() -> None:
    plan = planted("flicker")
    count = 14
    steps = {
        name: np.diff(np.log(frames.mean((1, 2, 3))))
        for name, frames in (("clip", clip(plan, count)), ("twin", film(plan.take, count)))
    }
    assert steps["clip"].std() >= 5 * steps["twin"].std()
    # White gains of standard deviation s differ by s times the root of two from frame to frame.
    whole = np.diff(np.log(clip(plan).mean((1, 2, 3)))).std() / np.sqrt(2)
    assert whole == pytest.approx(truth("flicker", "flick_g"), rel=0.3)


def test_every_fourth_frame_is_a_repeat() -> None:
    plan = planted("repeated_frames")
    row = next(r for r in rows("planted.csv") if r["fault"] == "repeated_frames")
    copies = {int(i) for i in row["frames"].split()}
    change = np.abs(np.diff(clip(plan), axis=0)).mean((1, 2, 3))
    repeated = np.array([i + 1 in copies for i in range(len(change))])
    assert change[repeated].max() < 0.3 * change[~repeated].min()
    assert repeated.mean() == pytest.approx(float(row["truth"]), abs=1e-4)


@pytest.mark.parametrize("name", ["mia_1.jpg", "ada_2.jpg"])
def test_the_reference_images_are_those_of_the_script(name: str) -> None:
    stored = cv2.imread(str(EP01 / "refs" / name))
    assert stored is not None
    made = cv2.cvtColor(portrait(PORTRAITS[name]), cv2.COLOR_RGB2BGR)
    assert cv2.PSNR(stored, made) >= 34


def test_two_characters_and_a_stranger() -> None:
    backend = load_backend("dlib")

    def seen(plan: ShotPlan, frame: int) -> NDArray[np.float64]:
        picture = np.round(clip(plan, frame + 1)[frame] * 255).astype(np.uint8)
        large = cv2.resize(picture, (360, 640), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        return backend.embed(large, backend.detect(large)[0])

    cast: dict[str, NDArray[np.float64]] = {}
    for character in open_episode(EP01).characters:
        pictures = [cv2.imread(str(p), cv2.IMREAD_COLOR_RGB) for p in character.reference_images]
        centre = reference_embedding(
            [p.astype(np.uint8) for p in pictures if p is not None], backend
        )
        assert centre is not None
        cast[character.name] = centre
    assert backend.distance(cast["MIA"], cast["ADA"]) >= 0.60
    for plan in (planted("soft"), planted("flicker"), SHOTS[12]):
        assert backend.distance(seen(plan, 2), cast[plan.characters[0]]) < 0.40, plan.shot
    limit = truth("identity", "id_dist")
    for frame in (0, 46):
        assert backend.distance(seen(planted("identity"), frame), cast["MIA"]) > limit
