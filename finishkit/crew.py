"""Processes that work on one item at a time each, and are watched while they do.

It is known which item killed its process, and a hang is told from slow work. So one bad item costs
itself and no other: :class:`concurrent.futures.ProcessPoolExecutor` breaks as a whole when one of
its processes dies, and waits for ever for one that hangs.
"""

import contextlib
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Literal, TypeVar

import psutil

from finishkit.processes import end_group
from finishkit.working import ANSWER

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PIPE_S: Final = 30.0
"""A message between a worker and who started it may take so long."""
WORKING_SHARE: Final = 1 / 60
"""A worker that has computed for this share of the time it may be idle has not been idle."""
SLOWER: Final = 20.0
"""A frame may take so many times what the slowest one before it took."""
RETIRE_ITEMS: Final = 100
RETIRE_GROWTH_BYTES: Final = 512 * 2**20
"""A worker that has grown by so much since its first item of a kind is replaced by a fresh one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker may go on without showing progress.

    Progress is a beat (:func:`finishkit.working.beat`): a frame that is done, or a layer of a net.
    A frame of 4K may rightly take minutes on a slow processor, so there are two limits: a short one
    for a worker that does nothing (it waits for a file, a lock, a pipe, or is stopped), and a long
    one for a worker that computes all the while, which only ends a loop without end.

    Attributes
    ----------
    idle_s : float
        Without a beat, and with less than :data:`WORKING_SHARE` of it spent computing.
    busy_s : float
        Without a beat though it computes; longer, :data:`SLOWER` times as long, where beats of the
        same kind of work have been slow.
    loading_s : float
        Added to both until the worker's first beat of a kind of work: libraries and weights are
        loaded then.
    grace_s : float
        Between SIGTERM and SIGKILL.
    """

    idle_s: float = 60.0
    busy_s: float = 600.0
    loading_s: float = 60.0
    grace_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Lost:
    """An item whose worker was lost, twice, the second time with nothing beside it.

    Attributes
    ----------
    code : {'killed', 'timeout'}
    how : str
        Signal or exit code, or for how long there was no progress.
    """

    code: Literal["killed", "timeout"]
    how: str


@dataclass(slots=True)
class _Worker:
    process: "subprocess.Popen[bytes]"
    pipe: Connection
    kind: str = ""
    item: Any = None
    heard_s: float = 0.0
    worked_s: float = 0.0
    cpu_s: float = 0.0
    items: int = 0
    beaten: set[str] = field(default_factory=set)
    first_bytes: dict[str, int] = field(default_factory=dict)

    def given(self, kind: str, item: Any) -> None:
        self.kind, self.item = kind, item
        self.heard_s = self.worked_s = time.monotonic()
        self.cpu_s = _cpu_s(self.process.pid)

    def overdue_s(self, patience: Patience, slowest_s: float) -> float:
        """Return for how long there has been no progress when that is too long, else 0."""
        now = time.monotonic()
        if now - self.heard_s < patience.idle_s / 4:
            return 0.0
        cpu_s = _cpu_s(self.process.pid)
        if cpu_s - self.cpu_s >= WORKING_SHARE * patience.idle_s:
            self.worked_s, self.cpu_s = now, cpu_s
        more_s = 0.0 if self.kind in self.beaten else patience.loading_s
        idle_s, silent_s = now - max(self.heard_s, self.worked_s), now - self.heard_s
        if idle_s > patience.idle_s + more_s:
            return idle_s
        return silent_s if silent_s > max(patience.busy_s, SLOWER * slowest_s) + more_s else 0.0

    def is_spent(self) -> bool:
        """Whether it has done enough, or holds more and more memory."""
        self.items += 1
        try:
            held = psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return True
        grown = held - self.first_bytes.setdefault(self.kind, held)
        return self.items >= RETIRE_ITEMS or grown > RETIRE_GROWTH_BYTES

    def end(self, grace_s: float = 0.0) -> None:
        self.pipe.close()
        end_group(self.process, grace_s)


