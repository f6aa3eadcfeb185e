"""What all our widgets do alike: refuse unknown keywords, leave a picture behind, speak up."""

import difflib
import functools
import html
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import ipywidgets
import traitlets

from finishkit.errors import FinishError

P = ParamSpec("P")
Owner = TypeVar("Owner", bound="WellBehaved")


def refuse_unknown(widget: type[traitlets.HasTraits], given: Iterable[str]) -> None:
    """Raise for keywords a widget does not have; traitlets alone would swallow them.

    Parameters
    ----------
    widget : type
        Its public traits are the keywords it has.
    given : iterable of str
        The keywords somebody passed.

    Raises
    ------
    TypeError
        Naming the keyword, and the closest one that exists.
    """
    named = [n for n in inspect.signature(widget).parameters if n not in ("args", "keywords")]
    own = [n for n in widget.class_own_traits() if not n.startswith("_")]
    public = sorted({*named, *own})
    everything = {*public, *widget.class_trait_names()}
    for name in given:
        if name in everything:
            continue
        close = difflib.get_close_matches(name, public, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"It takes: {', '.join(public)}."
        raise TypeError(f"{widget.__name__} has no keyword {name!r}. {hint}")


def error_html(error: BaseException) -> str:
    """Return an error as a sentence; what only a developer can use goes behind "details".

    Parameters
    ----------
    error : BaseException
        A :class:`~finishkit.errors.FinishError` is said as it is.

    Returns
    -------
    text : str
        HTML, escaped.
    """
    if isinstance(error, FinishError):
        return f'<div role="alert" class="fk-error">{html.escape(str(error))}</div>'
    story = html.escape("".join(traceback.format_exception(error)))
    said = html.escape(f"{type(error).__name__}: {error}")
    return (
        f'<div role="alert" class="fk-error">This did not work, and finishkit does not know why:'
        f" {said}. Your settings are unchanged; please report it with the details."
        f"<details><summary>Details</summary><pre>{story}</pre></details></div>"
    )


class WellBehaved(ipywidgets.DOMWidget):
    """Mixed into every widget, before the ipywidgets class."""

    notice: ipywidgets.HTML
    """Where errors are said; widgets with callbacks show it."""

    def __init__(self, **keywords: Any) -> None:
        refuse_unknown(type(self), keywords)
        super().__init__(**keywords)

    def still_html(self) -> str:
        """Return the widget's present state as static HTML, for pages without a kernel."""
        raise TypeError(f"{type(self).__name__} defines no still_html()")

    def say_error(self, error: BaseException) -> None:
        """Show an error in the widget."""
        self.notice.value = error_html(error)

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        made: Any = super()._repr_mimebundle_(**keywords)
        # ipywidgets gives the data, anywidget a pair with the metadata.
        data, metadata = made if isinstance(made, tuple) else (made, {})
        # Beside the live view: GitHub and an executed notebook show this.
        return {**data, "text/html": self.still_html()}, metadata


def spoken(
    callback: Callable[Concatenate[Owner, P], None],
) -> Callable[Concatenate[Owner, P], None]:
    """Make a callback say its errors in the widget; ipywidgets would only log them.

    Parameters
    ----------
    callback : callable
        A method of a :class:`WellBehaved` widget, called by the front end.

    Returns
    -------
    callback : callable
        The same, never raising.
    """

    @functools.wraps(callback)
    def said(self: Owner, *args: P.args, **keywords: P.kwargs) -> None:
        try:
            callback(self, *args, **keywords)
        except Exception as error:
            self.say_error(error)

    return said


def share_selection(*widgets: "WellBehaved") -> None:
    """Make widgets select the same shot: a choice in one is a choice in all.

    Parameters
    ----------
    *widgets : WellBehaved
        Each with a trait ``selected``, such as :class:`Filmstrip`, :class:`DriftPlot` and
        :class:`Tuner`. The first one's selection is kept.
    """

    def follow(change: Mapping[str, Any]) -> None:
        for widget in widgets:
            if widget is change["owner"]:
                continue
            try:
                widget.set_trait("selected", change["new"])
            except Exception as error:
                # Said where it happened: the widget that was clicked did nothing wrong.
                widget.say_error(error)

    for widget in widgets:
        widget.observe(follow, names="selected")
    follow({"owner": widgets[0], "new": widgets[0].trait_values()["selected"]})
