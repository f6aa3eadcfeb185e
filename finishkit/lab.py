"""JupyterLab for a creator: on this machine alone, with a token, on copies of the notebooks."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from finishkit.batch import shipped
from finishkit.errors import FinishError


def start_lab(folder: Path, notebook: str) -> None:
    """Copy the notebooks that are not there yet, and open JupyterLab on one of them.

    Parameters
    ----------
    folder : Path
        Copies that exist are the user's work and are left alone.
    notebook : str
        File name of the one to open.

    Raises
    ------
    FinishError
        When JupyterLab is not installed, or there is no such notebook.
    """
    source = shipped("notebooks")
    names = sorted(p.name for p in source.glob("*.ipynb"))
    if notebook not in names:
        raise FinishError(f"There is no notebook {notebook}. There are: {', '.join(names)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)
    # The notebooks begin on the sample episode, beside them.
    sample = folder.resolve().parent / "sample_shots" / "ep01"
    if not sample.exists():
        shutil.copytree(shipped("sample_shots/ep01"), sample)
    command = lab_command(folder, notebook, secrets.token_hex(16))
    try:
        code = subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return
    if code:
        raise FinishError('JupyterLab did not start. Try: pip install "finishkit[lab]"', "no_lab")


def lab_command(folder: Path, notebook: str, token: str) -> list[str]:
    """Return the command that serves a folder on the loopback address, behind a token.

    Parameters
    ----------
    folder : Path
        The only folder the server can see.
    notebook : str
        The one to open.
    token : str
        Never empty: a server without one is open to every web page the user visits.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{notebook}",
        # In a container one is root, and the server is on the loopback address behind a token.
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
