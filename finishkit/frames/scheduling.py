"""Encoders that would have the machine to themselves."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextlib.contextmanager
def scheduled_as_before() -> Iterator[None]:
    """Give the process back the scheduling it had, and so to every thread that was begun inside.

    Where it may, that is for root (a container's usual user), SVT-AV1 makes the thread that opens
    it and all its own threads real-time, SCHED_FIFO at priority 99, and leaves it at that: from
    then on everything else on the machine waits for what that process does, the desktop too. Seen
    with PyAV 18.1; x264 and x265 leave scheduling alone. Elsewhere than on Linux nothing is done.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in _TASKS.iterdir():
            # A thread may end meanwhile.
            with contextlib.suppress(ProcessLookupError):
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
