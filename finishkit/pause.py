"""Pausing a run from outside: a small file in its output folder, looked for between shots."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.store import Store, write_bytes

PAUSE_FILE = "pause.request"

Count = Callable[[int, int, str], None]
"""Told of shots: done, total, and which."""


class Paused(FinishError):  # noqa: N818 (it is no error: somebody asked for it)
    """A run ended because somebody asked for it; what is finished stays finished."""


def request_pause(folder: str | Path) -> None:
    """Ask the run that works on a folder to finish the shots under way, and to start no other.

    Parameters
    ----------
    folder : str or Path
        An episode's output folder.

    Raises
    ------
    FinishError
        ``not_running``: nothing would notice the request, and the next run takes it away.
    """
    folder = Path(folder)
    if not is_held(folder):
        raise FinishError(
            f"Nothing is being finished in {folder} now, so there is nothing to pause.",
            "not_running",
        )
    write_bytes(folder / PAUSE_FILE, f"{time.time()}\n".encode())


def pause_requested(folder: Path) -> bool:
    """Whether the run of a folder has been asked to pause.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    """
    return (folder / PAUSE_FILE).exists()


def forget_pause(folder: Path) -> None:
    """Take a request away: a new run begins.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    """
    (folder / PAUSE_FILE).unlink(missing_ok=True)


def stop_when_paused(folder: Path) -> None:
    """Raise :class:`Paused` when the run of a folder has been asked to pause.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    """
    if pause_requested(folder):
        raise Paused("Paused between two shots. Run the same command again to go on.", "paused")


def pausing_between(
    folder: Path, count: Callable[[int, int, str], None]
) -> Callable[[int, int, str], None]:
    """Return a callback of (done, total, shot) that also ends its stage when a pause is asked for.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    count : callable
        Told first: the shot that is done is kept.
    """

    def told(done: int, total: int, shot: str) -> None:
        count(done, total, shot)
        stop_when_paused(folder)

    return told


def paused_error(store: Store) -> Paused:
    """Return how it stands with a paused episode, in a sentence.

    Parameters
    ----------
    store : Store
        Of its output folder.
    """
    manifest = store.manifest()
    done = sum(shot.state == "finished" for shot in manifest.shots.values())
    return Paused(
        f"{manifest.episode} is paused: {done} of {len(manifest.planned)} shots are finished, and"
        " everything made so far is kept. Run the same command again to go on.",
        "paused",
    )


def is_held(folder: Path, lock: str = ".lock") -> bool:
    """Whether a living process works on a folder; the lock of a killed one is free at once.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    lock : str, optional
        That of a run by default.
    """
    try:
        with (folder / lock).open("rb") as handle:
            # Shared, so that two who look do not take each other for a run.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
