import cv2
import numpy as np
import pytest

from finishkit.measure.identity import Face, is_usable
from finishkit.measure.identity.align import (
    TEMPLATE,
    TEMPLATE_NOSE_BASE,
    cut_chip,
    fit_similarity,
    template_matrix,
)

# A face in the template's own pixels: eye corners 7.2 px left and right of each eye centre.
CORNERS = np.array(
    [
        TEMPLATE[1] + (7.2, 0),
        TEMPLATE[1] - (7.2, 0),
        TEMPLATE[0] - (7.2, 0),
        TEMPLATE[0] + (7.2, 0),
        TEMPLATE_NOSE_BASE,
    ]
)


def placed(points, *, scale, degrees, shift):
    """Take template pixels to picture pixels by a known rotation, scale and shift."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(points) @ (scale * turn).T + shift


def face(points, kind):
    low, high = points.min(axis=0), points.max(axis=0)
    return Face(box=(*low, *high), landmarks=points, score=1.0, points=kind)


WAYS = [
    {"scale": 1.0, "degrees": 0, "shift": (0, 0)},
    {"scale": 3.1, "degrees": 17, "shift": (240, 80)},
    {"scale": 0.6, "degrees": -40, "shift": (90, 150)},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("points", "kind"), [(CORNERS, "corners"), (TEMPLATE, "centres")])
def test_a_placed_face_comes_back_onto_the_template(points, kind, way):
    matrix = template_matrix(face(placed(points, **way), kind))
    got = placed(points, **way) @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(got - points).max() < 0.5
    assert np.hypot(*matrix[0, :2]) == pytest.approx(1 / way["scale"])


@pytest.mark.parametrize("kind", ["corners", "centres"])
def test_the_pixels_land_there_too(kind):
    points = CORNERS if kind == "corners" else TEMPLATE
    way = {"scale": 2.3, "degrees": 12, "shift": (130, 60)}
    picture = np.zeros((420, 520, 3), np.uint8)
    at = placed(points, **way)
    for x, y in at:
        cv2.circle(picture, (round(x * 16), round(y * 16)), 3 * 16, (255,) * 3, -1, cv2.LINE_AA, 4)
    chip = cut_chip(picture, face(at, kind))
    assert chip.shape == (112, 112, 3)
    grid = np.stack(np.meshgrid(np.arange(112), np.arange(112)), axis=-1)
    for x, y in points:
        near = np.abs(grid - (x, y)).max(axis=-1) < 4
        weights = chip[..., 0][near].astype(float)
        middle = (grid[near] * weights[:, None]).sum(axis=0) / weights.sum()
        assert middle == pytest.approx((x, y), abs=0.5)


def test_larger_chips_are_the_same_chip_enlarged():
    one = template_matrix(face(TEMPLATE, "centres"), 112)
    two = template_matrix(face(TEMPLATE, "centres"), 224)
    assert two == pytest.approx(2 * one)


def test_the_fit_is_the_least_squares_one_and_never_a_reflection():
    rng = np.random.default_rng(4)
    points, onto = rng.normal(size=(2, 9, 2))
    matrix = fit_similarity(points, onto)
    assert np.linalg.det(matrix[:, :2]) > 0

    def error(m):
        return ((points @ m[:, :2].T + m[:, 2] - onto) ** 2).sum()

    a, c, x, y = matrix[0, 0], matrix[1, 0], matrix[0, 2], matrix[1, 2]
    for step in np.vstack([np.eye(4), -np.eye(4)]) * 1e-3:
        b = np.array([a, c, x, y]) + step
        assert error(np.array([[b[0], -b[1], b[2]], [b[1], b[0], b[3]]])) > error(matrix)


def test_points_that_coincide_are_no_division_by_nothing():
    matrix = fit_similarity(np.full((3, 2), 7.0), TEMPLATE[:3])
    assert np.isfinite(matrix).all()


@pytest.mark.parametrize("kind", ["corners", "centres"])
def test_both_kinds_of_points_tell_the_same_turn(kind):
    points = (CORNERS if kind == "corners" else TEMPLATE) * 3
    ahead = face(points, kind)
    assert abs(ahead.turn) < 0.02
    nose = [4] if kind == "corners" else [2, 3, 4]
    turned = points.copy()
    turned[nose, 0] += 0.4 * np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]) * 3
    assert face(turned, kind).turn == pytest.approx(0.4, abs=0.02)
    assert is_usable(ahead)
    assert not is_usable(face(turned, kind))
