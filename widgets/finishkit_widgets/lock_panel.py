"""From draft to template: what locking would freeze, the question, and the seal after it."""

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from finishkit_widgets.tuning import SEAL_CHARACTERS

if TYPE_CHECKING:
    from finishkit_widgets.session import Session


class LockPanel(ipywidgets.VBox):
    """Asks before locking, shows the seal afterwards, offers a duplicate.

    Parameters
    ----------
    session : Session
    words : mapping of str to str
        The tuner's.
    guarded : callable
        Wraps a button's callback so that its errors are said.
    """

    def __init__(
        self,
        session: "Session",
        words: Mapping[str, str],
        guarded: Callable[[Callable[[], Any]], Callable[[Any], None]],
    ) -> None:
        self._session, self._words = session, words
        self._ask = _button(words["ask_lock"], "fk-ask-lock", primary=True, wide=True)
        self._name = ipywidgets.Text(
            value=str(session.path),
            description=words["file"],
            layout=ipywidgets.Layout(width="auto"),
            continuous_update=False,
        )
        self._name.add_class("fk-template-name")
        confirm = _button(words["lock"], "fk-confirm-lock", primary=True)
        cancel = _button(words["cancel"], "fk-cancel-lock")
        self._promise = ipywidgets.HTML()
        self._question = ipywidgets.VBox(
            [self._name, self._promise, ipywidgets.HBox([confirm, cancel])]
        )
        self._question.add_class("fk-lock-question")
        self._banner = ipywidgets.HTML()
        duplicate = _button(words["duplicate"], "fk-duplicate", wide=True)
        self._seal = ipywidgets.VBox([self._banner, duplicate])
        self._seal.add_class("fk-sealed")
        super().__init__(children=(self._ask, self._question, self._seal))
        self._ask.on_click(guarded(self._open_question))
        self._name.observe(lambda _: self._say_promise(), names="value")
        confirm.on_click(guarded(lambda: session.lock(self._name.value)))
        cancel.on_click(lambda _: self._show(self._ask))
        duplicate.on_click(guarded(session.duplicate))
        self.draw()

    def draw(self) -> None:
        """Show how it stands: open, or sealed."""
        template = self._session.template
        if template is None:
            self._name.value = str(self._session.path)
            self._show(self._ask)
            return
        said = self._words["sealed"].format(
            seal=f"<b>{template.sha256[:SEAL_CHARACTERS]}</b>",
            path=html.escape(str(self._session.path)),
        )
        self._banner.value = f'<div class="fk-banner" role="status">{said}</div>'
        self._show(self._seal)

    def _open_question(self) -> None:
        self._say_promise()
        self._show(self._question)

    def _say_promise(self) -> None:
        words, summary = self._words, self._session.before_locking(self._name.value)
        promise = words["will_lock"].format(
            genre=self._session.look.genre,
            seal=summary.seal[:SEAL_CHARACTERS],
            shots=len(self._session.episode),
        )
        warnings = "".join(f"<li>▲ {html.escape(text)}</li>" for text in summary.warnings)
        key = "will_change" if summary.changes else "will_change_nothing"
        rows = "".join(
            f"<tr><td>{html.escape(words.get(name, name))}</td><td>{_said(was)} →"
            f" <b>{_said(now)}</b></td></tr>"
            for name, (was, now) in summary.changes.items()
        )
        self._promise.value = (
            f'<div class="fk-note"><p>{html.escape(promise)}</p>'
            + (f'<ul class="fk-warnings">{warnings}</ul>' if warnings else "")
            + f"<p>{html.escape(words[key].format(origin=self._session.origin))}</p>"
            + (f'<table class="fk-table">{rows}</table>' if rows else "")
            + "</div>"
        )

    def _show(self, part: ipywidgets.Widget) -> None:
        for child in (self._ask, self._question, self._seal):
            child.layout.display = "" if child is part else "none"


def _said(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return html.escape(Path(text).name if "/" in text else text)


def _button(
    text: str, name: str, *, primary: bool = False, wide: bool = False
) -> ipywidgets.Button:
    # A layout of its own: hiding one part must not hide another.
    layout = ipywidgets.Layout(width="auto") if wide else ipywidgets.Layout()
    style = "primary" if primary else ""
    button = ipywidgets.Button(description=text, button_style=style, layout=layout)
    button.add_class(name)
    return button
