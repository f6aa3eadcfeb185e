"""papermill over episodes: honest names, honest codes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from finishkit.batch import NOTEBOOK, RunParams, run_batch, shipped, worst_exit_code
from finishkit.errors import FinishError
from tests import synth
from tests.test_finishing import template


def test_the_notebooks_parameters_are_run_params():
    notebook = nbformat.read(shipped(f"notebooks/{NOTEBOOK}"), as_version=4)
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1
    names: dict[str, object] = {}
    exec(cells[0].source, names)
    names.pop("__builtins__")
    assert RunParams.model_validate(names) == RunParams()
    assert set(names) == set(RunParams.model_fields)


def test_unknown_parameters_are_refused_not_run():
    with pytest.raises(ValueError, match="Extra inputs"):
        RunParams.model_validate({"episode": "x", "x = 1\nimport os": 2})


def test_a_missing_episode_is_found_before_anything_runs(tmp_path):
    path = template().save(tmp_path / "t.toml")
    with pytest.raises(FinishError, match="not a folder"):
        run_batch([RunParams(episode=str(tmp_path / "no"), template=str(path), out=str(tmp_path))])


def test_two_episodes_of_one_name_are_refused(tmp_path):
    path = template().save(tmp_path / "t.toml")
    one = synth.make_episode(tmp_path / "a", shots=1, count=4)
    two = synth.make_episode(tmp_path / "b", shots=1, count=4)
    params = [RunParams(episode=str(e), template=str(path), out=str(tmp_path)) for e in (one, two)]
    with pytest.raises(FinishError, match="Two episodes"):
        run_batch(params)


@pytest.mark.parametrize(("codes", "worst"), [([0, 0], 0), ([0, 3], 3), ([3, 1, 0], 1), ([], 1)])
def test_the_worst_episode_decides(codes, worst):
    assert worst_exit_code(codes) == worst


def _command(episode: Path, toml: Path, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "finishkit", "batch", str(episode), "-t", str(toml), "-O", str(out),
        "-j", "1",
    ]  # fmt: skip


def test_batch_names_a_failed_notebook_by_how_it_ended(tmp_path):
    """A folder that cannot be finished: code 1, a sentence, and a notebook that says so."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.mp4").write_text("text")
    toml = template().save(tmp_path / "t.toml")
    ran = subprocess.run(
        [*_command(folder, toml, tmp_path / "out"), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    result = json.loads(ran.stdout)[0]
    assert result["notebook"] == "bad.failed.ipynb"
    assert "Not one shot" in result["text"]
    assert (tmp_path / "out" / "bad" / "bad.failed.ipynb").is_file()
    assert not (tmp_path / "out" / "bad" / "bad.ipynb").exists()


@pytest.mark.slow
def test_batches_started_in_one_folder_never_share_a_socket(tmp_path):
    """Kernels' sockets in the current folder made two batches talk to each other's kernels."""
    here = tmp_path / "here"
    here.mkdir()
    toml = template().save(tmp_path / "t.toml")
    children = []
    for name in ("one", "two", "three"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.mp4").write_text("text")
        command = [*_command(folder, toml, tmp_path / "out"), "--json"]
        children.append(subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True))
    seen: set[str] = set()
    while any(child.poll() is None for child in children):
        seen.update(p.name for p in here.iterdir())
        time.sleep(0.02)
    results = [json.loads(child.communicate()[0])[0] for child in children]
    assert [r["episode"] for r in results] == ["one", "two", "three"]
    assert all("Not one shot" in r["text"] for r in results)
    assert not seen
