"""The filmstrip and its thumbnails, without a browser."""

import base64
import os
import re
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import traitlets

from finishkit.errors import FinishError
from finishkit.preview import Preview, thumbnails
from finishkit.preview.thumbnails import HEIGHT_PX, WIDTH_PX, Thumbnails
from finishkit_widgets.badges import BADGES
from finishkit_widgets.filmstrip import COLUMNS, Filmstrip, short_names
from finishkit_widgets.pictures import sheet_bytes
from finishkit_widgets.session import Session
from tests.widgets.coloured import KEYFRAME, coloured, write_bands

COLOURS = [(20 * i + 10, 235 - 18 * i, (90 * i) % 250) for i in range(12)]
"""One a shot, all well apart: more shots than the sheet has columns."""
SCENES = [*"aaaa", *"bbbb", *"cccc"]


@pytest.fixture(scope="module")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    folder = tmp_path_factory.mktemp("dozen") / "ep"
    shots = [(s, [(c, 1.0)]) for s, c in zip(SCENES, COLOURS, strict=True)]
    return coloured(folder, shots)


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _tile_colours(strip: Filmstrip) -> np.ndarray:
    """Return the median colour of every tile on the sheet, (n, 3)."""
    sheet = _decoded(strip.sheet)
    found = []
    for at in range(len(strip.items)):
        top, left = at // COLUMNS * HEIGHT_PX, at % COLUMNS * WIDTH_PX
        tile = sheet[top : top + HEIGHT_PX, left : left + WIDTH_PX].reshape(-1, 3)
        # Flat to the last pixel: nothing of a neighbour shows.
        assert np.ptp(tile.astype(int), axis=0).max() <= 8
        found.append(np.median(tile, axis=0))
    return np.array(found)


def test_tile_i_shows_the_middle_of_shot_i(dozen: Preview, tmp_path: Path):
    strip = Filmstrip(Session(dozen, tmp_path))
    assert strip.wait(60)
    assert _decoded(strip.sheet).shape == (2 * HEIGHT_PX, COLUMNS * WIDTH_PX, 3)
    assert np.abs(_tile_colours(strip) - np.array(COLOURS)).max() <= 4
    assert strip.left == 0


def test_the_strip_is_there_before_its_pictures(dozen: Preview, tmp_path: Path, monkeypatch):
    gate, middle = threading.Event(), thumbnails._middle
    monkeypatch.setattr(thumbnails, "_middle", lambda *given: gate.wait(60) and middle(*given))
    heard: list[int] = []
    strip = Filmstrip(Session(dozen, tmp_path))
    assert strip.left == 12
    strip.observe(lambda change: heard.append(change.new), names="left")
    assert [item["shot"] for item in strip.items] == [f"c{n:02d}" for n in range(1, 13)]
    rough = threading.Event()
    follow = strip.session.thumbnails
    stop = follow.follow(lambda *_: rough.set() if len(follow.found) == 12 else None)
    # Not one middle frame can be read yet, and every keyframe is there.
    assert rough.wait(60)
    assert {seen.exact for seen in follow.found.values()} == {False}
    for seen in follow.found.values():
        assert np.abs(seen.picture.astype(int) - KEYFRAME).max() <= 3
    gate.set()
    assert strip.wait(60)
    stop()
    assert heard[-1] == 0
    assert np.abs(_tile_colours(strip) - np.array(COLOURS)).max() <= 4


def test_thumbnails_are_kept_by_content(dozen: Preview, tmp_path: Path, monkeypatch):
    first = Filmstrip(Session(dozen, tmp_path))
    assert first.wait(60)
    assert len(list((tmp_path / "ep" / "work" / "thumbs").glob("*.jpg"))) == 12

    def never(*_):
        raise AssertionError("a clip was decoded again")

    monkeypatch.setattr(thumbnails, "_middle", never)
    monkeypatch.setattr(thumbnails, "_keyframe", never)
    again = Filmstrip(Session(dozen, tmp_path))
    assert again.wait(60)
    assert again.trouble == ""
    assert again.sheet == first.sheet


