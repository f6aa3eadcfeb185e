"""Who is who, on a plane: every face is a point, so what is judged is who gets which and why."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from finishkit.measure.cast import identify, settle_cast
from finishkit.measure.identity import FaceLimits
from finishkit.measure.separability import character_limit
from finishkit.measure.tracks import assign, follow
from finishkit.measure.values import FaceSample, Observation
from finishkit.shots import Character, Shot, ShotId

ANNA, BEN, EVE = (0.0, 0.0), (1.0, 0.0), (0.0, 2.0)


class Plane:
    """A backend whose faces are points on a plane, with dlib's limits."""

    name = "plane"
    licence = "none"
    commercial = True
    limits = FaceLimits(regenerate=0.52, spread=0.42, margin=0.07)

    def detect(self, image):
        raise NotImplementedError

    def embed(self, image, face):
        raise NotImplementedError

    def distance(self, a, b):
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)))


def face(frame, point, side=100.0, left=0.0):
    box = (left, 0.0, left + side, side)
    return FaceSample(frame=frame, box=box, score=1, embedding=point)


def seen(*faces, unusable=0):
    return Observation(
        sha256="0" * 64,
        width_px=400,
        height_px=720,
        rate_fps=Fraction(24),
        frame_count=48,
        duration_s=2,
        values={},
        why={},
        eff_conf=100,
        static=False,
        faces=faces,
        faces_unusable=unusable,
    )


def shot(name, *characters):
    return Shot(id=ShotId(name), path=Path(f"{name}.mp4"), scene="1", characters=characters)


def of(point, count=6, seed=0, **where):
    rng = np.random.default_rng(seed)
    return [face(i, tuple(np.array(point) + rng.normal(0, 0.03, 2)), **where) for i in range(count)]


def points(faces):
    return [f.embedding for f in faces]


@pytest.fixture
def pictured():
    return {"ANNA": np.array(ANNA), "BEN": np.array(BEN)}


def settled(pictured, **shots):
    """Settle a cast: ``s1=("ANNA", faces)``."""
    listed = [shot(name, who) for name, (who, _) in shots.items()]
    observed = {name: seen(*faces) for name, (_, faces) in shots.items()}
    characters = [Character(name=name) for name in pictured]
    cast = settle_cast(characters, pictured, listed, observed, Plane())
    judged = {}
    for one in listed:
        (who,), unknown = identify(one, observed[one.id], cast, Plane())
        judged[one.id] = who, unknown
    return cast, judged


def look(cast, name):
    return next(one for one in cast.looks if one.character == name)


# Tracks and assignment


def test_faces_of_one_place_and_person_are_one_track():
    two = [f for i in range(6) for f in (face(i, BEN, 200), face(i, ANNA, left=250))]
    first, second = follow(two, Plane())
    assert points(first.faces) == [BEN] * 6
    assert points(second.faces) == [ANNA] * 6


def test_a_face_that_changes_in_its_place_stays_one_track():
    turning = [face(i, (0.1 * i, 0.0)) for i in range(8)]
    (track,) = follow(turning, Plane())
    assert len(track.faces) == 8


def test_alike_faces_that_cross_nowhere_are_told_by_their_places():
    left, right = (0.0, 0.0), (0.05, 0.0)
    frames = [f for i in range(6) for f in (face(i, left), face(i, right, left=280))]
    # In frame 3 both embeddings are swapped: the places say who is who.
    frames[6:8] = [face(3, right), face(3, left, left=280)]
    tracks = follow(frames, Plane())
    assert {tuple({f.box[0] for f in t.faces}) for t in tracks} == {(0.0,), (280.0,)}


def test_two_listed_faces_go_to_their_own_references(pictured):
    both = [f for i in range(6) for f in (face(i, BEN, 200), face(i, ANNA, left=250))]
    got = assign(both, ("ANNA", "BEN"), pictured, Plane())
    assert points(got["ANNA"]) == [ANNA] * 6
    assert points(got["BEN"]) == [BEN] * 6


