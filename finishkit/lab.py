"""JupyterLab for a creator: on this machine alone, with a token, on copies of the notebooks."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from finishkit.batch import shipped
from finishkit.errors import FinishError
from finishkit.shots import open_episode

START, WITHOUT_START = "00_start.ipynb", "10_measure.ipynb"

QUIET = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
}
"""Defaults only, so whatever a user has set stays: no question about news, no look for updates, and
a kernel at once."""


def start_lab(
    folder: Path,
    notebook: str = "",
    *,
    episode: Path | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Copy the notebooks that are not there yet, and open JupyterLab on one of them.

    Parameters
    ----------
    folder : Path
        Copies that exist are the user's work and are left alone.
    notebook : str, optional
        File name of the one to open; where to start by default.
    episode : Path, optional
        What the notebooks open; it is told to them by an environment variable, and no copy is
        edited for it.
    out : Path, optional
        Where their results go.
    say : callable, optional
        Told the address with its token, which the server itself keeps to itself.

    Raises
    ------
    FinishError
        When JupyterLab is not installed, there is no such notebook, or the episode is none.
    """
    environment = lab_environment(episode, out)
    notebook = copy_notebooks(folder, notebook)
    # The notebooks begin on the sample episode, beside them.
    sample = folder.resolve().parent / "sample_shots" / "ep01"
    if episode is None and not sample.exists():
        shutil.copytree(shipped("sample_shots/ep01"), sample)
    port, token = free_port(), secrets.token_hex(16)
    command = lab_command(folder, notebook, port)
    # Not among the command's words, which every user of this machine can read.
    environment["JUPYTER_TOKEN"] = token
    say(f"If no browser opens: http://127.0.0.1:{port}/lab/tree/{notebook}?token={token}")
    with tempfile.TemporaryDirectory(prefix="finishkit-lab-") as config:
        try:
            code = subprocess.run(
                command, check=False, env={**environment, **quiet_config(Path(config))}
            ).returncode
        except KeyboardInterrupt:
            return
    if code:
        raise FinishError('JupyterLab did not start. Try: pip install "finishkit[lab]"', "no_lab")


def copy_notebooks(folder: Path, notebook: str = "") -> str:
    """Copy the shipped notebooks that a folder does not have yet.

    Parameters
    ----------
    folder : Path
        Made when missing.
    notebook : str, optional
        The one to open.

    Returns
    -------
    notebook : str
        The one to open; where to start by default.

    Raises
    ------
    FinishError
        When there is no such notebook.
    """
    source = shipped("notebooks")
    names = sorted(p.name for p in source.glob("*.ipynb"))
    notebook = notebook or (START if START in names else WITHOUT_START)
    if notebook not in names:
        raise FinishError(f"There is no notebook {notebook}. There are: {', '.join(names)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)
    return notebook


def lab_environment(episode: Path | None, out: Path | None) -> dict[str, str]:
    """Return the environment that tells the notebooks what to open.

    Parameters
    ----------
    episode, out : Path or None
        As for :func:`start_lab`.

    Raises
    ------
    FinishError
        When the episode is none: better said here than in a notebook.
    """
    told = dict(os.environ)
    if episode is not None:
        told["FINISHKIT_EPISODE"] = str(open_episode(episode).root.resolve())
    if out is not None:
        told["FINISHKIT_OUT"] = str(out.expanduser().resolve())
    return told


def quiet_config(folder: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Write JupyterLab's defaults into a folder, and return the variable that adds it.

    Parameters
    ----------
    folder : Path
        Nothing of the user's: their own settings win over these.
    environment : Mapping, optional
        This process's.
    """
    place = folder / "labconfig" / "default_setting_overrides.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(QUIET, indent=1), encoding="utf-8")
    before = environment.get("JUPYTER_CONFIG_PATH", "")
    return {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, (before, str(folder))))}


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lab_command(folder: Path, notebook: str, port: int) -> list[str]:
    """Return the command that serves a folder on the loopback address.

    Its token comes from ``JUPYTER_TOKEN``, never empty: a server without one is open to every web
    page the user visits.

    Parameters
    ----------
    folder : Path
        The only folder the server can see.
    notebook : str
        The one to open.
    port : int
        Where it listens; taken by somebody else, it does not start.
    """
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{notebook}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        # In a container one is root, and the server is on the loopback address behind a token.
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
