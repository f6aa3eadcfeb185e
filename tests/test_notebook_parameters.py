"""papermill writes parameter names into the notebook as code: only our own names reach it."""

import ast
from pathlib import Path

import pytest
from papermill.translators import PythonTranslator
from pydantic import ValidationError

from finishkit.run_params import RunParams
from tests.torture.templates import PAYLOADS


@pytest.mark.parametrize("name", ["x = 1\nimport os; os.system('true')", "__class__", "Jobs", ""])
def test_another_name_is_refused(name):
    with pytest.raises(ValidationError):
        RunParams.model_validate({"episode": "e", name: "x"})


@pytest.mark.parametrize("text", PAYLOADS)
def test_a_value_is_a_literal_whatever_it_says(text):
    given = {"redo": text, "faces": text, **({"episode": text, "out": text} if text else {})}
    params = RunParams.model_validate(given)
    assert RunParams.model_validate(params.model_dump()) == params
    tree = ast.parse(PythonTranslator.codify(params.model_dump()))
    found = {}
    for line in tree.body:
        assert isinstance(line, ast.Assign), "an assignment and nothing else"
        (target,) = line.targets
        assert isinstance(target, ast.Name)
        found[target.id] = ast.literal_eval(line.value)
    assert found == params.model_dump()


def test_nothing_else_of_finishkit_calls_papermill():
    root = Path(__file__).parents[1] / "finishkit"
    calls = {
        path.name: [ast.unparse(node.args[0] if node.args else node)
                    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                    if isinstance(node, ast.Call)
                    and ast.unparse(node.func).endswith("execute_notebook")]
        for path in root.rglob("*.py")
    }  # fmt: skip
    calls = {name: found for name, found in calls.items() if found}
    assert sorted(calls) == ["batch.py", "notebook_run.py"]
    assert calls["batch.py"] == ["params.model_dump()"], "the fields of RunParams"
