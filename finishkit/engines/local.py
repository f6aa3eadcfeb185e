"""A pool of processes on this machine."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from finishkit.errors import FinishError
from finishkit.pause import Paused
from finishkit.processes import die_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def _quiet_worker() -> None:
    # A worker is one of several: each computes on one thread, set before any library asks.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    die_with_parent()
    import cv2

    cv2.setNumThreads(1)


class LocalEngine:
    """Spawned worker processes, kept warm from pass to pass.

    Parameters
    ----------
    jobs : int, optional
        Workers; the number of processors by default.
    paused : callable, optional
        Asked before each piece of work is handed out; true: what is under way is finished, no
        other is begun, and :meth:`map` ends with :class:`~finishkit.pause.Paused`.
    """

    def __init__(self, jobs: int | None = None, paused: Callable[[], bool] | None = None) -> None:
        self._paused = paused or (lambda: False)
        self.jobs = max(1, jobs or os.cpu_count() or 1)
        self._pool: ProcessPoolExecutor | None = None
        self._left = 0

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int | None = None
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item with its result or its exception, as they are done.

        Parameters
        ----------
        function : callable
            A module-level function.
        items : sequence
            Each must pickle.
        jobs : int, optional
            At most this many at a time, when a piece of work needs the machine to itself.

        Raises
        ------
        Paused
            After the results of what was under way, when work is left that must not be begun.
        """
        broken: list[Item] = []
        for item, future in self._waves(function, items, jobs or self.jobs):
            try:
                yield item, future.result()
            except BrokenProcessPool:
                broken.append(item)
            except Exception as error:
                yield item, error
        if broken:
            self.close()
        for item in broken:
            yield item, self._alone(function, item)
        if self._left:
            raise Paused("Paused between two shots. Run the same command again to go on.", "paused")

    def _waves(
        self, function: Callable[[Item], Result], items: Sequence[Item], width: int
    ) -> Iterator[tuple[Item, Future[Result]]]:
        waiting = list(reversed(items))
        running: dict[Future[Result], Item] = {}
        self._left = 0
        while running or (waiting and not self._paused()):
            while waiting and len(running) < min(width, self.jobs) and not self._paused():
                item = waiting.pop()
                try:
                    running[self._workers().submit(function, item)] = item
                except BrokenProcessPool as error:
                    lost: Future[Result] = Future()
                    lost.set_exception(error)
                    running[lost] = item
            done = next(as_completed(running))
            yield running.pop(done), done
        self._left = len(waiting)

    def _alone(self, function: Callable[[Item], Result], item: Item) -> Result | Exception:
        # A dead worker breaks the pool for all that ran beside it, and only one of them is to
        # blame: each is tried once more in a pool of its own.
        with self._new_pool(1) as pool:
            try:
                return pool.submit(function, item).result()
            except BrokenProcessPool:
                return FinishError(
                    "The process that worked on it died twice (out of memory, or a crash in a"
                    " library). Finish the shot alone with --jobs 1, or generate it again.",
                    "killed",
                )
            except Exception as error:
                return error

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = self._new_pool(self.jobs)
        return self._pool

    @staticmethod
    def _new_pool(jobs: int) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork inherits locks of threads (torch, OpenCV) that do not exist
        # in the child, and hangs.
        return ProcessPoolExecutor(
            jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_quiet_worker
        )

    def close(self) -> None:
        """Let the workers go."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
