"""Finish AI-generated vertical drama: measure, correct to a target, measure again.

Nothing heavy is imported until it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finishkit.batch import RunParams
    from finishkit.errors import FinishError
    from finishkit.frames import Frames
    from finishkit.measure import Measurements, measure
    from finishkit.progress import Progress
    from finishkit.run import finish_episode, measure_episode
    from finishkit.shots import Character, Episode, Shot, ShotId, open_episode
    from finishkit.template import Draft, Template, load_template
    from finishkit.verdict import Limits, Verdict, judge

__all__ = [
    "Character",
    "Draft",
    "Episode",
    "FinishError",
    "Frames",
    "Limits",
    "Measurements",
    "Progress",
    "RunParams",
    "Shot",
    "ShotId",
    "Template",
    "Verdict",
    "finish_episode",
    "judge",
    "load_template",
    "measure",
    "measure_episode",
    "open_episode",
]

_HOME = {
    "batch": ("RunParams",),
    "errors": ("FinishError",),
    "frames": ("Frames",),
    "measure": ("Measurements", "measure"),
    "progress": ("Progress",),
    "run": ("finish_episode", "measure_episode"),
    "shots": ("Character", "Episode", "Shot", "ShotId", "open_episode"),
    "template": ("Draft", "Template", "load_template"),
    "verdict": ("Limits", "Verdict", "judge"),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"finishkit has no {name!r}. It has: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"finishkit.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
