"""Delivery files: what is in them, what stands after a kill, what is refused."""

import hashlib
import json
import shutil
import subprocess
import sys

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from finishkit.clean import clean_folder, plan_clean
from finishkit.cli import app
from finishkit.deliver.codecs import Codec, Hardware, choose
from finishkit.deliver.episode import deliver_episode
from finishkit.deliver.finished import episodes_to_deliver
from finishkit.deliver.forecast import forecast
from finishkit.disk import _standing
from finishkit.errors import FinishError
from finishkit.frames import decode_report, probe, read_frames
from finishkit.frames.signalled import BT709_LIMITED, signalled
from finishkit.pause import Paused, request_pause
from finishkit.progress import Progress
from finishkit.store import Store
from tests.deliver.finished import COLOURS, COUNTS, HEIGHT_PX, RATE, finished_folder


def software(codec, crf=None):
    return choose(Codec(codec), crf=crf, hardware=Hardware.OFF)


def set_aside(folder):
    store = Store(folder)
    store.plan("ep01", (*COUNTS, "shot_004"))
    for shot in COUNTS:
        store.mark(shot, "finished")
    store.mark("shot_004", "quarantined", "undecodable", "shot_004.mp4 breaks off.")
    store.end()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sound(path):
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)


def parts(folder, codec="h264"):
    return {s: folder / f"work/delivery_{codec}/{s}.mp4" for s in COUNTS}


