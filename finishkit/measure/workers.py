"""Clips side by side in processes of their own, so that one bad clip costs itself and no other."""

import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

import cv2

from finishkit.crew import THREAD_VARIABLES, Crew, Lost, Patience
from finishkit.errors import FinishError
from finishkit.working import beat

SILENCE_S: Final = 120.0
"""A worker that showed no sign of life for so long hangs."""


class Job(Protocol):
    """One clip to work on; it crosses to another process."""

    @property
    def shot(self) -> str:
        """Whose clip it is."""
        ...


J = TypeVar("J", bound=Job)
R = TypeVar("R")
Beat = Callable[[], None]
"""Called while work goes on, the more often the better."""
Call = Callable[[J, Beat], R]


def side_by_side(
    work: Sequence[J], call: Call[J, R], jobs: int, silence_s: float = SILENCE_S
) -> Generator[tuple[J, R | FinishError], None, None]:
    """Work on clips in processes of their own.

    Parameters
    ----------
    work : sequence of Job
        What to do; one at a time in each process.
    call : callable
        Given a job and a beat to call while it works; must be importable.
    jobs : int
        Processes.
    silence_s : float
        Seconds after which a process that neither beats nor computes is ended; twice as many until
        its first beat.

    Yields
    ------
    job, answer : Job and object, or FinishError
        As they come: what ``call`` returned or raised; ``timeout`` for a clip on which a process
        came to a stop twice, ``measure_failed`` for one that killed its process twice, the second
        time with nothing beside it.
    """
    with Crew(jobs, Patience(idle_s=silence_s, loading_s=silence_s)) as crew:
        for job, answer in crew.run(functools.partial(_called, call), work):
            yield job, _explained(job, answer)


def _called(call: Call[Any, R], job: Any) -> R:
    return call(job, beat)


def _explained(job: Job, answer: Any) -> Any:
    if isinstance(answer, Lost) and answer.code == "timeout":
        return FinishError(
            f"Shot {job.shot}: measuring it came to a stop twice: {answer.how}. Export or generate"
            " the shot again.",
            "timeout",
        )
    if isinstance(answer, Lost):
        return FinishError(
            f"Shot {job.shot}: measuring it killed its process twice ({answer.how}): out of"
            " memory, or the file is dangerous to decode. Export or generate the shot again.",
            "measure_failed",
        )
    if isinstance(answer, Exception) and not isinstance(answer, FinishError):
        return FinishError(
            f"Shot {job.shot} could not be measured: {type(answer).__name__}: {answer}.",
            "measure_failed",
        )
    return answer


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV and the linear algebra use one thread, here and in processes started inside.

    Shots run side by side: threads within one would only wait for each other. The variables are
    read when a spawned process loads its libraries.
    """
    threads = cv2.getNumThreads()
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    cv2.setNumThreads(1)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
