"""The player without a browser: what it sends of which shot, and when."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.frames import Frames, master_encoding, read_frames, write_frames
from finishkit.preview import Preview
from finishkit_widgets.keymap import KEYMAP, merged
from finishkit_widgets.player import MODES, Player
from finishkit_widgets.safe_zones import bands, load_safe_zones
from finishkit_widgets.session import Session
from finishkit_widgets.texts import LANGUAGES, holes, words

FRAME_COUNT = 12


@pytest.fixture
def session(preview: Preview, tmp_path: Path) -> Session:
    made = Session(preview, tmp_path, path=tmp_path / "look.toml", language="en")
    made.select("s2", 3)
    return made


@pytest.fixture
def player(session: Session) -> Player:
    return Player(session)


def ask(player: Player, name: str, **given: object) -> None:
    """Do what the page does."""
    player._on_message(player, {"do": name, **given}, [])
    assert player.wait(30)


def picture(data: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def finish(session: Session, shot: str, seal: str, level: float = 0.5) -> Path:
    """Write what a batch leaves: the shot, and a report that names its template."""
    path = session.folder / "shots" / f"{shot}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = np.full((FRAME_COUNT, 320, 180, 3), level, np.float32)
    write_frames(
        path,
        [Frames(data=pictures, pts_s=np.arange(FRAME_COUNT) / 24)],
        rate_fps=Fraction(24),
        encoding=master_encoding(12, "ultrafast", 1),
    )
    (session.folder / "report.json").write_text(json.dumps({"template": {"sha256": seal}}))
    return path


def test_it_makes_nothing_before_somebody_looks(player: Player):
    assert (player.shot, player.frame, player.frame_count) == ("s2", 3, FRAME_COUNT)
    assert (player.clip, player.still_before, player.making) == (b"", b"", -1)
    ask(player, "attend")
    assert player.still == {"shot": "s2", "frame": 3, "after": "draft"}
    assert picture(player.still_before).shape == (160, 90, 3)
    assert player.clip[4:8] == b"ftyp"
    assert player.clip_info["frames"] == FRAME_COUNT
    assert (player.making, player.stale, player.trouble) == (-1, False, "")


def test_the_source_comes_first_then_both_then_the_clip(player: Player):
    seen: list[tuple[str, object]] = []
    player.observe(lambda c: seen.append((c["name"], c["new"])), names=["still", "clip"])
    ask(player, "attend")
    about = {"shot": "s2", "frame": 3}
    assert [name for name, _ in seen] == ["still", "still", "clip"]
    assert [said for _, said in seen[:2]] == [{**about, "after": ""}, {**about, "after": "draft"}]


def test_it_follows_the_session(player: Player, session: Session):
    ask(player, "attend")
    first = player.clip
    session.select("s4", 5)
    assert (player.shot, player.frame) == ("s4", 5)
    assert player.clip == b""  # never the pictures of another shot
    assert player.wait(30)
    assert player.clip_info["shot"] == "s4"
    session.select("s2")
    assert player.clip == first  # kept
    assert player.verdict["action"] == session.verdict["s2"].action


def test_the_page_moves_the_session(player: Player, session: Session):
    ask(player, "select", shot="s2", frame=7)
    assert session.frame == player.frame == 7
    ask(player, "step", shots=1)
    assert session.selected == "s3"
    ask(player, "next_flagged", forward=True)
    assert session.selected == "s4"
    ask(player, "flag", mark="regenerate", note="six fingers")
    assert session.flags["s4"].mark == "regenerate"
    assert (player.verdict["mark"], player.verdict["note"]) == ("regenerate", "six fingers")
    ask(player, "unflag")
    assert player.verdict["mark"] == ""
    ask(player, "select", shot="s4", frame=99)
    assert "frames 0 to 11" in player.trouble
    ask(player, "lock")
    assert "does not know 'lock'" in player.trouble


def test_a_change_of_the_look_makes_the_clip_anew_and_the_newest_wins(
    player: Player, session: Session
):
    ask(player, "attend")
    old = player.clip
    clips: list[bytes] = []
    player.observe(lambda change: clips.append(change["new"]), names="clip")
    for contrast in (0.7, 0.8, 0.9):
        session.set("grade.contrast", contrast)
        assert player.stale
        assert player.clip == old
    assert player.wait(30)
    assert not player.stale
    (new,) = clips
    assert new != old
    session.reset("grade.contrast")
    assert player.clip == old


def test_the_finished_shot_is_shown_when_it_is_this_templates(player: Player, session: Session):
    ask(player, "attend")
    template = session.lock()
    assert (player.after, player.finished) == ("draft", "")
    finish(session, "s2", template.sha256)
    player.refresh()
    assert (player.after, player.finished) == ("finished", "this")
    assert player.wait(30)
    assert player.clip_info["after"] == "finished"
    assert abs(float(picture(player.still_after).mean()) - 127.5) < 3
    ask(player, "compare_with", after="draft")
    assert (player.after, player.clip_info["after"]) == ("draft", "draft")
    session.select("s3")
    assert (player.after, player.finished) == ("draft", "")


def test_a_shot_finished_with_another_template_is_no_answer_to_this_one(
    player: Player, session: Session
):
    finish(session, "s2", "0" * 64)
    session.lock()
    assert (player.after, player.finished) == ("draft", "other")
    ask(player, "attend")
    ask(player, "compare_with", after="finished")
    assert (player.after, player.clip_info["after"]) == ("finished", "finished")


def test_the_loupe_is_given_the_very_pixels(player: Player, session: Session):
    session.set("grade.contrast", 0.8)
    ask(player, "attend")
    ask(player, "magnify", x=1.0, y=0.0)
    (frames,) = read_frames(session.episode["s2"].path, indices=[3])
    source = frames.as_uint8()[0]
    left, top, width, height = player.loupe_info["box"]
    assert player.loupe_info["size"] == [90, 160]
    assert np.array_equal(
        picture(player.loupe_before), source[top : top + height, left : left + width]
    )
    assert player.loupe_info["kind"] == "source"
    assert not np.array_equal(picture(player.loupe_after), picture(player.loupe_before))
    session.select("s2", 4)
    ask(player, "magnify", x=0.5, y=0.5)
    assert player.loupe_info["frame"] == 4
    session.select("s3")
    assert (player.loupe_info, player.loupe_before) == ({}, b"")


def test_the_loupe_shows_the_masters_pixels_when_there_is_one(player: Player, session: Session):
    template = session.lock()
    final = finish(session, "s2", template.sha256, level=0.3)
    player.refresh()
    ask(player, "magnify", x=0.5, y=0.5)
    assert player.loupe_info["kind"] == "master"
    assert player.loupe_info["size"] == [180, 320]
    (frames,) = read_frames(final, indices=[3])
    assert np.array_equal(picture(player.loupe_after), frames.as_uint8()[0])


def test_a_part_lies_inside_the_frame_whatever_the_point(monkeypatch, player, session):
    monkeypatch.setattr("finishkit_widgets.player_pictures.PART_PX", 40)
    for x, y in ((0, 0), (1, 1), (0.5, 0.5), (-3, 7)):
        ask(player, "magnify", x=x, y=y)
        left, top, width, height = player.loupe_info["box"]
        assert (width, height) == (40, 40)
        assert 0 <= left <= 50
        assert 0 <= top <= 120
        assert picture(player.loupe_before).shape == (40, 40, 3)


def test_what_cannot_be_made_is_said(player: Player, session: Session):
    path = session.folder / "shots" / "s2.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"torn")
    ask(player, "attend")
    ask(player, "compare_with", after="finished")
    assert str(path) in player.trouble
    assert player.making == -1


def test_keywords(session: Session):
    assert Player(session, mode="side", loop=False).mode == "side"
    assert Player(session, position=3.0).position == 1.0
    with pytest.raises(TypeError, match="Did you mean 'mode'"):
        Player(session, mod="side")
    own = Player(session, keymap={"play": ["g"], "keys": []}).keymap
    assert (own["play"], own["keys"], own["loupe"]) == (["g"], [], ["z"])


def test_a_keymap_that_cannot_work_is_refused(session: Session):
    for keys, said in (
        ({"fly": ["f"]}, "nothing called 'fly'"),
        ({"play": ["z"]}, "would do both"),
        ({"play": ["Ctrl+p"]}, "belong to the page"),
        ({"play": ["Shift+Tab"]}, "belong to the page"),
    ):
        with pytest.raises(FinishError, match=said) as error:
            Player(session, keymap=keys)
        assert error.value.code == "bad_keymap"
    assert merged({}) == {action: list(keys) for action, keys in KEYMAP.items()}


def test_safe_zones_are_dated_and_can_be_corrected(tmp_path: Path, session: Session):
    shipped = {zone.id: zone for zone in load_safe_zones()}
    assert set(shipped) == {"tiktok", "reels", "shorts"}
    for zone in shipped.values():
        assert len(zone.source) > 20
        drawn = bands(zone)
        assert 0 < drawn["bottom"] < 0.5
        assert drawn["top"] * 1920 == pytest.approx(zone.top_px)
        assert drawn["right"] * 1080 == pytest.approx(zone.right_px)
    session.folder.mkdir(parents=True, exist_ok=True)
    (session.folder / "safe_zones.toml").write_text(
        '[[zone]]\nid = "tiktok"\nname = "Ours"\ndated = 2026-12-01\nsource = "measured"\n'
        'bottom_px = 300\n[[zone]]\nid = "own"\nname = "Own"\ndated = 2026-12-01\nsource = "me"\n'
    )
    zones = {zone["id"]: zone for zone in Player(session).zones}
    assert list(zones) == ["tiktok", "reels", "shorts", "own"]
    assert (zones["tiktok"]["name"], zones["tiktok"]["top"]) == ("Ours", 0)
    for text, said in (("[[zone]]\nid = 'x'", "zone.0.name"), ("zone =", "not TOML")):
        (tmp_path / "safe_zones.toml").write_text(text)
        with pytest.raises(FinishError, match=said) as error:
            load_safe_zones([tmp_path])
        assert error.value.code == "bad_safe_zones"


def test_static_twin_and_summary(player: Player, session: Session):
    text = player.still_html()
    assert text.count("<img") == 2
    assert "s2 (" in text
    assert "frame 4 of 12" in player.summary()
    session.select("s4")
    assert session.verdict["s4"].reasons[0].text in player.summary()
    session.language = "zh"
    assert "第 7 / 12 帧" in player.summary()
    assert "text/html" in player._repr_mimebundle_()[0]


def test_every_word_is_there_in_both_languages():
    both = {language: words("player", language) for language in LANGUAGES}
    assert set(both["en"]) == set(both["zh"])
    for key, text in both["en"].items():
        assert holes(text) == holes(both["zh"][key]), key
    needed = {*MODES, *(f"do_{action}" for action in KEYMAP)}
    assert needed <= set(both["en"])


def test_a_closed_player_follows_no_more(player: Player, session: Session):
    ask(player, "attend")
    player.close()
    session.select("s4")
    assert player.shot == "s2"
