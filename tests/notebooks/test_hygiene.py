"""Notebooks are thin: nothing worth testing is defined in one, and nothing is left in one."""

import ast
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))
OURS = {"finishkit", "finishkit_widgets"}


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _tree(source: str) -> ast.Module:
    kept = [line for line in source.splitlines() if not line.startswith("%")]
    return ast.parse("\n".join(kept))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=nbformat.NO_CONVERT)


def test_the_folder_has_notebooks():
    assert {"10_measure", "20_tune_template"} <= {path.stem for path in NOTEBOOKS}


def test_is_valid_with_ids(notebook):
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    nbformat.validate(notebook)
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_one_parameters_cell_of_plain_values(notebook):
    tagged = [c for c in _code(notebook) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert tagged[0] is _code(notebook)[0]
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        # Values travel through papermill as source text: only plain ones arrive unchanged.
        assert isinstance(ast.literal_eval(statement.value), str | int | float | bool)


def test_outputs_are_stripped(notebook):
    assert all(not c.outputs and c.execution_count is None for c in _code(notebook))
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


def test_defines_nothing(notebook):
    for cell in _code(notebook):
        for node in ast.walk(_tree(cell.source)):
            assert not isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
            )


def test_is_short(notebook):
    lengths = [len(cell.source.strip().splitlines()) for cell in _code(notebook)]
    assert max(lengths) <= 15
    assert sum(lengths) < 40


def test_imports_only_finishkit_and_the_standard_library(notebook):
    for cell in _code(notebook):
        for node in ast.walk(_tree(cell.source)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                assert top in OURS or top in sys.stdlib_module_names, name


def test_is_a_guide(notebook):
    """Every notebook opens with a title, and a person reads something before each code cell."""
    kinds = [cell.cell_type for cell in notebook.cells]
    assert notebook.cells[0].source.startswith("# ")
    assert kinds.count("markdown") >= 3
    last = _code(notebook)[-1].source.strip().splitlines()[-1]
    assert last.startswith("print("), "the last line says where things are"
