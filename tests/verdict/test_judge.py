from fractions import Fraction

import numpy as np
import pytest

from finishkit.measure import METRICS, CharacterIdentity, Measurements, ShotMeasurement
from finishkit.verdict import Limits, judge

CLEAN = {
    "eff_px": 400.0, "eff_r": 0.9, "face_eff_px": None,
    "wb_r": 0.1, "wb_b": -0.1, "ev": -2.0, "con": 6.0, "sat": 5.0,
    "white_ev": -0.05, "clip_pct": 0.5, "drift_de": 1.0,
    "id_dist": None, "id_spread": None, "flick_g": 0.05, "flick_l": 0.05, "flick_c": 0.05,
    "dup_ratio": 0.0, "fps_eff": 24.0, "shake_pct": 0.1, "noise_sigma": 0.8,
}  # fmt: skip


def _identity(character="MIA", distance=0.3, faces=6, spread=0.2, embedding=None):
    return CharacterIdentity(
        character=character, id_dist=distance, id_spread=spread, n_faces=faces,
        worst_frame=3, worst_box=(1, 1, 9, 9),
        face_dists=(distance,) * faces if distance is not None else (),
        embedding=tuple(embedding) if embedding is not None else (),
    )  # fmt: skip


def _shot(order, *, scene="a", identities=(), static=False, **values):
    jitter = np.random.default_rng(order).normal(size=8) * 0.004
    base = {**CLEAN, "ev": CLEAN["ev"] + jitter[0], "sat": CLEAN["sat"] + jitter[1]}
    return ShotMeasurement(
        shot=f"s{order:02d}", order=order, scene=scene, width_px=450, height_px=800,
        rate_fps=Fraction(24), frame_count=96, duration_s=4.0, values={**base, **values},
        unknown=(), eff_conf=120, static=static, identities=tuple(identities), sha256="0" * 64,
    )  # fmt: skip


def _measured(*shots):
    return Measurements(episode="ep", shots=tuple(shots), backend="dlib")


def _episode(**changes):
    """Eight clean shots of one scene; ``s03=dict(...)`` changes one."""
    return _measured(*(_shot(i, **changes.get(f"s{i:02d}", {})) for i in range(8)))


def test_a_clean_episode_is_clean():
    verdict = judge(_episode())
    assert {s.action for s in verdict.shots} == {"ok"}
    assert max(c.jump for c in verdict.cuts) == 0
    assert verdict.score.value == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize(
    ("change", "metric", "says"),
    [
        ({"eff_px": 200.0, "eff_r": 0.45}, "eff_r", "50%"),
        ({"wb_r": 0.5}, "wb_r", "Redder"),
        ({"wb_b": -0.5}, "wb_b", "Yellower"),
        ({"ev": -1.2}, "ev", "Brighter"),
        ({"ev": -2.8}, "ev", "Darker than its scene by 0.7"),
        ({"con": 5.4}, "con", "Flatter"),
        ({"sat": 4.2}, "sat", "Paler"),
        ({"flick_g": 0.9}, "flick_g", "0.90 L*"),
        ({"flick_l": 0.9}, "flick_l", "Parts"),
        ({"dup_ratio": 0.25, "fps_eff": 18.0}, "dup_ratio", "18 fps"),
        ({"noise_sigma": 4.0}, "noise_sigma", "Grainier"),
        ({"white_ev": -0.7}, "ev", "Dull: its brightest part stays 0.70 stops below white"),
        ({"clip_pct": 40.0}, "ev", "Burnt out: 40 %"),
        ({"drift_de": 12.0}, "drift_de", "drifts within the shot: ΔE 12.0"),
    ],
)
def test_one_fault_is_found_with_its_metric_and_nothing_else(change, metric, says):
    verdict = judge(_episode(s04=change))
    flagged = [s for s in verdict.shots if s.action != "ok"]
    assert [s.shot for s in flagged] == ["s04"]
    assert flagged[0].action in ("fix", "check")
    assert metric in [r.metric for r in flagged[0].reasons]
    assert any(says in r.text for r in flagged[0].reasons)
    for reason in flagged[0].reasons:
        assert reason.value > reason.limit or abs(reason.value) > reason.limit


def test_a_slide_show_cannot_be_repaired_but_a_still_can():
    slide = {"fps_eff": 4.0, "dup_ratio": 0.83}
    assert judge(_episode(s04=slide))["s04"].action == "regenerate"
    still = {**slide, "static": True}
    assert judge(_episode(s04=still))["s04"].action == "ok"


