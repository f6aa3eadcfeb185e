"""The command line as a user types it."""

import json
import os
import subprocess
import sys

import pytest

from finishkit.template import load_template
from tests import synth


def finishkit(*words, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "finishkit", *map(str, words)],
        capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **environment},
    )  # fmt: skip


def test_help_teaches_the_way():
    ran = finishkit("--help", COLUMNS="100", NO_COLOR="1")
    assert ran.returncode == 0
    for verb in ("measure", "lock", "finish", "batch", "status", "report", "doctor", "lab", "demo"):
        assert verb in ran.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["measure", "nowhere"], "is not a folder"),
        (["lock", "ep01", "--genre", "operetta", "-o", "t.toml"], "There are: baseline"),
        (["lock", "ep01", "--set", "faces.strenth=1", "-o", "t.toml"], "There are: faces.detect"),
        (["lock", "ep01", "--hero", "s99", "-o", "t.toml"], "has no shot 's99'"),
        (["finish", "ep01", "--template", "none.toml"], "cannot be read"),
        (["finish", "ep01", "--template", "open.toml"], "is not locked"),
        (["status", "."], "no manifest"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, words, says):
    synth.make_episode(tmp_path, shots=1, count=4)
    (tmp_path / "open.toml").write_text('genre = "x"\n')
    ran = finishkit(*words, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_measure_lock_finish_status_report(tmp_path):
    synth.make_episode(tmp_path, shots=3, count=12, scenes=1)
    measured = finishkit("measure", "ep01", "--out", "runs", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    assert "3 shots" in measured.stdout
    assert "measure" in measured.stderr, "progress goes to stderr"
    folder = tmp_path / "runs" / "ep01"
    assert (folder / "report.html").is_file()

    locked = finishkit(
        "lock", "ep01", "--genre", "thriller", "--out", "runs", "-o", "t.toml",
        "--set", "master.width_px=144", "--set", "master.height_px=256",
        "--set", "upscale.model=lanczos", "--set", "faces.strength=0", cwd=tmp_path,
    )  # fmt: skip
    assert locked.returncode == 0, locked.stderr
    template = load_template(tmp_path / "t.toml")
    assert (template.genre, template.master.width_px) == ("thriller", 144)
    assert template.hero.startswith("shot_")

    dry = finishkit("finish", "ep01", "-t", "t.toml", "--dry-run", cwd=tmp_path)
    assert dry.stdout.startswith("ep01: ")
    assert "  together " in dry.stdout
    assert "Started now it is done between" in dry.stdout.splitlines()[-1]

    done = finishkit("finish", "ep01", "-t", "t.toml", "-O", "runs", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": str(folder), "exit_code": 0}

    status = finishkit("status", folder, "--verify", "--json", cwd=tmp_path)
    assert status.returncode == 0
    assert {s["state"] for s in json.loads(status.stdout)["shots"].values()} == {"finished"}

    report = finishkit("report", folder, "--json", cwd=tmp_path)
    assert json.loads(report.stdout)["schema_version"] == 1

    redone = finishkit(
        "finish", "ep01", "-t", "t.toml", "-O", "runs", "--redo", "shot_002", cwd=tmp_path
    )
    assert redone.returncode == 0
    assert "3/3 shots" in redone.stderr


def test_doctor_finds_this_machine_fit():
    ran = finishkit("doctor", "--json")
    findings = json.loads(ran.stdout)
    assert ran.returncode == 0, findings
    states = {f["what"]: f["state"] for f in findings}
    assert states["core"] == states["notebooks"] == states["nets"] == states["faces"] == "ok"
    missing = [f for f in findings if "gfpgan" in f["text"].casefold()]
    assert missing, "what is not here is said"


def test_models_are_listed_with_their_licence():
    ran = finishkit("models", "list", "--json")
    cards = {c["name"]: c for c in json.loads(ran.stdout)}
    assert cards["realesr-animevideov3"]["commercial"] == "unclear"
    verified = finishkit("models", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "● realesr-animevideov3" in verified.stdout


def test_commercial_templates_refuse_unclear_weights(tmp_path):
    synth.make_episode(tmp_path, shots=1, count=4)
    made = finishkit(
        "lock", "ep01", "--hero", "shot_001", "--set", "licence=commercial", "-o", "t.toml",
        cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    ran = finishkit("finish", "ep01", "-t", "t.toml", "-O", "out", cwd=tmp_path)
    assert ran.returncode == 1
    assert 'refused by licence = "commercial"' in ran.stderr
