"""papermill over episodes: honest names, honest codes, and kill -9 at any moment."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from finishkit.batch import NOTEBOOK, RunParams, run_batch, shipped, worst_exit_code
from finishkit.errors import FinishError
from finishkit.store import Store, sha256_file
from tests import synth
from tests.test_finishing import template

KILLS = 20


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


def _kept(folder: Path) -> dict[str, str]:
    files = [*folder.glob("shots/*.mp4"), *folder.glob("work/*_*/*.mkv"), folder / "master.mp4"]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
        if p.is_file() and not p.name.startswith(".")
    }


@pytest.mark.slow
def test_killed_twenty_times_it_resumes_and_loses_nothing(tmp_path):
    episode = synth.make_episode(tmp_path, shots=2, count=8)
    toml = template().save(tmp_path / "t.toml")
    out = tmp_path / "whole"
    started = time.monotonic()
    whole = subprocess.run(
        _command(episode, toml, out), capture_output=True, text=True, check=False
    )
    length_s = time.monotonic() - started
    assert whole.returncode == 0, whole.stderr
    truth = _kept(out / "ep01")
    assert len(truth) >= 3
    # Kept for every episode: pictures go in small.
    assert (out / "ep01" / "ep01.ipynb").stat().st_size < 1_000_000
    notebook = nbformat.read(out / "ep01" / "ep01.ipynb", as_version=4)
    assert any("master.mp4" in str(c.get("outputs", "")) for c in notebook.cells)

    # Two batches at a time, each with half of the kills: one alone leaves a core idle.
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(
                _kill_and_resume, episode, toml, tmp_path / str(seed), truth, length_s, seed
            )
            for seed in (20, 21)
        ]
        assert sum(job.result() for job in jobs) == KILLS


def _kill_and_resume(
    episode: Path, toml: Path, root: Path, truth: dict[str, str], length_s: float, seed: int
) -> int:
    """Kill half of the times, on as many output folders as it takes; return how often."""
    rng = random.Random(seed)
    kills, runs = 0, 0
    while kills < KILLS // 2:
        runs += 1
        out = root / f"run{runs}"
        finished_once: set[str] = set()
        while True:
            child = subprocess.Popen(
                _command(episode, toml, out),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            killed = False
            if kills < KILLS // 2:
                killed = not _ended_within(child, rng.uniform(0.1, 0.7) * length_s)
            if killed:
                os.killpg(child.pid, signal.SIGKILL)
                kills += 1
            _, error = child.communicate(timeout=120)
            _assert_nothing_half(out / "ep01", truth)
            _assert_not_redone(out / "ep01", finished_once)
            if not killed:
                assert child.returncode == 0, error.decode()
                break
        assert _kept(out / "ep01") == truth
    return kills


def _ended_within(child: subprocess.Popen, seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _assert_nothing_half(folder: Path, truth: dict[str, str]) -> None:
    """Whatever stands under a final name is the whole file, byte for byte."""
    for name, digest in _kept(folder).items():
        assert digest == truth[name], f"{name} is not what an unbroken run makes"


def _assert_not_redone(folder: Path, finished: set[str]) -> None:
    """A file recorded as finished in an earlier run is never produced again."""
    store = Store(folder)
    if not store.manifest_path.exists():
        return
    for name, entry in store.manifest().entries.items():
        stamp = f"{name} {store.path(name).stat().st_mtime_ns}"
        earlier = [f for f in finished if f.startswith(f"{name} ")]
        assert not earlier or earlier == [stamp], f"{name} was made again"
        assert sha256_file(store.path(name)) == entry.sha256
        finished.add(stamp)


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