def test_colour_is_never_compared_between_scenes():
    shots = [_shot(i, scene="day") for i in range(4)]
    shots += [_shot(i, scene="night", ev=-5.0, wb_b=0.6) for i in range(4, 8)]
    verdict = judge(_measured(*shots))
    assert {s.action for s in verdict.shots} == {"ok"}
    assert verdict.cuts[3].jump == 0


def test_the_hook_is_held_to_a_tighter_limit():
    change = {"white_ev": -0.40}
    hook, later = judge(_episode(s00=change)), judge(_episode(s05=change))
    assert [s.shot for s in hook.shots if s.hook] == ["s00", "s01"]
    assert hook["s00"].action == "fix"
    assert later["s05"].action == "ok"


def test_an_outlier_is_bad_against_both_neighbours_a_boundary_against_one():
    verdict = judge(_episode(s04={"eff_px": 200.0}))
    assert verdict["s04"].outlier
    assert not verdict["s03"].outlier
    jumps = {(c.from_shot, c.to_shot): c.jump for c in verdict.cuts}
    assert jumps["s03", "s04"] > 0.5
    assert jumps["s04", "s05"] > 0.5
    assert jumps["s01", "s02"] == 0


def test_a_change_of_actor_at_a_cut_is_a_jump():
    near, far = np.zeros(128), np.full(128, 0.08)
    verdict = judge(
        _episode(
            s03={"identities": [_identity(embedding=near)]},
            s04={"identities": [_identity(embedding=far)]},
        )
    )
    cut = next(c for c in verdict.cuts if c.from_shot == "s03")
    assert cut.by["id"] == 1.0


def test_the_hero_is_the_medoid_and_not_the_sharpest():
    verdict = judge(_episode(s02={"eff_px": 440.0}, s04={"eff_px": 200.0}))
    assert verdict.hero not in ("s02", "s04")
    with_face = judge(_episode(s05={"identities": [_identity()]}))
    assert with_face.hero == "s05"


def _all(**change):
    return _measured(*(_shot(i, **change) for i in range(8)))


@pytest.mark.parametrize(
    "change",
    [
        {"eff_px": 200.0, "eff_r": 0.45},
        {"sat": 3.6},
        {"con": 5.0},
        {"dup_ratio": 0.9, "fps_eff": 2.4},
        {"flick_g": 0.6},
    ],
    ids=["blur all", "drain all", "flatten all", "freeze all", "flicker all"],
)
def test_no_uniform_change_raises_the_score(change):
    raw = _episode(s04={"ev": -1.2}, s06={"eff_px": 200.0})
    before = judge(raw).score.value
    gamed = judge(_all(**change), baseline=raw).score.value
    assert before is not None
    assert gamed is not None
    assert gamed <= before - 10


def test_undoing_the_faults_returns_the_clean_score():
    raw = _episode(s04={"ev": -1.2}, s06={"eff_px": 200.0})
    clean = judge(_episode()).score.value
    fixed = judge(_episode(), baseline=raw).score.value
    assert judge(raw).score.value < clean - 10
    assert fixed == pytest.approx(clean, abs=1)


def test_the_score_is_withheld_when_too_much_is_unknown():
    blind = {"eff_px": None, "eff_r": None, "ev": None}
    verdict = judge(_episode(**{f"s{i:02d}": blind for i in range(3)}))
    assert verdict.score.unknown_fraction == pytest.approx(0.25)
    assert verdict.score.value is None


def test_fake_hd_is_named_by_its_class():
    shots = [_shot(i).replace(width_px=1080, height_px=1920) for i in range(7)]
    shots = [s.replace(values={**s.values, "eff_px": 900.0, "eff_r": 0.83}) for s in shots]
    fake = shots[3].replace(values={**shots[3].values, "eff_px": 550.0, "eff_r": 0.51})
    verdict = judge(_measured(*shots[:3], fake, *shots[4:]))
    texts = [r.text for r in verdict["s03"].reasons]
    assert "Looks like a 540-class picture in a 1080 px file." in texts


def test_limits_are_the_templates():
    lax = Limits(ev_de=20.0)
    assert judge(_episode(s04={"ev": -1.2}), lax)["s04"].action == "ok"
    assert judge(_episode(s04={"ev": -1.2}))["s04"].action != "ok"


def test_every_metric_of_the_table_is_measured_here():
    assert set(CLEAN) == {m.name for m in METRICS}
