"""Work behind a slider: one thread, and only the newest job counts."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SupersededError(Exception):
    """Raised inside a job that nobody waits for any more."""


class Job(Generic[Result]):
    """One piece of work that may be called off.

    Parameters
    ----------
    work : callable
        Called in the thread with a function to call between its steps: it raises
        :class:`SupersededError` when there is no point in going on.
    done : callable
        Called in the thread with what ``work`` returned, or with the exception it raised; never
        after :meth:`cancel` has returned.
    """

    def __init__(
        self,
        work: Callable[[Callable[[], None]], Result],
        done: Callable[[Result | Exception], None],
    ) -> None:
        self._work, self._done = work, done
        self._cancelled = False
        # Held while the result is handed over; the one who takes it may start the next job.
        self._handing = threading.RLock()
        self._over = threading.Event()

    def cancel(self) -> None:
        """Call it off. A step that runs is not interrupted, but its result is dropped."""
        with self._handing:
            self._cancelled = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the thread is through with it.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._over.wait(timeout_s)

    def run(self) -> None:
        """Do the work and hand over the result; for the thread."""
        try:
            try:
                self._go_on()
                result: Result | Exception = self._work(self._go_on)
            except SupersededError:
                return
            except Exception as error:
                result = error
            with self._handing:
                if not self._cancelled:
                    self._done(result)
        finally:
            self._over.set()

    def _go_on(self) -> None:
        if self._cancelled:
            raise SupersededError


class Newest(Generic[Result]):
    """A thread that does the newest job it was given; older ones are called off.

    The thread ends when nothing is left to do, and does not keep the interpreter alive.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: Job[Result] | None = None
        self._waiting: Job[Result] | None = None
        self._running = False

    def start(self, job: Job[Result]) -> Job[Result]:
        """Call off whatever is under way and do this instead.

        Parameters
        ----------
        job : Job
            Not started yet.

        Returns
        -------
        job : Job
            The same.
        """
        with self._lock:
            older, self._latest = self._latest, job
            skipped, self._waiting = self._waiting, job
            begin, self._running = not self._running, True
        if older is not None:
            older.cancel()
        if skipped is not None:
            skipped.run()  # called off: only says that it is over
        if begin:
            threading.Thread(target=self._serve, name="finishkit-newest", daemon=True).start()
        return job

    def _serve(self) -> None:
        while True:
            with self._lock:
                job, self._waiting = self._waiting, None
                if job is None:
                    self._running = False
                    return
            job.run()