def test_the_assignment_is_the_best_for_all_and_not_for_the_first():
    # Nearest first would give (0.3, 0) to BEN and leave ANNA the stranger.
    references = {"ANNA": np.array((0.0, 0.0)), "BEN": np.array((0.5, 0.0))}
    faces = [f for i in range(4) for f in (face(i, (0.3, 0.0)), face(i, (0.9, 0.0), left=250))]
    got = assign(faces, ("ANNA", "BEN"), references, Plane())
    assert set(points(got["ANNA"])) == {(0.3, 0.0)}
    assert set(points(got["BEN"])) == {(0.9, 0.0)}


def test_one_face_is_not_given_to_two(pictured):
    got = assign([face(0, (0.4, 0))], ("ANNA", "BEN"), pictured, Plane())
    assert [len(faces) for faces in got.values()] == [1, 0]


def test_who_has_no_reference_gets_the_face_left_in_front(pictured):
    crowd = [face(0, EVE, 300), face(0, (5, 5), 200), face(0, ANNA, 150)]
    got = assign(crowd, ("ANNA", "EVE"), pictured, Plane())
    assert got["ANNA"][0].embedding == ANNA
    assert got["EVE"][0].embedding == EVE
    assert assign(crowd, ("EVE", "ZOE"), pictured, Plane()) == {"EVE": (), "ZOE": ()}


def test_an_extra_in_the_background_is_not_taken_for_the_lead(pictured):
    swapped_lead = of(EVE, 6, side=200)
    extra = of((0.5, 0.0), 6, side=60, left=250)  # within ANNA's limit, and small
    got = assign([f for pair in zip(swapped_lead, extra, strict=True) for f in pair],
                 ("ANNA",), pictured, Plane())  # fmt: skip
    assert {f.box[2] - f.box[0] for f in got["ANNA"]} == {200.0}


def test_an_extra_does_not_fill_the_frames_in_which_the_lead_looks_away(pictured):
    lead = [face(i, ANNA, 200) for i in range(4)]
    extra = [face(i, EVE, 60, left=300) for i in range(8)]
    faces = sorted([*lead, *extra], key=lambda f: f.frame)
    got = assign(faces, ("ANNA",), pictured, Plane())
    assert points(got["ANNA"]) == [ANNA] * 4


def test_a_small_strangers_face_alone_is_unknown_and_no_swap(pictured):
    _, judged = settled(pictured, s1=("ANNA", of(EVE, side=40)))
    who, unknown = judged["s1"]
    assert who.n_faces == 0
    assert "extra" in unknown[0]


# What a character looks like


def test_a_swapped_face_is_far_and_says_whom_it_looks_like(pictured):
    _, judged = settled(pictured, s1=("ANNA", of(ANNA)), s2=("ANNA", of(BEN)))
    (right, quiet), (wrong, _) = judged["s1"], judged["s2"]
    assert quiet == ()
    assert right.id_dist == pytest.approx(0, abs=0.05)
    assert wrong.id_dist == pytest.approx(1, abs=0.05)
    assert wrong.nearest_other == "BEN"
    assert wrong.other_dist == pytest.approx(0, abs=0.05)
    assert wrong.n_faces == len(wrong.face_dists) == 6


def test_the_picture_is_the_reference_and_accepted_shots_refine_the_centre(pictured):
    cast, judged = settled(
        pictured, s1=("ANNA", of((0.3, 0))), s2=("ANNA", of((0.3, 0))), s3=("ANNA", of(EVE))
    )
    who, _ = judged["s1"]
    assert look(cast, "ANNA").accepted == ("s1", "s2")
    assert who.id_dist == pytest.approx(0.3, abs=0.05)
    assert who.centre_dist == pytest.approx(0.15, abs=0.05)


def test_one_strange_frame_is_spread_and_is_the_one_shown(pictured):
    faces = [*of(ANNA, 5), face(5, (0.6, 0.0), 80)]
    _, judged = settled(pictured, s1=("ANNA", faces))
    who, _ = judged["s1"]
    assert who.id_dist == pytest.approx(0, abs=0.06)
    assert who.id_spread > Plane.limits.spread
    assert who.worst_frame == 5
    assert who.worst_box == (0, 0, 80, 80)


