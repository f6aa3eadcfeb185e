"""The file of events in an output folder: what the last runs said, and no more."""

from pathlib import Path

from finishkit.errors import FinishError
from finishkit.store import write_bytes

EVENTS = "events.jsonl"
KEPT_RUNS, KEPT_BYTES = 3, 2 * 2**20
"""So many runs before the one that begins stay in the file, in so many bytes at most: what a stage
took the last time is what the next is reckoned from. A run of 60 shots writes 150 KB."""


def begin_events(folder: Path) -> Path:
    """Make room for the events of a run that begins, and return their file.

    What runs before the last few said is dropped; the file is replaced whole, so that whoever
    watches it sees that it is another.

    Parameters
    ----------
    folder : Path
        An episode's output folder, held by the run.

    Raises
    ------
    FinishError
        ``write_failed``.
    """
    path = folder / EVENTS
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return path
    except OSError as error:
        raise FinishError(f"{path} cannot be read: {error.strerror}.", "write_failed") from error
    lines = data.splitlines(keepends=True)
    begins = [at for at, line in enumerate(lines) if b'"kind": "begin"' in line[:40]]
    kept = b"".join(lines[begins[-KEPT_RUNS] :] if len(begins) >= KEPT_RUNS else lines)
    if len(kept) > KEPT_BYTES:
        kept = b"".join(lines[begins[-1] :] if begins else [])
    if kept and not kept.endswith(b"\n"):
        kept += b"\n"  # a power cut or a full disk left half a line
    if kept != data:
        write_bytes(path, kept if len(kept) <= KEPT_BYTES else b"")
    return path


def run_mark(folder: Path) -> tuple[int, int]:
    """Return what changes with every event: whether a run has begun in a folder since.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    """
    try:
        told = (folder / EVENTS).stat()
    except OSError:
        return (0, 0)
    return (told.st_ino, told.st_size)
