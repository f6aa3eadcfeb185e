"""CSV files: stable columns, and no cell that a spreadsheet would run."""

import csv

import pytest

from finishkit.measure import METRICS
from finishkit.report import write_report
from finishkit.report.tables import neutral
from finishkit.shots import open_episode

SWAPPED = {"ep_shot_006": {"id_dist": 0.85}}


def rows(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\r=x",
        " =x",
        "-",
        "--1",
        "=1",
        "-x",
    ],
)
def test_formula_is_neutralised(cell):
    assert neutral(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-0.25", "+3", "-1e-5", "17", "", "a=b", "shot-1", "e@x.org"])
def test_numbers_and_words_are_left_alone(cell):
    assert neutral(cell) == cell


def test_shots_csv_has_one_row_a_shot(make, tmp_path):
    made = make(raw={"ep_shot_003": {"eff_px": 200.0}}, finished={}, torn=True)
    write_report(made.report, tmp_path, sources={})
    table = rows(tmp_path / "shots.csv")
    assert [r["shot"] for r in table] == [s.shot for s in made.report.shots]
    assert list(table[0])[:4] == ["shot", "file", "scene", "characters"]
    assert {f"raw_{m.name}" for m in METRICS} | {f"finished_{m.name}" for m in METRICS} < set(
        table[0]
    )
    assert (table[2]["raw_eff_px"], table[2]["finished_eff_px"]) == ("200.0", "400.0")
    assert float(table[0]["raw_wb_b"]) == -0.2
    assert table[2]["prompt"] == "a woman at a table"
    assert table[8]["raw_eff_px"] == ""
    assert table[8]["state"] == "quarantined"


def test_formulas_from_the_shot_list_are_neutralised_in_every_table(make, tmp_path):
    made = make(raw=SWAPPED, words="=cmd()")
    name = "=HYPERLINK(1)"
    shots = tuple(s.replace(notes={"prompt": name, "seed": "-17"}) for s in made.report.shots)
    orders = tuple(o.replace(why="@now", characters=(name,)) for o in made.report.regenerate)
    write_report(made.report.replace(shots=shots, regenerate=orders), tmp_path, sources={})
    (order,) = rows(tmp_path / "regenerate.csv")
    assert order["prompt"] == order["characters"] == "'" + name
    assert order["why"] == "'@now"
    assert order["seed"] == "-17"
    for table in ("shots.csv", "cuts.csv", "regenerate.csv"):
        for row in rows(tmp_path / table):
            assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row.values())


def test_cuts_csv_holds_raw_and_finished_jumps(make, tmp_path):
    made = make(raw={"ep_shot_003": {"eff_px": 200.0}}, finished={})
    write_report(made.report, tmp_path, sources={})
    table = rows(tmp_path / "cuts.csv")
    assert len(table) == 7
    assert table[1]["from"] == "ep_shot_002"
    assert (table[1]["raw_jump"], table[1]["finished_jump"]) == ("1.0", "0.0")
    assert (table[1]["raw_eff"], table[0]["raw_eff"]) == ("1.0", "0.0")


def test_finished_folder_opens_as_an_episode(make, tmp_path, clips):
    made = make(finished={})
    shots = tuple(s.replace(file=f"shots/{s.shot}.mp4") for s in made.report.shots)
    write_report(made.report.replace(shots=shots), tmp_path, sources={})
    (tmp_path / "shots").mkdir()
    for name, path in made.finished.items():
        (tmp_path / "shots" / f"{name}.mp4").write_bytes(path.read_bytes())
    opened = open_episode(tmp_path)
    assert [s.id for s in opened] == [s.shot for s in made.report.shots]
    assert opened.shots[5].scene == "garden"
    assert opened.shots[5].characters == ("ADA",)