def mtimes(folder, codec="h264"):
    return {s: p.stat().st_mtime_ns for s, p in parts(folder, codec).items()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A finished episode, as a run leaves it; never touched."""
    return finished_folder(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def folder(kept, tmp_path):
    """A copy of it, to do with as one likes."""
    return shutil.copytree(kept, tmp_path / "out" / "ep01")


@pytest.fixture(scope="module")
def episode(kept, tmp_path_factory):
    """One finished episode, with a shot set aside, delivered in all three codecs; only read."""
    folder = shutil.copytree(kept, tmp_path_factory.mktemp("delivered") / "out" / "ep01")
    set_aside(folder)
    before = {p: digest(p) for p in [*folder.glob("shots/*"), folder / "master.mp4"]}
    (folder / "report.json").write_text("{}")
    made = {codec: deliver_episode(folder, software(codec), jobs=1) for codec in Codec}
    return folder, made, before


@pytest.mark.parametrize(
    ("codec", "tag", "pixels"),
    [("h264", "avc1", "yuv420p"), ("hevc", "hvc1", "yuv420p10le"), ("av1", "av01", "yuv420p10le")],
)
def test_a_file_says_what_it_is_and_holds_every_frame(episode, codec, tag, pixels):
    folder, made, _ = episode
    file = folder / "delivery" / f"ep01_{codec}.mp4"
    assert made[Codec(codec)].file == str(file)
    signs = signalled(file)
    assert (signs.codec, signs.codec_tag, signs.pixel_format) == (codec, tag, pixels)
    assert signs.colour == signs.picture_colour == BT709_LIMITED
    whole = sum(COUNTS.values())
    report = decode_report(file)
    assert (signs.frame_count, report.frame_count, report.error) == (whole, whole, "")
    assert report.increasing
    assert report.constant_rate
    assert probe(file).rate_fps == RATE
    assert signs.duration_s == pytest.approx(whole / 24, abs=1e-3)
    head = file.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


@pytest.mark.parametrize("codec", list(Codec))
def test_shots_are_in_order_and_their_colours_are_the_masters(episode, codec):
    folder, made, _ = episode
    flat = np.s_[:, 20 : HEIGHT_PX // 2 - 20, 20:-20]
    ours = np.concatenate(
        [f.data[flat] for f in read_frames(folder / f"delivery/ep01_{codec}.mp4")]
    )
    theirs = np.concatenate([f.data[flat] for f in read_frames(folder / "master.mp4")])
    due = np.concatenate([[COLOURS[shot]] * count for shot, count in COUNTS.items()])
    assert np.abs(ours.mean(axis=(1, 2)) * 255 - due).max() < 1.5
    assert np.abs(ours - theirs).max() * 255 < 3
    assert 0.9 < made[codec].ssim_least <= made[codec].ssim_mean < 1


@pytest.mark.parametrize("codec", list(Codec))
def test_sound_is_the_masters_to_the_sample_and_meets_the_cuts(episode, codec):
    folder, _, _ = episode
    heard = sound(folder / f"delivery/ep01_{codec}.mp4")
    assert np.array_equal(heard, sound(folder / "master.mp4"))
    level = np.abs(heard).max(axis=0)
    starts = np.cumsum([0, *list(COUNTS.values())[:-1]])
    for start in starts:
        at = round(start * 48000 / 24)
        # Each shot has one click, in its first 10 ms; AAC smears it by a few milliseconds.
        assert level[at : at + 480].max() > 0.3
    quiet = level[12_000:15_000]
    assert quiet.max() < 0.02


def test_the_parts_carry_their_own_sound(episode):
    folder, _, _ = episode
    for shot, part in parts(folder, "hevc").items():
        assert np.array_equal(sound(part), sound(folder / "shots" / f"{shot}.mp4"))


def test_nothing_that_was_finished_is_touched_and_all_is_recorded(episode):
    folder, made, before = episode
    assert {p: digest(p) for p in before} == before
    assert (folder / "report.json").read_text() == "{}"
    store = Store(folder)
    assert store.verify() == ()
    assert {f"delivery/ep01_{codec}.mp4" for codec in made} <= set(store.manifest().entries)
    assert store.manifest().exit_code == 3
    assert not list(folder.rglob("*.part*"))
    assert [shot for shot, _ in made[Codec.H264].left_out] == ["shot_004"]


def test_again_makes_nothing_and_another_crf_makes_all_pause_or_not(folder):
    first = deliver_episode(folder, software("h264"), jobs=1)
    assert (first.encoded, first.standing) == (3, 0)
    stamps = mtimes(folder)
    again = deliver_episode(folder, software("h264"), jobs=1)
    assert (again.encoded, again.standing) == (0, 3)
    assert mtimes(folder) == stamps

    def pause(event):
        if event.kind == "shot" and event.stage == "ep01 h264":
            request_pause(folder)

    with pytest.raises(Paused, match=r"1 of 3 shots are encoded.*same command again"):
        deliver_episode(folder, software("h264", crf=40), jobs=1, progress=Progress(pause))
    other = deliver_episode(folder, software("h264", crf=40), jobs=1)
    assert (other.encoded, other.standing) == (2, 1)
    assert other.bytes < first.bytes
    assert other.ssim_mean < first.ssim_mean


KILLED = """
import os, signal, sys
from pathlib import Path
from finishkit.deliver.codecs import Codec, Hardware, choose
from finishkit.deliver.episode import deliver_episode
from finishkit.store import Store

seen = []
def fault(point):
    seen.append(point)
    if seen.count("renamed") == 2:
        os.kill(os.getpid(), signal.SIGKILL)
Store.fault = staticmethod(fault)
deliver_episode(Path(sys.argv[1]), choose(Codec.H264, hardware=Hardware.OFF), jobs=1)
"""


def test_after_a_kill_damage_and_cleaning_only_what_lacks_is_made_and_bytes_are_equal(folder):
    ran = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert ran.returncode == -9
    # The second was renamed and not recorded: it is not believed.
    assert "work/delivery_h264/shot_001.mp4" in Store(folder).manifest().entries
    assert parts(folder)["shot_002"].exists()
    assert "work/delivery_h264/shot_002.mp4" not in Store(folder).manifest().entries
    stamp = parts(folder)["shot_001"].stat().st_mtime_ns
    made = deliver_episode(folder, software("h264"), jobs=1)
    assert (made.encoded, made.standing) == (2, 1)
    assert parts(folder)["shot_001"].stat().st_mtime_ns == stamp
    assert Store(folder).verify() == ()
    # A part is damaged.
    stamps, whole = mtimes(folder), folder / "delivery/ep01_h264.mp4"
    part, bytes_ = parts(folder)["shot_003"], whole.read_bytes()
    good = part.read_bytes()
    part.write_bytes(good[:-200] + bytes(200))
    assert Store(folder).verify() == ("work/delivery_h264/shot_003.mp4",)
    assert deliver_episode(folder, software("h264"), jobs=1).encoded == 1
    assert part.read_bytes() == good
    now = mtimes(folder)
    assert now.pop("shot_003") != stamps.pop("shot_003")
    assert now == stamps
    # The joined file is.
    whole.write_bytes(b"gone")
    assert deliver_episode(folder, software("h264"), jobs=1).encoded == 0
    assert whole.read_bytes() == bytes_
    # The parts are cleaned away: nothing is made while the joined file stands.
    (litter,) = plan_clean([folder])
    clean_folder(litter)
    assert not any(p.exists() for p in parts(folder).values())
    again = deliver_episode(folder, software("h264"), jobs=1)
    assert (again.encoded, again.standing) == (0, 3)
    # And that is lost too: two at a time give the same bytes.
    whole.unlink()
    assert deliver_episode(folder, software("h264"), jobs=2).encoded == 3
    assert whole.read_bytes() == bytes_


def test_a_shot_that_was_harmed_is_named_and_the_others_stand(folder):
    shot = folder / "shots/shot_001.mp4"
    shot.write_bytes(shot.read_bytes()[:-100])
    with pytest.raises(FinishError, match=r"1 of 3 shots.*--redo shot_001") as failed:
        deliver_episode(folder, software("h264"), jobs=1)
    assert failed.value.code == "not_delivered"
    assert not (folder / "delivery").exists() or not list((folder / "delivery").iterdir())
    assert len([p for p in parts(folder).values() if p.exists()]) == 2


def test_what_is_not_finished_is_refused_with_a_cure(folder, tmp_path):
    with pytest.raises(FinishError, match=r"does not exist.*finishkit batch") as failed:
        episodes_to_deliver(tmp_path / "nowhere")
    assert failed.value.code == "no_folder"
    store = Store(folder)
    store.plan("ep01", tuple(COUNTS))
    for shot in COUNTS:
        store.mark(shot, "finished")
    with pytest.raises(FinishError, match="ep01 was stopped before its report") as failed:
        episodes_to_deliver(folder)
    assert failed.value.code == "not_finished"
    with pytest.raises(FinishError, match=r"Nothing in .* is finished yet"):
        episodes_to_deliver(folder.parent)
    with pytest.raises(FinishError, match=r"ep99 does not exist.*has: ep01"):
        episodes_to_deliver(folder.parent / "ep99")
    store.plan("ep01", tuple(COUNTS))
    store.mark("shot_001", "finished")
    with pytest.raises(FinishError, match="1 of 3 shots are"):
        episodes_to_deliver(folder)


def test_a_master_of_other_shots_is_refused(folder):
    store = Store(folder)
    store.mark("shot_003", "quarantined", "changed", "shot_003.mp4 changed.")
    store.end()
    with pytest.raises(FinishError, match="the master holds 21 frames, its finished shots 9"):
        deliver_episode(folder, software("h264"), jobs=1)


def test_what_was_delivered_does_not_count_for_the_disk_of_the_next_night(episode):
    folder, _, _ = episode
    entries = Store(folder).manifest().entries
    night = sum(e.bytes for n, e in entries.items() if n.startswith(("shots/", "master")))
    assert night < sum(e.bytes for e in entries.values())
    assert _standing(folder) == night


def test_a_folder_that_is_worked_on_is_refused(folder):
    with Store(folder).locked(), pytest.raises(FinishError, match="is being worked on") as failed:
        deliver_episode(folder, software("h264"), jobs=1)
    assert failed.value.code == "locked"


def test_at_the_prompt(folder):
    set_aside(folder)
    ask = ["deliver", str(folder.parent), "--codec", "h264", "--hardware", "auto", "--jobs", "1"]
    before = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))
    ran = CliRunner().invoke(app, [*ask, "--dry-run"])
    assert ran.exit_code == 0, ran.output
    assert "ep01 as h264 (libx264, crf 18): 3 shots, 21 frames, 0.9 s; 0 stand" in ran.stdout
    assert "left out: shot_004: shot_004.mp4 breaks off." in ran.stdout
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")) == before
    ran = CliRunner().invoke(app, ask)
    assert ran.exit_code == 3, ran.output
    assert str(folder / "delivery/ep01_h264.mp4") in ran.stdout
    assert "SSIM against the master 0.9" in ran.stdout
    assert "Mb/s; the master:" in ran.stdout
    ran = CliRunner().invoke(app, [*ask, "--json"])
    (told,) = json.loads(ran.stdout)
    assert told["encoded"] == 0
    assert told["bytes"] == (folder / "delivery/ep01_h264.mp4").stat().st_size
    assert forecast(folder, software("h264")).to_encode == ()
    ran = CliRunner().invoke(app, ["deliver", str(folder), "--codec", "vp9"])
    assert isinstance(ran.exception, FinishError)
    assert "choose h264, hevc, av1" in str(ran.exception)
    ran = CliRunner().invoke(app, ["deliver", str(folder), "--crf", "99"])
    assert "hevc takes 0" in str(ran.exception)
