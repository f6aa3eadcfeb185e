"""The whole job on tiny clips: what comes out, what stands, what a bad shot costs."""

import hashlib
import json
import shutil
from fractions import Fraction

import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.frames import decode_report, probe, read_frames
from finishkit.progress import Progress
from finishkit.run import finish_episode, measure_episode
from finishkit.shots import open_episode
from finishkit.store import Store
from finishkit.template import Draft
from tests import synth


def template(**changes):
    draft = Draft.from_genre("romance")
    for path, value in {
        "master.width_px": 288, "master.height_px": 512, "upscale.model": "lanczos",
        "faces.strength": 0.0, **changes,
    }.items():  # fmt: skip
        draft.set(path, value)
    return draft.lock()


def _digests(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One good run over four good clips and two bad ones."""
    root = tmp_path_factory.mktemp("job")
    folder = synth.make_episode(root, shots=4, count=24)
    (folder / "shot_005.mp4").write_text("This is a text, not a clip.")
    whole = synth.write_clip(root / "whole.mp4", synth.panning(9, 24), sound=False).read_bytes()
    (folder / "shot_006.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    with (folder / "shots.csv").open("a") as table:
        table.write("shot_005,shot_005.mp4,scene 2,,\nshot_006,shot_006.mp4,scene 2,,\n")
    before = _digests(folder)
    done = finish_episode(open_episode(folder), template(), root / "out", jobs=2)
    return folder, before, done


def test_bad_shots_are_set_aside_with_a_reason_and_the_rest_is_finished(finished):
    _, _, done = finished
    assert done.exit_code == 3
    manifest = Store(done.folder).manifest()
    assert {s: v.state for s, v in manifest.shots.items()} == {
        "shot_001": "finished", "shot_002": "finished", "shot_003": "finished",
        "shot_004": "finished", "shot_005": "quarantined", "shot_006": "quarantined",
    }  # fmt: skip
    assert manifest.shots["shot_005"].code == "unreadable"
    assert manifest.shots["shot_006"].code == "undecodable"
    report = json.loads((done.folder / "report.json").read_text())
    states = {s["shot"]: s["state"] for s in report["shots"]}
    assert states["shot_005"] == states["shot_006"] == "quarantined"
    page = (done.folder / "report.html").read_text()
    assert "shot_006.mp4" in page
    assert "Decoding breaks off" in page


def test_the_master_is_the_sum_of_its_shots_tagged_and_faststart(finished):
    _, _, done = finished
    master = done.folder / "master.mp4"
    seen, report = probe(master), decode_report(master)
    assert (seen.width_px, seen.height_px, seen.rate_fps) == (288, 512, Fraction(24))
    assert (seen.codec, seen.matrix, seen.colour_tagged) == ("h264", "bt709", True)
    assert seen.audio_rate_hz == 48000
    shots = sorted((done.folder / "shots").glob("*.mp4"))
    assert len(shots) == 4
    assert report.frame_count == sum(decode_report(s).frame_count for s in shots) == 96
    assert report.duration_s == pytest.approx(4.0)
    head = master.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


def test_sources_are_never_touched(finished):
    folder, before, _ = finished
    assert _digests(folder) == before


def test_the_folder_holds_what_the_contract_names(finished):
    _, _, done = finished
    names = {p.name for p in done.folder.iterdir()}
    assert {
        "master.mp4", "shots", "report.html", "report.json", "shots.csv", "cuts.csv",
        "regenerate.csv", "manifest.json",
    } <= names  # fmt: skip
    assert not list(done.folder.rglob("*.part*"))
    assert Store(done.folder).verify() == ()


def test_stages_run_over_all_shots_before_the_next_begins(finished):
    _, _, done = finished
    events = [json.loads(x) for x in (done.folder / "events.jsonl").read_text().splitlines()]
    order = [e["stage"] for e in events if e["kind"] == "stage"]
    assert order == [
        "check", "measure", "faces", "deflicker", "stabilise", "interpolate", "fit the set",
        "upscale+grade", "master", "measure again", "report",
    ]  # fmt: skip
    seen = [e["stage"] for e in events if e["stage"]]
    assert seen == sorted(seen, key=order.index)


def test_a_second_run_makes_nothing_and_changes_nothing(finished):
    folder, _, done = finished
    keep = ("shots/", "work/", "master.mp4")
    before = {k: v for k, v in _digests(done.folder).items() if k.startswith(keep)}
    written = (done.folder / "report.html").stat().st_mtime_ns
    again = finish_episode(open_episode(folder), template(), done.folder.parent, jobs=2)
    after = {k: v for k, v in _digests(again.folder).items() if k.startswith(keep)}
    assert after == before
    events = (done.folder / "events.jsonl").read_text().splitlines()
    last_run = events[len(events) - 1 - events[::-1].index(next(
        e for e in reversed(events) if '"check"' in e and '"stage", "stage"' in e)):]  # fmt: skip
    made = [e for e in map(json.loads, last_run)
            if e["kind"] == "shot" and e["stage"] in ("faces", "deflicker", "stabilise",
                                                     "interpolate", "upscale+grade")]  # fmt: skip
    assert made == []
    stages = {json.loads(e)["stage"] for e in last_run}
    assert "fit the set" not in stages, "an episode that is finished is not fitted again"
    assert (done.folder / "report.html").stat().st_mtime_ns == written


def test_what_lay_between_the_passes_is_not_needed_any_more(finished, tmp_path):
    folder, _, done = finished
    copied = tmp_path / "out" / done.folder.name
    shutil.copytree(done.folder, copied)
    for between in copied.glob("work/[0-9]_*"):
        shutil.rmtree(between)
    before = _digests(copied / "shots")
    finish_episode(open_episode(folder), template(), copied.parent, jobs=2)
    assert _digests(copied / "shots") == before
    assert not list(copied.glob("work/*_*/*.mkv"))


@pytest.mark.parametrize("gone", [False, True], ids=["overwritten", "lost"])
def test_a_shot_harmed_after_it_was_made_is_set_aside_and_made_again(finished, tmp_path, gone):
    folder, _, done = finished
    copied = tmp_path / "out" / done.folder.name
    shutil.copytree(done.folder, copied)
    before = _digests(copied / "shots")

    def harm(event):
        if event.stage == "measure again" and event.kind == "stage":
            victim = copied / "shots" / "shot_001.mp4"
            victim.unlink() if gone else victim.write_bytes(b"gone")

    again = finish_episode(
        open_episode(folder), template(), copied.parent, jobs=2, progress=Progress(harm)
    )
    assert again.exit_code == 3
    how = Store(copied).manifest().shots["shot_001"]
    assert (how.state, how.code) == ("quarantined", "changed")
    finish_episode(open_episode(folder), template(), copied.parent, jobs=2)
    assert _digests(copied / "shots") == before


def test_a_manifest_lost_under_a_run_ends_it_with_a_sentence(finished, tmp_path):
    folder, _, done = finished
    copied = tmp_path / "out" / done.folder.name
    shutil.copytree(done.folder, copied)
    before = _digests(copied / "shots")

    def harm(event):
        if event.stage == "measure again" and event.kind == "stage":
            (copied / "manifest.json").unlink()

    with pytest.raises(FinishError, match="has lost") as caught:
        finish_episode(
            open_episode(folder), template(), copied.parent, jobs=2, progress=Progress(harm)
        )
    assert caught.value.code == "changed"
    finish_episode(open_episode(folder), template(), copied.parent, jobs=2)
    assert _digests(copied / "shots") == before


@pytest.mark.slow
def test_another_template_makes_other_pictures(finished, tmp_path):
    folder, _, done = finished
    copied = tmp_path / "out" / done.folder.name
    shutil.copytree(done.folder, copied)
    before = _digests(copied / "shots")
    other = template(**{"grade.saturation": 1.3})
    finish_episode(open_episode(folder), other, copied.parent, jobs=2)
    after = _digests(copied / "shots")
    assert set(before) == set(after)
    assert all(before[name] != after[name] for name in before)


def test_a_flipped_bit_in_a_finished_shot_is_found_and_the_shot_made_again(finished, tmp_path):
    folder, _, done = finished
    copied = tmp_path / "out" / done.folder.name
    shutil.copytree(done.folder, copied)
    before = _digests(copied / "shots")
    victim = copied / "shots" / "shot_002.mp4"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    assert Store(copied).verify() == ("shots/shot_002.mp4",)
    finish_episode(open_episode(folder), template(), copied.parent, jobs=2)
    assert _digests(copied / "shots") == before


@pytest.mark.slow
def test_flicker_cast_and_repeats_are_halved_by_measurement(tmp_path):
    """The promise itself: measured, corrected to a target, measured again."""
    folder = tmp_path / "ep"
    folder.mkdir()
    rng = np.random.default_rng(4)
    for i in range(6):
        data = 0.7 * synth.panning(seed=3, count=48, height=384, width=216, step=2.0)
        if i == 1:
            data = np.clip(data * (1 + 0.05 * rng.normal(size=(48, 1, 1, 1))), 0, 1)
        if i == 3:
            data = np.clip((data**2.2 * np.array([1.25, 1, 0.8])) ** (1 / 2.2), 0, 1)
        if i == 4:
            data[3::4] = data[2::4]
        synth.write_clip(folder / f"s{i}.mp4", data.astype(np.float32), sound=False)
    done = finish_episode(open_episode(folder), template(), tmp_path / "out", jobs=2)
    shots = {s.shot: s for s in done.report.shots}

    def before_after(shot, metric):
        report = shots[shot]
        assert report.finished is not None
        return report.raw[metric], report.finished[metric]

    raw, now = before_after("s1", "flick_g")
    assert raw > 0.4
    assert now <= raw / 2
    raw, now = before_after("s4", "dup_ratio")
    assert raw == pytest.approx(0.25, abs=0.03)
    assert now <= 0.02
    scene = np.median([shots[f"s{i}"].raw["wb_r"] for i in (0, 1, 2, 5)])
    scene_now = np.median([shots[f"s{i}"].finished["wb_r"] for i in (0, 1, 2, 5)])
    raw, now = before_after("s3", "wb_r")
    assert raw - scene > 0.2
    assert abs(now - scene_now) <= abs(raw - scene) / 2
    assert done.report.score.finished > done.report.score.raw


@pytest.mark.slow
def test_shots_of_other_rates_are_conformed_by_time(tmp_path):
    folder = tmp_path / "ep"
    folder.mkdir()
    for i, rate in enumerate((24, 24, 12)):
        count = rate * 2
        data = np.stack([np.full((256, 144, 3), 0.2 + 0.6 * k / count) for k in range(count)])
        synth.write_clip(folder / f"{i}.mp4", data.astype(np.float32), rate=rate)
    done = finish_episode(
        open_episode(folder), template(**{"interpolate.strength": 0.0}), tmp_path / "out", jobs=2
    )
    assert done.exit_code == 0
    slow = done.folder / "shots" / "2.mp4"
    assert (probe(slow).rate_fps, decode_report(slow).frame_count) == (Fraction(24), 48)
    levels = np.concatenate([f.data for f in read_frames(slow)])[:, 100, 50, 1]
    assert np.abs(np.diff(levels[::2])).min() > 0, "every picture is there, at its own time"
    assert decode_report(done.folder / "master.mp4").frame_count == 144


@pytest.mark.slow
def test_a_slower_shot_gets_its_missing_frames(tmp_path):
    """12 fps in a 24 fps master: every second frame would repeat, and is made from motion."""
    folder = tmp_path / "ep"
    folder.mkdir()
    smooth = synth.panning(seed=5, count=48, height=384, width=216, step=1.5)
    for i in range(2):
        synth.write_clip(folder / f"{i}.mp4", smooth, sound=False)
    synth.write_clip(folder / "2.mp4", smooth[::2], rate=12, sound=False)
    look = template(**{"grade.matching": "off"})
    done = finish_episode(open_episode(folder), look, tmp_path / "out", jobs=2)
    slow = next(s for s in done.report.shots if s.shot == "2")
    assert slow.solved["interpolate.made"] >= 20
    assert slow.finished is not None
    assert slow.finished["dup_ratio"] <= 0.05
    made = np.concatenate([f.data for f in read_frames(done.folder / "shots" / "2.mp4")])
    true = np.concatenate([f.data for f in read_frames(done.folder / "shots" / "0.mp4")])
    error = ((made[1:-2:2] - true[1:-2:2]) ** 2).mean()
    repeat = ((true[:-2:2] - true[1:-1:2]) ** 2).mean()
    assert error < repeat / 2


def test_nothing_usable_is_an_error_and_not_an_empty_master(tmp_path):
    folder = tmp_path / "ep"
    folder.mkdir()
    (folder / "a.mp4").write_text("text")
    with pytest.raises(FinishError, match="Not one shot"):
        finish_episode(open_episode(folder), template(), tmp_path / "out")
    assert not (tmp_path / "out" / "ep" / "master.mp4").exists()
    assert Store(tmp_path / "out" / "ep").manifest().exit_code == 1


def test_results_over_the_sources_are_refused(tmp_path):
    folder = synth.make_episode(tmp_path, shots=1, count=4)
    before = _digests(folder)
    for run in (
        lambda: finish_episode(open_episode(folder), template(), tmp_path),
        lambda: measure_episode(open_episode(folder), tmp_path),
    ):
        with pytest.raises(FinishError, match="write over the sources"):
            run()
    assert _digests(folder) == before
