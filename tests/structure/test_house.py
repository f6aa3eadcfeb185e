"""Rules of the house that no reader should have to remember."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import finishkit

ROOT = Path(finishkit.__file__).parents[1]
SOURCES = sorted([*ROOT.glob("finishkit/**/*.py"), *ROOT.glob("widgets/**/*.py")])
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}


def _python(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    return ran.stdout.strip()


def test_exports_are_sorted_and_all_there():
    assert finishkit.__all__ == sorted(finishkit.__all__)
    assert len(finishkit.__all__) <= 20
    for name in finishkit.__all__:
        assert getattr(finishkit, name) is not None
    with pytest.raises(AttributeError, match="It has: Character"):
        _ = finishkit.nothing  # type: ignore[attr-defined]


def test_importing_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import finishkit; "
        "print(time.perf_counter() - t, 'torch' in sys.modules, 'cv2' in sys.modules)"
    )
    seconds, torch, cv2 = min(_python(code).split() for _ in range(3))
    assert float(seconds) < 0.5
    assert (torch, cv2) == ("False", "False")


def test_the_engine_is_headless_and_takes_no_net_until_asked():
    code = (
        "import sys, finishkit.run, finishkit.batch, finishkit.cli; "
        "print(sorted({'torch', 'dlib', 'ipywidgets', 'IPython', 'anywidget', 'papermill',"
        " 'matplotlib', 'skimage'} & set(sys.modules)))"
    )
    assert _python(code) == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_small_and_named_by_what_they_hold(path):
    assert path.stem not in BANNED
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 420, "split it: a room has about 400 lines"


def test_only_frames_imports_av():
    for path in SOURCES:
        inside = "finishkit/frames/" in path.as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [x for x in lines if x.startswith(("import av", "from av"))]
        assert inside or not imports, path


def test_constraints_are_plain_pins():
    lines = (ROOT / "constraints.txt").read_text().split()
    assert len(lines) > 100
    for line in lines:
        assert line.count("==") == 1, line
        assert "://" not in line, line
        assert "@" not in line, line


def test_all_ten_packages_of_the_card_are_in_one_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(r for e in extras["all"] for n in e[10:-1].split(",")
                                          for r in extras[n])]  # fmt: skip
    names = {r.split(">")[0].split("[")[0].split(";")[0].strip().casefold() for r in wanted}
    assert {
        "jupyterlab", "ipywidgets", "ipympl", "papermill", "torch", "realesrgan", "gfpgan",
        "scikit-image", "insightface", "moviepy",
    } <= names  # fmt: skip


@pytest.mark.slow
def test_the_wheel_installs_two_names_and_no_other(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if ".dist-info/" not in n}
    assert tops == {"finishkit", "finishkit_widgets"}
    for needed in (
        "finishkit/py.typed", "finishkit/genres/romance.toml",
        "finishkit_widgets/static/compare.js",
        "finishkit/notebooks/30_finish_episode.ipynb", "finishkit/sample_shots/ep01/shots.csv",
        "finishkit/report/templates/report.html.j2",
    ):  # fmt: skip
        assert needed in names, needed
    assert not [n for n in names if "__pycache__" in n or n.endswith(".pyc")]
