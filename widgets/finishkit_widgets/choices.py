"""What is chosen before the sliders: genre, hero, version, shot and frame."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from finishkit.template import genres
from finishkit_widgets.badges import BADGES

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

FIRST_GENRES = ("romance", "thriller", "fantasy")
"""One press away; the others are in the list."""

Guard = Callable[[Callable[[Any], Any]], Callable[[Any], None]]


class TemplateChoices(ipywidgets.VBox):
    """Genre, hero and version, each acting on the session.

    Parameters
    ----------
    session : Session
    words : mapping of str to str
        The tuner's.
    guarded : callable
        Wraps what a person does so that errors are said.
    """

    def __init__(self, session: "Session", words: Mapping[str, str], guarded: Guard) -> None:
        self._session, self._words, self._told = session, words, False
        wide = ipywidgets.Layout(width="auto")
        self.genre = ipywidgets.ToggleButtons(
            options=[(words[f"genre.{name}"], name) for name in FIRST_GENRES],
            value=None,
            style={"button_width": "auto"},
        )
        self.genre.add_class("fk-genre")
        self.more = ipywidgets.Dropdown(options=self._others(), layout=wide)
        self.more.add_class("fk-more-genres")
        self.hero = ipywidgets.Dropdown(options=self._heroes(), layout=wide)
        self.hero.add_class("fk-hero")
        self.slot = ipywidgets.ToggleButtons(
            options=["A", "B"], tooltips=[words["slot_help"]] * 2, style={"button_width": "40px"}
        )
        self.slot.add_class("fk-slot")
        super().__init__(
            children=(
                _named(
                    words["genre"],
                    ipywidgets.HBox([self.genre, self.more], layout={"flex_flow": "row wrap"}),
                ),
                _named(words["hero"], self.hero, words["hero_help"]),
                _named(words["slot"], self.slot, words["slot_help"]),
            )
        )
        self.add_class("fk-choices")
        acts = (
            (self.genre, session.choose_genre),
            (self.more, session.choose_genre),
            (self.hero, session.choose_hero),
            (self.slot, session.use_slot),
        )
        for control, act in acts:
            control.observe(guarded(self._unless_told(act)), names="value")

    def draw(self) -> None:
        """Show the session's genre, hero and version."""
        look = self._session.look
        self._told = True
        try:
            self.more.options = self._others()
            self.genre.value = look.genre if look.genre in FIRST_GENRES else None
            self.more.value = "" if look.genre in FIRST_GENRES else look.genre
            self.hero.value = look.hero
            self.slot.value = self._session.slot
            for control in (self.genre, self.more, self.hero, self.slot):
                control.disabled = self._session.mode == "locked"
        finally:
            self._told = False

    def _unless_told(self, act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def chosen(change: Any) -> None:
            # Nothing chosen is the list's own heading, not a genre.
            if not self._told and change["new"]:
                act(change["new"])

        return chosen

    def _others(self) -> list[tuple[str, str]]:
        names = dict.fromkeys((*genres(), self._session.look.genre))
        said = [(self._words.get(f"genre.{n}", n), n) for n in names if n not in FIRST_GENRES]
        return [(f"{self._words['more']} …", ""), *said]

    def _heroes(self) -> list[tuple[str, str]]:
        verdict, named = self._session.verdict, []
        for judged in verdict.shots:
            badge = BADGES[judged.action]
            proposed = f", {self._words['proposed']}" if judged.shot == verdict.hero else ""
            word = self._words[judged.action]
            named.append(
                (f"{badge.shape}{badge.letter} {judged.shot}: {word}{proposed}", judged.shot)
            )
        return named


class FrameChoice(ipywidgets.VBox):
    """The shot and the frame that are shown, for a tuner that stands alone.

    Parameters
    ----------
    session : Session
    words : mapping of str to str
        The tuner's.
    guarded : callable
        As for :class:`TemplateChoices`.
    """

    def __init__(self, session: "Session", words: Mapping[str, str], guarded: Guard) -> None:
        self._session, self._told = session, False
        wide = ipywidgets.Layout(width="auto", flex="1 1 auto")
        self.shot = ipywidgets.Dropdown(
            options=[judged.shot for judged in session.verdict.shots], layout=wide
        )
        self.shot.add_class("fk-shot")
        self.frame = ipywidgets.IntSlider(min=0, max=0, continuous_update=False, layout=wide)
        self.frame.add_class("fk-frame")
        super().__init__(
            children=(_named(words["shown"], self.shot), _named(words["frame"], self.frame))
        )
        self.shot.observe(guarded(self._on_shot), names="value")
        self.frame.observe(guarded(self._on_frame), names="value")

    def draw(self) -> None:
        """Show the session's selection."""
        shot, at = self._session.selected, self._session.frame
        self._told = True
        try:
            self.shot.value = shot
            self.frame.value = 0
            self.frame.max = self._session.preview.frame_count(shot) - 1
            self.frame.value = at
        finally:
            self._told = False

    def _on_shot(self, change: Any) -> None:
        if not self._told:
            self._session.select(change["new"])

    def _on_frame(self, change: Any) -> None:
        if not self._told:
            self._session.select(self._session.selected, change["new"])


def _named(text: str, control: ipywidgets.Widget, hint: str = "") -> ipywidgets.HBox:
    name = ipywidgets.HTML(
        f'<span class="fk-row-name" title="{hint}">{text}</span>',
        layout=ipywidgets.Layout(width="76px", flex="none"),
    )
    row = ipywidgets.HBox([name, control])
    row.add_class("fk-row")
    return row
