"""Processes on this machine."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from finishkit.crew import Crew, Lost, Patience
from finishkit.engines import Needs
from finishkit.errors import FinishError
from finishkit.pause import Paused

Item = TypeVar("Item")
Result = TypeVar("Result")


def lost_error(item: Any, lost: Lost) -> FinishError:
    """Return what is told of an item whose worker was lost twice.

    Parameters
    ----------
    item : object
        Its ``shot`` is named when it has one.
    lost : Lost
        How it ended.
    """
    shot = getattr(item, "shot", "")
    whose = f"Shot {shot}: " if shot else ""
    if lost.code == "timeout":
        said = (
            f"the work on it came to a stop twice ({lost.how}) and was ended. Its file may be"
            " damaged, or a library hangs on it: export or generate it again."
        )
    else:
        said = (
            f"the process that worked on it died twice ({lost.how}: out of memory, or a crash in a"
            " library). Finish the shot alone with --jobs 1, or generate it again."
        )
    return FinishError(whose + (said if whose else said[0].upper() + said[1:]), lost.code)


class LocalEngine:
    """Worker processes on this machine, kept warm from pass to pass and watched.

    Parameters
    ----------
    jobs : int, optional
        Workers; the number of processors by default.
    paused : callable, optional
        Asked before each piece of work is handed out; true: what is under way is finished, no
        other is begun, and :meth:`map` ends with :class:`~finishkit.pause.Paused`.
    patience : Patience, optional
        When a worker counts as hanging.
    """

    offers: frozenset[str] = frozenset()

    def __init__(
        self,
        jobs: int | None = None,
        paused: Callable[[], bool] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._paused = paused or (lambda: False)
        self._crew = Crew(jobs or os.cpu_count() or 1, patience)
        self.jobs = self._crew.jobs

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the worker processes that live now."""
        return self._crew.pids

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        jobs: int | None = None,
        needs: Needs | None = None,  # noqa: ARG002 (one machine has what it has)
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item with its result or its exception, as they are done.

        Parameters
        ----------
        function : callable
            Importable by name.
        items : sequence
            Each must pickle.
        jobs : int, optional
            At most this many at a time, when a piece of work needs the machine to itself.
        needs : Mapping, optional
            Not looked at: ``jobs`` says what this machine can do at a time.

        Raises
        ------
        Paused
            After the results of what was under way, when work is left that must not be begun.
        """
        done = 0
        for item, answer in self._crew.run(function, items, width=jobs, paused=self._paused):
            done += 1
            yield item, lost_error(item, answer) if isinstance(answer, Lost) else answer
        if done < len(items):
            raise Paused("Paused between two shots. Run the same command again to go on.", "paused")

    def close(self) -> None:
        """Let the workers go."""
        self._crew.close()
