"""Where workers on other machines write, until the coordinator has taken over what they wrote."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from finishkit.engines.errand import ClusterError

SHARED_S: Final = 60.0
"""A network folder shows a file that another machine has written after so long at the latest."""
AWAY_S: Final = 5.0
"""So long is tried to remove a folder into which somebody writes."""


@contextlib.contextmanager
def desks(folders: set[Path]) -> Iterator[dict[Path, tuple[Path, str]]]:
    """Set up a folder for attempts beside what they make, and remove it with all that is left.

    Dask may make a result again that it already gave away, when the worker that held it dies: such
    an attempt goes on after the round has ended. It finds no folder to write to, or its open file
    loses its name.

    Parameters
    ----------
    folders : set of Path
        Where the results will stand.

    Yields
    ------
    notes : dict of Path to (Path, str)
        For each a note on the desk, and what it says: workers prove by it that they see the desk.
    """
    notes = {f: (f / f".desk-{secrets.token_hex(8)}.part" / "note", secrets.token_hex(16))
             for f in folders}  # fmt: skip
    try:
        for path, said in notes.values():
            path.parent.mkdir()
            path.write_text(said, encoding="utf-8")
        yield notes
    finally:
        for path, _ in notes.values():
            _remove(path.parent)


def _remove(desk: Path) -> None:
    gone = desk.with_name(f".desk-{secrets.token_hex(8)}.part")
    # Under a name nobody knows nothing more can be opened in it, however fast somebody writes.
    with contextlib.suppress(OSError):
        desk.rename(gone)
    deadline = time.monotonic() + AWAY_S
    while (desk.exists() or gone.exists()) and time.monotonic() < deadline:
        # Where it could not be renamed, a file may come into it while it is being emptied.
        shutil.rmtree(desk, ignore_errors=True)
        shutil.rmtree(gone, ignore_errors=True)
        time.sleep(0.01)


def take_over(own: Path, size_bytes: int, part: Path) -> None:
    """Give what the winner has written the name that is going to be committed.

    Parameters
    ----------
    own : Path
        On a desk.
    size_bytes : int
        Its size where it was written.
    part : Path
        The name it gets.

    Raises
    ------
    ClusterError
        ``not_shared`` when it cannot be seen here.
    """
    deadline = time.monotonic() + SHARED_S
    while not (own.exists() and own.stat().st_size == size_bytes):
        if time.monotonic() > deadline:
            raise ClusterError(
                f"A worker has written {own}, and this machine does not see it after"
                f" {SHARED_S:.0f} s. Is {own.parent.parent} one shared folder on all machines?",
                "not_shared",
            )
        time.sleep(0.2)
    own.replace(part)
