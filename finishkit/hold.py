"""Who works in a folder: a batch holds the folders of all its episodes from before it starts."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.inplace import holder, own, sign, take
from finishkit.pause import is_held

BATCH_LOCK = ".batch.lock"
"""Beside the run's own ``.lock``, which the notebook's process takes later and lets go of earlier.
Two batches that both find the folder free would each write the other's notebook."""

PATIENCE_S = 1.2
"""How long to wait for a killed batch's last processes to let go of the folder."""


@contextlib.contextmanager
def held_by_batch(folders: Sequence[Path]) -> Iterator[None]:
    """Hold output folders for a batch; the kernel lets go of them even when it is killed.

    Parameters
    ----------
    folders : sequence of Path
        Made when missing.

    Raises
    ------
    FinishError
        ``locked``, naming who holds one of them: the process, its machine and since when.
    """
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + PATIENCE_S
        # In one order for all: of two batches with episodes in common, one gets them all.
        for folder in sorted(folders):
            stack.enter_context(_held(folder, deadline))
        yield


@contextlib.contextmanager
def _held(folder: Path, deadline: float) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = own(folder / BATCH_LOCK).open("a+b", buffering=0)
    except OSError as error:
        raise FinishError(
            f"{folder} cannot be written to: {error.strerror}. Make it writable, or choose another"
            " --out folder.",
            "write_failed",
        ) from error
    with lock:
        while not take(lock):
            if time.monotonic() > deadline:
                raise _locked(folder, BATCH_LOCK)
            time.sleep(0.05)
        sign(lock)
        # A single run, or what is left of a killed batch: its kernel ends a moment after it.
        while is_held(folder):
            if time.monotonic() > deadline:
                raise _locked(folder, ".lock")
            time.sleep(0.05)
        yield


def _locked(folder: Path, name: str) -> FinishError:
    who = holder(folder / name)
    if name != ".lock" and is_held(folder) and (runs := holder(folder / ".lock")) != who:
        # A batch and its kernel; or another that has just come, and waits for what is left of one.
        who += f" and by {runs}"
    return FinishError(
        f"{folder} is being worked on by {who}. Wait for it, or pause it with:"
        f" finishkit pause {folder}",
        "locked",
    )


def batch_holds(folder: Path) -> bool:
    """Whether a living batch has a folder among its episodes, begun or not.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    """
    return is_held(folder, BATCH_LOCK)