def test_a_changed_clip_is_read_again_even_with_its_old_date(tmp_path: Path):
    preview = coloured(tmp_path / "ep", [("a", [((200, 40, 40), 1.0)])])
    clip = preview.episode.shots[0].path
    date = clip.stat().st_mtime_ns
    first = Filmstrip(Session(preview, tmp_path / "runs"))
    assert first.wait(60)
    write_bands(clip, [((40, 40, 200), 1.0)])
    os.utime(clip, ns=(date, date))
    second = Filmstrip(Session(preview, tmp_path / "runs"))
    assert second.wait(60)
    assert np.abs(_tile_colours(second)[0] - (40, 40, 200)).max() <= 4


def test_a_full_disk_costs_no_picture(dozen: Preview, tmp_path: Path, monkeypatch):
    def full(path: Path, data: bytes) -> None:
        raise FinishError(f"{path} could not be written: no space.", "write_failed")

    monkeypatch.setattr(thumbnails, "write_bytes", full)
    strip = Filmstrip(Session(dozen, tmp_path))
    assert strip.wait(60)
    assert strip.trouble == ""
    assert np.abs(_tile_colours(strip) - np.array(COLOURS)).max() <= 4


def test_a_clip_that_is_gone_is_said_and_the_others_are_shown(tmp_path: Path):
    shots = [("a", [((200, 40, 40), 1.0)]), ("a", [((40, 200, 40), 1.0)])]
    preview = coloured(tmp_path / "ep", shots)
    preview.episode.shots[0].path.unlink()
    strip = Filmstrip(Session(preview, tmp_path / "runs"))
    assert strip.wait(60)
    assert "c01.mp4 cannot be read" in strip.trouble
    assert strip.left == 0
    grey, green = _tile_colours(strip)
    assert np.abs(grey - 128).max() <= 2
    assert np.abs(green - (40, 200, 40)).max() <= 4


def test_a_landscape_clip_is_whole_on_grey():
    wide = np.full((81, 144, 3), 250, np.uint8)
    tile = _decoded(sheet_bytes([wide], (WIDTH_PX, HEIGHT_PX), COLUMNS))[:, :WIDTH_PX]
    assert (tile[128] >= 248).all()
    assert np.abs(tile[8].astype(int) - 128).max() <= 2


def test_nobody_following_nothing_is_made(dozen: Preview, tmp_path: Path, monkeypatch):
    gate, middle = threading.Event(), thumbnails._middle
    started = threading.Event()

    def slow(*given):
        started.set()
        return gate.wait(60) and middle(*given)

    monkeypatch.setattr(thumbnails, "_middle", slow)
    counts = {str(s.id): dozen.frame_count(s.id) for s in dozen.episode}
    reader = Thumbnails(dozen.episode, counts, tmp_path)
    stop = reader.follow(lambda *_: None)
    assert started.wait(60)
    stop()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "finishkit-thumbnails":
            thread.join(60)
    # What was under way was finished, and no more begun.
    assert 12 - thumbnails.THREADS <= reader.left < 12
    told: list[str] = []
    stop = reader.follow(lambda shot, seen: told.append(shot) if seen.exact else None)
    assert reader.wait(60)
    stop()
    assert sorted(told) == sorted(counts)


def test_eighty_shots_are_small():
    rng = np.random.default_rng(3)
    # Noise is the worst a JPEG can meet.
    tiles = [rng.integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8) for _ in range(80)]
    assert len(sheet_bytes(tiles, (WIDTH_PX, HEIGHT_PX), COLUMNS)) < 10e6


def test_items_say_who_where_and_why(preview: Preview, tmp_path: Path):
    strip = Filmstrip(Session(preview, tmp_path))
    assert [i["shot"] for i in strip.items] == ["s1", "s2", "s3", "s4", "s5"]
    assert [i["label"] for i in strip.items] == ["1", "2", "3", "4", "5"]
    assert [i["scene"] for i in strip.items] == ["a", "a", "a", "a", "b"]
    assert any(item["why"] for item in strip.items)
    for item, judged in zip(strip.items, preview.verdict.shots, strict=True):
        assert item["shape"] == BADGES[judged.action].shape
        assert item["letter"] == BADGES[judged.action].letter
        assert item["hook"] == judged.hook
        assert all(reason.text in item["why"] for reason in judged.reasons)


