"""Tune a template on real frames, see it at once, lock it."""

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets

from finishkit.errors import FinishError
from finishkit.preview import REFINED_SECTIONS
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import SessionWidget
from finishkit_widgets.choices import FrameChoice, TemplateChoices
from finishkit_widgets.compare import Compare
from finishkit_widgets.follow import Follow
from finishkit_widgets.front import css
from finishkit_widgets.lock_panel import LockPanel
from finishkit_widgets.pinned import PinnedFrames
from finishkit_widgets.pins import shows_at_once
from finishkit_widgets.setting_row import GROUPS, Group, SettingRow
from finishkit_widgets.surroundings import Surroundings
from finishkit_widgets.tuning import SEAL_CHARACTERS

if TYPE_CHECKING:
    from finishkit_widgets.session import Session


class Tuner(SessionWidget, ipywidgets.VBox):
    """Genre, sliders, two versions, pinned frames, and the lock.

    It keeps no setting of its own: everything is the session's, and everything it does is a method
    there.

    Parameters
    ----------
    session : Session
    picture : bool, optional
        Show the frame that is tuned on; False where a player beside it does.
    refine : bool, optional
        Follow every quick picture with one that has faces, solved sharpness and the net, as soon
        as a thread has made it. A tick box turns it on and off.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part: ClassVar[str] = "tuner"

    def __init__(
        self, session: "Session", *, picture: bool = True, refine: bool = True, **keywords: Any
    ) -> None:
        self.session = session
        self.words = session.words(self.part)
        self.picture = picture
        self._look, self._shown = session.look, None
        self.notice = ipywidgets.HTML()
        self.compare = Compare()
        self.follow = Follow(
            session.preview, self.compare, self.words, refine, lambda: self._guarded(self._follow)()
        )
        self.status = ipywidgets.HTML()
        self.status.add_class("fk-status")
        self.choices = TemplateChoices(session, self.words, self._guarded)
        self.frames = FrameChoice(session, self.words, self._guarded)
        self.against = ipywidgets.Dropdown(
            options=[(self.words["against_source"], "source")], layout={"width": "auto"}
        )
        self.rows = {
            s.path: SettingRow(
                s, self.words, session.draft.get(s.path), session.start_of(s.path),
                self._on_row, lambda path: self._guarded(session.reset)(path),
            )
            for group in GROUPS
            for s in group.settings
        }  # fmt: skip
        self.pinned = PinnedFrames(session)
        self._lock = LockPanel(session, self.words, self._guarded)
        self._accordion = ipywidgets.Accordion(
            children=[ipywidgets.VBox([self.rows[s.path] for s in g.settings]) for g in GROUPS],
            selected_index=0,
        )
        super().__init__(session, children=self._arranged(), **keywords)
        for name in ("fk", "fk-panel", "fk-tuner"):
            self.add_class(name)
        self.against.observe(lambda _: self._guarded(self._render)(), names="value")
        self.watch(("selected", "frame"), lambda _: self._render())
        self.watch("look", lambda _: self._on_look())
        self.watch(("template", "mode", "path"), lambda _: self._draw_lock())
        self.watch("slot", lambda _: self._draw_slots())
        self._draw()
        self._draw_lock()
        self._guarded(self._render)()

    def summary(self) -> str:
        """Return in a sentence where things stand."""
        template, path = self.session.template, self.session.path
        if template is not None:
            seal = template.sha256[:SEAL_CHARACTERS]
            shots = len(self.session.episode)
            return self.words["locked_now"].format(seal=seal, path=path, shots=shots)
        return self.words["not_locked"].format(changes=self._changes_sentence(), path=path)

    def still_html(self) -> str:
        """Return the present frame before and after, the pinned ones, and where things stand."""
        picture = self.compare.still_html() if self.picture else ""
        said = html.escape(self.summary())
        return f"<div>{picture}{self.pinned.still_html()}<p>{said}</p></div>"

    def close(self) -> None:
        """Stop watching the session, and take the view away."""
        self.pinned.close()
        super().close()

    # How it is put together

    def _arranged(self) -> tuple[ipywidgets.Widget, ...]:
        controls = ipywidgets.VBox([self.choices, self._accordion, self.pinned, self._lock])
        style = ipywidgets.HTML(f"<style>{css('tuner')}</style>")
        style.layout.display = "none"
        if not self.picture:
            return controls, self.status, self.notice, style, Surroundings()
        half = {"flex": "1 1 340px", "min_width": "280px"}
        controls.layout = ipywidgets.Layout(**half)
        against = ipywidgets.HBox(
            [ipywidgets.HTML(f'<span class="fk-row-name">{self.words["against"]}</span>'),
             self.against]
        )  # fmt: skip
        against.add_class("fk-row")
        picture = ipywidgets.VBox(
            [self.compare, self.follow, self.frames, against], layout=ipywidgets.Layout(**half)
        )
        both = ipywidgets.HBox(
            [picture, controls], layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="16px")
        )
        return both, self.status, self.notice, style, Surroundings()

    def _guarded(self, act: Callable[..., Any]) -> Callable[..., None]:
        def said(*given: Any) -> None:
            try:
                self.notice.value = ""
                # A button hands itself over, which no method of the session wants.
                act(*(g for g in given if not isinstance(g, ipywidgets.Button)))
            except Exception as error:
                self.say_error(error)

        return said

    # What a person does

    def _on_row(self, path: str, value: Any) -> None:
        try:
            self.notice.value = ""
            self.session.set(path, value)
        except Exception as error:
            self._draw()
            self.say_error(error)

    # What the session says

    def _on_look(self) -> None:
        before, self._look = self._look, self.session.look
        self._draw()
        if shows_at_once(before, self._look):
            self._render()
        elif self.picture and any(
            getattr(before, name) != getattr(self._look, name) for name in REFINED_SECTIONS
        ):
            self._follow()

    def _draw_lock(self) -> None:
        for row in self.rows.values():
            row.lock(self.session.mode == "locked")
        self.choices.draw()
        self._lock.draw()

    def _draw_slots(self) -> None:
        other = "B" if self.session.slot == "A" else "A"
        said = self.words["against_slot"].format(slot=other)
        self.against.options = [(self.words["against_source"], "source"), (said, "slot")]
        self._render()

    def _draw(self) -> None:
        draft = self.session.draft
        changes = draft.changes()
        for path, row in self.rows.items():
            now = draft.get(path)
            row.show(now, changes.get(path, (now, now))[0])
        self._accordion.titles = tuple(self._heading(group) for group in GROUPS)
        self.choices.draw()
        self._say_status()

    def _heading(self, group: Group) -> str:
        count = sum(self.rows[s.path].changed for s in group.settings)
        return self.words[f"group.{group.name}"] + (f" · {count} ●" if count else "")

    def _render(self) -> None:
        session = self.session
        self._say_status()
        self.frames.draw()
        if not self.picture:
            return
        # A selection changes the shot and the frame, and each is told: one picture is enough.
        key = (session.selected, session.frame, session.look, self.against.value)
        if key == self._shown:
            return
        shot, at = session.selected, session.frame
        before, after = session.preview.frame(shot, session.draft, at)
        other = session.other_draft if self.against.value == "slot" else None
        if other is not None:
            _, before = session.preview.frame(shot, other, at)
        self.compare.show(before, after)
        genre = self.words.get(f"genre.{session.look.genre}", session.look.genre)
        with self.compare.hold_sync():
            slot = "B" if session.slot == "A" else "A"
            self.compare.before_label = (
                self.words["before"]
                if other is None
                else self.words["against_slot"].format(slot=slot)
            )
            self.compare.after_label = genre
            self.compare.alt = f"{shot}, {self.words['frame']} {at}"
        self._shown = key
        self._follow()

    def _follow(self) -> None:
        self.follow.ask(self.session.selected, self.session.draft, self.session.frame)

    def _changes_sentence(self) -> str:
        count = len(self.session.changes)
        key = "changes_one" if count == 1 else "changes_many"
        return self.words[key].format(
            count=count, origin=self.session.origin, shots=len(self.session.episode)
        )

    def _say_status(self) -> None:
        session, words = self.session, self.words
        try:
            match = session.preview.match(session.selected, session.draft)
        except FinishError as error:
            return self.say_error(error)
        judged = session.judged
        badge = BADGES[judged.action]
        why = " ".join(r.text for r in judged.reasons) or words["nothing_stands_out"]
        if match.before_de:
            moved = words["matched"].format(
                before=f"{match.before_de:.1f}", after=f"{match.residual_de:.1f}"
            )
        else:
            is_hero = session.selected == session.look.hero
            moved = words["is_hero" if is_hero else "not_matched"]
        self.status.value = (
            f'<div class="fk-note" role="status"><span class="fk-badge"'
            f' data-action="{judged.action}">{badge.shape}{badge.letter}'
            f" {html.escape(session.selected)}</span> {html.escape(why)} {html.escape(moved)}<br>"
            f"{html.escape(self._changes_sentence())}"
            f'<span class="fk-quiet"> {html.escape(words["only_finished"])}</span></div>'
        )
        return None
