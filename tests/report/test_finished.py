"""The finished part: what was solved, what the gates did, and how the episode moved."""

import re

import pytest

from finishkit.report import Gate, ShotOutcome
from finishkit.report.page import render_page
from finishkit.report.pictures import Pictures
from finishkit.report.solved import acted_gates, gate_counts, solved_stages
from finishkit.settings import Weights

RAW = {
    "ep_shot_003": {"eff_px": 200.0, "eff_r": 0.42},
    "ep_shot_004": {"flick_g": 1.3},
    "ep_shot_007": {"wb_r": 0.9},
}
HELD = Gate(name="faces: flicker", before=0.1, after=0.4, limit=0.2, passed=False, text="Worse.")
KEPT = Gate(name="faces: flicker", before=0.1, after=0.1, limit=0.2, passed=True)


def _outcome(shot: str, gates: tuple[Gate, ...], **notes: float) -> ShotOutcome:
    return ShotOutcome(
        shot=shot,
        state="finished",
        notes={name.replace("__", "."): value for name, value in notes.items()},
        gates=gates,
    )


OUTCOMES = (
    _outcome("ep_shot_001", (KEPT,), faces__strength=0.4),
    _outcome("ep_shot_002", (HELD, KEPT), faces__lowered_to=0.5, faces__strength=0.2),
    _outcome("ep_shot_003", (HELD, HELD), faces__bypassed=1.0),
)


def test_values_are_said_with_labels_and_units():
    stages = solved_stages(
        {
            "grade.wb_r": 0.12,
            "grade.ev": -0.3,
            "grade.con": 0.0,
            "grade.before_de": 9.04,
            "grade.residual_de": 1.96,
            "deflicker.share": 0.9,
            "interpolate.repaired": 2.0,
            "upscale.scale": 1.0,
        }
    )
    assert [(s.title, s.line) for s in stages] == [
        ("Deflicker", "90 % taken out"),
        ("Motion", "2 repeats replaced"),
        ("Upscale", ""),
        ("Grade", "red +0.12 oct, exposure −0.30 stops, 9.0 → 2.0 ΔE from its scene"),
    ]
    assert ("contrast", "0.00 oct") in stages[-1].values


def test_values_nobody_has_a_name_for_are_shown_all_the_same():
    (stage,) = solved_stages({"new.largest_shift_px": 3.25, "new.tries": 4.0, "new.lowered_to": 0})
    assert stage.title == "new"
    assert stage.values == (
        ("largest shift", "3.25 px"),
        ("tries", "4"),
        ("strength left by its gates", "0 %"),
    )
    assert stage.line == "lowered to 0% by its gates"


def test_every_gate_that_acted_is_listed_with_what_was_done(make):
    report = make(finished={}, outcomes=OUTCOMES).report
    acted = acted_gates(report)
    assert [(a.shot.shot, a.stage, a.name, a.done) for a in acted] == [
        ("ep_shot_002", "Faces", "flicker", "Lowered to 50% of its strength, and passed."),
        *[
            (
                *("ep_shot_003", "Faces", "flicker"),
                "Tried weaker, then left out: the shot is as it was before this stage.",
            )
        ]
        * 2,
    ]
    (count,) = gate_counts(report)
    assert (count.stage, count.checks, count.passed) == ("Faces", 5, 2)
    assert (count.lowered, count.left_out) == (1, 1)


def test_a_picture_that_had_to_be_given_is_for_you_to_look_at(make):
    colour = HELD.replace(name="upscale+grade: colour")
    report = make(finished={}, outcomes=(_outcome("ep_shot_001", (colour,)),)).report
    assert [a.done for a in acted_gates(report)] == ["Kept: look at this shot."]


def test_metrics_are_compared_over_the_shots_that_were_finished(make):
    changes = {c.metric: c for c in make(raw=RAW, finished={}).report.changes}
    assert changes["eff_px"].median == (400.0, 400.0)
    assert changes["eff_px"].flagged == (0, 0)
    assert changes["eff_r"].flagged == (1, 0)
    assert changes["flick_g"].flagged == (1, 0)
    assert changes["wb_r"].spread == (0.0, 0.0)
    assert make(raw=RAW).report.changes == ()


def test_the_genre_weighs_what_its_viewers_look_at(make):
    made = make(raw=RAW, finished={})
    reading = made.report.reading
    families = {f.name: f for f in reading.families}
    # The whole of one cut in seven, and the worst tenth counts extra: 1 - 0.7 * 2/7 - 0.3.
    assert families["detail"].raw == pytest.approx(50.0)
    assert families["face"].raw == 100.0
    assert {f.finished for f in reading.families} == {100.0}
    assert reading.finished == 100.0
    only = Weights(face=0, motion=0, detail=1, colour=0)
    detail = make(raw=RAW, finished={}, weights=only).report.reading
    assert detail.raw == families["detail"].raw
    faces = Weights(face=1, motion=0, detail=0, colour=0)
    assert make(raw=RAW, finished={}, weights=faces).report.reading.raw == 100.0


def test_effects_know_the_quartiles_and_how_far_colour_is_off(make):
    effects = {e.name: e for e in make(raw=RAW, finished={}).report.effects}
    spread = effects["sharpness_iqr_oct"]
    assert (spread.before, spread.after, spread.target) == (0.0, 0.0, 0.15)
    # One shot of eight is off, 0.8 octave of red, and that is surely no chance: the 90th percentile
    # lies three tenths of the way to it.
    off = effects["colour_off_de"]
    assert off.before == pytest.approx(0.3 * 0.8 * 17, rel=0.1)
    assert (off.after, off.target) == (0.0, 3.0)


def test_cuts_stand_in_cut_order_before_beside_finished(make):
    html = render_page(make(raw=RAW, finished={}).report, Pictures())
    chart = html[html.index('class="cut-chart"') : html.index("Every cut in cut order")]
    assert re.findall(r'<a href="#shot-\d+">(\d+)</a>', chart)[:7] == [
        f"{n:03}" for n in range(2, 9)
    ]
    assert "Cut 002 | 003: before 1.00, finished 0.00, " in chart
    table = html[html.index("Every cut in cut order") :]
    assert table.index("001 | 002") < table.index("002 | 003") < table.index("007 | 008")


def test_the_score_leads_when_there_are_two(make):
    report = make(raw=RAW, finished={}).report
    html = render_page(report, Pictures())
    block = html[html.index('<div class="score ') : html.index('<dl class="figures">')]
    assert f'<span class="was">{report.score.raw:.0f}</span>' in block
    assert f"<strong>{report.score.finished:.0f}</strong>" in block
    assert 'class="score ' not in render_page(make(raw=RAW).report, Pictures())


def test_a_score_that_fell_is_not_dressed_up(make):
    worse = {"ep_shot_005": {"flick_g": 0.9}, "ep_shot_006": {"eff_px": 150.0}}
    html = render_page(make(finished=worse).report, Pictures())
    assert '<div class="score bad"' in html
    assert "it fell" in html


def test_hostile_names_of_values_and_gates_stay_words(make):
    evil = "<script>alert(1)</script>"
    gate = HELD.replace(name=f"faces: {evil}", text=evil)
    outcome = ShotOutcome(
        shot="ep_shot_001", state="finished", notes={f"{evil}.{evil}_px": 1.0}, gates=(gate,)
    )
    html = render_page(make(finished={}, outcomes=(outcome,)).report, Pictures())
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4
