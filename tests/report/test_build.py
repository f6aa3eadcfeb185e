"""What is left to do after finishing, and the contract of report.json."""

import json

import pytest

from finishkit.errors import FinishError
from finishkit.flags import Flag
from finishkit.measure import METRICS
from finishkit.report import Report, ShotOutcome, load_report, write_report

SOFT = {"ep_shot_003": {"eff_px": 200.0, "eff_r": 0.42}}
SWAPPED = {"ep_shot_006": {"id_dist": 0.85}}


def test_clean_episode_has_nothing_left_to_do(make):
    report = make().report
    assert {s.action for s in report.shots} == {"ok"}
    assert {s.state for s in report.shots} == {"measured"}
    assert report.regenerate == ()
    assert report.score.raw == 100.0
    assert report.score.finished is None
    assert report.template is None
    assert [s.hook for s in report.shots] == [True, True] + [False] * 6


def test_measured_shot_carries_the_verdict(make):
    shot = make(raw=SOFT).report["ep_shot_003"]
    assert (shot.action, shot.state) == ("fix", "measured")
    assert [r.metric for r in shot.reasons] == ["eff_r"]
    assert shot.reasons[0].value == pytest.approx(1.0, abs=0.01)  # one octave: half the detail
    assert shot.fixed == ()


def test_fixed_finding_is_gone_after_finishing(make):
    report = make(raw=SOFT, finished={}).report
    shot = report["ep_shot_003"]
    assert (shot.state, shot.action, shot.raw_action) == ("finished", "ok", "fix")
    assert shot.reasons == ()
    assert [r.metric for r in shot.fixed] == ["eff_r"]
    assert (shot.raw["eff_px"], shot.finished["eff_px"]) == (200.0, 400.0)
    assert report.score.finished > report.score.raw


def test_unfixed_finding_stands_with_its_new_figure(make):
    shot = make(raw=SOFT, finished={"ep_shot_003": {"eff_px": 283.0}}).report["ep_shot_003"]
    assert shot.action == "fix"
    assert shot.reasons[0].value == pytest.approx(0.5, abs=0.01)
    assert shot.fixed == ()


def test_another_face_stays_to_be_regenerated_whatever_the_finish_measures(make):
    report = make(raw=SWAPPED, finished={"ep_shot_006": {"id_dist": 0.1}}).report
    shot = report["ep_shot_006"]
    assert shot.action == "regenerate"
    assert [(r.metric, r.value) for r in shot.reasons] == [("id_dist", 0.85)]
    (order,) = report.regenerate
    assert order.shot == "ep_shot_006"
    assert order.characters == ("ADA",)
    assert order.reference_images == ("ADA.jpg",)
    assert "0.85" in order.why
    assert order.pass_if == "The face of ADA measures 0.45 or less."


def test_face_that_could_not_be_judged_stays_to_be_checked(make):
    nobody = {"ep_shot_002": {"id_dist": None, "id_spread": None}}
    shot = make(raw=nobody, finished=nobody).report["ep_shot_002"]
    assert shot.action == "check"
    assert shot.raw["id_dist"] is None


def test_colour_beyond_reach_that_came_right_needs_no_look(make):
    shot = make(raw={"ep_shot_003": {"ev": -3.0}}, finished={}).report["ep_shot_003"]
    assert (shot.raw_action, shot.action) == ("check", "ok")
    assert [r.metric for r in shot.fixed] == ["ev"]


def test_damage_done_by_finishing_is_not_passed_over(make):
    report = make(
        finished={"ep_shot_005": {"flick_g": 0.9}, "ep_shot_006": {"id_dist": 0.8}}
    ).report
    assert report["ep_shot_005"].action == "fix"
    assert [r.metric for r in report["ep_shot_005"].reasons] == ["flick_g"]
    assert report["ep_shot_006"].action == "check"
    assert report.regenerate == ()


def test_quarantined_shot_is_listed_with_its_cure_and_no_numbers(make):
    report = make(torn=True).report
    shot = report["ep_shot_009"]
    assert (shot.state, shot.action, shot.finished) == ("quarantined", "check", None)
    assert shot.raw == {m.name: None for m in METRICS}
    assert [(r.metric, r.value, r.text) for r in shot.reasons] == [
        ("unreadable", None, "It cannot be opened. Export it again.")
    ]
    (listed,) = report.quarantined
    assert (listed.shot, listed.code) == ("ep_shot_009", "unreadable")
    assert report.counted() == {"measured": 8, "ok": 8, "quarantined": 1}


def test_shot_quarantined_while_finishing_keeps_its_measurement(make):
    held = ShotOutcome(shot="ep_shot_006", state="quarantined", code="stage_failed", text="Failed.")
    report = make(raw=SWAPPED, finished={}, outcomes=(held,)).report
    shot = report["ep_shot_006"]
    assert (shot.state, shot.action) == ("quarantined", "regenerate")
    assert shot.raw["id_dist"] == 0.85
    assert report.regenerate == ()


