import cv2
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.measure.identity import (
    detect_faces,
    distance,
    embed,
    is_usable,
    load_backend,
    reference_embedding,
)


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
