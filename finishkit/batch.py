"""Whole episodes unattended: papermill runs the notebook, one process an episode."""

import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import Field

from finishkit.errors import FinishError
from finishkit.measure.identity import choose_backend
from finishkit.processes import die_with_parent
from finishkit.shots import open_episode
from finishkit.store import Store
from finishkit.template import load_template
from finishkit.values import Value

NOTEBOOK = "30_finish_episode.ipynb"
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
    results: dict[int, EpisodeResult] = {}
    # Spawned processes, never threads: papermill changes the working folder of its process.
    with ProcessPoolExecutor(
        max(1, at_once),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=die_with_parent,
    ) as pool:
        waiting = {pool.submit(_run_notebook, one): index for index, one in enumerate(params)}
        for future in as_completed(waiting):
            index = waiting[future]
            try:
                results[index] = future.result()
            except Exception as error:
                results[index] = _result(params[index], "", f"The episode's process died: {error}")
            if done:
                done(results[index])
    return [results[i] for i in range(len(params))]


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
            kernel_manager_class=_this_python(Path(sockets.name)),
            progress_bar=False,
            coalesce_streams=True,
            start_timeout=120,
            execution_timeout=None,
            log_output=False,
        )
    except papermill.PapermillExecutionError as error:
        ended, text = ".failed", f"{error.ename}: {error.evalue}"
    except CellTimeoutError:
        ended, text = ".timeout", "A cell took too long."
    except DeadKernelError:
        ended, text = ".kernel_died", "The notebook's process died (out of memory?)."
    finally:
        sockets.cleanup()
    final = folder / f"{name}{ended}.ipynb"
    for other in ("", ".failed", ".timeout", ".kernel_died"):
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


def _this_python(sockets: Path) -> type[Any]:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        """The kernel is this very interpreter; a kernelspec of the user's may be another."""

        # Unix sockets: no port that another process could take, and no warning about encryption.
        transport = "ipc"
        # Without a file of its own jupyter_client calls them kernel-ipc-1 ... in the current
        # folder, and two batches started there talk to each other's kernels.
        connection_file = str(sockets / "k.json")

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="finishkit",
                language="python",
            )

    return ThisPython
