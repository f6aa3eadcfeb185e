"""The benchmark's own code: what its sides say to each other, its records, its page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import growth, plot, quiet, rows, run, table
from bench.b4_grade import levels_apart
from bench.ours.grade import linear_transfer
from bench.rows import OURS, Row, Workplace
from bench.sides import Side, SideFailedError, Spec

ROOT = Path(__file__).parents[2]


def record(**sides):
    """A record of one row as ``run`` writes it."""
    found = {
        name: {"units": 2.0, "median_s": seconds, "min_s": seconds, "peak_bytes": 2**20}
        for name, seconds in sides.items()
    }
    row = {
        "name": "B9.x",
        "title": "nothing",
        "unit": "frame",
        "sides": found,
        "ratios": rows.ratios(found, {"peer": 2.0}),
        "equality": {"psnr_db to peer": 60.0},
    }
    return {
        "machine": {"cpu": "a cpu", "cores": 2, "flags": {"avx2": True, "amx_bf16": False}},
        "threads": 2,
        "repeats": 5,
        "made": "2026-11-24T00:00:00+00:00",
        "quiet": True,
        "rows": [row],
    }


def test_a_row_runs_to_its_end(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "bench/run.py", "B5.read_write", "--tiny", "--anyway"]
    command += ["--repeats", "2", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (row,) = json.loads((out / "bench.json").read_text())["rows"]
    assert set(row["sides"]) == {OURS, "moviepy"}
    assert all(len(side["seconds"]) == 2 for side in row["sides"].values())
    assert row["equality"]["frames of finishkit"] == row["equality"]["frames of moviepy"] == 12
    assert row["equality"]["psnr_db to moviepy"] > 30
    assert row["ratios"]["moviepy"]["median"] > 0
    assert (out / "bench.png").stat().st_size > 10_000


def test_a_missing_package_is_told_and_not_dropped(tmp_path):
    (tmp_path / "absent_side.py").write_text("import no_such_package\n")
    spec = Spec(
        module="absent_side", install="pip install it", env={"PYTHONDONTWRITEBYTECODE": "1"}
    )
    row = Row(name="B9.x", title="x", unit="frame", sides={"peer": spec})
    work = tmp_path / row.name
    work.mkdir()
    (work / "absent_side.py").write_text("import no_such_package\n")
    done = rows.measured(row, Workplace(folder=tmp_path, repeats=1))
    assert done["sides"]["peer"]["missing"] == (
        "no_such_package is not installed. Run: pip install it"
    )
    assert not done["ratios"]


def test_what_a_side_raises_comes_back_and_what_it_prints_does_not(tmp_path):
    (tmp_path / "odd_side.py").write_text(
        "from bench.serving import serve\n"
        "class Odd:\n"
        "    def prepare(self):\n"
        '        print(\'{"told": "a lie"}\')\n'
        "        return {'said': 'truth'}\n"
        "    def run(self):\n"
        "        raise ValueError('no luck')\n"
        "serve(Odd())\n"
    )
    side = Side(Spec(module="odd_side"), sys.executable, tmp_path / "log")
    try:
        assert side.ask("prepare")["told"] == {"said": "truth"}
        with pytest.raises(SideFailedError, match="ValueError: no luck"):
            side.ask("run")
        assert side.ask("end")["told"]["peak_bytes"] > 2**20
    finally:
        side.close()
    assert "a lie" in (tmp_path / "log").read_text()


def test_a_busy_machine_is_refused(monkeypatch):
    monkeypatch.setattr(quiet, "load", lambda: {"load_1min": 9.0, "foreign_cores": 99.0})
    with pytest.raises(SystemExit, match="Wait until the machine is quiet"):
        quiet.require_quiet(anyway=False)
    assert quiet.require_quiet(anyway=True)["foreign_cores"] == 99.0


def test_the_load_of_others_is_seen_and_our_own_is_not():
    spin = [sys.executable, "-c", "while True: pass"]
    own = subprocess.Popen(spin)
    try:
        busy = quiet._busy_s()
        mine = quiet._own_s()
        while quiet._own_s() - mine < 0.3:
            pass
        assert quiet._busy_s() - busy > 0.1
    finally:
        own.kill()
        own.wait()


def test_ratios_are_of_a_unit_of_work():
    sides = {
        OURS: {"units": 4.0, "median_s": 2.0, "min_s": 1.0},
        "peer": {"units": 1.0, "median_s": 3.0, "min_s": 1.0},
        "absent": {"missing": "x"},
    }
    assert rows.ratios(sides, {"peer": 5.0}) == {"peer": {"median": 6.0, "min": 4.0, "floor": 5.0}}


def test_psnr():
    a = np.zeros((1, 4, 4, 3), np.uint8)
    assert rows.psnr_db(a, a) is None
    assert rows.psnr_db(a, a + np.uint8(1)) == 48.13


@pytest.mark.parametrize(("power", "fixed"), [(1.0, 5.0), (1.5, 2.0)])
def test_the_exponent_above_a_fixed_cost_is_found(power, fixed):
    sizes = [2.0, 4.0, 8.0, 16.0]
    fit = growth.exponent(sizes, [fixed + 0.7 * (n / 2) ** power for n in sizes])
    assert fit["marginal"] == pytest.approx(power, abs=0.02)
    assert fit["raw"] is not None
    assert fit["raw"] < power


def test_the_transfer_gives_mean_and_covariance_of_the_reference():
    rng = np.random.default_rng(0)
    seen = rng.normal(0.5, 0.1, (4000, 3)) @ np.array([[1, 0.3, 0], [0, 1, 0.2], [0.1, 0, 0.8]])
    wanted = rng.normal(0.4, 0.15, (4000, 3))
    matrix, before, after = linear_transfer(seen, wanted)
    got = (seen - before) @ matrix.T + after
    np.testing.assert_allclose(got.mean(0), wanted.mean(0), atol=1e-9)
    np.testing.assert_allclose(np.cov(got.T), np.cov(wanted.T), atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)


def test_levels_apart(tmp_path):
    paths = {name: tmp_path / f"{name}.npy" for name in (OURS, "peer")}
    np.save(paths[OURS], np.full((2, 2, 2, 3), 10, np.uint8))
    np.save(paths["peer"], np.full((1, 2, 2, 3), 12, np.uint8))
    found = levels_apart(paths, {OURS: {"mean": 0.1}})
    assert found["mean difference to peer, fitted anew a frame, levels"] == 2.0


def test_a_record_becomes_a_table_and_a_plot(tmp_path):
    made = record(**{OURS: 1.0, "peer": 3.0})
    made["rows"][0]["sides"]["other"] = {"units": 1, "missing": "x is not installed. Run: y"}
    text = table.ratios([made])
    assert "| `B9.x` | nothing | 500.0 ms a frame | peer | 1.50 s | **3.00×** (3.00) | 2× |" in text
    assert "none: x is not installed. Run: y" in text
    assert "no GPU" in text
    assert plot.bars(made) == [("B9.x", "peer", 3.0, 2.0)]
    (tmp_path / "a.json").write_text(json.dumps(made))
    plot.plot(tmp_path / "a.json", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_the_page_says_what_was_measured():
    page = table.PAGE.read_text()
    assert table.written(page) == page


def test_every_row_that_is_kept_is_explained():
    page = table.PAGE.read_text()
    groups = {
        row["name"].split(".")[0] for made in table.kept("*.json") for row in made.get("rows", [])
    }
    assert all(f"`{group}" in page for group in groups | {"B1", "B2", "B3", "B4", "B6"} - {"B5"})


def test_the_planner_is_the_formula_of_the_page():
    assert table.shots_an_hour(0.642, 165.0, 0.15) == pytest.approx(
        3600 * 165.0 * 0.15 / (0.642 * 96)
    )


def test_an_unknown_row_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="No row is called B7"):
        run.chosen(["B7"], Workplace(folder=tmp_path))


def test_the_gpu_command_runs_without_a_gpu(tmp_path):
    command = [sys.executable, "bench/gpu.py", "--device", "cpu", "--tiny", "--anyway", "--groups"]
    subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    gpu = json.loads((tmp_path / "gpu.json").read_text())["gpu"]
    assert [e["batch"] for e in gpu["batches"]] == [1, 2]
    assert all(e["frame_s"] > 0 for e in gpu["batches"])
    (top,) = gpu["kernels"].values()
    assert 0 < sum(k["share"] for k in top) <= 1.001
    assert any("conv" in k["name"] for k in top)
    finishing = gpu["finishing"]
    assert finishing["worst_codes"] <= 2
    assert finishing["host"]["frame_s"] > 0
    assert finishing["device, 2 at once"]["frame_s"] > 0
    assert set(gpu["codecs"]) >= {"h264_nvenc", "h264_cuvid"}
