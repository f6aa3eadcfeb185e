"""One execution of the finishing notebook, kept under a name that says how it ended."""

import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finishkit.errors import FinishError
from finishkit.kernel import this_python
from finishkit.pause import Paused

NOTEBOOK = "30_finish_episode.ipynb"
ENDINGS = ("", ".failed", ".paused", ".stopped", ".timeout", ".kernel_died")
"""How an executed notebook is called after its episode: a name never says more than is true."""

DIE_WITH_PARENT = "FINISHKIT_DIE_WITH_PARENT"
"""Set for kernels that a batch starts, so that they end with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an execution ended.

    Attributes
    ----------
    kind : str
        One of :data:`ENDINGS`; empty: papermill saw nothing wrong, which is not yet a success.
    text : str
        One sentence; empty with an empty kind.
    """

    kind: str
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


def execute_notebook(parameters: dict[str, Any], part: Path) -> Ending:
    """Run the finishing notebook with papermill, in a kernel that ends with this process.

    Parameters
    ----------
    parameters : dict
        Those of :class:`finishkit.batch.RunParams`, its paths absolute.
    part : Path
        Where the executed notebook is written, cell by cell.

    Returns
    -------
    ending : Ending
        What papermill says. Whether the episode is finished only its manifest knows: papermill
        calls a cell that ends its own kernel completed, and ``sys.exit(0)`` a success.
    """
    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    os.environ[DIE_WITH_PARENT] = "1"
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    sockets = tempfile.TemporaryDirectory(prefix="fk-", ignore_cleanup_errors=True)
    try:
        papermill.execute_notebook(
            str(shipped(f"notebooks/{NOTEBOOK}")),
            str(part),
            parameters=parameters,
            kernel_manager_class=this_python(Path(sockets.name)),
            progress_bar=False,
            coalesce_streams=True,
            start_timeout=120,
            execution_timeout=None,
            log_output=False,
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == Paused.__name__:
            return Ending(kind=".paused", text=error.evalue)
        # A sentence of ours stands by itself; of anything else the kind of error tells more.
        ours = error.ename == FinishError.__name__
        return Ending(
            kind=".failed", text=error.evalue if ours else f"{error.ename}: {error.evalue}"
        )
    except CellTimeoutError:
        return Ending(kind=".timeout", text="A cell of the notebook took too long.")
    except DeadKernelError:
        return Ending(
            kind=".kernel_died", text="The notebook's process died: killed, or out of memory."
        )
    except OSError as error:
        return Ending(
            kind=".failed",
            text=f"The notebook {part} could not be written: {error.strerror or error}. Free some"
            " space, or choose another --out folder.",
        )
    finally:
        sockets.cleanup()
    return Ending(kind="", text="")


def name_by_ending(part: Path, kind: str) -> str:
    """Give an executed notebook its name, in place of those of earlier runs.

    Parameters
    ----------
    part : Path
        As executed, in the episode's output folder.
    kind : str
        One of :data:`ENDINGS`.

    Returns
    -------
    name : str
        Empty when nothing was written, or only a part of it (a full disk).
    """
    folder = part.parent
    for other in ENDINGS:
        (folder / f"{folder.name}{other}.ipynb").unlink(missing_ok=True)
    if not _is_whole(part):
        part.unlink(missing_ok=True)
        return ""
    final = folder / f"{folder.name}{kind}.ipynb"
    part.replace(final)
    return final.name


def _is_whole(notebook: Path) -> bool:
    try:
        json.loads(notebook.read_bytes())
    except (OSError, ValueError):
        return False
    return True