class Crew:
    """Worker processes, started when they are needed and kept warm from call to call.

    Parameters
    ----------
    jobs : int
        Processes at most.
    patience : Patience
        When a worker counts as hanging.
    """

    def __init__(self, jobs: int, patience: Patience | None = None) -> None:
        self.jobs = max(1, jobs)
        self.patience = patience or Patience()
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}
        self._slowest_s: dict[str, float] = {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes that live now."""
        return tuple(w.process.pid for w in (*self._busy.values(), *self._idle))

    def run(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        width: int | None = None,
        paused: Callable[[], bool] = lambda: False,
        kind: str = "",
    ) -> Generator[tuple[Item, Result | Exception | Lost], None, None]:
        """Work on items, each in one process.

        Parameters
        ----------
        function : callable
            Importable by name; it should call
            :func:`finishkit.working.beat` now and then.
        items : sequence
            Each must pickle.
        width : int, optional
            At most so many at a time.
        paused : callable, optional
            Asked before an item is handed out; once true no other is.
        kind : str, optional
            What the work is called, to learn how fast it beats; the function's name by default.

        Yields
        ------
        item, answer : object and object
            As they come: what was returned, the exception that was raised, or :class:`Lost` after
            a second attempt, made when all else is done and nothing runs beside it (the first loss
            may have been somebody else's hunger for memory). Items that were not handed out do not
            come.
        """
        again: list[Item] = []
        width = min(width or self.jobs, self.jobs)
        kind = kind or getattr(function, "__qualname__", type(function).__name__)
        for item, answer in self._round(function, kind, items, width, paused):
            if isinstance(answer, Lost):
                again.append(item)
            else:
                yield item, answer
        if again:
            self.close()
            yield from self._round(function, kind, again, 1, paused)

    def close(self) -> None:
        """End all processes, and what they have started."""
        for worker in (*self._busy.values(), *self._idle):
            worker.end()
        self._busy.clear()
        self._idle.clear()

    def _round(
        self,
        function: Callable[[Item], Result],
        kind: str,
        items: Sequence[Item],
        width: int,
        paused: Callable[[], bool],
    ) -> Generator[tuple[Item, Result | Exception | Lost], None, None]:
        waiting = deque(items)
        try:
            while self._busy or (waiting and not paused()):
                while waiting and len(self._busy) < width and not paused():
                    item = waiting.popleft()
                    try:
                        given = pickle.dumps((function, item))
                    except Exception as error:
                        yield item, error
                        continue
                    self._hand_out(given, kind, item)
                yield from self._listen()
        finally:
            # Whoever stops listening wants the work stopped.
            for worker in self._busy.values():
                worker.end()
            self._busy.clear()

    def _hand_out(self, given: bytes, kind: str, item: Any) -> None:
        while self._idle:
            worker = self._idle.pop()
            if self._takes(worker, given, kind, item):
                return
            worker.end()  # it died, or stopped, after its last answer: not this item's fault
        worker = _started()
        if not self._takes(worker, given, kind, item):
            self._busy[worker.pipe] = worker  # found dead when it is listened to

    def _takes(self, worker: _Worker, given: bytes, kind: str, item: Any) -> bool:
        worker.given(kind, item)
        try:
            worker.pipe.send_bytes(given)
        except OSError:
            return False
        self._busy[worker.pipe] = worker
        return True

    def _listen(self) -> Iterator[tuple[Any, Any]]:
        wait(list(self._busy), timeout=min(1.0, self.patience.idle_s / 8))
        for worker in list(self._busy.values()):
            # Looked at anew, since who was given an answer may have taken a while over it.
            answer = self._heard(worker)
            # A process that the worker forked may hold its end of the pipe open.
            if answer is None and worker.process.poll() is not None:
                answer = self._heard(worker) or (Lost("killed", _ending(worker)),)
            if answer is None:
                slowest_s = self._slowest_s.get(worker.kind, 0.0)
                if late_s := worker.overdue_s(self.patience, slowest_s):
                    answer = (Lost("timeout", f"no progress for {late_s:.0f} s"),)
            if answer is not None:
                del self._busy[worker.pipe]
                self._put_away(worker, answer[0])
                yield worker.item, answer[0]

    def _put_away(self, worker: _Worker, answer: Any) -> None:
        if isinstance(answer, Lost):
            worker.end(self.patience.grace_s if answer.code == "timeout" else 0.0)
        elif worker.is_spent():
            worker.end()
        else:
            self._idle.append(worker)

    def _heard(self, worker: _Worker) -> tuple[Any] | None:
        """Take what a worker has sent; its answer, in a tuple, once it has one."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv_bytes()
                now = time.monotonic()
                if message[:1] == ANSWER:
                    return (pickle.loads(message[1:]),)
                if worker.kind in worker.beaten:
                    gap_s = max(self._slowest_s.get(worker.kind, 0.0), now - worker.heard_s)
                    self._slowest_s[worker.kind] = gap_s
                worker.beaten.add(worker.kind)
                worker.heard_s = now
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(5)
                return (Lost("killed", _ending(worker)),)
            return (Lost("timeout", f"no more of a message for {PIPE_S:.0f} s"),)
        return None


def _cpu_s(pid: int) -> float:
    """Return the processor time a process and its children have used."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def _ending(worker: _Worker) -> str:
    code = worker.process.poll()
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _started() -> _Worker:
    ours, theirs = Pipe()
    # A worker that is stopped in the middle of a message must not stop who talks to it.
    for side in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        with socket.socket(fileno=os.dup(ours.fileno())) as end:
            end.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", int(PIPE_S), 0))
    # No proxy: nothing here may reach out. One thread each, set before any library asks: workers
    # run side by side, and threads within one would only wait for each other.
    kept = {k: v for k, v in os.environ.items() if not k.casefold().endswith("_proxy")}
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from finishkit.working import serve;"
        f" serve({theirs.fileno()}, {os.getpid()})"
    )
    # Not forked: a fork inherits locks of threads (torch, OpenCV) that do not exist in the child,
    # and hangs. Not multiprocessing's spawn: it starts nothing inside Dask's workers, and runs the
    # caller's script anew.
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=2,  # standard output is for the results of the command
        env={**kept, **dict.fromkeys(THREAD_VARIABLES, "1")},
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    # Ours alone from here on: when the process dies, the pipe ends.
    theirs.close()
    return _Worker(process, ours)
