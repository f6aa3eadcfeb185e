"""Processes that do not outlive who started them."""

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however the parent ends.

    A batch that is killed must not leave workers behind that hold the output folder and the
    processors. Linux only; elsewhere nothing is promised.
    """
    if sys.platform != "linux":
        return
    starter = multiprocessing.parent_process()
    parent = starter.pid if starter is not None else os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It died before we asked.
        os.kill(os.getpid(), signal.SIGKILL)
