"""The process that opens clips nobody has looked at: one server, one short-lived fork a clip.

Every clip is decoded in a process of its own with limits, as it may kill it. Started from nothing,
such a process spends longer on loading the decoder than on decoding; forked from one that has it
loaded, it starts at once. The server itself opens no clip.

What is watched is progress, not time: a long clip may take long, but one that gives no new picture
for a minute is stuck. The fork tells the server of its progress, and the server tells whoever
asked, so that a server that is stopped or dead is noticed as well.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finishkit.processes import die_with_parent

Answer = dict[str, Any]
Beat = Callable[[float | None], None]
"""Called as the work goes on; once with the seconds that it should take."""
Check = Callable[[Path, Beat], Answer]

_BEAT_EVERY_S = 0.5
GRACE_S = 5.0
"""So much longer than the server waits for its fork: what the server says comes first."""
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a checking process may take.

    Attributes
    ----------
    memory_bytes : int
        Address space.
    stall_s : float
        Without progress for so long, it is ended.
    least_s, most_s : float
        Bounds of the time one clip may take in all.
    slack : float
        It may take so many times what it should, within these bounds: a loaded machine.
    """

    memory_bytes: int = 4 * 2**30
    stall_s: float = 60.0
    least_s: float = 60.0
    most_s: float = 6 * 3600.0
    slack: float = 20.0

    def wall_s(self, expected_s: float) -> float:
        """Return the time for a clip that should take ``expected_s``."""
        return min(self.most_s, max(self.least_s, self.slack * expected_s))


class Checker:
    """A server of checks, started when the first clip comes.

    One clip at a time: use one a thread. ``close`` it, or use it as a context.

    Parameters
    ----------
    limits : Limits, optional
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Checker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
            self._server = None

    def check(self, path: Path, what: str = "clip") -> Answer:
        """Check one clip.

        Parameters
        ----------
        path : Path
            Absolute.
        what : str
            Which of the checks that :func:`serve` was given.

        Returns
        -------
        answer : dict
            What the check said, or a ``code`` of ``timeout`` or ``killed``: after
            a second try, since the fault may have been the machine's.
        """
        answer = self._once(path, what)
        return self._once(path, what) if answer.get("code") in ("timeout", "killed") else answer

    def _once(self, path: Path, what: str) -> Answer:
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            path_hex, limits = os.fsencode(path).hex(), asdict(self.limits)
            asked = {"what": what, "path": path_hex, "limits": limits}
            server.stdin.write(json.dumps(asked).encode() + b"\n")
            server.stdin.flush()
            for told in _lines(server.stdout.fileno(), self.limits.stall_s + GRACE_S):
                if "answer" in told:
                    return told["answer"]
        except TimeoutError:
            self.close()
            return {"code": "timeout", "text": "the checking server did not answer"}
        except (OSError, ValueError, TypeError):
            pass  # it died, or told no line of ours: the same as ending without an answer
        self.close()
        return {"code": "killed", "text": "with its server"}

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._server is None:
            # No proxy: nothing here may reach out. One thread: a fork takes no others along.
            kept = {k: v for k, v in os.environ.items() if not k.casefold().endswith("_proxy")}
            one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            self._server = subprocess.Popen(
                [sys.executable, "-m", "finishkit.ingest"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**kept, **one},
            )
        return self._server


def _lines(pipe: int, patience_s: float) -> Iterator[Any]:
    """Yield what is told, a JSON line each, until the pipe ends.

    Raises
    ------
    TimeoutError
        When nothing came for ``patience_s``.
    ValueError
        A line is no JSON.
    """
    data = b""
    while select.select([pipe], [], [], patience_s)[0]:
        part = os.read(pipe, 65536)
        if not part:
            return
        *whole, data = (data + part).split(b"\n")
        yield from map(json.loads, whole)
    raise TimeoutError


def serve(checks: Mapping[str, Check]) -> None:
    """Answer for one clip a line of standard input, until it ends.

    Parameters
    ----------
    checks : mapping of str to callable
        Each is run in a fork with limits on memory and time.
    """
    _leave_the_network()
    die_with_parent()

    def tell(what: Answer) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    for line in sys.stdin.buffer:
        asked = json.loads(line)
        path = Path(os.fsdecode(bytes.fromhex(asked["path"])))
        check = checks[asked["what"]]
        tell({"answer": forked(check, path, Limits(**asked["limits"]), lambda: tell({}))})


def forked(check: Check, path: Path, limits: Limits, going_on: Callable[[], None]) -> Answer:
    """Run a check in a fork of this process, and end the fork when it makes no progress.

    Parameters
    ----------
    check : callable
        One of those of :func:`serve`.
    path : Path
        What it is given.
    limits : Limits
        What it may take.
    going_on : callable
        Called at every sign of progress.

    Returns
    -------
    answer : dict
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _work(check, path, limits, theirs)
    os.close(theirs)
    started = time.monotonic()
    wall_s = limits.most_s
    answer: Answer | None = None
    late = False
    try:
        for told in _lines(ours, limits.stall_s):
            if time.monotonic() > started + wall_s:
                raise TimeoutError
            answer = told.get("answer", answer)
            if told.get("expected_s") is not None:
                wall_s = limits.wall_s(told["expected_s"])
            going_on()
    except TimeoutError:
        late = True
    except (ValueError, AttributeError):
        answer = None  # a process that writes something else is no longer itself
    # At once and not politely: it has nothing to put in order, and may be stopped.
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL if late or answer is None else 0)
    os.close(ours)
    _, status = os.waitpid(child, 0)
    if late:
        return {"code": "timeout", "text": f"{time.monotonic() - started:.0f} s"}
    if answer is None:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else ""
        return {"code": "killed", "text": how}
    return answer


def _work(check: Check, path: Path, limits: Limits, pipe: int) -> None:
    """Be the fork. Nothing of the server's is run to its end here: no cleanup, no flushing."""
    said_s = 0.0

    def tell(what: Answer) -> None:
        left = json.dumps(what).encode() + b"\n"
        while left:
            left = left[os.write(pipe, left) :]

    def beat(expected_s: float | None = None) -> None:
        nonlocal said_s
        now = time.monotonic()
        if expected_s is not None:
            tell({"expected_s": expected_s})
        elif now - said_s > _BEAT_EVERY_S:
            tell({})
            said_s = now

    code = 1
    with contextlib.suppress(BaseException):
        die_with_parent()
        _limit_resources(limits)
        try:
            answer = check(path, beat)
        except MemoryError:
            answer = {"code": "too_large", "text": f"more than {limits.memory_bytes >> 20} MiB"}
        except Exception as error:
            answer = {"code": "killed", "text": type(error).__name__}
        tell({"answer": answer})
        code = 0
    os._exit(code)


def _limit_resources(limits: Limits) -> None:
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(limits.most_s) + 1),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _leave_the_network() -> None:
    """Go where there is no network, as far as the system lets us: not in every container.

    What opens clips is told to open files only; this holds also where a decoder does not listen.
    """
    if sys.platform != "linux":
        return
    # A new user namespace would take root's right to read what others own.
    own_user = 0 if os.geteuid() == 0 else _CLONE_NEWUSER
    ctypes.CDLL(None, use_errno=True).unshare(own_user | _CLONE_NEWNET)
