"""Where a creator begins: the folder is found, opened, shown; what is wrong is said."""

from pathlib import Path

import pytest

from finishkit.batch import shipped
from finishkit.preview import Preview
from finishkit_widgets import Start
from finishkit_widgets.app import App
from finishkit_widgets.start import episode_folder, found_episodes, opened_on, out_folder


def test_folders_of_clips_are_found_and_results_are_not(tmp_path: Path):
    for folder, names in {
        "episodes/ep01": ("1.mp4", "2.MOV", "notes.txt"),
        "episodes/ep02": ("a.mkv",),
        "runs/ep01/shots": ("1.mp4",),
        ".trash/ep03": ("1.mp4",),
        "empty": (),
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).touch()
    (tmp_path / "runs" / "ep01" / "manifest.json").touch()
    found = [(str(f.relative_to(tmp_path)), count) for f, count in found_episodes(tmp_path)]
    assert found == [("episodes/ep01", 2), ("episodes/ep02", 1)]


def test_opens_and_shows_the_whole_app(preview: Preview, tmp_path: Path):
    start = Start("", tmp_path / "runs", root=preview.episode.root.parent, language="en")
    assert start.session is None
    assert [label for label, _ in start._found.options] == ["ep, 5 clips"]
    start._open.click()
    assert start.notice.value == ""
    assert start.session is not None
    assert start.session.folder == tmp_path / "runs" / "ep"
    (app,) = start._place.children
    assert isinstance(app, App)
    assert start._choice.layout.display == "none"
    assert "ep is open" in start._said.value
    assert "data:image/jpeg" in start.still_html()


def test_a_folder_that_cannot_be_opened_is_said_with_the_cure(tmp_path: Path):
    start = Start("", tmp_path, root=tmp_path, language="en")
    assert start.choose(tmp_path / "nowhere") is None
    assert "nowhere" in start.notice.value
    assert 'role="alert"' in start.notice.value
    assert start.session is None
    assert start._choice.layout.display != "none"
    assert not start._open.disabled


def test_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="no keyword 'otu'"):
        Start("", otu="x")


def test_parameters_come_before_the_command_line_and_the_sample(monkeypatch, tmp_path):
    monkeypatch.delenv("FINISHKIT_EPISODE", raising=False)
    assert opened_on() == ""
    assert episode_folder() == shipped("sample_shots/ep01")
    monkeypatch.setenv("FINISHKIT_EPISODE", "/show/ep01")
    monkeypatch.setenv("FINISHKIT_OUT", str(tmp_path))
    assert (episode_folder(), out_folder()) == (Path("/show/ep01"), tmp_path.resolve())
    assert episode_folder("mine") == Path("mine")
    assert out_folder(str(tmp_path / "mine")) == (tmp_path / "mine").resolve()
