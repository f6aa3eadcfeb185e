"""An episode in a process of its own: what it ended with, and a way to end it."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from finishkit.processes import die_with_parent

T = TypeVar("T")


class Died(Exception):  # noqa: N818 (what happened, not a fault of this program)
    """A process ended without an answer; the text says how."""


class EpisodeProcess(Generic[T]):
    """One spawned process that runs a function and sends its answer as bytes.

    One an episode, not a pool: a pool whose process is killed (out of memory) takes the episodes
    down that run beside it. Spawned, not a thread: papermill changes the working folder.

    Parameters
    ----------
    of : object
        Whose process it is; kept for the caller.
    function : callable
        Importable; returns bytes.
    argument : object
        Pickles.
    """

    def __init__(self, of: T, function: Callable[[Any], bytes], argument: Any) -> None:
        self.of = of
        context = multiprocessing.get_context("spawn")
        self._answer, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(theirs, function, argument))
        self._process.start()
        # Ours alone to read: when the process dies, the pipe ends.
        theirs.close()

    def answer(self) -> bytes:
        """Return what the function returned, once :func:`first_done` names this process.

        Raises
        ------
        Died
            When it was killed, or raised.
        """
        try:
            return self._answer.recv_bytes()
        except (EOFError, OSError):
            raise Died(self._how()) from None
        finally:
            self._answer.close()
            self._process.join()

    def end(self) -> None:
        """Kill it; what it started ends with it."""
        self._process.kill()
        self._process.join()
        self._answer.close()

    def _how(self) -> str:
        self._process.join()
        code = self._process.exitcode or 0
        if code < 0:
            return f"it was killed ({signal.Signals(-code).name}); out of memory?"
        return f"exit code {code}"

    @property
    def pipe(self) -> Connection:
        """What becomes readable when the process has answered or died."""
        return self._answer


def done_within(processes: Sequence[EpisodeProcess[T]], seconds: float) -> list[EpisodeProcess[T]]:
    """Return those that have answered or died; wait so long at most for the first.

    Parameters
    ----------
    processes : sequence of EpisodeProcess
        Those under way.
    seconds : float
        At most.
    """
    ready = wait([p.pipe for p in processes], timeout=seconds)
    return [p for p in processes if p.pipe in ready]


def _serve(pipe: Connection, function: Callable[[Any], bytes], argument: Any) -> None:
    die_with_parent()
    # A Ctrl-C reaches all processes of the terminal; the batch alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send_bytes(function(argument))
    pipe.close()
