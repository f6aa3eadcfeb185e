"""Faces of a real cast, drawn by generators: clean, with swapped actors, and with nobody listed."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from finishkit.measure import Measurements, measure
from finishkit.verdict import Limits, judge
from finishkit.verdict.identity import identity_reasons
from tests.conftest import FOOTAGE

pytestmark = [pytest.mark.footage, pytest.mark.slow]
SWAPPED = {"014": "BEARD", "018": "RED"}
UNSEEN = {"022", "023"}
# Looked at beside the reference: 005 is another man, 002 the same other man laughing; 007 a third,
# turning to profile; 004 (ArcFace) a cousin in profile.
OTHER_MEN = {"002", "004", "005", "007"}


def actions(measured: Measurements):
    return {s.shot[-3:]: s for s in judge(measured).shots}


def faces_said(verdict):
    return [r for r in verdict.reasons if r.metric.startswith("id_")]


@pytest.fixture(scope="module", params=["dlib", "arcface"])
def measured_by(request, measured_cache):
    """Measure an episode by each backend; dlib's are those of the other tests."""
    if request.param == "dlib":
        return partial(measure, cache_dir=measured_cache, backend="dlib")
    backend = f"arcface:{FOOTAGE}/models/arcface_mobilefacenet.onnx"
    only = {"id_dist", "id_spread"}
    return partial(measure, cache_dir=measured_cache, backend=backend, only=only)


@pytest.fixture(scope="module")
def both(measured_by, clean_episode, planted_episode):
    return measured_by(clean_episode), measured_by(planted_episode)


def test_swapped_actors_are_regenerated_with_the_right_face_beside_them(both):
    clean, planted = both
    verdicts = actions(planted)
    for shot, name in SWAPPED.items():
        (reason,) = [r for r in faces_said(verdicts[shot]) if r.metric == "id_dist"]
        assert verdicts[shot].action == "regenerate"
        assert reason.reference == name
        assert reason.value > 1.4 * reason.limit
        assert faces_said(actions(clean)[shot]) == []
    # Of two takes without a picture, the one with PINKTALK's face is the impostor.
    red = planted.look("RED")
    assert red is not None
    assert [s[-3:] for s in red.accepted] == ["016"]
    assert verdicts["018"].reasons[0].text.endswith("Meant is the face of s01e01_shot_016.")
    assert faces_said(verdicts["016"]) == []


def test_shots_without_a_usable_face_are_unknown_and_never_drift_or_pass(both):
    for measured in both:
        for shot in UNSEEN:
            verdict = actions(measured)[shot]
            assert verdict.action == "check"
            assert any("no usable face" in text for text in verdict.unknown)
            assert faces_said(verdict) == []


def faces_ask(measured, shot):
    wrong, doubtful = identity_reasons(measured[shot], measured, Limits(), False)
    return [(r.metric, r.reference) for r in wrong], [(r.metric, r.reference) for r in doubtful]


def test_identical_bytes_are_judged_the_same_beside_swapped_actors(both):
    clean, planted = both
    same = [s.shot for s in planted.shots if s.sha256 == clean[s.shot].sha256]
    assert len(same) == 12
    assert {s: faces_ask(clean, s) for s in same} == {s: faces_ask(planted, s) for s in same}


def test_every_shot_with_a_reference_is_nearest_to_its_own(both):
    clean, planted = both
    for measured in both:
        judged = {
            s.shot[-3:]: who
            for s in measured.shots
            for who in s.identities
            if who.id_dist is not None and who.other_dist is not None
        }
        wrong = {s for s, who in judged.items() if who.id_dist >= who.other_dist}
        assert wrong == (set(SWAPPED) if measured is planted else set())
        assert len(judged) == (15 if measured is planted else 16)
    said = [r.text for s in judge(clean).shots for r in faces_said(s)]
    # No name is given in vain, and no pair of this cast is beyond either backend.
    assert not any(" and not " in text or "cannot tell" in text for text in said)
    assert all(pair.separable for pair in clean.separability)


def test_clean_flags_are_those_a_person_would_make(both):
    clean, _ = both
    flagged = {s: v for s, v in actions(clean).items() if faces_said(v)}
    assert set(flagged) <= OTHER_MEN
    assert {"002", "005", "007"} <= set(flagged)
    assert flagged["005"].action == "regenerate"
    # A head that turns to profile costs no money.
    assert flagged["007"].action == "check"
    assert "id_spread" in {r.metric for r in flagged["007"].reasons}


def test_with_nobody_listed_no_two_actors_are_taken_for_one(clean_episode, measured_by):
    truth = {s.id: s.characters for s in clean_episode}
    shots = tuple(replace(s, characters=()) for s in clean_episode)
    measured = measured_by(replace(clean_episode, shots=shots, characters=()))
    people: dict[str, Counter[str]] = {}
    for shot in measured.shots:
        for who in shot.identities:
            people.setdefault(who.character, Counter()).update(truth[shot.shot])
    assert all(len(seen) == 1 for seen in people.values()), people
    assert {name for seen in people.values() for name in seen} == {"TUX", "BEARD", "WHITE", "RED"}
    assert all(one.grouped for one in measured.looks)
    assert not [r for s in judge(measured).shots for r in faces_said(s) if r.metric == "id_dist"]
