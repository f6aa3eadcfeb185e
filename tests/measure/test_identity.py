from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.measure.cast import Cast, assign, identify, separability, settle_cast
from finishkit.measure.identity import (
    FaceLimits,
    detect_faces,
    distance,
    embed,
    is_usable,
    load_backend,
    reference_embedding,
)
from finishkit.measure.values import FaceSample, Observation
from finishkit.shots import Character, Shot, ShotId


@pytest.fixture(scope="session")
def face_picture(stills):
    return np.ascontiguousarray(stills["astronaut"][:320, 60:420])


def test_finds_the_face_where_it_is(face_picture):
    (face,) = detect_faces(face_picture)
    left, top, right, bottom = face.box
    # The astronaut's face, read off the picture: centre at (224, 120) of the whole.
    assert left < 164 < right
    assert top < 120 < bottom
    assert is_usable(face)
    assert not is_usable(face, 0.5)
    assert abs(face.turn) < 0.35
    assert ((face.landmarks > [left, top]) & (face.landmarks < [right, bottom])).all()


def test_small_clips_are_searched_enlarged(face_picture):
    small = cv2.resize(face_picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (face,), (large,) = detect_faces(small), detect_faces(face_picture)
    assert np.array(face.box) * 2 == pytest.approx(np.array(large.box), abs=25)


def test_no_face_is_nothing_and_not_somebody(stills):
    assert detect_faces(stills["coffee"]) == ()
    assert reference_embedding([stills["coffee"]], load_backend()) is None


def test_a_face_is_near_itself_under_light_blur_and_mirror(face_picture):
    (face,) = detect_faces(face_picture)
    own = embed(face_picture, face)
    assert own.shape == (128,)
    assert np.array_equal(own, embed(face_picture, face))
    changed = {
        "mirror": np.ascontiguousarray(face_picture[:, ::-1]),
        "darker": (face_picture * 0.6).astype(np.uint8),
        "soft": cv2.GaussianBlur(face_picture, (0, 0), 1),
    }
    for name, picture in changed.items():
        (other,) = detect_faces(picture)
        assert distance(own, embed(picture, other)) < 0.3, name
    reference = reference_embedding([face_picture], load_backend())
    assert reference is not None
    assert distance(own, reference) < 0.2


def test_unknown_backends_are_named():
    with pytest.raises(FinishError, match="nobody"):
        load_backend("nobody")


class Plane:
    """A backend whose faces are points on a plane: what is judged is who gets which face."""

    name = "plane"
    licence = "none"
    limits = FaceLimits(regenerate=0.52, spread=0.42, margin=0.07)

    def detect(self, image):
        raise NotImplementedError

    def embed(self, image, face):
        raise NotImplementedError

    def distance(self, a, b):
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)))


ANNA, BEN, EVE = (0.0, 0.0), (1.0, 0.0), (0.0, 2.0)


def face(frame, point, side=100.0):
    return FaceSample(frame=frame, box=(0, 0, side, side), score=1, embedding=point)


def near(point, rng):
    return tuple(np.array(point) + rng.normal(0, 0.03, 2))


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


def of(point, count=6, seed=0):
    rng = np.random.default_rng(seed)
    return [face(i, near(point, rng)) for i in range(count)]


@pytest.fixture
def pictured():
    return {"ANNA": np.array(ANNA), "BEN": np.array(BEN)}


def test_two_listed_faces_go_to_their_own_references(pictured):
    both = [f for i in range(6) for f in (face(i, BEN, 200), face(i, ANNA))]
    got = assign(both, ("ANNA", "BEN"), pictured, Plane())
    assert [f.embedding for f in got["ANNA"]] == [ANNA] * 6
    assert [f.embedding for f in got["BEN"]] == [BEN] * 6


def test_one_face_is_not_given_to_two(pictured):
    got = assign([face(0, (0.4, 0))], ("ANNA", "BEN"), pictured, Plane())
    assert [len(faces) for faces in got.values()] == [1, 0]


def test_who_has_no_reference_gets_the_largest_face_left(pictured):
    crowd = [face(0, EVE, 300), face(0, (5, 5), 200), face(0, ANNA, 100)]
    got = assign(crowd, ("ANNA", "EVE"), pictured, Plane())
    assert got["ANNA"][0].embedding == ANNA
    assert got["EVE"][0].embedding == EVE
    two = assign(crowd, ("EVE", "ZOE"), pictured, Plane())
    assert two == {"EVE": (), "ZOE": ()}


