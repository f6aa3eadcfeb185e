"""Cleaning frees what lies between passes, and a cleaned episode still stands finished."""

import fcntl
import hashlib
import os

import pytest

from finishkit.clean import clean_folder, plan_clean
from finishkit.errors import FinishError
from finishkit.hold import held_by_batch
from finishkit.progress import Progress
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.store import Store
from tests import synth
from tests.test_finishing import template

LOOK = {"interpolate.strength": 1.0, "master.rate_fps": "30", "upscale.model": "lanczos"}


def _bytes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in [*folder.glob("shots/*.mp4"), folder / "master.mp4"]}  # fmt: skip


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory):
    root = tmp_path_factory.mktemp("clean")
    episode = open_episode(synth.make_episode(root, shots=2, count=8))
    done = finish_episode(episode, template(**LOOK), root / "out", jobs=1)
    assert done.exit_code == 0
    before = _bytes(done.folder)
    between = sum(p.stat().st_size for p in done.folder.glob("work/*_*/*.mkv"))
    assert between > 0
    orphan = done.folder / "work" / "4_interpolate" / ".shot_001.part.mkv"
    orphan.write_bytes(b"left by a killed run")
    (litter,) = plan_clean([root / "out"])
    freed = clean_folder(litter)
    # Taking the lock has swept away what a killed run left.
    assert litter.bytes - len(b"left by a killed run") == freed == between
    assert not orphan.exists()
    return root, episode, done.folder, before


def test_shots_master_and_report_stay_and_nothing_counts_as_damaged(cleaned):
    _, _, folder, before = cleaned
    assert _bytes(folder) == before
    assert not list(folder.rglob("*.mkv"))
    assert (folder / "report.html").is_file()
    store = Store(folder)
    assert store.verify() == ()
    assert store.manifest().exit_code == 0


def test_a_cleaned_episode_is_not_made_again(cleaned):
    root, episode, folder, before = cleaned
    made = []

    def count(event):
        if event.kind == "shot" and event.stage in ("interpolate", "upscale+grade"):
            made.append(event)

    again = finish_episode(
        episode, template(**LOOK), root / "out", jobs=1, progress=Progress(count)
    )
    assert again.exit_code == 0
    assert made == []
    assert _bytes(folder) == before
    assert not list(folder.rglob("*.mkv"))


def test_a_shot_made_anew_after_cleaning_comes_out_the_same(cleaned):
    root, episode, folder, before = cleaned
    again = finish_episode(
        episode, template(**LOOK), root / "out", jobs=1, redo=[episode.shots[0].id]
    )
    assert again.exit_code == 0
    assert _bytes(folder) == before


def test_an_unfinished_episode_keeps_what_going_on_needs(tmp_path):
    store = Store(tmp_path / "ep01")
    store.plan("ep01", ("a", "b"))
    (tmp_path / "ep01" / "work" / "1_faces").mkdir(parents=True)
    kept = tmp_path / "ep01" / "work" / "1_faces" / "a.mkv"
    kept.write_bytes(b"x")
    (litter,) = plan_clean([tmp_path])
    assert (litter.files, litter.bytes) == ((), 0)
    assert "not finished" in litter.kept
    assert clean_folder(litter) == 0
    assert kept.exists()


def _finished(folder, size):
    store = Store(folder)
    store.plan(folder.name, ("a",))
    for name in ("work/1_faces/a.mkv", "master.mp4"):
        store.part(name).write_bytes(b"x" * size)
        store.commit(name, key="k", check=lambda _: None)
    store.mark("a", "finished")
    store.end()


def test_age_and_size_say_which_episodes_are_cleaned(tmp_path):
    for number, name in enumerate(("ep01", "ep02", "ep03")):
        _finished(tmp_path / name, 1000)
        os.utime(tmp_path / name / "manifest.json", (1000 + number, 1000 + number))
    _finished(tmp_path / "ep04", 1000)

    def freed(**how):
        return [one.folder.name for one in plan_clean([tmp_path], **how) if one.files]

    assert freed() == ["ep01", "ep02", "ep03", "ep04"]
    assert freed(older_than_s=3600) == ["ep01", "ep02", "ep03"]
    assert freed(keep_bytes=2500) == ["ep01", "ep02"]
    assert freed(keep_bytes=4000) == []


def test_a_folder_that_is_worked_on_is_refused(tmp_path):
    _finished(tmp_path / "ep01", 10)
    with held_by_batch([tmp_path / "ep01"]), pytest.raises(FinishError, match="worked on"):
        plan_clean([tmp_path / "ep01"])
    with (tmp_path / "ep01" / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FinishError, match="worked on"):
            plan_clean([tmp_path])
    with pytest.raises(FinishError, match="nothing was finished there"):
        plan_clean([tmp_path / "ep01" / "work"])