def test_a_face_that_slowly_becomes_another_has_a_trend(pictured):
    steady, drifting = of(ANNA, 8), [face(i, (0.09 * i, 0.0)) for i in range(8)]
    _, judged = settled(pictured, s1=("ANNA", steady), s2=("ANNA", drifting))
    assert judged["s1"][0].id_trend < 0.1
    assert judged["s2"][0].id_trend == pytest.approx(0.54, abs=0.01)
    _, few = settled(pictured, s1=("ANNA", steady[:5]))
    assert few["s1"][0].id_trend is None


def test_no_usable_face_is_unknown_and_not_right(pictured):
    one = shot("1", "ANNA")
    cast = settle_cast((), pictured, [one], {"1": seen(unusable=3)}, Plane())
    (who,), why = identify(one, seen(unusable=3), cast, Plane())
    assert (who.id_dist, who.id_spread, who.n_faces) == (None, None, 0)
    assert why == (
        "The identity of ANNA cannot be judged: no usable face (3 found are too small or turned"
        " away).",
    )


def test_without_pictures_the_majority_of_shots_says_who_it_is():
    shots = {f"s{i}": ("EVE", of(EVE, seed=i)) for i in range(3)}
    cast, judged = settled({}, **shots, s3=("EVE", of(BEN, seed=3)))
    assert look(cast, "EVE").accepted == ("s0", "s1", "s2")
    assert judged["s3"][0].id_dist == pytest.approx(np.sqrt(5), abs=0.1)
    assert judged["s0"][0].id_dist < 0.1


def test_of_two_shots_that_disagree_the_one_with_anothers_face_is_the_impostor():
    cast, judged = settled(
        {},
        s0=("EVE", of(BEN, seed=1)),  # the first is not believed for being the first
        s1=("EVE", of(EVE)),
        s2=("BEN", of(BEN, seed=2)),
    )
    assert look(cast, "EVE").accepted == ("s1",)
    assert judged["s0"][0].id_dist == pytest.approx(np.sqrt(5), abs=0.1)
    assert judged["s0"][0].nearest_other == "BEN"
    right, unknown = judged["s1"]
    assert right.id_dist is None
    assert "the other shots show somebody else" in unknown[0]


def test_two_shots_that_disagree_with_nothing_to_tell_by_accuse_nobody():
    cast, judged = settled({}, s0=("EVE", of(EVE)), s1=("EVE", of(BEN)))
    assert look(cast, "EVE").doubted
    assert look(cast, "EVE").accepted == ()
    assert "s0, s1" in look(cast, "EVE").why
    assert judged["s0"][0].id_dist == judged["s1"][0].id_dist > 2


def test_a_single_shot_without_pictures_is_unknown():
    _, judged = settled({}, s0=("EVE", of(EVE)))
    who, why = judged["s0"]
    assert who.id_dist is None
    assert who.id_spread is not None
    assert "no reference image" in why[0]
    assert "characters.csv" in why[0]


def test_a_picture_far_from_every_shot_is_doubted_and_not_the_shots(pictured):
    shots = {f"s{i}": ("ANNA", of((0.0, 0.7), seed=i)) for i in range(4)}
    cast, _ = settled(pictured, **shots)
    assert look(cast, "ANNA").doubted
    scattered = {f"s{i}": ("ANNA", of((0.7 * np.cos(i), 0.7 * np.sin(i)))) for i in range(0, 8, 2)}
    assert not look(settled(pictured, **scattered)[0], "ANNA").doubted


# Limits, and who can be told apart


def test_a_limit_lies_between_own_shots_and_the_nearest_other():
    tight, wide = [0.1, 0.12, 0.14, 0.16], [0.2, 0.3, 0.4, 0.5]
    assert character_limit(tight, [0.7], Plane()) == pytest.approx(0.485, abs=0.01)
    assert character_limit(tight, [0.4], Plane()) == pytest.approx(0.45)  # never further below
    assert character_limit(tight, [2.0], Plane()) == 0.52  # nor above the backend's
    assert character_limit(wide, [0.6], Plane()) == 0.52  # they overlap: it cannot be lower
    assert character_limit(tight[:2], [0.4], Plane()) == 0.52  # two shots say nothing of spread