def test_a_swapped_face_is_far_and_says_whom_it_looks_like(pictured):
    cast = Cast(references=pictured)
    (right,), quiet = identify(shot("1", "ANNA"), seen(*of(ANNA)), cast, Plane())
    (wrong,), _ = identify(shot("2", "ANNA"), seen(*of(BEN)), cast, Plane())
    assert quiet == ()
    assert right.id_dist == pytest.approx(0, abs=0.05)
    assert wrong.id_dist == pytest.approx(1, abs=0.05)
    assert wrong.nearest_other == "BEN"
    assert wrong.other_dist == pytest.approx(0, abs=0.05)
    assert wrong.n_faces == 6
    assert len(wrong.face_dists) == 6


def test_one_strange_frame_is_spread_and_is_the_one_shown(pictured):
    faces = [*of(ANNA, 5), face(5, (0.6, 0.6), 80)]
    (who,), _ = identify(shot("1", "ANNA"), seen(*faces), Cast(references=pictured), Plane())
    assert who.id_dist == pytest.approx(0, abs=0.06)
    assert who.id_spread is not None
    assert who.id_spread > Plane.limits.spread
    assert who.worst_frame == 5
    assert who.worst_box == (0, 0, 80, 80)


def test_no_usable_face_is_unknown_and_not_right(pictured):
    cast = Cast(references=pictured)
    (who,), why = identify(shot("1", "ANNA"), seen(unusable=3), cast, Plane())
    assert who.id_dist is None
    assert who.n_faces == 0
    assert len(why) == 1
    assert "ANNA" in why[0]
    assert "3 found" in why[0]
    assert identify(shot("1"), seen(*of(ANNA)), cast, Plane()) == ((), ())


def settle(shots, observed):
    cast = (Character(name="EVE"),)
    return settle_cast(cast, {}, shots, observed, Plane())


def test_without_pictures_the_majority_of_shots_says_who_it_is():
    shots = [shot(str(i), "EVE") for i in range(4)]
    observed = {str(i): seen(*of(EVE, seed=i)) for i in range(3)}
    observed["3"] = seen(*of(BEN, seed=3))
    cast = settle(shots, observed)
    assert cast.references["EVE"] == pytest.approx(EVE, abs=0.05)
    (who,), _ = identify(shots[3], observed["3"], cast, Plane())
    assert who.id_dist == pytest.approx(np.sqrt(5), abs=0.1)


def test_of_two_shots_the_first_is_the_reference_and_is_not_judged():
    shots = [shot("0", "EVE"), shot("1", "EVE")]
    observed = {"0": seen(*of(EVE)), "1": seen(*of(BEN))}
    cast = settle(shots, observed)
    (first,), why = identify(shots[0], observed["0"], cast, Plane())
    (second,), quiet = identify(shots[1], observed["1"], cast, Plane())
    assert first.id_dist is None
    assert "characters.csv" in why[0]
    assert second.id_dist == pytest.approx(np.sqrt(5), abs=0.1)
    assert quiet == ()


def test_a_single_shot_without_pictures_is_unknown():
    shots = [shot("0", "EVE")]
    observed = {"0": seen(*of(EVE))}
    (who,), why = identify(shots[0], observed["0"], settle(shots, observed), Plane())
    assert who.id_dist is None
    assert who.id_spread is not None
    assert "no reference image" in why[0]


def test_separability_says_whom_the_backend_confuses():
    twin = {"ANNA": np.array(ANNA), "TWIN": np.array((0.02, 0.0)), "BEN": np.array(BEN)}
    shots = [shot("0", "ANNA"), shot("1", "TWIN"), shot("2", "BEN")]
    observed = {
        "0": seen(*of(ANNA, 40)),
        "1": seen(*of((0.02, 0), 40, 1)),
        "2": seen(*of(BEN, 40, 2)),
    }
    pairs = {
        (p.first, p.second): p
        for p in separability(Cast(references=twin), shots, observed, Plane())
    }
    assert pairs["ANNA", "TWIN"].distance == pytest.approx(0.02)
    assert pairs["ANNA", "TWIN"].confused_ratio == pytest.approx(0.37, abs=0.2)
    assert pairs["ANNA", "BEN"].confused_ratio == 0
