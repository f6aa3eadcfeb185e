"""Files that are written in place, where all others are replaced whole: locks and logs."""

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

PATIENCE_S = 1.5
"""How long to wait for a killed run's last processes to let go of a folder."""


def own(path: Path) -> Path:
    """Take away a link that lies where a file will be written in place, and return the path.

    Whoever laid it there, what it leads to is perhaps a source.

    Parameters
    ----------
    path : Path
        Such as a lock or a log.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1):
            path.unlink()
    return path


def take(lock: IO[bytes]) -> bool:
    """Take a lock if it is free; the kernel lets go of it when this process ends.

    Parameters
    ----------
    lock : file
        Open for writing.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_patiently(lock: IO[bytes]) -> bool:
    """Take a lock, or wait a moment for it, and say whether it was got.

    Parameters
    ----------
    lock : file
        Open for writing.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not take(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def sign(lock: IO[bytes]) -> None:
    """Write into a lock who has it: the process, its machine, and since when.

    Parameters
    ----------
    lock : file
        Taken, unbuffered.
    """
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(OSError):  # a full disk; the folder is held all the same
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())


def holder(lock: Path) -> str:
    """Return who signed a lock last, in words.

    Parameters
    ----------
    lock : Path
        It may be missing, or of another version.
    """
    # Who has just taken it signs it a moment later.
    for _ in range(10):
        with contextlib.suppress(OSError):
            if who := lock.read_text(encoding="utf-8", errors="replace")[:200].strip():
                return who
        time.sleep(0.03)
    return "another process"
