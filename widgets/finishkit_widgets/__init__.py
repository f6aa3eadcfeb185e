"""Jupyter widgets over the finishkit engine: see the drift, tune a template, lock it.

Loaded when used: the notebook that runs overnight shows no widget and must not wait for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finishkit_widgets.behaviour import share_selection
    from finishkit_widgets.compare import Compare
    from finishkit_widgets.drift import DriftPlot
    from finishkit_widgets.filmstrip import Filmstrip
    from finishkit_widgets.tuner import Tuner

__all__ = ["Compare", "DriftPlot", "Filmstrip", "Tuner", "share_selection"]

_HOME = {
    "Compare": "compare",
    "DriftPlot": "drift",
    "Filmstrip": "filmstrip",
    "Tuner": "tuner",
    "share_selection": "behaviour",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"finishkit_widgets has no {name!r}. It has: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"finishkit_widgets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
