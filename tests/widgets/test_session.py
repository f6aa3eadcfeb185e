"""The session: every act of the widgets as a line of Python."""

import json

import pytest
import traitlets

from finishkit.errors import FinishError
from finishkit.flags import FILE, Flag
from finishkit.preview import Preview
from finishkit.store import Store
from finishkit.template import Draft, load_template
from finishkit_widgets import Session, open_session
from finishkit_widgets.pins import MOST_PINS


@pytest.fixture
def fk(preview: Preview, tmp_path) -> Session:
    draft = Draft.from_genre("romance")
    return Session(preview, tmp_path, path=tmp_path / "look.toml", draft=draft, language="en")


def test_opens_on_the_middle_of_the_hero(fk: Session, preview: Preview):
    assert fk.selected == fk.look.hero == preview.verdict.hero
    assert fk.frame == 6
    assert fk.mode == "tune"


def test_select_tells_those_who_watch_once_a_trait(fk: Session):
    seen = []
    fk.observe(
        lambda change: seen.append((change["name"], fk.selected, fk.frame)), ["selected", "frame"]
    )
    fk.select("s2", 3)
    # Both stand when the first is told: nobody sees the new shot with the old frame.
    assert sorted(seen) == [("frame", "s2", 3), ("selected", "s2", 3)]
    with pytest.raises(FinishError, match="no shot 's9'"):
        fk.select("s9")
    with pytest.raises(FinishError, match="frames 0 to 11, not 12"):
        fk.select("s1", 12)
    assert fk.selected == "s2"
    with pytest.raises(TypeError):
        fk.select(shto="s1")  # type: ignore[call-arg]


def test_step_and_next_flagged(fk: Session):
    fk.select("s1")
    fk.step(-1)
    assert fk.selected == "s1"
    fk.step(9)
    assert fk.selected == "s5"
    fk.select("s1")
    fk.next_flagged()
    assert fk.selected == "s4"
    fk.next_flagged(False)
    assert fk.selected == "s4"
    fk.flag("s4", "accept")
    fk.flag("s2", "regenerate")
    fk.next_flagged(False)
    assert fk.selected == "s2"
    fk.next_flagged()
    assert fk.selected == "s2"


def test_flags_are_on_disk_and_come_back(fk: Session, preview: Preview, tmp_path):
    before = fk.flags
    fk.flag("s2", "regenerate", note="  left hand has six fingers ")
    fk.flag("s2", "accept")
    fk.flag("s3", note="")
    assert before == {}
    assert fk.flags == {
        "s2": Flag(mark="accept", note="left hand has six fingers"),
        "s3": Flag(mark="regenerate"),
    }
    assert Session(preview, tmp_path, language="en").flags == fk.flags
    fk.unflag("s2")
    assert json.loads((fk.folder / FILE).read_text()) == {"s3": {"mark": "regenerate", "note": ""}}
    with pytest.raises(FinishError, match="regenerate or accept"):
        fk.flag("s1", "bad")  # type: ignore[arg-type]
    with pytest.raises(FinishError, match="500 characters"):
        fk.flag("s1", note="x" * 501)


def test_damaged_flags_are_said(fk: Session, preview: Preview, tmp_path):
    fk.flag("s1")
    (fk.folder / FILE).write_text('{"s1": {"mark": "burn"}}')
    with pytest.raises(FinishError, match="Move it away"):
        Session(preview, tmp_path)


def test_two_versions_keep_their_settings_and_share_the_hero(fk: Session):
    fk.set("grade.saturation", 1.2)
    fk.use_slot("B")
    assert fk.look.grade.saturation == 1.2
    fk.set("grade.saturation", 0.8)
    assert fk.other_draft is not None
    assert fk.other_draft.look.grade.saturation == 1.2
    fk.choose_hero("s3")
    fk.use_slot("A")
    assert (fk.slot, fk.look.grade.saturation, fk.look.hero) == ("A", 1.2, "s3")
    assert fk.changes == {"grade.saturation": (1.04, 1.2)}
    fk.use_slot("A")
    assert fk.look.grade.saturation == 1.2
    with pytest.raises(FinishError, match="slots A and B"):
        fk.use_slot("C")  # type: ignore[arg-type]


def test_what_locking_would_freeze_is_what_it_freezes(fk: Session, tmp_path):
    fk.set("grade.contrast", 1.1)
    fk.choose_hero("s4")
    summary = fk.before_locking()
    assert dict(summary.changes) == {"grade.contrast": (fk.start_of("grade.contrast"), 1.1)}
    assert any("s4 is itself marked fix" in text for text in summary.warnings)
    assert any("1 of 5 shots" in text for text in summary.warnings)
    for shot in ("s1", "s2", "s3"):
        fk.select(shot)
    assert not any("of 5 shots" in text for text in fk.before_locking().warnings)
    template = fk.lock()
    assert template.sha256 == summary.seal
    assert (fk.mode, load_template(tmp_path / "look.toml")) == ("locked", template)
    for refused in (lambda: fk.set("grade.contrast", 1.0), lambda: fk.choose_genre("horror"),
                    lambda: fk.use_slot("B"), lambda: fk.lock(tmp_path / "two.toml")):  # fmt: skip
        with pytest.raises(FinishError, match="Duplicate it"):
            refused()
    assert fk.look.grade.contrast == 1.1


def test_a_locked_template_opens_read_only_and_foreign_heroes_are_replaced(fk: Session, tmp_path):
    draft = Draft.from_genre("thriller")
    template = draft.lock(hero="of_another_episode")
    template.save(tmp_path / "series.toml")
    fk.open_template(tmp_path / "series.toml")
    assert (fk.mode, fk.template) == ("locked", template)
    assert fk.look.hero == fk.verdict.hero
    fk.duplicate()
    assert (fk.mode, fk.path) == ("tune", tmp_path / "series_2.toml")
    assert fk.changes == {}
    assert fk.origin == f"template {template.sha256[:8]}"


def test_pins_are_dark_bright_and_never_too_many(fk: Session):
    # Nobody's face was measured here.
    assert [pin.why for pin in fk.pins] == ["dark", "bright"]
    ev = {shot.shot: shot.values["ev"] for shot in fk.measurements.shots}
    dark, bright = fk.pins
    assert ev[dark.shot] == min(ev.values())
    assert ev[bright.shot] == max(ev.values())
    for frame in range(8):
        fk.pin("s1", frame)
    assert len(fk.pins) == MOST_PINS
    assert fk.pins[-1].frame == 7
    fk.unpin("s1", 7)
    assert [(pin.shot, pin.frame) for pin in fk.pins] == [("s1", n) for n in (2, 3, 4, 5, 6)]


def test_language_is_one_of_two(fk: Session):
    fk.language = "zh"
    assert fk.words("common")["fix"] == "修复"
    with pytest.raises(traitlets.TraitError):
        fk.language = "fr"


def test_an_episode_opens_while_a_batch_works_in_its_folder(preview: Preview, tmp_path):
    with Store(tmp_path / "ep").locked():
        fk = open_session(preview.episode.root, tmp_path, language="en")
    assert [shot.id for shot in fk.episode] == ["s1", "s2", "s3", "s4", "s5"]
