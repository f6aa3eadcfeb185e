"""What all our widgets do alike: refuse unknown keywords, leave a picture behind, speak up."""

import difflib
import functools
import html
import inspect
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

import anywidget
import ipywidgets
import traitlets

from finishkit.errors import FinishError
from finishkit_widgets.texts import words as words_of

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

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


def error_html(error: BaseException, language: str = "en") -> str:
    """Return an error as a sentence; what only a developer can use goes behind "details".

    Parameters
    ----------
    error : BaseException
        A :class:`~finishkit.errors.FinishError` is said as it is.
    language : {'en', 'zh'}, optional
        Of the words around it.

    Returns
    -------
    text : str
        HTML, escaped.
    """
    if isinstance(error, FinishError):
        return f'<div role="alert" class="fk-error">{html.escape(str(error))}</div>'
    words = words_of("common", language)
    story = html.escape("".join(traceback.format_exception(error)))
    said = words["unexpected"].format(error=f"{type(error).__name__}: {error}")
    return (
        f'<div role="alert" class="fk-error">{html.escape(said)}'
        f"<details><summary>{html.escape(words['details'])}</summary><pre>{story}</pre></details>"
        "</div>"
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


class SessionWidget(WellBehaved):
    """Mixed into every widget over a :class:`~finishkit_widgets.session.Session`, before its class.

    It watches the session and acts by the session's methods; it keeps nothing of its own that
    another widget would need.

    Parameters
    ----------
    session : Session
    """

    part: ClassVar[str] = "common"
    """Name of its file of words in ``texts``."""

    words: Any
    session: "Session"
    # Of the class: an instance that failed half-made is closed too.
    _watched: tuple[tuple[Callable[[Any], None], Any], ...] = ()

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self.session = session
        super().__init__(**keywords)

    def watch(self, names: str | Sequence[str], call: Callable[[Any], None]) -> None:
        """Call this when the session changes, until the widget is closed.

        Parameters
        ----------
        names : str or sequence of str
            Traits of the session.
        call : callable
            Given the change; an error it raises is said in the widget, and does not keep other
            widgets from hearing of the change.
        """

        def told(change: Any) -> None:
            try:
                call(change)
            except Exception as error:
                self.say_error(error)

        self.session.observe(told, names=names)
        self._watched = (*self._watched, (told, names))

    def close(self) -> None:
        """Stop watching the session, and take the view away."""
        for told, names in self._watched:
            self.session.unobserve(told, names=names)
        self._watched = ()
        super().close()


class FrontEnd(SessionWidget, anywidget.AnyWidget):
    """A session's widget with a front end of its own.

    What it shows is traits; what a person does comes as a message ``{"do": NAME, ...}``, which is
    a method of the session or of the widget in :attr:`acts`. Anything else is refused.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    words : dict of str to str
        In the session's language.
    trouble : str
        A sentence shown in the widget; empty when all is well.
    trouble_details : str
        For a developer: shown behind "details".
    """

    acts: ClassVar[tuple[str, ...]] = ()
    """What the front end may ask for: names of public methods of the widget, else the session."""

    words = traitlets.Dict().tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)
    trouble_details = traitlets.Unicode("").tag(sync=True)

    def __init__(self, session: "Session", **keywords: Any) -> None:
        super().__init__(session, **{"words": session.words(self.part), **keywords})
        self.watch("language", lambda _: self.set_trait("words", session.words(self.part)))
        self.on_msg(self._on_message)

    def say_error(self, error: BaseException) -> None:
        """Show an error in the widget."""
        with self.hold_sync():
            if isinstance(error, FinishError):
                self.trouble, self.trouble_details = str(error), ""
            else:
                said = f"{type(error).__name__}: {error}"
                self.trouble = self.words["unexpected"].format(error=said)
                self.trouble_details = "".join(traceback.format_exception(error))

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        asked = dict(content)
        name = asked.pop("do", "")
        try:
            if name not in self.acts:
                raise FinishError(f"This widget does not know {name!r}.", "unknown_act")
            self.trouble = self.trouble_details = ""
            (getattr(self, name, None) or getattr(self.session, name))(**asked)
        except Exception as error:
            self.say_error(error)
