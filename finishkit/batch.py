"""Whole episodes unattended: papermill runs the notebook, one process an episode."""

import json
import logging
import multiprocessing
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval
from pydantic import Field

from finishkit.errors import FinishError
from finishkit.kernel import this_python
from finishkit.measure.identity import choose_backend
from finishkit.pause import Paused, is_held, request_pause
from finishkit.processes import die_with_parent
from finishkit.shots import open_episode
from finishkit.store import Store, write_bytes
from finishkit.template import load_template
from finishkit.values import Value
from finishkit.watch import BATCH_FILE, BATCH_LOG, Watch, birth, watch_batch

__all__ = ["BatchProcess", "EpisodeResult", "RunParams", "Watch", "request_pause", "run_batch",
           "shipped", "start_batch", "watch_batch", "worst_exit_code"]  # fmt: skip

NOTEBOOK = "30_finish_episode.ipynb"
ENDINGS = ("", ".failed", ".paused", ".timeout", ".kernel_died")
"""How an executed notebook is called after its episode: a name never says more than is true."""

PAUSED = ".paused.ipynb"

DIE_WITH_PARENT = "FINISHKIT_DIE_WITH_PARENT"
"""Set for kernels that a batch starts, so that they end with it."""


class RunParams(Value):
    """The parameters of the finishing notebook: these names and no others.

    papermill writes parameter *names* into the notebook as code and only warns of unknown ones,
    so they come from here and never from a file.

    Attributes
    ----------
    episode : str
        Folder of the episode's clips.
    template : str
        A locked template.
    out : str
        Results go to ``out/<episode>``.
    jobs : int
        Worker processes; 0: as many as there are processors.
    redo : str
        Shots to make anew, separated by commas.
    faces : str
        Face backend, see :func:`finishkit.measure.identity.choose_backend`.
    """

    episode: Annotated[str, Field(min_length=1)] = "../sample_shots/ep01"
    template: Annotated[str, Field(min_length=1)] = "../runs/romance.toml"
    out: Annotated[str, Field(min_length=1)] = "../runs"
    jobs: Annotated[int, Interval(ge=0, le=256)] = 0
    redo: str = ""
    faces: str = "auto"

    @property
    def redo_shots(self) -> tuple[str, ...]:
        """``redo``, taken apart."""
        return tuple(part.strip() for part in self.redo.split(",") if part.strip())


class EpisodeResult(Value):
    """How one episode of a batch ended.

    Attributes
    ----------
    exit_code : int
        From the manifest: 0 finished, 3 finished with shots to see to, 1 not finished.
    notebook : str
        The executed notebook; its name says how it ended.
    text : str
        One sentence.
    """

    episode: str
    folder: str
    exit_code: int
    notebook: str
    text: str


def shipped(name: str) -> Path:
    """Return a file that ships beside the package: in the wheel, or in the clone.

    Parameters
    ----------
    name : str
        Such as ``notebooks/30_finish_episode.ipynb``.

    Raises
    ------
    FinishError
        When neither holds it.
    """
    package = Path(__file__).parent
    for root in (package, package.parent):
        if (root / name).exists():
            return root / name
    raise FinishError(f"finishkit was installed without {name}. Install it again.", "incomplete")


def run_batch(
    params: Sequence[RunParams],
    *,
    at_once: int = 1,
    done: Callable[[EpisodeResult], None] | None = None,
) -> list[EpisodeResult]:
    """Finish episodes by running the notebook, each in a process of its own.

    Parameters
    ----------
    params : sequence of RunParams
        One an episode.
    at_once : int, optional
        Episodes side by side.
    done : callable, optional
        Called with each result as it comes.

    Returns
    -------
    results : list of EpisodeResult
        In the order of ``params``.

    Raises
    ------
    FinishError
        Before anything runs: a missing episode or template, two episodes of one name, a face
        backend that is not there or that the template's licence does not allow.
    """
    _refuse_what_cannot_run(params)
    results: dict[int, EpisodeResult] = {}
    left = list(reversed(range(len(params))))
    running: dict[Future[EpisodeResult], int] = {}
    # Spawned processes, never threads: papermill changes the working folder of its process.
    with ProcessPoolExecutor(
        max(1, at_once),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=die_with_parent,
    ) as pool:
        while left or running:
            while left and len(running) < max(1, at_once):
                index = left.pop()
                running[pool.submit(_run_notebook, params[index])] = index
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                try:
                    results[index] = future.result()
                except Exception as error:
                    said = f"The episode's process died: {error}"
                    results[index] = _result(params[index], "", said)
                if done:
                    done(results[index])
                if results[index].notebook.endswith(PAUSED):
                    # Who pauses wants the machine back: the other episodes are not begun.
                    said = "not begun: the batch was paused; run the same command again to go on"
                    results |= {i: _result(params[i], "", said) for i in left}
                    left.clear()
    return [results[i] for i in range(len(params))]


