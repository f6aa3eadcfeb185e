"""From draft to template: the question before locking, and the seal after it."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets

from finishkit.template import Template

HASH_CHARACTERS = 8
"""As many as people compare by eye."""


class LockPanel(ipywidgets.VBox):
    """Asks before locking, shows the seal afterwards, offers a duplicate.

    Parameters
    ----------
    path : str or Path
        Proposed name of the template file.
    promise : callable
        Returns the sentence shown before locking: what will be frozen.
    on_lock : callable
        Called with the name a person confirmed.
    on_duplicate : callable
    """

    def __init__(
        self,
        path: str | Path,
        promise: Callable[[], str],
        on_lock: Callable[[str], None],
        on_duplicate: Callable[[], None],
    ) -> None:
        wide = ipywidgets.Layout(width="auto")
        self._ask = ipywidgets.Button(
            description="Lock template…", button_style="primary", layout=wide
        )
        self._ask.add_class("fk-ask-lock")
        self._name = ipywidgets.Text(value=str(path), description="File", layout=wide)
        self._name.add_class("fk-template-name")
        confirm = ipywidgets.Button(description="Lock", button_style="primary")
        confirm.add_class("fk-confirm-lock")
        cancel = ipywidgets.Button(description="Cancel")
        self._promise = ipywidgets.HTML()
        self._question = ipywidgets.VBox(
            [self._name, self._promise, ipywidgets.HBox([confirm, cancel])]
        )
        self._banner = ipywidgets.HTML()
        duplicate = ipywidgets.Button(description="Duplicate")
        duplicate.add_class("fk-duplicate")
        self._seal = ipywidgets.VBox([self._banner, duplicate])
        self._seal.add_class("fk-sealed")
        super().__init__(children=(self._ask, self._question, self._seal))
        self._show(self._ask)

        def ask(_button: ipywidgets.Button) -> None:
            self._promise.value = (
                f'<div class="fk-note">{html.escape(promise())} A locked template cannot be'
                " changed, only duplicated.</div>"
            )
            self._show(self._question)

        self._ask.on_click(ask)
        confirm.on_click(lambda _: on_lock(self._name.value))
        cancel.on_click(lambda _: self._show(self._ask))
        duplicate.on_click(lambda _: on_duplicate())

    @property
    def name(self) -> str:
        """File name as it stands in the field."""
        return self._name.value

    def show_locked(self, template: Template, path: Path) -> None:
        """Show the seal of what was written."""
        self._banner.value = (
            f'<div class="fk-banner" role="status">Locked'
            f" <b>{template.sha256[:HASH_CHARACTERS]}</b> in {html.escape(str(path))}."
            " Duplicate to change.</div>"
        )
        self._show(self._seal)

    def show_open(self, path: Path) -> None:
        """Go back to the button, and propose a name that is free."""
        self._name.value = str(free_name(path))
        self._show(self._ask)

    def _show(self, part: ipywidgets.Widget) -> None:
        for child in (self._ask, self._question, self._seal):
            child.layout.display = "" if child is part else "none"


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
