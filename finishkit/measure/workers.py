"""Clips side by side in processes of their own, so that one bad clip costs itself and no other.

A worker has one clip at a time and shows that it lives. So it is known which clip killed it, and a
decoder that hangs is told from a long clip. :class:`concurrent.futures.ProcessPoolExecutor` breaks
as a whole when one of its processes dies.
"""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Protocol, TypeVar

import cv2

from finishkit.errors import FinishError
from finishkit.processes import die_with_parent

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SILENCE_S: Final = 120.0
"""A worker that showed no sign of life for so long hangs."""
BEAT_S: Final = 1.0


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


@dataclass(frozen=True, slots=True)
class _Died:
    exit_code: int | None


def side_by_side(
    work: Sequence[J], call: Call[J, R], jobs: int, silence_s: float = SILENCE_S
) -> Generator[tuple[J, R | FinishError], None, None]:
    """Work on clips in processes of their own.

    Parameters
    ----------
    work : sequence of Job
        What to do; one at a time in each process.
    call : callable
        Given a job and a beat to call while it works; must be importable, as must the program's
        main module (``if __name__ == "__main__"``).
    jobs : int
        Processes.
    silence_s : float
        Seconds without a beat after which a process is ended.

    Yields
    ------
    job, answer : Job and object, or FinishError
        As they come: what ``call`` returned or raised, ``timeout`` for a process that went silent,
        ``measure_failed`` for one that died with this job twice, the second time with nothing
        beside it (the first may have been somebody else's hunger for memory).
    """
    again: list[J] = []
    for job, answer in _round(work, call, jobs, silence_s):
        if isinstance(answer, _Died):
            again.append(job)
        else:
            yield job, answer
    for job, answer in _round(again, call, 1, silence_s):
        yield job, (_explained(job, answer) if isinstance(answer, _Died) else answer)


def _explained(job: Job, died: _Died) -> FinishError:
    code = died.exit_code
    how = f"exit code {code}"
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-code).name
    return FinishError(
        f"Shot {job.shot}: measuring it killed its process twice ({how}): out of memory, or the"
        " file is dangerous to decode. Export or generate the shot again.",
        "measure_failed",
    )


@dataclass(slots=True)
class _Worker(Generic[J]):
    process: BaseProcess
    pipe: Connection
    job: J
    heard_s: float
    begun: bool = False

    def takes(self, job: J) -> bool:
        try:
            self.pipe.send(job)
        except OSError:
            return False  # it died after its answer: not this job's fault
        self.job = job
        return True

    def silent_s(self) -> float:
        # Loading its libraries it cannot speak: on a busy machine that takes a while.
        return time.monotonic() - self.heard_s - (0.0 if self.begun else SILENCE_S)

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _round(
    work: Sequence[J], call: Call[J, R], jobs: int, silence_s: float
) -> Iterator[tuple[J, R | FinishError | _Died]]:
    waiting = deque(work)
    busy: dict[Connection, _Worker[J]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                worker = _started(waiting.popleft(), call)
                busy[worker.pipe] = worker
            ready = wait(list(busy), timeout=BEAT_S)
            for pipe in list(busy):
                worker, job = busy[pipe], busy[pipe].job
                if pipe in ready:
                    done, answer = _heard(worker)
                    if not done:
                        continue
                    if isinstance(answer, _Died) or not waiting or not worker.takes(waiting[0]):
                        del busy[pipe]
                        _dismiss(worker)
                    else:
                        waiting.popleft()
                    yield job, answer
                elif not pipe.poll() and worker.silent_s() > silence_s:
                    del busy[pipe]
                    worker.end()
                    yield job, _silent(job, silence_s)
    finally:
        for worker in busy.values():
            worker.end()


def _silent(job: Job, silence_s: float) -> FinishError:
    return FinishError(
        f"Shot {job.shot}: measuring it came to a stop: no sign of life for {silence_s:.0f} s."
        " Export or generate the shot again.",
        "timeout",
    )


def _heard(worker: _Worker[J]) -> tuple[bool, Any]:
    worker.heard_s, worker.begun = time.monotonic(), True
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        return True, _Died(worker.process.exitcode)


def _dismiss(worker: _Worker[J]) -> None:
    with contextlib.suppress(OSError):
        worker.pipe.send(None)
    worker.process.join(5)
    worker.end()


def _started(job: J, call: Call[J, R]) -> _Worker[J]:
    # Spawned, not forked: cv2 and dlib hold locks of threads that a fork would not copy.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with one_thread():
        process = context.Process(target=_serve, args=(theirs, call), daemon=True)
        process.start()
    # Ours alone from here on: when the process dies, the pipe ends.
    theirs.close()
    ours.send(job)
    return _Worker(process, ours, job, time.monotonic())


def _serve(pipe: Connection, call: Call[Any, Any]) -> None:
    # A killed batch must not leave its measuring behind.
    die_with_parent()
    cv2.setNumThreads(1)
    last_s = time.monotonic()

    def beat() -> None:
        nonlocal last_s
        now = time.monotonic()
        if now - last_s >= BEAT_S:
            last_s = now
            pipe.send((False, None))

    pipe.send((False, None))
    while (job := pipe.recv()) is not None:
        try:
            answer = call(job, beat)
        except FinishError as error:
            answer = error
        pipe.send((True, answer))


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
