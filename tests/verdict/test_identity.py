"""Whose face it is: what costs money, what a person must look at, and what is passed."""

from fractions import Fraction

import pytest

from finishkit.measure import (
    CastPair,
    CharacterIdentity,
    CharacterLook,
    Measurements,
    ShotMeasurement,
)
from finishkit.verdict import Limits
from finishkit.verdict.identity import identity_reasons


def who(distance=0.3, character="MIA", faces=6, spread=0.2, **more):
    values = {
        "character": character,
        "id_dist": distance,
        "id_spread": spread,
        "n_faces": faces,
        "face_dists": (distance,) * faces if distance is not None else (),
        "centre_dist": distance,
    }
    return CharacterIdentity.model_validate({**values, **more})


def beside(own, other, character="MIA", name="LIN", **more):
    """Return a face this far from its own character and that far from another."""
    dists = {"other_dists": {name: other}, "nearest_other": name, "other_dist": other}
    return who(own, character, **dists, **more)


def look(character="MIA", **changes):
    values = {
        "character": character,
        "source": "pictures",
        "n_shots": 4,
        "limit": 0.52,
        "spread_limit": 0.42,
        "margin": 0.07,
    }
    return CharacterLook.model_validate({**values, **changes})


CLEAR = CastPair(
    first="MIA", second="LIN", distance=0.5,
    first_lead=0.3, second_lead=0.3, scale=0.06, d_prime=10.0, separable=True,
)  # fmt: skip
ALIKE = CastPair(
    first="MIA", second="LIN", distance=0.3,
    first_lead=0.05, second_lead=0.05, scale=0.08, d_prime=1.25, separable=False,
)  # fmt: skip


def episode(*identities, looks=(), pairs=(), backend="dlib"):
    shots = tuple(
        ShotMeasurement(
            shot=f"s{i}", order=i, scene="a", width_px=450, height_px=800,
            rate_fps=Fraction(24), frame_count=96, duration_s=4.0, values={}, identities=(one,),
        )
        for i, one in enumerate(identities)
    )  # fmt: skip
    return Measurements(episode="ep", shots=shots, backend=backend, looks=looks, separability=pairs)


def judged(measurements, shot="s0", limits=None, hook=False):
    """Return the action the faces ask for, and the sentences."""
    regenerate, check = identity_reasons(measurements[shot], measurements, limits or Limits(), hook)
    action = "regenerate" if regenerate else "check" if check else "ok"
    return action, [r.text for r in (*regenerate, *check)]


# Another face


def test_another_face_is_regenerated_with_everything_to_act_on():
    faces = beside(0.61, 0.40), who(0.31), who(0.31)
    action, texts = judged(episode(*faces, looks=(look(),), pairs=(CLEAR,)))
    assert action == "regenerate"
    assert texts == [
        "The face of MIA is 0.61 from the reference, limit 0.52; in the other shots of MIA 0.31;"
        " nearest other of the cast: LIN 0.40."
    ]
    assert judged(episode(*faces, looks=(look(),), pairs=(CLEAR,)), "s1")[0] == "ok"


def test_the_limit_is_the_characters_own():
    faces = who(0.48), who(0.2), who(0.2)
    assert judged(episode(*faces, looks=(look(limit=0.45),)))[0] == "regenerate"
    assert judged(episode(*faces, looks=(look(limit=0.60),)))[0] != "regenerate"
    wide = look(limit=0.9, margin=0.1)
    lax, strict = Limits(id_dist=0.52), Limits(id_dist=0.26)
    assert judged(episode(who(0.5), looks=(wide,)), limits=lax)[0] == "ok"
    assert judged(episode(who(0.5), looks=(wide,)), limits=strict)[0] == "regenerate"


def test_without_calibration_the_published_limits_hold():
    assert judged(episode(who(0.61)))[0] == "regenerate"
    assert judged(episode(who(0.50)))[0] == "check"
    assert judged(episode(who(0.30)))[0] == "ok"


def test_too_few_faces_ask_a_person():
    assert judged(episode(who(0.61, faces=2), looks=(look(),)))[0] == "check"


@pytest.mark.parametrize(("over", "action"), [(3, "check"), (4, "regenerate")])
def test_six_in_ten_faces_must_agree_before_it_costs_money(over, action):
    dists = (0.9,) * over + (0.3,) * (6 - over)
    assert judged(episode(who(0.55, face_dists=dists), looks=(look(),)))[0] == action


def test_a_shot_far_from_its_own_others_is_looked_at_though_within_the_limit():
    tight = [who(0.15), who(0.16), who(0.17)]
    assert judged(episode(who(0.40), *tight, looks=(look(),)))[0] == "check"
    wide = [who(0.25), who(0.35), who(0.45)]
    assert judged(episode(who(0.40), *wide, looks=(look(),)))[0] == "ok"
    assert judged(episode(who(0.30), *tight, looks=(look(),)))[0] == "ok"