def scattered(centre, count, spread, seed):
    rng = np.random.default_rng(seed)
    return [of(tuple(np.array(centre) + rng.normal(0, spread, 2)), seed=i) for i in range(count)]


def test_twins_are_not_separable_and_strangers_are(pictured):
    twins = {**pictured, "TWIN": np.array((0.1, 0.0))}
    shots = {f"a{i}": ("ANNA", f) for i, f in enumerate(scattered(ANNA, 6, 0.12, 1))}
    shots |= {f"t{i}": ("TWIN", f) for i, f in enumerate(scattered((0.1, 0), 6, 0.12, 2))}
    shots |= {f"b{i}": ("BEN", f) for i, f in enumerate(scattered(BEN, 6, 0.12, 3))}
    cast, _ = settled(twins, **shots)
    pairs = {(p.first, p.second): p for p in cast.pairs}
    assert set(pairs) == {("ANNA", "BEN"), ("ANNA", "TWIN"), ("BEN", "TWIN")}
    alike, apart = pairs["ANNA", "TWIN"], pairs["ANNA", "BEN"]
    assert not alike.separable
    assert alike.d_prime < 2
    assert alike.confused_ratio > 0.1
    assert apart.separable
    assert apart.d_prime > 4
    assert apart.confused_ratio == 0
    assert apart.distance == pytest.approx(1)


def test_a_swapped_shot_does_not_blur_who_can_be_told_apart(pictured):
    shots = {f"a{i}": ("ANNA", f) for i, f in enumerate(scattered(ANNA, 5, 0.03, 1))}
    shots |= {f"b{i}": ("BEN", f) for i, f in enumerate(scattered(BEN, 5, 0.03, 2))}
    before = settled(pictured, **shots)[0].pairs[0]
    shots["a2"] = ("ANNA", of(BEN, seed=9))
    after = settled(pictured, **shots)[0].pairs[0]
    assert after.separable
    assert after.confused_ratio == before.confused_ratio == 0


# Nobody is listed


def test_without_a_list_alike_faces_are_put_together_by_time_on_screen():
    shots = [shot(f"s{i}") for i in range(4)]
    both = [f for i in range(6) for f in (face(i, BEN, 200), face(i, ANNA, 150, left=220))]
    observed = {
        "s0": seen(*of(ANNA)),
        "s1": seen(*both),
        "s2": seen(*of(ANNA, seed=2)),
        "s3": seen(*of(EVE)),
    }
    cast = settle_cast((), {}, shots, observed, Plane())
    assert [one.character for one in cast.looks] == ["person 1"]
    assert look(cast, "person 1").grouped
    assert cast.listed == {"s0": ("person 1",), "s1": ("person 1",), "s2": ("person 1",), "s3": ()}
    (who,), unknown = identify(shots[1], observed["s1"], cast, Plane())
    assert who.embedding == ANNA
    assert who.id_dist < 0.1
    assert unknown == ()
    assert identify(shots[3], observed["s3"], cast, Plane()) == ((), ())


def test_two_seen_together_are_never_one_person():
    close = (0.1, 0.0)
    together = [f for i in range(6) for f in (face(i, ANNA), face(i, close, left=250))]
    shots = [shot("s0"), shot("s1")]
    cast = settle_cast((), {}, shots, {s.id: seen(*together) for s in shots}, Plane())
    assert cast.listed["s0"] == ("person 1", "person 2")
    (one, two), _ = identify(shots[0], seen(*together), cast, Plane())
    assert {one.embedding, two.embedding} == {ANNA, close}


def test_one_listed_character_is_enough_to_group_nobody():
    shots = [shot("s0", "ANNA"), shot("s1")]
    observed = {"s0": seen(*of(ANNA)), "s1": seen(*of(ANNA))}
    cast = settle_cast((Character(name="ANNA"),), {}, shots, observed, Plane())
    assert cast.listed["s1"] == ()
    assert not look(cast, "ANNA").grouped
