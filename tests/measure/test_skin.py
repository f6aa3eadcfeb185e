import numpy as np
import pytest

from finishkit.measure.colour import LINEAR, linear_to_srgb
from finishkit.measure.identity import Face, load_backend
from finishkit.measure.skin import skin_colour, skin_vector

SKIN = (200, 150, 120)


def painted(turn=0.0, background=(20, 60, 200)):
    """A head whose cheeks are known, and the face a detector would report for it."""
    picture = np.empty((200, 200, 3), np.uint8)
    picture[:] = background
    picture[40:180, 55:145] = SKIN
    right, left = np.array([125.0, 80.0]), np.array([75.0, 80.0])
    corner = np.array([8.0, 0.0])
    nose = np.array([100 + turn * 50, 110.0])
    points = np.stack([right + corner, right - corner, left - corner, left + corner, nose])
    return picture, Face(box=(60, 50, 140, 140), landmarks=points, score=1.0)


def test_reads_the_cheeks():
    found = skin_colour(*painted())
    assert found == pytest.approx(tuple(LINEAR[list(SKIN)]), rel=1e-6)


def test_the_far_cheek_of_a_turned_head_is_left_out():
    picture, face = painted(turn=0.3)
    # The far side shows the wall where the cheek would be.
    picture[:, 112:] = (20, 60, 200)
    assert skin_colour(picture, face) == pytest.approx(tuple(LINEAR[list(SKIN)]), rel=1e-6)


def test_clipped_or_tiny_faces_are_not_read():
    picture, face = painted()
    assert skin_colour(np.full_like(picture, 255), face) is None
    small = Face(box=face.box, landmarks=np.full((5, 2), 50.0), score=1.0)
    assert skin_colour(picture, small) is None


def test_a_grade_moves_skin_by_what_it_is(stills):
    picture = stills["astronaut"]
    face = load_backend("dlib").detect(picture)[0]
    gains = 2.0 ** np.array([0.25 - 0.5, -0.5, -0.15 - 0.5])
    moved = np.round(linear_to_srgb(LINEAR[picture] * gains) * 255).astype(np.uint8)
    before, after = skin_colour(picture, face), skin_colour(moved, face)
    assert before is not None
    assert after is not None
    one, two = skin_vector([before] * 2), skin_vector([after] * 2)
    assert one is not None
    assert two is not None
    assert two[0] - one[0] == pytest.approx(0.25, abs=0.03)
    assert two[1] - one[1] == pytest.approx(-0.15, abs=0.03)
    assert two[2] - one[2] == pytest.approx(-0.5 + 0.25 * 0.4, abs=0.08)
    # A human cheek under plain light: red above green above blue.
    assert 0.4 < one[0] < 1.8
    assert -1.2 < one[1] < 0


def test_one_frame_is_not_enough():
    assert skin_vector([(0.5, 0.3, 0.2)]) is None
