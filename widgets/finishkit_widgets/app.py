"""Everything on one desk: the strip left, the player in the middle, the panels right."""

import html
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets
import traitlets
from IPython.display import display

from finishkit.errors import FinishError
from finishkit.report.model import Report
from finishkit_widgets.badges import badge_css
from finishkit_widgets.behaviour import FrontEnd, SessionWidget
from finishkit_widgets.drift import Drift
from finishkit_widgets.filmstrip import Filmstrip
from finishkit_widgets.front import css, esm
from finishkit_widgets.player import Player
from finishkit_widgets.surroundings import Surroundings
from finishkit_widgets.tuner import Tuner
from finishkit_widgets.tuning import SEAL_CHARACTERS

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

TABS = ("template", "cast", "palette", "batch")
"""What drifts has no tab: its plot and table need the width under the player."""


class Tabs(FrontEnd):
    """A row of tabs; what they show lies in another widget.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    selected : str
        One of :data:`TABS`.
    """

    part: ClassVar[str] = "app"
    _esm = esm("tabs")
    _css = css("tabs")

    names = traitlets.List(traitlets.Unicode(), default_value=list(TABS)).tag(sync=True)
    selected = traitlets.Enum(TABS, "template").tag(sync=True)

    def still_html(self) -> str:
        """Return nothing: a page without a kernel has nothing to switch."""
        return ""


