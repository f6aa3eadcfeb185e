"""The composite without a browser: head, tabs, language."""

import pytest

from finishkit.errors import FinishError
from finishkit.preview import Preview
from finishkit_widgets import Session
from finishkit_widgets.app import App, beside


@pytest.fixture
def app(preview: Preview, tmp_path) -> App:
    return App(Session(preview, tmp_path, path=tmp_path / "look.toml", language="en"))


def test_the_head_says_where_things_are(app: App):
    said = app._head.value
    assert "5 shots · 2 scenes · 0 characters · Baseline, not locked" in said
    score = app.session.verdict.score.value
    assert score is not None
    assert f"{score:.0f} of 100, before finishing" in said
    assert "● none" in said
    app.session.flag("s2", "regenerate")
    assert "■ 1 shot<" in app._head.value
    template = app.session.lock()
    assert f"locked {template.sha256[:8]}" in app._head.value


def test_panels_are_made_when_they_are_opened(app: App):
    assert set(app._made) == {"template"}
    app.tab = "palette"
    assert app._tabs.selected == "palette"
    assert app._panel.children == (app._made["palette"],)
    app._tabs.selected = "template"
    assert app._panel.children == (app.tuner,)
    assert set(app._made) == {"template", "palette"}


def test_another_language_keeps_what_was_set(app: App):
    app.session.set("grade.saturation", 1.2)
    before = app.tuner
    app._language.value = "zh"
    assert app.session.language == "zh"
    assert "一致性" in app._head.value
    assert app.tuner is not before
    assert app._panel.children == (app.tuner,)
    assert app.tuner.rows["grade.saturation"].control.value == 1.2
    assert app.strip.words["all"] != ""
    app.session.language = "en"
    assert app._language.value == "en"
    assert "consistency" in app._head.value


def test_other_places_are_refused(app: App):
    assert beside(app, "inline") is app
    with pytest.raises(FinishError, match="There are: inline, sidecar"):
        beside(app, "moon")


def test_closing_stops_everything_that_watches(app: App):
    assert _watching(app.session)
    app.close()
    assert _watching(app.session) == []
    app.session.select("s1")
    app.session.set("grade.contrast", 1.1)


def _watching(session: Session) -> list[str]:
    """Return the names of the handlers that widgets have put on a session."""
    handlers = [h for kinds in session._trait_notifiers.values() for h in kinds.get("change", [])]
    names = [getattr(h, "__qualname__", "") for h in handlers]
    return [name for name in names if "SessionWidget" in name]
