"""Tune a draft on the hero shot, see it at once, lock it into a template."""

import html
from pathlib import Path
from typing import Any

import ipywidgets
import traitlets

from finishkit.errors import FinishError
from finishkit.measure import Measurements
from finishkit.preview import LIVE_SECTIONS, REFINED_SECTIONS, Preview
from finishkit.shots import Episode
from finishkit.template import Draft, Template, genres
from finishkit.verdict import Verdict, judge
from finishkit_widgets.badges import BADGES, badge_css
from finishkit_widgets.behaviour import WellBehaved, spoken
from finishkit_widgets.compare import Compare
from finishkit_widgets.follow import Follow
from finishkit_widgets.lock_panel import HASH_CHARACTERS, LockPanel
from finishkit_widgets.setting_row import GROUPS, SettingRow
from finishkit_widgets.surroundings import Surroundings


class Tuner(WellBehaved, ipywidgets.VBox):
    """Choose the hero, move the sliders, watch a real frame change, lock.

    Everything the controls do has a method: :meth:`choose_genre`, :meth:`choose_hero`,
    :meth:`set`, :meth:`reset`, :meth:`lock`, :meth:`duplicate`.

    Parameters
    ----------
    episode : Episode
    measurements : Measurements
    draft : Draft, optional
        Where to start; the baseline genre by default.
    verdict : Verdict, optional
        Judged here when not given.
    preview : Preview, optional
        Shared with other widgets, so that clips are decoded once.
    path : str or Path, optional
        Proposed name of the template file.
    refine : bool, optional
        Follow every quick picture with one that has faces, solved sharpness and the net, as soon
        as a thread has made it. A tick box turns it on and off.

    Attributes
    ----------
    selected : str
        The shot shown.
    draft : Draft
        What is being tuned; another one after a change of genre or :meth:`duplicate`.
    template : Template or None
        What was locked.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    selected = traitlets.Unicode("")

    def __init__(
        self,
        episode: Episode,
        measurements: Measurements,
        draft: Draft | None = None,
        *,
        verdict: Verdict | None = None,
        preview: Preview | None = None,
        path: str | Path = "template.toml",
        refine: bool = True,
        **keywords: Any,
    ) -> None:
        self.episode = episode
        self.draft = draft or Draft()
        self.template: Template | None = None
        self.verdict = verdict or judge(measurements, self.draft.look.limits)
        self.preview = preview or Preview(episode, measurements, self.verdict)
        self._drafts = {self.draft.look.genre: self.draft}
        self._origin: dict[str, str] = {}
        self._rendered = False
        self._quiet = False
        self.compare = Compare()
        self.notice = ipywidgets.HTML()
        self.follow = Follow(self.preview, self.compare, refine, self._on_follow)
        self.status = ipywidgets.HTML()
        self.status.add_class("fk-status")
        self._build_choices(path)
        self.rows = {
            s.path: SettingRow(
                s, self.draft.get(s.path), self._start(s.path), self._on_row, self._on_reset
            )
            for group in GROUPS
            for s in group.settings
        }
        super().__init__(children=self._arranged(), **keywords)
        self.add_class("fk-panel")
        self.add_class("fk-tuner")
        if not self.draft.look.hero:
            self.draft.set("hero", self.verdict.hero)
        self._show_draft()
        self.selected = self.draft.look.hero
        self._wire()

    # What the controls do, for Python too

    def choose_genre(self, genre: str) -> None:
        """Go to a genre's values; what was changed under another genre waits there."""
        self._refuse_when_locked()
        hero = self.draft.look.hero
        if genre not in self._drafts:
            self._drafts[genre] = Draft.from_genre(genre)
        self.draft = self._drafts[genre]
        self.draft.set("hero", hero)
        self._show_draft()
        self.render()

    def choose_hero(self, shot: str) -> None:
        """Tune on this shot: it is shown, and its scene is matched to it."""
        self._refuse_when_locked()
        self.draft.set("hero", self.episode[shot].id)
        self._show_draft()
        self.selected = shot
        self.render()

    def set(self, path: str, value: Any) -> None:
        """Change one setting by its dotted name; see :meth:`finishkit.template.Draft.set`."""
        self._refuse_when_locked()
        self.draft.set(path, value)
        self._show_draft()
        section = path.partition(".")[0]
        if section in LIVE_SECTIONS:
            self.render()
        elif section in REFINED_SECTIONS:
            self._refine()

    def reset(self, path: str) -> None:
        """Put one setting back to the genre's value."""
        self._refuse_when_locked()
        self.draft.reset(path)
        self._show_draft()
        self.render()

    def lock(self, path: str | Path) -> Template:
        """Freeze the draft and write it.

        Parameters
        ----------
        path : str or Path
            A new file: a template that shots were finished with is never overwritten.

        Returns
        -------
        template : Template

        Raises
        ------
        FinishError
            ``template_exists``, ``bad_name`` or ``write_failed``.
        """
        self._refuse_when_locked()
        target = Path(path).expanduser()
        if target.suffix != ".toml":
            raise FinishError(f"{target}: a template's name ends in .toml.", "bad_name")
        if target.exists():
            raise FinishError(
                f"{target} exists already. Episodes may have been finished with it: choose"
                " another name.",
                "template_exists",
            )
        template = self.draft.lock(hero=self.draft.look.hero)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            template.save(target)
        except OSError as error:
            raise FinishError(
                f"{target} cannot be written: {error.strerror}.", "write_failed"
            ) from error
        self.template, self._locked_path = template, target
        self._show_locked()
        return template

    def duplicate(self) -> None:
        """Go on from a locked template with a draft of its own."""
        if self.template is None:
            raise FinishError("Nothing is locked yet: change the sliders directly.", "not_locked")
        self.draft = Draft.from_template(self.template)
        self._drafts = {self.draft.look.genre: self.draft}
        self._origin = {self.draft.look.genre: f"template {self.template.sha256[:HASH_CHARACTERS]}"}
        self.template = None
        self._show_draft()
        self._show_locked()

    def summary(self) -> str:
        """Return in a sentence where things stand."""
        if self.template is not None:
            return (
                f"Locked {self.template.sha256[:HASH_CHARACTERS]}: {self._locked_path}."
                f" Same settings for all {len(self.episode)} shots."
            )
        return (
            f"Not locked yet. {self._changes_sentence()} Lock template… writes {self._lock.name}."
        )

    def still_html(self) -> str:
        """Return the present frame before and after, and where things stand."""
        return f"<div>{self.compare.still_html()}<p>{html.escape(self.summary())}</p></div>"

    def render(self) -> None:
        """Show the present frame of the selected shot under the present draft.

        At once what is quick; the rest follows from a thread when ``refine`` is ticked.
        """
        before, after = self.preview.frame(self.selected, self.draft, self._index.value)
        self.compare.show(before, after)
        with self.compare.hold_sync():
            self.compare.after_label = self.draft.look.genre
            self.compare.alt = f"{self.selected}, frame {self._index.value}"
        self._rendered = True
        self.notice.value = ""
        self._say_status()
        self._refine()

    def _refine(self) -> None:
        self.follow.ask(self.selected, self.draft, self._index.value)

    # How it is put together

    def _build_choices(self, path: str | Path) -> None:
        named = [(_hero_label(v.shot, self.verdict), v.shot) for v in self.verdict.shots]
        wide = ipywidgets.Layout(width="auto")
        self._hero = ipywidgets.Dropdown(
            options=named, value=self.verdict.hero, description="Hero", layout=wide
        )
        self._hero.add_class("fk-hero")
        self._shot = ipywidgets.Dropdown(
            options=[v.shot for v in self.verdict.shots], description="Shown", layout=wide
        )
        self._index = ipywidgets.IntSlider(
            min=0, max=0, description="Frame", continuous_update=False, layout=wide
        )
        self._index.add_class("fk-frame")
        names = dict.fromkeys((*genres(), self.draft.look.genre))
        self._genre = ipywidgets.ToggleButtons(
            options=list(names), value=self.draft.look.genre, style={"button_width": "auto"}
        )
        self._genre.add_class("fk-genre")
        self._lock = LockPanel(path, self._changes_sentence, self._on_lock, self._on_duplicate)
        self._locked_path = Path(path)

    def _arranged(self) -> list[ipywidgets.Widget]:
        accordion = ipywidgets.Accordion(
            children=[
                ipywidgets.VBox([self.rows[s.path] for s in group.settings]) for group in GROUPS
            ],
            titles=[group.title for group in GROUPS],
            selected_index=0,
        )
        picture = ipywidgets.VBox(
            [self.compare, self.follow, self._shot, self._index],
            layout=ipywidgets.Layout(flex="1 1 380px", min_width="300px"),
        )
        controls = ipywidgets.VBox(
            [self._hero, self._genre, accordion, self._lock],
            layout=ipywidgets.Layout(flex="1 1 380px", min_width="300px"),
        )
        both = ipywidgets.HBox(
            [picture, controls], layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="16px")
        )
        style = ipywidgets.HTML(f"<style>{badge_css()}</style>")
        style.layout.display = "none"
        return [both, self.status, self.notice, style, Surroundings()]

    def _wire(self) -> None:
        self._hero.observe(self._on_hero, names="value")
        self._shot.observe(self._on_shot, names="value")
        self._index.observe(self._on_index, names="value")
        self._genre.observe(self._on_genre, names="value")

    @traitlets.validate("selected")
    def _known(self, proposal: dict[str, Any]) -> str:
        return self.episode[proposal["value"]].id

    @traitlets.observe("selected")
    def _on_selected(self, change: dict[str, Any]) -> None:
        count = self.preview.frame_count(change["new"])
        was, self._quiet = self._quiet, True
        try:
            self._index.value = 0
            self._index.max = count - 1
            self._index.value = count // 2
            self._shot.value = change["new"]
        finally:
            self._quiet = was
        self.render()

    @spoken
    def _on_row(self, path: str, value: Any) -> None:
        try:
            self.set(path, value)
        except FinishError:
            self._show_draft()
            raise

    @spoken
    def _on_reset(self, path: str) -> None:
        self.reset(path)

    @spoken
    def _on_hero(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self.choose_hero(change["new"])

    @spoken
    def _on_shot(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self.selected = change["new"]

    @spoken
    def _on_index(self, _change: dict[str, Any]) -> None:
        if not self._quiet:
            self.render()

    @spoken
    def _on_genre(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self.choose_genre(change["new"])

    @spoken
    def _on_follow(self) -> None:
        self.render()

    @spoken
    def _on_lock(self, path: str) -> None:
        self.notice.value = ""
        self.lock(path)

    @spoken
    def _on_duplicate(self) -> None:
        self.duplicate()

    # What is shown

    def _start(self, path: str) -> Any:
        now = self.draft.get(path)
        was, _ = self.draft.changes().get(path, (now, now))
        return was

    def _refuse_when_locked(self) -> None:
        if self.template is not None:
            raise FinishError(
                "This template is locked. Duplicate it, then change the duplicate.", "locked"
            )

    def _show_draft(self) -> None:
        was, self._quiet = self._quiet, True
        try:
            for path, row in self.rows.items():
                row.show(self.draft.get(path), self._start(path))
            self._genre.value = self.draft.look.genre
            self._hero.value = self.draft.look.hero
        finally:
            self._quiet = was
        self._say_status()

    def _show_locked(self) -> None:
        locked = self.template is not None
        for row in self.rows.values():
            row.lock(locked)
        for control in (self._genre, self._hero):
            control.disabled = locked
        if self.template is not None:
            self._lock.show_locked(self.template, self._locked_path)
        else:
            self._lock.show_open(self._locked_path)

    def _changes_sentence(self) -> str:
        count = sum(1 for name in self.draft.changes() if name != "hero")
        origin = self._origin.get(self.draft.look.genre, self.draft.look.genre)
        changed = f"{count} setting{'s' * (count != 1)} changed from {origin}."
        return f"{changed} Same settings for all {len(self.episode)} shots."

    def _say_status(self) -> None:
        if not self._rendered:
            return
        match = self.preview.match(self.selected, self.draft)
        judged = self.verdict[self.selected]
        badge = BADGES[judged.action]
        why = " ".join(r.text for r in judged.reasons) or "Nothing stands out."
        if match.before_de:
            moved = (
                f"Colour distance to its scene {match.before_de:.1f} ΔE, after the match"
                f" {match.residual_de:.1f}."
            )
        elif self.selected == self.draft.look.hero:
            moved = "The hero: its scene is matched to it."
        else:
            moved = "It is not matched: no other shot in its scene, or matching is off."
        self.status.value = (
            f'<div class="fk-note" role="status"><span class="fk-badge"'
            f' data-action="{judged.action}">{badge.shape}{badge.letter}'
            f" {html.escape(self.selected)}</span> {html.escape(why)} {moved}<br>"
            f"{html.escape(self._changes_sentence())}"
            '<span class="fk-quiet"> Flicker, motion and shake show in the finished episode.</span>'
            "</div>"
        )


def _hero_label(shot: str, verdict: Verdict) -> str:
    badge = BADGES[verdict[shot].action]
    proposed = ", proposed" if shot == verdict.hero else ""
    return f"{badge.shape}{badge.letter} {shot}: {badge.word}{proposed}"
