"""A batch in a process of its own, started from a notebook or a script."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.hold import batch_holds
from finishkit.inplace import own
from finishkit.pause import is_held
from finishkit.run_params import RunParams, batch_command, refuse_what_cannot_run
from finishkit.store import write_bytes
from finishkit.watch import BATCH_FILE, BATCH_LOG, Watch, birth, watch_batch


@dataclass(frozen=True, slots=True)
class BatchProcess:
    """A batch in a process of its own; it goes on when whoever started it ends.

    Attributes
    ----------
    process : subprocess.Popen
    folders : tuple of Path
        Output folder of each episode.
    log : Path
        What it prints.
    """

    process: "subprocess.Popen[bytes]"
    folders: tuple[Path, ...]
    log: Path

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self.process.pid

    def watch(self, index: int = 0) -> Watch:
        """Watch one of its episodes.

        Parameters
        ----------
        index : int, optional
            The first by default.
        """
        return watch_batch(self.folders[index])

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for it, so long at most, and return its exit code.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.
        """
        return self.process.wait(timeout_s)

    def __repr__(self) -> str:
        code = self.process.poll()
        state = "running" if code is None else f"ended with {code}"
        return f"BatchProcess({self.pid}, {state}, log {self.log})"


def start_batch(
    episodes: Sequence[str | Path],
    template: str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    faces: str = "auto",
) -> BatchProcess:
    """Start ``finishkit batch`` in a process of its own, and return at once.

    Parameters
    ----------
    episodes : sequence of str or Path
        Folders of clips.
    template : str or Path
        A locked template.
    out : str or Path
        Results go to ``out/<episode>``.
    jobs : int, optional
        Worker processes; the number of processors by default.
    faces : str, optional
        Face backend, see :func:`finishkit.measure.identity.choose_backend`.

    Returns
    -------
    started : BatchProcess

    Raises
    ------
    FinishError
        What :func:`run_batch` raises before anything runs; ``locked`` when a folder is being
        worked on already, or a batch that will work on it is starting.
    """
    if not episodes:
        raise FinishError("Name at least one episode to finish.", "usage")
    params = [
        RunParams(episode=str(e), template=str(template), out=str(out), jobs=jobs or 0, faces=faces)
        for e in episodes
    ]
    refuse_what_cannot_run(params)
    settled = [one.settled() for one in params]
    folders = tuple(one.folder for one in settled)
    for folder in folders:
        if is_held(folder) or batch_holds(folder) or watch_batch(folder).state().going_on:
            raise FinishError(
                f"{folder} is being worked on already. Wait for it, or pause it first.", "locked"
            )
        folder.mkdir(parents=True, exist_ok=True)
    log = folders[0] / BATCH_LOG
    with own(log).open("wb") as output:
        process = subprocess.Popen(
            batch_command(settled),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Out of the reach of what ends a kernel with all its children.
            start_new_session=True,
        )
    said = {"pid": process.pid, "birth": birth(process.pid), "time_s": time.time()}
    for folder in folders:
        write_bytes(folder / BATCH_FILE, json.dumps(said).encode())
    return BatchProcess(process, folders, log)
