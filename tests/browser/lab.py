"""A real JupyterLab on the loopback address, as a stranger's machine would run it."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page

KERNEL_READY = """() => {
  const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  const kernel = context?.session?.kernel;
  return !!(context?.isReady && kernel?.status === 'idle'
    && kernel.connectionStatus === 'connected' && !context.pendingInput);
}"""


DARK = """() => {
  window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'});
  return 1;
}"""


@dataclass
class Lab:
    """A running JupyterLab.

    Attributes
    ----------
    root : Path
        What it serves.
    url, token : str
    wrong : list of str
        Console errors and requests that left the machine, since the last notebook was opened:
        one page's fault is not told as that of every test after it.
    """

    root: Path
    url: str
    token: str
    browser: Browser
    wrong: list[str] = field(default_factory=list)

    def open(self, notebook: str, width_px: int = 1400, height_px: int = 1100) -> Page:
        """Open a notebook and wait until its kernel answers; what went wrong before is over."""
        self.wrong.clear()
        page = self.browser.new_page(viewport={"width": width_px, "height": height_px})
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._request(request.url))
        page.goto(f"{self.url}/lab/tree/{notebook}?reset&token={self.token}")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=60_000)
        # The badge says "idle" before there is a kernel: ask the session itself.
        page.wait_for_function(KERNEL_READY, timeout=90_000)
        return page

    def run_all(self, page: Page) -> None:
        """Start all cells; not awaited, since a dialogue would hang it for ever."""
        page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 1; }"
        )

    def dark(self, page: Page) -> None:
        """Change to the dark theme, and wait until it is there."""
        page.evaluate(DARK)
        page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")

    def _console(self, said) -> None:
        if said.type == "error":
            self.wrong.append(f"console: {said.text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.url, self.url.replace("http", "ws"), "data:", "blob:")):
            self.wrong.append(f"left the machine: {url}")


@contextlib.contextmanager
def running_lab(browser: Browser, root: Path, state: Path) -> Iterator[Lab]:
    """Start a JupyterLab with settings of its own, and end it.

    Parameters
    ----------
    browser : Browser
        Opens the notebooks.
    root : Path
        The only folder it serves.
    state : Path
        An empty folder for its settings, so that nobody's own are read or changed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    overrides = {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
            "doNotDisturbMode": True,
        },
        "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light"},
        "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
    }
    (state / "config" / "labconfig").mkdir(parents=True)
    (state / "config" / "labconfig" / "default_setting_overrides.json").write_text(
        json.dumps(overrides)
    )
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "IPYTHONDIR": str(state / "ipython"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
        *(f"--IdentityProvider.token={token}", "--expose-app-in-browser", "--LabApp.news_url="),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    log = (state / "server.log").open("w")
    server = subprocess.Popen(
        command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, token, server, state / "server.log")
        yield Lab(root=root, url=url, token=token, browser=browser)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(15)
        log.close()


def _wait_until_up(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> None:
    ask = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"token {token}"})
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(ask, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
