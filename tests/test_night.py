"""What a night would take, from a few frames: nothing is written where it would go."""

import pytest

from finishkit.errors import FinishError
from finishkit.measure.identity import AUTO
from finishkit.night import TRIAL_FRAMES, nets_of, plan_night
from finishkit.night_text import night_lines
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.template import Draft
from tests import synth
from tests.test_finishing import template

COUNT = 30


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    return open_episode(synth.make_episode(tmp_path_factory.mktemp("show"), shots=2, count=COUNT))


@pytest.fixture(scope="module")
def night(episode, tmp_path_factory):
    return plan_night(episode, template(), tmp_path_factory.mktemp("out") / "runs", jobs=2)


def test_the_whole_episode_is_reckoned_from_the_trial(night, episode):
    assert (night.shots, night.frames, night.workers) == (2, 2 * COUNT, 2)
    assert COUNT > TRIAL_FRAMES
    names = [stage.name for stage in night.stages]
    assert {"check", "measure", "upscale+grade"} <= set(names)
    assert all(0 < stage.low_s <= stage.high_s for stage in night.stages)
    assert night.low_s == pytest.approx(sum(stage.low_s for stage in night.stages))
    assert night.memory_bytes > 100 * 2**20
    assert night.free_bytes > 0


def test_nothing_is_written_and_the_sources_stay(episode, tmp_path):
    before = {p: p.read_bytes() for p in sorted(episode.root.iterdir()) if p.is_file()}
    plan_night(episode, template(), tmp_path / "runs", jobs=1, faces=AUTO)
    assert list(tmp_path.iterdir()) == []
    assert {p: p.read_bytes() for p in sorted(episode.root.iterdir()) if p.is_file()} == before


@pytest.mark.slow
def test_the_disk_it_asks_for_is_enough(night, episode, tmp_path):
    done = finish_episode(episode, template(), tmp_path, jobs=2)
    kept = [*done.folder.glob("work/*_*/*.mkv"), *done.folder.glob("shots/*.mp4")]
    used = sum(p.stat().st_size for p in [*kept, done.folder / "master.mp4"])
    assert 0 < used <= night.disk_bytes


def test_nets_come_with_their_licence_and_forbidden_ones_are_refused():
    draft = Draft.from_genre("romance")
    (net,) = nets_of(draft.look)
    assert (net.name, net.commercial) == ("realesr-animevideov3", "unclear")
    assert "BSD-3-Clause" in net.licence
    draft.set("licence", "commercial")
    with pytest.raises(FinishError):
        nets_of(draft.look)
    draft.set("upscale.model", "lanczos")
    assert nets_of(draft.look) == ()


def test_a_full_disk_is_said_before_the_night(night):
    said = night_lines([night.replace(disk_bytes=5 * 2**30, free_bytes=2**30, low_s=5000.0,
                                      high_s=9000.0)])  # fmt: skip
    assert "5.0 GiB for shots and master, 1.0 GiB free  NOT ENOUGH" in said
    assert "1.4 to 2.5 h" in said
    assert "NOT ENOUGH" not in night_lines([night])