def test_the_hook_asks_to_look_and_never_for_money():
    faces = who(0.40), who(0.30), who(0.30), who(0.42)
    measured = episode(*faces, looks=(look(),))
    assert judged(measured)[0] == "ok"
    assert judged(measured, hook=True)[0] == "check"


def test_a_reference_that_is_in_doubt_costs_no_money():
    poor = look(doubted=True)
    action, texts = judged(episode(who(0.6), who(0.6), who(0.6), looks=(poor,)))
    assert action == "check"
    assert "the picture that is wrong" in texts[0]
    disputed = look(source="none", doubted=True, why="MIA has no reference image, and so on.")
    action, texts = judged(episode(who(0.8), who(0.8), looks=(disputed,)))
    assert action == "check"
    assert "from the other shots" in texts[0]
    assert texts[0].endswith("MIA has no reference image, and so on.")


def test_without_a_picture_the_shot_that_is_meant_is_named():
    known = look(source="shots", accepted=("s1",))
    _, texts = judged(episode(who(0.7), who(None), looks=(known,)))
    assert texts[0].endswith("Meant is the face of s1.")


# Another's face


def test_another_of_the_cast_is_named_when_the_pair_is_told_apart():
    action, texts = judged(episode(beside(0.44, 0.10), looks=(look(),), pairs=(CLEAR,)))
    assert action == "regenerate"
    assert texts == ["The face is LIN's and not MIA's: 0.10 from LIN, 0.44 from MIA."]


def test_the_pair_is_read_from_either_side():
    lin = beside(0.44, 0.10, character="LIN", name="MIA")
    action, texts = judged(episode(lin, looks=(look("LIN"),), pairs=(CLEAR,)))
    assert action == "regenerate"
    assert texts[0].startswith("The face is MIA's and not LIN's")


def test_a_face_far_from_both_is_given_no_name():
    action, texts = judged(episode(beside(0.50, 0.40), looks=(look(),), pairs=(CLEAR,)))
    assert action == "check"
    assert "cannot tell MIA from LIN" in texts[0]


@pytest.mark.parametrize("own", [0.30, 0.36, 0.40, 0.44])
def test_two_the_backend_cannot_tell_apart_are_checked_whichever_is_nearer(own):
    measured = episode(beside(own, 0.36), looks=(look(),), pairs=(ALIKE,))
    action, texts = judged(measured)
    assert action == "check"
    assert "The face backend dlib cannot tell MIA from LIN here" in texts[0]
    assert "ArcFace-class backend" in texts[0]
    assert "reference pictures of both" in texts[0]


def test_the_cure_is_not_the_backend_that_is_in_use():
    measured = episode(
        beside(0.4, 0.36), looks=(look(),), pairs=(ALIKE,), backend="arcface:net@0123456789ab+dlib"
    )
    _, texts = judged(measured)
    assert "The face backend arcface cannot tell" in texts[0]
    assert "ArcFace-class" not in texts[0]


def test_a_name_is_given_only_by_three_faces():
    few = beside(0.44, 0.10, faces=2)
    assert judged(episode(few, looks=(look(),), pairs=(CLEAR,)))[0] == "check"


def test_a_character_without_reference_with_anothers_face_is_looked_at():
    looks = (look("LIN", accepted=("s1", "s2")), look(source="shots", accepted=("s0",)))
    lins = who(0.25, "LIN"), who(0.25, "LIN")
    near, far = (beside(None, d, centre_dist=None) for d in (0.2, 0.4))
    action, texts = judged(episode(near, *lins, looks=looks))
    assert action == "check"
    assert "as near to LIN as that one's own shots are: 0.20" in texts[0]
    assert judged(episode(far, *lins, looks=looks))[0] == "ok"


def test_nothing_is_said_of_a_face_that_is_not_seen():
    unseen = CharacterIdentity(character="MIA")
    assert judged(episode(unseen, looks=(look(),), pairs=(CLEAR,))) == ("ok", [])


# Drift within the shot


def test_a_face_that_changes_is_looked_at_since_heads_turn():
    action, texts = judged(episode(who(spread=0.5), looks=(look(),)))
    assert action == "check"
    assert "A turning head does that too" in texts[0]
    assert judged(episode(who(spread=0.5), looks=(look(spread_limit=0.6),)))[0] == "ok"
    assert judged(episode(who(id_trend=0.5), looks=(look(),)))[0] == "check"


def test_a_face_that_becomes_another_is_regenerated():
    becomes = (0.2, 0.25, 0.3, 0.4, 0.5, 0.58, 0.6, 0.61)
    left = who(0.40, faces=8, id_trend=0.5, face_dists=becomes)
    action, texts = judged(episode(left, looks=(look(),)))
    assert action == "regenerate"
    assert "not the character's any more" in texts[0]
    back = who(0.40, faces=8, id_trend=0.5, face_dists=becomes[::-1])
    assert judged(episode(back, looks=(look(),)))[0] == "regenerate"
    one_frame = who(0.3, faces=8, id_trend=0.5, face_dists=(0.3,) * 7 + (0.6,))
    assert judged(episode(one_frame, looks=(look(),)))[0] == "check"
