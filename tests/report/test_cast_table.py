"""Who can be told apart, as the report says it."""

import re

from finishkit.report.cast_table import cast_rows
from finishkit.report.page import render_page
from finishkit.report.pictures import Pictures, neighbour


def test_every_pair_is_in_the_table_with_all_that_is_known(make):
    ada, ben, cat = cast_rows(make().report)
    assert [row.look.character for row in (ada, ben, cat)] == ["ADA", "BEN", "CAT"]
    assert [row.reference for row in (ada, ben, cat)] == ["pictures", "its shots", "none"]
    own, pair = ada.cells
    assert (own.text, own.own, own.tip) == (
        "0.20", True, "ADA: its 8 shots are 0.20 from the reference",
    )  # fmt: skip
    assert (pair.text, pair.doubtful) == ("0.41", False)
    assert pair.tip == "ADA and BEN: 0.41 apart; separation dʹ 2.0; told apart"
    assert ben.cells[0].text == "0.41"
    assert cat.cells == ()


def test_alike_faces_are_tinted_and_marked(make):
    pairs = make(separable=False).report
    far = pairs.replace(
        separability=tuple(p.replace(distance=0.9, separable=True) for p in pairs.separability)
    )
    assert [cast_rows(r)[0].cells[1].heat for r in (pairs, far)] == [3, 0]
    page = render_page(pairs, Pictures())
    assert len(re.findall("cannot be told apart</span> 0.41", page)) == 2
    assert "cannot be told apart</span>" not in render_page(far, Pictures())


def test_a_pair_that_is_not_told_apart_is_a_notice_with_its_cure(make):
    assert make().report.notices == ()
    (notice,) = make(separable=False).report.notices
    assert "dlib cannot tell these characters apart: ADA and BEN (0.41 apart)" in notice
    assert "ArcFace-class" in notice
    assert "characters.csv" in notice


def test_made_up_names_are_said_to_be_made_up(make):
    made = make().report
    looks = tuple(one.replace(grouped=True) for one in made.cast)
    assert "made-up name" in render_page(made.replace(cast=looks), Pictures())
    assert "made-up name" not in render_page(made, Pictures())


def test_the_only_right_take_of_two_is_shown_beside_the_wrong_one(make):
    changes = {f"ep_shot_{n:03}": {"id_dist": None} for n in range(1, 9)}
    changes["ep_shot_006"] = {"id_dist": 0.85}
    report = make(raw=changes).report
    meant = tuple(one.replace(accepted=("ep_shot_007",)) for one in report.cast)
    assert neighbour(report.replace(cast=meant), "ep_shot_006", "ADA") == "ep_shot_007"
    nobody = tuple(one.replace(accepted=()) for one in report.cast)
    assert neighbour(report.replace(cast=nobody), "ep_shot_006", "ADA") is None
