"""What a fault suite found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from finishkit.values import Value

Say = Callable[[str], None]


class Outcome(Value):
    """How many times something was broken on purpose, and what came of it.

    Attributes
    ----------
    suite : str
        Its name on the command line.
    promises : tuple of str
        Those of ``docs/guarantees.md`` that it tries: ``G1`` ...
    trials : int
    failures : tuple of str
        One sentence each; empty when the promise held every time.
    figures : dict
        What else was counted or measured, for the table.
    """

    suite: str
    promises: tuple[str, ...]
    trials: int
    failures: tuple[str, ...] = ()
    figures: dict[str, Any] = {}

    def save(self, folder: Path) -> Path:
        """Write it to ``folder/<suite>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.suite}.json"
        path.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n")
        return path


class Suite(Protocol):
    """One fault suite: ``count`` trials from ``seed``, with scratch files in ``folder``."""

    def __call__(self, count: int, seed: int, folder: Path, say: Say) -> Outcome:
        """Run it."""
        ...


def at_least(trials: int) -> float:
    """Return the true rate of failure that no failure in so many trials excludes, with 95 %.

    The rule of three: ``3 / n`` (Hanley and Lippman-Hand, 1983).

    Parameters
    ----------
    trials : int
        All without failure.
    """
    return 3 / trials