def test_effects_measure_what_was_planted(make):
    raw = {
        **SOFT,
        "ep_shot_004": {"flick_g": 1.3, "dup_ratio": 0.25},
        "ep_shot_007": {"wb_r": 0.5},
    }
    effects = {e.name: e for e in make(raw=raw, finished={}).report.effects}
    spread = effects["sharpness_spread_oct"]
    # One of four shots an octave lower, the other scene even: sqrt(0.75 / 6).
    assert spread.before == pytest.approx(0.3536, abs=1e-4)
    assert (spread.after, spread.target) == (0.0, 0.18)
    # Three cuts a scene; the two cuts beside shot 7 jump 0.4 * 17, the other four by nothing.
    assert effects["colour_jump_de"].before == 0.0
    assert effects["flicker_worst"].before == 1.3
    assert effects["flicker_worst"].after == 0.05
    assert effects["repeated_worst_pct"].before == 25.0
    assert effects["identity_shift_worst"].after == 0.0


def test_colour_jump_is_the_distance_in_delta_e(make):
    raw = {name: {"wb_r": 0.5} for name in ("ep_shot_002", "ep_shot_004", "ep_shot_006")}
    effects = {e.name: e for e in make(raw=raw, finished={}).report.effects}
    assert effects["colour_jump_de"].before == pytest.approx(0.4 * 17)
    assert effects["colour_jump_de"].after == 0.0


CONTRACT = {"episode", "template", "environment", "score", "hero", "shots", "cuts", "regenerate"}
SHOT_CONTRACT = {
    *("shot", "scene", "order", "hook", "state", "action", "reasons", "unknown", "raw"),
    "finished",
}


def test_report_json_keeps_the_contract(make, tmp_path):
    made = make(raw={**SOFT, **SWAPPED}, finished={}, torn=True)
    write_report(made.report, tmp_path, sources={}, finished_files={}, references={})
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1
    assert set(data) >= CONTRACT
    assert set(data["template"]) == {"name", "sha256"}
    assert set(data["score"]) == {"raw", "finished", "unknown_fraction"}
    for shot in data["shots"]:
        assert set(shot) >= SHOT_CONTRACT
        assert set(shot["raw"]) == {m.name for m in METRICS}
        assert shot["state"] in ("finished", "quarantined", "not_run", "measured")
        for reason in shot["reasons"]:
            assert set(reason) == {"metric", "value", "limit", "reference", "text"}
    assert all(set(cut) == {"from", "to", "jump", "by"} for cut in data["cuts"])
    (order,) = data["regenerate"]
    assert set(order) == {"shot", "characters", "reference_images", "why", "pass_if"}
    assert load_report(tmp_path / "report.json") == made.report
    assert Report.model_validate(data) == made.report


def test_content_digest_leaves_out_the_clock_and_the_machine(make):
    one = make(raw=SOFT, throughput_shots_per_h=212.0).report
    again = make(raw=SOFT, throughput_shots_per_h=90.0).report
    other = make(raw=SWAPPED).report
    assert one.content_sha256 == again.content_sha256
    assert one.content_sha256 != other.content_sha256
    assert one.replace(created="later").sealed().content_sha256 == one.content_sha256


def test_unreadable_report_says_what_to_do(tmp_path):
    with pytest.raises(FinishError, match="finishkit measure") as missing:
        load_report(tmp_path / "report.json")
    assert missing.value.code == "no_report"
    (tmp_path / "report.json").write_text('{"schema_version": 2}')
    with pytest.raises(FinishError, match="schema_version") as wrong:
        load_report(tmp_path / "report.json")
    assert wrong.value.code == "bad_report"


def test_what_a_person_said_stands_above_what_was_measured(make, tmp_path):
    note = "six <fingers>, seen at the cut"
    flags = {
        "ep_shot_002": Flag(mark="regenerate", note=note),
        "ep_shot_003": Flag(mark="accept"),
        "ep_shot_004": Flag(note="look again tomorrow"),
        "ep_shot_006": Flag(mark="accept", note="her twin sister"),
    }
    made = make(raw={**SOFT, **SWAPPED}, flags=flags)
    report = made.report
    asked, soft, noted = (report[f"ep_shot_00{n}"] for n in (2, 3, 4))
    assert (asked.action, asked.reasons[0].text) == (
        "regenerate",
        f"A new take was asked for by hand: {note}",
    )
    # Accepted, and what was measured is still there to be read.
    assert (soft.action, [r.metric for r in soft.reasons]) == ("ok", ["flag", "eff_r"])
    assert (noted.action, noted.reasons) == ("ok", ())
    (order,) = report.regenerate
    assert order.shot == "ep_shot_002"
    assert order.reference_images == ("ADA.jpg",)
    assert note in order.why
    assert order.pass_if == "Whoever asked for it accepts the new take."
    write_report(report, tmp_path, sources=made.sources, references=made.references)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "six &lt;fingers&gt;" in page
    assert "<fingers>" not in page
    assert load_report(tmp_path / "report.json") == report