def _refuse_what_cannot_run(params: Sequence[RunParams]) -> None:
    names: set[str] = set()
    for one in params:
        choose_backend(one.faces, licence=load_template(one.template).licence)
        name = open_episode(one.episode).name
        if name in names:
            raise FinishError(
                f"Two episodes are called {name}: their results would mix. Rename a folder.",
                "duplicate_episode",
            )
        names.add(name)


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
    _refuse_what_cannot_run(params)
    settled = [_absolute(one) for one in params]
    folders = tuple(Path(one.out) / Path(one.episode).name for one in settled)
    for folder in folders:
        if is_held(folder) or watch_batch(folder).state().going_on:
            raise FinishError(
                f"{folder} is being worked on already. Wait for it, or pause it first.", "locked"
            )
        folder.mkdir(parents=True, exist_ok=True)
    log = folders[0] / BATCH_LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            _batch_command(settled),
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


def _batch_command(params: Sequence[RunParams], program: Sequence[str] = ()) -> list[str]:
    """Return the command that finishes these episodes, or goes on with them."""
    one = params[0]
    return [
        *(program or (sys.executable, "-m", "finishkit")),
        "batch",
        *(p.episode for p in params),
        *("-t", one.template, "-O", one.out),
        *(("-j", str(one.jobs)) if one.jobs else ()),
        *(("--faces", one.faces) if one.faces != "auto" else ()),
    ]


def worst_exit_code(codes: Sequence[int]) -> int:
    """Return what a whole batch ends with: 1 beats 3, 3 beats 0.

    Parameters
    ----------
    codes : sequence of int
        Of the episodes.
    """
    return 1 if 1 in codes or not codes else max(codes)


def _absolute(params: RunParams) -> RunParams:
    paths = {n: str(Path(getattr(params, n)).resolve()) for n in ("episode", "template", "out")}
    # Settled, since a relative path of a model means another file to the notebook.
    licence = load_template(params.template).licence
    return params.replace(**paths, faces=choose_backend(params.faces, licence=licence))


def _run_notebook(params: RunParams) -> EpisodeResult:
    """Run in a child process: execute, and name the notebook by how it ended."""
    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    os.environ[DIE_WITH_PARENT] = "1"
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    absolute = _absolute(params)
    folder = Path(absolute.out) / Path(absolute.episode).name
    folder.mkdir(parents=True, exist_ok=True)
    name = folder.name
    part = folder / f".{name}.partial.ipynb"
    ended, text = "", ""
    sockets = tempfile.TemporaryDirectory(prefix="fk-", ignore_cleanup_errors=True)
    try:
        papermill.execute_notebook(
            str(shipped(f"notebooks/{NOTEBOOK}")),
            str(part),
            parameters=absolute.model_dump(),
            kernel_manager_class=this_python(Path(sockets.name)),
            progress_bar=False,
            coalesce_streams=True,
            start_timeout=120,
            execution_timeout=None,
            log_output=False,
        )
    except papermill.PapermillExecutionError as error:
        ended, text = ".failed", f"{error.ename}: {error.evalue}"
        if error.ename == Paused.__name__:
            command = shlex.join(_batch_command([absolute], ["finishkit"]))
            ended, text = ".paused", f"{error.evalue} That is: {command}"
    except CellTimeoutError:
        ended, text = ".timeout", "A cell took too long."
    except DeadKernelError:
        ended, text = ".kernel_died", "The notebook's process died (out of memory?)."
    finally:
        sockets.cleanup()
    final = folder / f"{name}{ended}.ipynb"
    for other in ENDINGS:
        (folder / f"{name}{other}.ipynb").unlink(missing_ok=True)
    if part.exists():
        part.replace(final)
    return _result(absolute, final.name, text)


def _result(params: RunParams, notebook: str, text: str) -> EpisodeResult:
    folder = Path(params.out).resolve() / Path(params.episode).resolve().name
    # The manifest decides, not the notebook: papermill calls a dead kernel completed, and a cell
    # that calls sys.exit a success.
    code = 1 if text else Store(folder).manifest().exit_code
    says = {0: "finished", 3: "finished; some shots need you, see the report", 1: "not finished"}
    return EpisodeResult(
        episode=folder.name,
        folder=str(folder),
        exit_code=code,
        notebook=notebook,
        text=text or says[code],
    )
