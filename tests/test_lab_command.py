"""finishkit lab: on an episode, on this machine alone, with the user's settings left alone."""

import json
import os
import subprocess
import sys

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
    words = lab_command(tmp_path, "00_start.ipynb", "f" * 32)
    for word in (
        "--ip=127.0.0.1", f"--IdentityProvider.token={'f' * 32}",
        f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url=", "--ServerApp.port_retries=0",
        "--LabApp.default_url=/lab/tree/00_start.ipynb",
    ):  # fmt: skip
        assert word in words


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
