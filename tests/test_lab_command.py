"""finishkit lab: on an episode, on this machine alone, with the user's settings left alone."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from finishkit.errors import FinishError
from finishkit.lab import (
    QUIET,
    copy_notebooks,
    lab_command,
    lab_environment,
    quiet_config,
)
from tests import synth


def test_the_episode_is_told_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("FINISHKIT_EPISODE", raising=False)
    monkeypatch.delenv("FINISHKIT_OUT", raising=False)
    folder = synth.make_episode(tmp_path, shots=1, count=2)
    monkeypatch.chdir(tmp_path)
    told = lab_environment(folder.relative_to(tmp_path), tmp_path / "out")
    assert told["FINISHKIT_EPISODE"] == str(folder)
    assert told["FINISHKIT_OUT"] == str(tmp_path / "out")
    assert "FINISHKIT_EPISODE" not in lab_environment(None, None)
    assert "FINISHKIT_EPISODE" not in os.environ


def test_a_folder_that_is_no_episode_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(FinishError):
        lab_environment(tmp_path / "no", None)


def test_copies_are_the_users(tmp_path):
    opened = copy_notebooks(tmp_path)
    assert opened == "00_start.ipynb"
    (tmp_path / opened).write_text("mine")
    assert copy_notebooks(tmp_path, "10_measure.ipynb") == "10_measure.ipynb"
    assert (tmp_path / opened).read_text() == "mine"
    with pytest.raises(FinishError, match="no notebook 99"):
        copy_notebooks(tmp_path, "99.ipynb")


def test_the_server_sees_the_folder_alone_and_asks_nobody(tmp_path):
    words = lab_command(tmp_path, "00_start.ipynb", 8899)
    for word in (
        "--ip=127.0.0.1", "--port=8899",
        f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url=", "--ServerApp.port_retries=0",
        "--LabApp.default_url=/lab/tree/00_start.ipynb",
    ):  # fmt: skip
        assert word in words
    assert not any("token" in word for word in words)


@pytest.mark.slow
def test_the_address_it_says_opens_and_no_other_does(tmp_path):
    """The command as a person types it: the token is asked for, and the one said is right."""
    command = [sys.executable, "-m", "finishkit", "lab", "--folder", str(tmp_path / "notebooks")]
    environment = {**os.environ, "BROWSER": "true", "HOME": str(tmp_path)}
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "If no browser opens" in line)
        url = said.split(": ", 1)[1].strip()
        port, token = url.split("/")[2], url.partition("token=")[2]
        assert _answer(port, token) == 200
        assert _answer(port, "f" * 32) == 403
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)


def _answer(port: str, token: str) -> int:
    ask = urllib.request.Request(
        f"http://{port}/api/contents", headers={"Authorization": f"token {token}"}
    )
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(ask, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_jupyterlab_reads_the_quiet_defaults_and_the_users_folders_stay(tmp_path):
    mine, user = tmp_path / "mine", tmp_path / "user"
    added = quiet_config(mine, {"JUPYTER_CONFIG_PATH": str(user)})
    assert added["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(user), str(mine)]
    assert not user.exists()
    code = (
        "import json; from jupyterlab_server.config import ConfigManager\n"
        "print(json.dumps(ConfigManager(config_dir_name='labconfig').get('default_setting_overrides')))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **added}, capture_output=True, check=True
    )
    assert json.loads(seen.stdout) == QUIET
