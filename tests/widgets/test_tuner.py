"""The tuner without a browser: what its controls do to the draft and to the disk."""

import ipywidgets
import pytest

from finishkit.errors import FinishError
from finishkit.preview import Preview
from finishkit.template import Draft, load_template
from finishkit_widgets import Session
from finishkit_widgets.setting_row import GROUPS, bounds_of
from finishkit_widgets.tuner import Tuner


@pytest.fixture
def tuner(preview: Preview, tmp_path) -> Tuner:
    session = Session(
        preview,
        tmp_path,
        path=tmp_path / "new" / "look.toml",
        draft=Draft.from_genre("romance"),
        language="en",
    )
    return Tuner(session, refine=False)


def _front_end(control: ipywidgets.Widget, value: object) -> None:
    """Do what the page does when a person moves a control."""
    control.set_state({"value": value})


def _button(widget: ipywidgets.Widget, text: str) -> ipywidgets.Button:
    found = [
        w for w in _family(widget) if isinstance(w, ipywidgets.Button) and w.description == text
    ]
    assert len(found) == 1
    return found[0]


def _family(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    children = getattr(widget, "children", ())
    return [widget, *(w for child in children for w in _family(child))]


def test_starts_on_the_proposed_hero(tuner: Tuner, preview: Preview):
    assert tuner.session.selected == tuner.session.draft.look.hero == preview.verdict.hero
    assert tuner.compare.before[:2] == tuner.compare.after[:2] == b"\xff\xd8"
    assert tuner.compare.before != tuner.compare.after
    assert "0 settings changed from romance. Same settings for all 5 shots." in tuner.status.value


def test_every_setting_has_a_row_within_the_templates_bounds(tuner: Tuner):
    assert set(tuner.rows) == {s.path for g in GROUPS for s in g.settings}
    for path, row in tuner.rows.items():
        assert row.control.value == tuner.session.draft.get(path)
        if row.setting.step:
            assert (row.control.min, row.control.max) == bounds_of(path)


def test_a_slider_changes_draft_and_picture(tuner: Tuner):
    before, after = tuner.compare.before, tuner.compare.after
    _front_end(tuner.rows["grade.saturation"].control, 1.3000000000000003)
    assert tuner.session.draft.get("grade.saturation") == 1.3
    assert tuner.compare.after != after
    assert tuner.compare.before == before
    assert "1 setting changed from romance" in tuner.status.value
    _button(tuner.rows["grade.saturation"], "↺").click()
    assert tuner.session.draft.get("grade.saturation") == 1.04
    assert tuner.rows["grade.saturation"].control.value == 1.04
    assert tuner.compare.after == after


def test_a_slider_under_the_hand_is_not_sent_back(tuner: Tuner):
    control = tuner.rows["grade.contrast"].control
    seen = []
    control.observe(lambda change: seen.append(change["new"]), "value")
    _front_end(control, 1.1400000000000001)
    assert seen == [1.1400000000000001]
    assert tuner.session.draft.get("grade.contrast") == 1.14


def test_settings_that_a_still_cannot_show_leave_the_picture(tuner: Tuner):
    after = tuner.compare.after
    _front_end(tuner.rows["faces.strength"].control, 0.8)
    assert tuner.session.draft.get("faces.strength") == 0.8
    assert tuner.compare.after is after


def test_a_refused_value_is_said_and_taken_back(tuner: Tuner):
    _front_end(tuner.rows["master.width_px"].control, 1081)
    assert "master.width_px = 1081 will not do" in tuner.notice.value
    assert tuner.session.draft.get("master.width_px") == 2160
    assert tuner.rows["master.width_px"].control.value == 2160


def test_an_unexpected_error_is_said_not_swallowed(tuner: Tuner, monkeypatch):
    def broken(*_args):
        raise ZeroDivisionError("<odd>")

    monkeypatch.setattr(tuner.session.preview, "frame", broken)
    _front_end(tuner.rows["grade.contrast"].control, 1.2)
    assert "ZeroDivisionError: &lt;odd&gt;" in tuner.notice.value
    assert "<details>" in tuner.notice.value


def test_hero_shows_its_shot(tuner: Tuner, preview: Preview):
    other = next(s.id for s in preview.episode if s.id != preview.verdict.hero)
    hero = tuner.choices.hero
    hero.set_state({"index": [shot for _, shot in hero.options].index(other)})
    assert tuner.session.draft.look.hero == tuner.session.selected == other
    assert tuner.compare.alt.startswith(other)
    assert "0 settings changed" in tuner.status.value


def test_genres_keep_their_changes(tuner: Tuner):
    tuner.session.set("grade.saturation", 1.3)
    tuner.session.choose_genre("thriller")
    assert tuner.session.draft.look.genre == "thriller"
    assert tuner.session.draft.get("grade.saturation") == Draft.from_genre("thriller").get(
        "grade.saturation"
    )
    assert tuner.compare.after_label == "Thriller"
    tuner.session.choose_genre("romance")
    assert tuner.session.draft.get("grade.saturation") == 1.3


def test_lock_writes_a_sealed_template_and_closes_the_panel(tuner: Tuner, tmp_path):
    tuner.session.set("grade.saturation", 1.1)
    _button(tuner, "Lock template…").click()
    _button(tuner, "Lock").click()
    target = tmp_path / "new" / "look.toml"
    template = load_template(target)
    assert template == tuner.session.template
    assert template.grade.saturation == 1.1
    assert template.hero == tuner.session.selected
    assert all(row.control.disabled for row in tuner.rows.values())
    assert template.sha256[:8] in tuner.summary()
    with pytest.raises(FinishError, match="Duplicate it"):
        tuner.session.set("grade.saturation", 1.2)


def test_a_locked_file_is_never_overwritten(tuner: Tuner, tmp_path):
    taken = tmp_path / "taken.toml"
    taken.write_text("mine")
    with pytest.raises(FinishError, match="exists already"):
        tuner.session.lock(taken)
    with pytest.raises(FinishError, match=r"ends in \.toml"):
        tuner.session.lock(tmp_path / "look.txt")
    assert taken.read_text() == "mine"
    assert tuner.session.template is None


def test_duplicate_goes_on_under_a_free_name(tuner: Tuner, tmp_path):
    first = tuner.session.lock(tmp_path / "look.toml")
    _button(tuner, "Duplicate to change").click()
    assert tuner.session.template is None
    assert not any(row.control.disabled for row in tuner.rows.values())
    tuner.session.set("grade.contrast", 1.1)
    assert str(tmp_path / "look_2.toml") in tuner.summary()
    assert f"1 setting changed from template {first.sha256[:8]}" in tuner.summary()
    second = tuner.session.lock(tmp_path / "look_2.toml")
    assert load_template(tmp_path / "look.toml") == first
    assert second.grade.contrast == 1.1


def test_unknown_keyword_is_refused_with_a_hint(tuner: Tuner):
    with pytest.raises(TypeError, match=r"no keyword 'pictur'. Did you mean 'picture'"):
        Tuner(tuner.session, pictur=False)


@pytest.fixture
def following(preview: Preview, tmp_path) -> Tuner:
    """A tuner whose pictures are followed by better ones, without a net."""
    draft = Draft.from_genre("romance")
    draft.set("faces.strength", 0.0)
    draft.set("upscale.model", "lanczos")
    draft.set("master.width_px", 180)
    draft.set("master.height_px", 320)
    return Tuner(Session(preview, tmp_path, draft=draft, language="en"))


def test_a_better_picture_follows_the_quick_one(following: Tuner, monkeypatch):
    assert following.follow.wait(60)
    assert "With faces, sharpness and net." in following.follow.state.value
    shown = []
    monkeypatch.setattr(
        following.compare, "show", lambda before, after: shown.append(after.shape[:2])
    )
    following.session.set("grade.saturation", 1.3)
    assert following.follow.wait(60)
    # The source's size at once, the master's when the thread has it.
    assert shown == [(160, 90), (320, 180)]


def test_what_only_the_thread_can_show_leaves_the_quick_picture(following: Tuner, monkeypatch):
    assert following.follow.wait(60)
    monkeypatch.setattr(following.session.preview, "frame", lambda *_: pytest.fail("rendered"))
    following.session.set("master.width_px", 144)
    assert following.follow.wait(60)
    assert "With faces" in following.follow.state.value


def test_what_cannot_be_made_in_the_thread_is_said(following: Tuner, monkeypatch):
    assert following.follow.wait(60)

    def broken(*_args):
        raise FinishError("No <weights> here. Pull them.", "weights_missing")

    monkeypatch.setattr(following.session.preview, "_refined", broken)
    following.session.select("s1", 2)
    assert following.follow.wait(60)
    assert "No &lt;weights&gt; here. Pull them." in following.follow.state.value


def test_following_can_be_turned_off(following: Tuner):
    assert following.follow.wait(60)
    _front_end(following.follow.box, False)
    assert following.follow.state.value == ""
    following.session.set("grade.saturation", 1.3)
    assert following.follow.wait(0)


def test_only_one_part_of_the_lock_is_shown_at_a_time(tuner: Tuner):
    def shown() -> list[str]:
        parts = {"ask": "Lock template…", "lock": "Lock", "duplicate": "Duplicate to change"}
        return [n for n, text in parts.items() if _visible(tuner._lock, _button(tuner, text))]

    assert shown() == ["ask"]
    _button(tuner, "Lock template…").click()
    assert shown() == ["lock"]
    _button(tuner, "Lock").click()
    assert shown() == ["duplicate"]


def _visible(within: ipywidgets.Widget, sought: ipywidgets.Widget) -> bool:
    if within.layout.display == "none":
        return False
    return within is sought or any(
        _visible(child, sought) for child in getattr(within, "children", ())
    )
