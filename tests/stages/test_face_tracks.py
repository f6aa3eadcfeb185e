import cv2
import numpy as np
import pytest

from finishkit.measure.identity import MAX_TURN, Face, is_usable
from finishkit.stages import face_crop, face_motion
from finishkit.stages.face_motion import followed, moved
from finishkit.stages.face_tracks import (
    Track,
    halfway,
    intervals,
    iou,
    judgeable,
    match,
    path,
    settled,
)


@pytest.mark.parametrize(
    ("count", "lengths"),
    [(0, []), (1, [1]), (2, [1, 1]), (4, [3, 1]), (5, [4, 1]), (6, [4, 1, 1]), (9, [4, 4, 1])],
)
def test_every_frame_is_in_one_run_and_the_last_is_a_key(count: int, lengths: list[int]) -> None:
    frames = [(np.zeros((1, 1, 3), np.float32), float(i)) for i in range(count)]
    runs = list(intervals(iter(frames), 4))
    assert [len(run) for run in runs] == lengths
    assert [pts for run in runs for _, pts in run] == [float(i) for i in range(count)]


def test_at_every_frame_each_is_a_key() -> None:
    frames = [(np.zeros((1, 1, 3), np.float32), float(i)) for i in range(3)]
    assert [len(run) for run in intervals(iter(frames), 1)] == [1, 1, 1]


def test_iou() -> None:
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert iou((0, 0, 1, 1), (1, 1, 2, 2)) == 0


def box(x: float, side: float = 10.0) -> tuple[float, float, float, float]:
    return (x, 0.0, x + side, side)


def test_match_takes_the_best_pairs_and_each_once() -> None:
    tracks = [Track(side_px=8, box=box(0)), Track(side_px=8, box=box(4))]
    found = [Face(box=box(x), landmarks=np.zeros((5, 2)), score=1) for x in (3.0, 40.0, 0.5)]
    pairs = match(tracks, found)
    assert [(tracks.index(t), found.index(f)) for t, f in pairs] == [(0, 2), (1, 0)]


def world():
    from skimage import data

    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[0:300, 90:350]


POINTS = np.array([(151.0, 108), (135, 109), (97, 109), (112, 109), (125, 136)])
"""Landmarks of the astronaut, to a few pixels."""


def head_at(i, speed):
    """A head that speeds up and turns: where linear interpolation lags."""
    matrix = cv2.getRotationMatrix2D((125, 120), 4 * np.sin(0.5 * i), 1 + 0.01 * np.sin(0.4 * i))
    matrix[:, 2] += (speed * 6 * np.sin(0.35 * i), speed * 3 * np.sin(0.6 * i))
    return matrix


def clip(speed, count=13):
    lumas = []
    for i in range(count):
        matrix = head_at(i, speed)
        lumas.append(cv2.warpAffine(world(), matrix, (260, 300), borderMode=cv2.BORDER_REFLECT))
    return lumas, [moved(POINTS, head_at(i, speed)) for i in range(count)]


def face_at(points, noise=0.0, rng=None):
    found = points + (rng.normal(0, noise, points.shape) if rng is not None else 0)
    left, top = found.min(0) - 30
    return Face(box=(left, top, left + 100, top + 100), landmarks=found, score=1)


def followed_track(lumas, truth, noise, every=6):
    rng = np.random.default_rng(2)
    keys = range(0, len(lumas), every)
    made = Track(side_px=200, box=box(0))
    made.found = {k: face_at(truth[f], noise, rng) for k, f in enumerate(keys)}
    made.points[0] = made.found[0].landmarks
    every_frame = []
    for key, first in enumerate(keys):
        points = path(made, key, lumas[first : first + every + 1])
        assert points is not None
        every_frame += points[:every]
    detected = [face_at(p, noise, rng).landmarks for p in truth]
    return np.array(every_frame), np.array(detected)


def jitter(points):
    return np.sqrt(np.mean((points[2:] - 2 * points[1:-1] + points[:-2]) ** 2))


