"""What Ctrl-C and a shutdown do to a run: first it pauses between two shots, then it ends."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ended from outside, at once; nothing that goes on after errors may take it for one.

    Attributes
    ----------
    signal : int
        What was sent; a shell calls its exit code ``128 + signal``.
    resume : str
        The command that goes on; empty: the same once more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number
        self.resume = ""

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for what a shutdown sends."""
        return 128 + self.signal


class Stopping:
    """While it is entered, the first Ctrl-C asks for a pause and everything else ends at once.

    ``SIGTERM`` (``kill``, a shutdown), ``SIGHUP`` (a terminal that is closed) and the second
    Ctrl-C raise :class:`Stopped` in the main thread. In other threads nothing is changed: signals
    do not reach them.

    Parameters
    ----------
    pause : callable
        Called at the first Ctrl-C, inside the signal handler; returns False when there is nothing
        that could be paused, and then it ends at once.
    """

    def __init__(self, pause: Callable[[], bool]) -> None:
        self._pause = pause
        self._before: dict[int, object] = {}
        self.asked = False
        self._ending = False

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_ENDING):
                # Whoever ignores hang-ups (nohup) goes on doing so.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _heard(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and not self.asked:
            self.asked = True
            if self._pause():
                return
        if not self._ending:
            # Once: what cleans up after it must not be broken off by the next signal.
            self._ending = True
            raise Stopped(number)