class App(SessionWidget, ipywidgets.VBox):
    """The composite. Every part shows the same session; each is usable alone too.

    A panel is made when it is first opened, so that the app itself appears at once.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    tab : str
        The open panel: ``template``, ``cast``, ``palette`` or ``batch``.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part: ClassVar[str] = "app"

    tab = traitlets.Enum(TABS, "template")

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self.session = session
        self.words = session.words(self.part)
        self.notice = ipywidgets.HTML()
        self.strip = Filmstrip(session, orientation="vertical")
        self.player = Player(session)
        self.tuner = Tuner(session, picture=False, refine=False)
        self.drift = Drift(session)
        self._made: dict[str, ipywidgets.Widget] = {"template": self.tuner}
        self._head = ipywidgets.HTML()
        self._head.add_class("fk-app-head")
        # Each in its own script: whoever needs the other one cannot read this one.
        self._language = ipywidgets.Dropdown(
            options=[("English", "en"), ("中文", "zh")], value=session.language
        )
        self._language.add_class("fk-language")
        self._tabs = Tabs(session, selected=keywords.get("tab", "template"))
        self._panel = ipywidgets.VBox()
        super().__init__(session, children=self._arranged(), **keywords)
        for name in ("fk", "fk-panel", "fk-app"):
            self.add_class(name)
        traitlets.link((self, "tab"), (self._tabs, "selected"))
        self.observe(lambda _: self._open(), names="tab")
        self._language.observe(self._on_language, names="value")
        self.watch(("flags", "template", "look"), lambda _: self._draw_head())
        self.watch("language", lambda _: self._translate())
        self._open()
        self._draw_head()

    def summary(self) -> str:
        """Return in a sentence where things stand."""
        return self.tuner.summary()

    def still_html(self) -> str:
        """Return head, strip, player and plot as pictures and text."""
        parts = (self.strip, self.player, self.drift, self.tuner)
        still = "".join(part.still_html() for part in parts)
        return f"<div>{self._head_html()}{still}</div>"

    def close(self) -> None:
        """Stop watching the session, and take every part away."""
        for part in (self.strip, self.player, self.drift, self._tabs, *self._made.values()):
            part.close()
        super().close()

    def _arranged(self) -> tuple[ipywidgets.Widget, ...]:
        style = ipywidgets.HTML(f"<style>{badge_css()}{css('app')}</style>")
        style.layout.display = "none"
        left, middle = ipywidgets.VBox([self.strip]), ipywidgets.VBox([self.player, self.drift])
        right = ipywidgets.VBox([self._tabs, self._panel])
        for zone, name in ((left, "left"), (middle, "middle"), (right, "right")):
            zone.add_class(f"fk-app-{name}")
        desk = ipywidgets.Box([left, middle, right])
        desk.add_class("fk-app-desk")
        language = ipywidgets.HBox([ipywidgets.HTML(_hidden_name("Language 语言")), self._language])
        language.add_class("fk-row")
        top = ipywidgets.HBox([self._head, language])
        top.add_class("fk-app-top")
        return top, desk, self.notice, style, Surroundings(panel="fk-app")

    def _open(self) -> None:
        try:
            if self.tab not in self._made:
                self._made[self.tab] = self._making(self.tab)()
            self._panel.children = (self._made[self.tab],)
        except Exception as error:
            self.say_error(error)

    def _on_language(self, change: Any) -> None:
        self.session.language = change["new"]

    def _translate(self) -> None:
        # Front ends follow by themselves; the tuner's words are in its controls, made once.
        self.words = self.session.words(self.part)
        self._language.value = self.session.language
        self.tuner.close()
        self.tuner = self._made["template"] = Tuner(self.session, picture=False, refine=False)
        self._open()
        self._draw_head()

    def _making(self, tab: str) -> Callable[[], ipywidgets.Widget]:
        makers: dict[str, Callable[[], ipywidgets.Widget]] = {
            "cast": self.session.cast,
            "palette": self.session.palette,
            "batch": self.session.batch,
        }
        return makers[tab]

    def _draw_head(self) -> None:
        self._head.value = self._head_html()

    def _head_html(self) -> str:
        session, words = self.session, self.words
        episode, template = session.episode, session.template
        genres = session.words("tuner")
        state = (
            words["state_tune"]
            if template is None
            else words["state_locked"].format(seal=template.sha256[:SEAL_CHARACTERS])
        )
        counts = words["counts"].format(
            shots=len(episode),
            scenes=len({shot.scene for shot in episode}),
            characters=len({name for shot in episode for name in shot.characters}),
            genre=genres.get(f"genre.{session.look.genre}", session.look.genre),
            state=state,
        )
        facts = (
            (words["consistency"], self._score(), ""),
            (words["hook"], *self._hook()),
            (words["to_regenerate"], *self._to_regenerate()),
        )
        said = "".join(
            f"<div><dt>{html.escape(name)}</dt>"
            f'<dd class="fk-badge" data-action="{action}">{html.escape(text)}</dd></div>'
            for name, text, action in facts
        )
        return (
            f'<div class="fk-app-facts"><div><h2>{html.escape(episode.name)}</h2>'
            f'<p class="fk-quiet">{html.escape(counts)}</p></div><dl>{said}</dl></div>'
        )

    def _score(self) -> str:
        raw = self.session.verdict.score.value
        if raw is None:
            return self.words["unknown"]
        finished = self._finished_score()
        if finished is not None:
            return self.words["to_finished"].format(raw=f"{raw:.0f}", finished=f"{finished:.0f}")
        return self.words["of_100"].format(raw=f"{raw:.0f}")

    def _finished_score(self) -> float | None:
        # Of this very template only: another one's result says nothing of what is on the sliders.
        path, template = self.session.folder / "report.json", self.session.template
        if template is None or not path.is_file():
            return None
        try:
            report = Report.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        done = report.template
        return report.score.finished if done and done.sha256 == template.sha256 else None

    def _hook(self) -> tuple[str, str]:
        hook = [judged for judged in self.session.verdict.shots if judged.hook]
        wanting = [judged for judged in hook if self.session.needs_someone(judged.shot)]
        if not wanting:
            return self.words["hook_fine"].format(all=len(hook)), "ok"
        return self.words["hook_to_do"].format(count=len(wanting), all=len(hook)), "fix"

    def _to_regenerate(self) -> tuple[str, str]:
        session = self.session
        count = sum(
            mark == "regenerate" or (mark != "accept" and judged.action == "regenerate")
            for judged in session.verdict.shots
            for mark in (session.mark(judged.shot),)
        )
        if not count:
            return self.words["none"], "ok"
        key = "shots_one" if count == 1 else "shots_many"
        return self.words[key].format(count=count), "regenerate"


def _hidden_name(text: str) -> str:
    # Seen by screen readers alone: both names fit no header, and the list speaks for itself.
    return f'<span class="fk-row-name fk-unseen">{html.escape(text)}</span>'


def beside(app: App, where: str) -> App:
    """Show an app where it is wanted.

    Parameters
    ----------
    app : App
        Made already.
    where : {'inline', 'sidecar'}
        ``sidecar`` opens a panel of JupyterLab; the app is returned all the same.

    Raises
    ------
    FinishError
        ``no_sidecar`` when the package for it is not installed, ``no_such_place``.
    """
    words = app.session.words("app")
    if where == "inline":
        return app
    if where != "sidecar":
        raise FinishError(words["no_such_place"].format(where=where), "no_such_place")
    try:
        panel = importlib.import_module("sidecar").Sidecar
    except ImportError as error:
        raise FinishError(words["no_sidecar"], "no_sidecar") from error
    with panel(title=app.session.episode.name, anchor="split-right"):
        display(app)
    return app
