"""finishkit init: a show's folder, and nothing of anybody's overwritten."""

import pytest

from finishkit.errors import FinishError
from finishkit.shots import open_episode
from finishkit.show import init_show, show_of
from tests import synth
from tests.test_cli import finishkit


def _bytes(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_show_has_everything_and_a_second_run_changes_nothing(tmp_path):
    show = tmp_path / "my_show"
    made = {p.as_posix() for p in init_show(show)}
    assert {
        "README.md", "episodes/ep01/shots_template.csv", "episodes/ep01/characters.csv",
        "episodes/ep01/refs",
        "templates", "notebooks/30_finish_episode.ipynb",
    } <= made  # fmt: skip
    before = _bytes(show)
    assert init_show(show) == ()
    assert _bytes(show) == before


def test_only_what_is_missing_is_added(tmp_path):
    show = tmp_path / "my_show"
    init_show(show)
    (show / "README.md").write_text("mine")
    (show / "episodes/ep01/characters.csv").unlink()
    assert [p.as_posix() for p in init_show(show)] == ["episodes/ep01/characters.csv"]
    assert (show / "README.md").read_text() == "mine"


def test_the_tables_are_those_the_engine_reads(tmp_path):
    init_show(tmp_path / "show")
    folder = tmp_path / "show" / "episodes" / "ep01"
    synth.write_clip(folder / "a.mp4", synth.panning(1, 4), sound=False)
    (folder / "shots_template.csv").rename(folder / "shots.csv")
    with (folder / "shots.csv").open("a") as table:
        table.write("a,a.mp4,scene 1,ADA,a prompt,7\n")
    with (folder / "characters.csv").open("a") as table:
        table.write("ADA,refs/ada.jpg\n")
    (folder / "refs" / "ada.jpg").write_bytes(b"")
    episode = open_episode(folder)
    assert [(s.id, s.scene, s.characters) for s in episode] == [("a", "scene 1", ("ADA",))]
    assert [c.name for c in episode.characters] == ["ADA"]


def test_clips_alone_are_enough(tmp_path):
    init_show(tmp_path / "show")
    folder = tmp_path / "show" / "episodes" / "ep01"
    synth.write_clip(folder / "a.mp4", synth.panning(1, 4), sound=False)
    assert [s.id for s in open_episode(folder)] == ["a"]


def test_a_folder_of_something_else_is_refused_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(FinishError, match=r"holds other things \(thesis.tex\)"):
        init_show(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(FinishError, match="is a file"):
        init_show(tmp_path / "thesis.tex")


def test_the_command_teaches(tmp_path):
    helped = finishkit("init", "--help", cwd=tmp_path)
    for word in ("episodes", "reference pictures", "finishkit lab"):
        assert word in helped.stdout
    made = finishkit("init", "my_show", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "my_show/README.md" in made.stdout
    again = finishkit("init", "my_show", cwd=tmp_path)
    assert "nothing was changed" in again.stdout
    nothing = finishkit("pause", "my_show/runs/ep01", cwd=tmp_path)
    assert nothing.returncode == 2
    assert "nothing to pause" in nothing.stderr


def test_an_episode_knows_the_show_it_lies_in(tmp_path):
    init_show(tmp_path / "show")
    assert show_of(tmp_path / "show" / "episodes" / "ep01") == (tmp_path / "show").resolve()
    assert show_of(tmp_path / "show" / "runs" / "ep01") is None
    assert show_of(tmp_path / "loose" / "ep01") is None
