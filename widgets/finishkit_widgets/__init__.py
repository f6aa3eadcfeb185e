"""Jupyter widgets over the finishkit engine: see the drift, tune a template, lock it, finish.

``fk = open_session("show/ep01")`` is all a notebook needs; ``fk.app()`` shows everything, and
``fk.filmstrip()``, ``fk.player()`` and the others show one part each.

Loaded when used: the notebook that runs overnight shows no widget and must not wait for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finishkit_widgets.compare import Compare
    from finishkit_widgets.session import Session, open_session
    from finishkit_widgets.start import Start

__all__ = ["Compare", "Session", "Start", "open_session"]

_HOME = {
    "Compare": "compare",
    "Session": "session",
    "Start": "start",
    "open_session": "session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"finishkit_widgets has no {name!r}. It has: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"finishkit_widgets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