def test_landmarks_do_not_jump_and_do_not_lag() -> None:
    lumas, truth = clip(1.0)
    got, detected = followed_track(lumas, truth, 1.2)
    want = np.array(truth)
    assert jitter(got - want) < 0.3 * jitter(detected - want)
    assert jitter(got) < 0.7 * jitter(detected)
    # What all points share, frame by frame: a lag would follow the motion.
    error = (got - want).mean(1)
    assert np.abs(error - error.mean(0)).max() < 0.8
    linear = np.array(
        [(1 - t) * truth[a] + t * truth[a + 6] for a in (0, 6) for t in np.arange(6) / 6]
    )
    assert np.abs((linear - want[:12]).mean(1)).max() > 2, "straight lines would"


def test_a_face_that_cannot_be_followed_moves_evenly() -> None:
    _, truth = clip(0.5)
    blank = [np.full((300, 260), 128, np.uint8)] * 7
    made = Track(side_px=200, box=box(0))
    made.found = {0: face_at(truth[0]), 1: face_at(truth[6])}
    made.points[0] = truth[0]
    points = path(made, 0, blank)
    assert points is not None
    np.testing.assert_allclose(points[3], (truth[0] + truth[6]) / 2)
    np.testing.assert_allclose(points[6], truth[6])
    assert followed(blank, truth[0]) is None


def test_a_face_found_at_one_key_only_is_followed_from_there() -> None:
    lumas, truth = clip(1.0, 7)
    coming, going = Track(side_px=200, box=box(0)), Track(side_px=200, box=box(0))
    coming.found = {1: face_at(truth[6])}
    going.found, going.points = {0: face_at(truth[0])}, {0: truth[0]}
    for made in (coming, going):
        points = path(made, 0, lumas)
        assert points is not None
        assert np.abs(np.array(points) - truth).max() < 1.5
    assert path(Track(side_px=200, box=box(0)), 0, lumas) is None


def test_settled_landmarks_average_the_keys_and_drop_what_strayed() -> None:
    np.testing.assert_allclose(settled(POINTS, POINTS + 3), POINTS + 2)
    assert settled(POINTS, POINTS + 30) is POINTS
    assert settled(POINTS, None) is POINTS


def test_a_step_finds_turn_scale_and_shift() -> None:
    matrix = cv2.getRotationMatrix2D((125, 120), 3, 1.02)
    matrix[:, 2] += (9, -6)
    after = cv2.warpAffine(world(), matrix, (260, 300), borderMode=cv2.BORDER_REFLECT)
    found = face_motion.step(world(), after, POINTS)
    assert found is not None
    np.testing.assert_allclose(moved(POINTS, found), moved(POINTS, matrix), atol=0.5)


def test_a_face_is_judged_as_far_as_an_embedding_can() -> None:
    front = Face(box=(0, 0, 100, 100), landmarks=face_crop.TEMPLATES["corners"] * 100, score=1)
    assert is_usable(front)
    assert judgeable(front) == 1
    small = Face(box=(0, 0, 70, 70), landmarks=front.landmarks, score=1)
    assert judgeable(small) == 0.5
    turned = front.landmarks + np.array([[0, 0]] * 4 + [[24.6 * (MAX_TURN + 0.05), 0]])
    assert judgeable(Face(box=front.box, landmarks=turned, score=1)) == 0
    between = halfway(front, Face(box=(20, 0, 120, 100), landmarks=turned, score=0.5))
    assert between.box == (10, 0, 110, 100)


def test_a_track_forgets() -> None:
    made = Track(side_px=200, box=box(0))
    made.found = {k: face_at(POINTS) for k in range(5)}
    made.points = dict.fromkeys(range(5), POINTS)
    made.judged = dict.fromkeys(range(5), 1.0)
    made.forget(3)
    assert list(made.found) == list(made.points) == list(made.judged) == [3, 4]