def test_short_names_lose_what_all_begin_with():
    assert short_names(["s01e01_shot_009", "s01e01_shot_010"]) == ["009", "010"]
    assert short_names(["a", "ab"]) == ["a", "ab"]
    assert short_names(["only_1"]) == ["only_1"]


def test_the_strip_follows_the_session(preview: Preview, tmp_path: Path):
    session = Session(preview, tmp_path, language="en")
    strip = Filmstrip(session)
    assert strip.selected == session.selected
    session.select("s2")
    assert strip.selected == "s2"
    session.flag("s2", "regenerate", "six fingers")
    assert strip.marks["s2"] == {"mark": "regenerate", "note": "six fingers", "needs": True}
    session.flag("s2", "accept")
    assert strip.marks["s2"]["needs"] is False
    session.language = "zh"
    assert strip.words["flagged"] == "待处理"
    strip.close()
    session.select("s3")
    session.unflag("s2")
    assert strip.selected == "s2"
    assert strip.marks["s2"]["mark"] == "accept"
    assert session.thumbnails._followers == []


def test_what_a_person_does_is_a_call_of_the_session(preview: Preview, tmp_path: Path):
    session = Session(preview, tmp_path)
    strip = Filmstrip(session)
    strip._handle_custom_msg({"do": "select", "shot": "s5"}, [])
    assert session.selected == strip.selected == "s5"
    strip._handle_custom_msg({"do": "flag", "shot": "s5", "mark": "regenerate"}, [])
    assert session.flags["s5"].mark == strip.marks["s5"]["mark"] == "regenerate"
    strip._handle_custom_msg({"do": "unflag", "shot": "s5"}, [])
    assert "s5" not in session.flags
    assert strip.trouble == ""
    strip._handle_custom_msg({"do": "select", "shot": "s9"}, [])
    assert "no shot 's9'" in strip.trouble
    assert session.selected == "s5"
    strip._handle_custom_msg({"do": "lock"}, [])
    assert "does not know 'lock'" in strip.trouble
    assert session.template is None


def test_only_filters_and_keywords_that_exist(preview: Preview, tmp_path: Path):
    session = Session(preview, tmp_path)
    strip = Filmstrip(session, filter="scene:b", orientation="vertical")
    assert (strip.filter, strip.orientation) == ("scene:b", "vertical")
    with pytest.raises(traitlets.TraitError, match="no filter 'scene:z'"):
        strip.filter = "scene:z"
    assert strip.filter == "scene:b"
    with pytest.raises(TypeError, match=r"no keyword 'orientaton'. Did you mean 'orientation'"):
        Filmstrip(session, orientaton="vertical")


def test_a_picture_and_a_sentence_are_left_behind(dozen: Preview, tmp_path: Path):
    session = Session(dozen, tmp_path, language="en")
    session.flag("c02", "accept")
    strip = Filmstrip(session)
    assert strip.wait(60)
    data, _ = strip._repr_mimebundle_()
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', data["text/html"])
    found = [np.median(_decoded(base64.b64decode(url)).reshape(-1, 3), axis=0) for url in urls]
    assert np.abs(np.array(found) - np.array(COLOURS)).max() <= 4
    assert data["text/html"].count("you: accepted") == 1
    counts = [s.action for s in dozen.verdict.shots]
    needs = sum(session.needs_someone(s.shot) for s in dozen.verdict.shots)
    assert strip.summary().startswith("12 shots in 3 scenes: ")
    assert all(f"{counts.count(a)} {a}" in strip.summary() for a in set(counts))
    assert strip.summary().endswith(f"{needs} need somebody.")
    session.language = "zh"
    assert strip.summary().startswith("共 12 个镜头、3 个场景：")
