"""Processes that do not outlive who started them, and how those that will not end are ended."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to end this process when its parent ends, however the parent ends.

    A batch that is killed must not leave workers behind that hold the output folder and the
    processors. Linux only; elsewhere nothing is promised.

    Parameters
    ----------
    parent : int, optional
        Number of the process that started this one, where multiprocessing does not know it.
    """
    if sys.platform != "linux":
        return
    if parent is None:
        starter = multiprocessing.parent_process()
        parent = starter.pid if starter is not None else os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before we asked.
        os.kill(os.getpid(), signal.SIGKILL)


def end_group(process: "subprocess.Popen[bytes]", grace_s: float = 0.0) -> None:
    """End a process that leads a group, and every process of the group.

    SIGTERM and, after the grace, SIGKILL: also for those that are stopped or have lost their
    leader.

    Parameters
    ----------
    process : subprocess.Popen
        Started with ``start_new_session=True``.
    grace_s : float
        Seconds to end by itself; 0: killed at once.
    """
    if grace_s > 0:
        _signal(process.pid, signal.SIGTERM)
        _signal(process.pid, signal.SIGCONT)  # who is stopped does not hear the other
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            process.poll()
            if not _signal(process.pid, 0):
                return
            time.sleep(0.02)
    _signal(process.pid, signal.SIGKILL)
    # One that hangs in the kernel, on a dead network folder, cannot be waited for.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _signal(group: int, number: int) -> bool:
    """Signal a group; False when there is no such group (any more)."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS says so of a group of which only an unreaped process is left.
        return number != 0
    return True
