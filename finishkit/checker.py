"""The process that opens clips nobody has looked at: one server, one short-lived fork a clip.

Every clip is decoded in a process of its own with limits, as it may kill it. Started from nothing,
such a process spends longer on loading the decoder than on decoding; forked from one that has it
loaded, it starts at once. The server itself opens no clip.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finishkit.processes import die_with_parent

MEMORY_BYTES = 4 * 2**30
"""Address space of a checking process."""
TIMEOUT_S = 120.0

Answer = dict[str, Any]


class Checker:
    """A server of checks, started when the first clip comes.

    One clip at a time: use one a thread. ``close`` it, or use it as a context.
    """

    def __init__(self) -> None:
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

    def check(self, path: Path) -> Answer:
        """Check one clip.

        Parameters
        ----------
        path : Path
            Absolute.

        Returns
        -------
        answer : dict
            What :func:`serve`'s ``check`` said, or a ``code`` of ``timeout`` or ``killed``.
        """
        server = self._running()
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            server.stdin.write(os.fsencode(path).hex().encode() + b"\n")
            server.stdin.flush()
            line = server.stdout.readline()
            return json.loads(line)
        except (OSError, ValueError):
            self.close()
            return {"code": "killed"}

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


def serve(check: Callable[[Path], Answer]) -> None:
    """Answer for one clip a line of standard input, until it ends.

    Parameters
    ----------
    check : callable
        Run in a fork with limits on memory and time.
    """
    die_with_parent()
    for line in sys.stdin.buffer:
        answer = _forked(check, Path(os.fsdecode(bytes.fromhex(line.decode()))))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _forked(check: Callable[[Path], Answer], path: Path) -> Answer:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the server's is run to its end here: no cleanup, no flushing.
        code = 1
        with contextlib.suppress(BaseException):
            os.close(ours)
            die_with_parent()
            _limit_resources()
            told = json.dumps(check(path)).encode()
            while told:
                told = told[os.write(theirs, told) :]
            code = 0
        os._exit(code)
    os.close(theirs)
    answer = _read(ours)
    os.close(ours)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if answer is None:
        return {"code": "timeout"}
    try:
        return json.loads(answer)
    except ValueError:
        return {"code": "killed"}


def _read(pipe: int) -> bytes | None:
    deadline = time.monotonic() + TIMEOUT_S
    data = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            part = os.read(pipe, 65536)
            if not part:
                return data
            data += part
    return None


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_S), int(TIMEOUT_S)))
