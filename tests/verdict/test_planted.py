"""Faults planted in real footage are found, for the right reason; nothing else changes its mind."""

import csv
from collections import Counter

import pytest

from finishkit.measure import Measurements
from finishkit.verdict import judge
from tests.verdict.conftest import SAMPLE

METRICS_OF = {
    "blur": {"eff_r", "eff_px"},
    "blur_softscale": {"eff_r", "eff_px"},
    "exposure": {"ev"},
    "colour_shift": {"wb_r", "wb_b"},
    "saturation": {"sat"},
    "luma_flicker": {"flick_g"},
    "frame_duplicate": {"dup_ratio"},
    "identity_swap": {"id_dist"},
}
Z_OF = {"exposure": "ev", "saturation": "sat", "blur": "eff", "blur_softscale": "eff"}
SIGN = {"exposure": 1, "saturation": -1, "blur": -1, "blur_softscale": -1}


def reasons(verdict, shot):
    return {r.metric for r in verdict[shot].reasons}


@pytest.mark.footage
@pytest.mark.slow
def test_every_planted_fault_is_found_with_its_own_metric(clean, planted, planted_truth):
    before, after = judge(clean), judge(planted)
    missed = []
    for shot, row in planted_truth.items():
        if row["op"] == "none":
            continue
        wanted = METRICS_OF[row["op"]]
        found = bool(reasons(after, shot) & wanted)
        if found and reasons(before, shot) & wanted and row["op"] in Z_OF:
            # Flagged there already: then it must have got worse by half of what was planted.
            axis = Z_OF[row["op"]]
            moved = after[shot].z[axis] - before[shot].z[axis]
            found = moved * SIGN[row["op"]] > 0.5
        if not found:
            missed.append((shot, row["op"], row["params"]))
    assert missed == []


@pytest.mark.footage
@pytest.mark.slow
def test_swapped_actors_are_regenerated_and_nobody_is_unknown(planted, planted_truth):
    verdict = judge(planted)
    swapped = [s for s, row in planted_truth.items() if row["op"] == "identity_swap"]
    assert len(swapped) == 2
    assert {verdict[s].action for s in swapped} == {"regenerate"}
    faceless = [s for s in planted.shots if any(i.n_faces == 0 for i in s.identities)]
    assert {s.shot[-3:] for s in faceless} == {"022", "023"}
    for shot in faceless:
        assert verdict[shot.shot].action == "check"
        assert shot.values["id_dist"] is None
        assert any("no usable face" in text for text in verdict[shot.shot].unknown)


@pytest.mark.footage
@pytest.mark.slow
def test_untouched_shots_keep_their_action(clean, planted):
    before, after = judge(clean), judge(planted)
    same = [s.shot for s in planted.shots if s.sha256 == clean[s.shot].sha256]
    assert len(same) == 12
    changed = {s for s in same if before[s].action != after[s].action}
    assert len(changed) <= 1, changed


@pytest.mark.footage
@pytest.mark.slow
def test_the_clean_episode_is_not_flagged_wholesale(clean):
    verdict = judge(clean)
    by_metric = Counter(m for s in verdict.shots for m in reasons(verdict, s.shot))
    for metric, count in by_metric.items():
        assert count <= 5, (metric, count)
    # Flicker, repeats and noise are absolute, and nothing of the kind is there.
    assert not {"flick_g", "flick_l", "flick_c", "dup_ratio", "noise_sigma"} & set(by_metric)


@pytest.mark.footage
@pytest.mark.slow
def test_undoing_the_plants_returns_the_clean_score(clean, planted):
    value = judge(clean).score.value
    hurt = judge(planted).score.value
    undone = judge(clean, baseline=planted).score.value
    assert value is not None
    assert hurt is not None
    assert hurt < value - 10
    assert undone == pytest.approx(value, abs=1)


GAMES = {
    "blur all": {"eff_px": lambda v: v * 0.67, "eff_r": lambda v: v * 0.67},
    "desaturate all": {"sat": lambda v: v - 0.72},
    "flatten all": {"con": lambda v: v - 0.5},
    "freeze all": {"dup_ratio": lambda _: 0.9, "fps_eff": lambda v: v * 0.1},
}


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize("game", GAMES)
def test_no_uniform_change_games_the_score(clean, game):
    """By what each change was measured to do to the metrics (saturation 0.6, contrast 0.7)."""

    def gamed(measurements: Measurements) -> Measurements:
        return measurements.replace(
            shots=tuple(
                s.replace(
                    values={
                        k: GAMES[game][k](v) if k in GAMES[game] and v is not None else v
                        for k, v in s.values.items()
                    }
                )
                for s in measurements.shots
            )
        )

    honest = judge(clean).score.value
    cheated = judge(gamed(clean), baseline=clean).score.value
    assert honest is not None
    assert cheated is not None
    assert cheated <= honest - 10


@pytest.mark.slow
def test_the_sample_episode_holds_its_six_faults_and_no_other(sample):
    verdict = judge(sample)
    with (SAMPLE / "planted.csv").open(encoding="utf-8", newline="") as file:
        truth: dict[str, set[str]] = {}
        for row in csv.DictReader(file):
            truth.setdefault(row["shot"], set()).add(row["metric"])
    for shot, metrics in truth.items():
        assert reasons(verdict, shot) & metrics, shot
    assert verdict["s01e01_shot_009"].action == "regenerate"
    flagged = {s.shot for s in verdict.shots if s.action != "ok"}
    assert flagged == set(truth)
