import numpy as np
import pytest

from finishkit.measure.identity import Face
from finishkit.stages.face_tracks import Track, at, intervals, iou, match, smoothed


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


def track(points: dict[int, float], share: dict[int, float]) -> Track:
    made = Track(side_px=8, box=box(0))
    made.points = {key: np.full((5, 2), value) for key, value in points.items()}
    made.share = share
    return made


def test_uniform_motion_passes_and_jitter_is_halved() -> None:
    frame_at = [0, 6, 12, 15]
    steady = track({0: 0.0, 1: 6.0, 2: 12.0, 3: 15.0}, {})
    for key, frame in enumerate(frame_at):
        np.testing.assert_allclose(smoothed(steady, key, frame_at), frame)
    nervous = track({0: 0.0, 1: 2.0, 2: 0.0}, {})
    np.testing.assert_allclose(smoothed(nervous, 1, frame_at), 1.0)


def test_between_keys_all_is_linear_and_the_ends_fade() -> None:
    frame_at = [0, 4, 8, 12]
    one = track({1: 0.0, 2: 8.0}, {1: 0.4, 2: 0.2})
    points, share = at(one, 1, 5, frame_at) or pytest.fail("the face is there")
    np.testing.assert_allclose(points, 2.0)
    assert share == pytest.approx(0.35)
    coming = [at(one, 0, frame, frame_at) for frame in range(4)]
    assert [p[1] for p in coming if p] == pytest.approx([0, 0.1, 0.2, 0.3])
    going = [at(one, 2, frame, frame_at) for frame in range(8, 12)]
    assert [p[1] for p in going if p] == pytest.approx([0.2, 0.15, 0.1, 0.05])
    assert at(one, 3, 12, frame_at) is None
