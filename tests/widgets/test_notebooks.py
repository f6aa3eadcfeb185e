"""The notebooks with nobody at the keyboard: papermill runs them, and there is something to see."""

from pathlib import Path

import nbformat
import papermill
import pytest

from finishkit.preview import Preview

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def _executed(name: str, tmp_path: Path, values: dict[str, str]) -> nbformat.NotebookNode:
    out = tmp_path / f"{name}.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOKS / f"{name}.ipynb"), str(out), values, progress_bar=False, cwd=str(tmp_path)
    )
    return nbformat.read(out, as_version=4)


def _outputs(notebook: nbformat.NotebookNode, cell: str) -> list[nbformat.NotebookNode]:
    return next(c for c in notebook.cells if c["id"] == cell)["outputs"]


def test_both_run_headless_one_after_the_other(preview: Preview, tmp_path: Path):
    root, runs = str(preview.episode.root), str(tmp_path / "runs")
    measured = _executed("10_measure", tmp_path, {"episode": root, "out": runs})
    for cell in ("shots", "drift"):
        (output,) = _outputs(measured, cell)
        assert "data:image/" in output.data["text/html"]
    report = tmp_path / "runs" / "ep" / "report.html"
    assert report.is_file()
    assert _outputs(measured, "report")[-1].text.strip().endswith(str(report))

    values = {"episode": root, "genre": "thriller", "template": f"{runs}/cold.toml"}
    tuned = _executed("20_tune_template", tmp_path, values)
    (output,) = _outputs(tuned, "tuner")
    # Before, after, and the pinned frames when their thread was quick enough.
    assert output.data["text/html"].count("data:image/jpeg") in (2, 3)
    said = _outputs(tuned, "where")[-1].text
    assert said.startswith("Not locked yet. 0 settings changed from thriller.")
    assert f"{runs}/cold.toml" in said


def test_the_first_one_opens_what_it_is_given(preview: Preview, tmp_path: Path):
    values = {"episode": str(preview.episode.root), "out": str(tmp_path / "runs")}
    started = _executed("00_start", tmp_path, values)
    (output,) = _outputs(started, "start")
    assert "data:image/jpeg" in output.data["text/html"]
    assert "Session(ep: 5 shots, tune)" in _outputs(started, "python")[-1].text


def test_the_first_one_asks_when_it_is_given_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("FINISHKIT_EPISODE", raising=False)
    started = _executed("00_start", tmp_path, {"episode": "", "out": str(tmp_path / "runs")})
    assert "Open an episode above" in _outputs(started, "python")[-1].text
