"""A look being tuned: genres, two slots to compare, and the seal at the end."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import traitlets

from finishkit.errors import FinishError
from finishkit.template import Draft, Look, Template, load_template

Slot = Literal["A", "B"]
SEAL_CHARACTERS = 8
"""Of a template's digest: as many as people compare by eye."""


class Tuning(traitlets.HasTraits):
    """The part of a session that tunes and locks.

    Parameters
    ----------
    draft : Draft
        Where to start.

    Attributes
    ----------
    look : Look
        The settings being tuned, as they stand: a frozen value, another one after every change.
    slot : {'A', 'B'}
        Which of two versions is being tuned.
    template : Template or None
        What was locked.
    path : Path
        Where Lock writes, or has written.
    mode : {'tune', 'locked'}
    """

    look: Look = traitlets.Instance(Look)  # type: ignore[assignment]
    slot = traitlets.Enum(("A", "B"), "A")
    # Annotated, since the stubs of traitlets lose the class of an instance that may be missing.
    template: Template | None = traitlets.Instance(Template, allow_none=True)  # type: ignore[assignment]
    path: Path = traitlets.Instance(Path)  # type: ignore[assignment]
    mode = traitlets.Enum(("tune", "locked"), "tune")

    def __init__(self, draft: Draft, **traits: Any) -> None:
        self._draft = draft
        self._drafts = {draft.look.genre: draft}
        self._origin: dict[str, str] = {}
        self._other: dict[str, Draft] = {}
        self._other_genre = ""
        super().__init__(look=draft.look, **traits)

    @property
    def draft(self) -> Draft:
        """What is being tuned. Change it through :meth:`set`, which the widgets see."""
        return self._draft

    def choose_genre(self, genre: str) -> None:
        """Go to a genre's values; what was changed under another genre waits there."""
        self._refuse_when_locked()
        hero = self.look.hero
        if genre not in self._drafts:
            self._drafts[genre] = Draft.from_genre(genre)
        self._draft = self._drafts[genre]
        self._draft.set("hero", hero)
        self.look = self._draft.look

    def set(self, path: str, value: Any) -> None:
        """Change one setting by its dotted name; see :meth:`finishkit.template.Draft.set`."""
        self._change(lambda: self._draft.set(path, value))

    def reset(self, path: str) -> None:
        """Put one setting back to where the draft started."""
        self._change(lambda: self._draft.reset(path))

    def start_of(self, path: str) -> Any:
        """Return the value that :meth:`reset` goes back to."""
        now = self._draft.get(path)
        was, _ = self._draft.changes().get(path, (now, now))
        return was

    @property
    def changes(self) -> Mapping[str, tuple[Any, Any]]:
        """What differs from the genre, or from the template that was duplicated: (was, is)."""
        return {name: pair for name, pair in self._draft.changes().items() if name != "hero"}

    @property
    def origin(self) -> str:
        """What :attr:`changes` are counted from: a genre, or a template's seal."""
        return self._origin.get(self.look.genre, self.look.genre)

    def use_slot(self, slot: Slot) -> None:
        """Go to the other of two versions; the first visit finds a copy of this one.

        Parameters
        ----------
        slot : {'A', 'B'}
            The one to go to.

        Raises
        ------
        FinishError
            ``locked``, or ``no_such_slot``.
        """
        self._refuse_when_locked()
        if slot not in ("A", "B"):
            raise FinishError(f"There are the slots A and B, not {slot!r}.", "no_such_slot")
        if slot == self.slot:
            return
        here, genre = self._drafts, self._draft.look.genre
        if self._other:
            self._drafts, self._draft = self._other, self._other[self._other_genre]
            # One hero for both: slots compare looks, not targets.
            self._draft.set("hero", self.look.hero)
        else:
            self._drafts = {name: draft.copy() for name, draft in here.items()}
            self._draft = self._drafts[genre]
        self._other, self._other_genre = here, genre
        with self.hold_trait_notifications():
            self.slot, self.look = slot, self._draft.look

    @property
    def other_draft(self) -> Draft | None:
        """What waits in the other slot; None before it was used."""
        return self._other[self._other_genre] if self._other else None

    def lock(self, path: str | Path | None = None) -> Template:
        """Freeze the draft and write it.

        Parameters
        ----------
        path : str or Path, optional
            A new file: a template that shots were finished with is never overwritten.
            :attr:`path` by default.

        Returns
        -------
        template : Template

        Raises
        ------
        FinishError
            ``locked``, ``template_exists``, ``bad_name`` or ``write_failed``.
        """
        self._refuse_when_locked()
        target = Path(path or self.path).expanduser()
        if target.suffix != ".toml":
            raise FinishError(f"{target}: a template's name ends in .toml.", "bad_name")
        if target.exists():
            raise FinishError(
                f"{target} exists already. Episodes may have been finished with it: choose"
                " another name.",
                "template_exists",
            )
        template = self._draft.lock(hero=self.look.hero)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            template.save(target)
        except OSError as error:
            raise FinishError(
                f"{target} cannot be written: {error.strerror}.", "write_failed"
            ) from error
        self._seal(template, target)
        return template

    def duplicate(self) -> None:
        """Go on from a locked template with a draft of its own, under a free name."""
        if self.template is None:
            raise FinishError("Nothing is locked yet: change the sliders directly.", "not_locked")
        draft, seal = Draft.from_template(self.template), self.template.sha256[:SEAL_CHARACTERS]
        draft.set("hero", self.look.hero)
        with self.hold_trait_notifications():
            self._take(draft)
            self._origin = {draft.look.genre: f"template {seal}"}
            self.template, self.mode = None, "tune"
            self.path = free_name(self.path)

    def _open(self, path: Path, shots: Collection[str], hero: str) -> Template:
        template = load_template(path)
        draft = Draft.from_template(template)
        if draft.look.hero not in shots:
            # Tuned on another episode: here the proposed hero takes its place in the preview.
            draft.set("hero", hero)
        self._take(draft)
        self._seal(template, path)
        return template

    def _change(self, change: Callable[[], None]) -> None:
        self._refuse_when_locked()
        change()
        self.look = self._draft.look

    def _refuse_when_locked(self) -> None:
        if self.template is not None:
            raise FinishError(
                "This template is locked. Duplicate it, then change the duplicate.", "locked"
            )

    def _take(self, draft: Draft) -> None:
        self._draft = draft
        self._drafts = {draft.look.genre: draft}
        self._origin, self._other = {}, {}
        self.slot = "A"
        self.look = draft.look

    def _seal(self, template: Template, path: Path) -> None:
        with self.hold_trait_notifications():
            self.template, self.path, self.mode = template, path, "locked"


def free_name(path: Path) -> Path:
    """Return the name itself when no such file exists, else the first free ``name_2``, ``name_3``.

    Parameters
    ----------
    path : Path
        The name that is wanted.

    Returns
    -------
    path : Path
        A name nothing has yet.
    """
    candidate, number = path, 2
    while candidate.exists():
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return candidate
