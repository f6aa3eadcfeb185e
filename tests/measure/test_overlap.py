"""The same surface in two shots tells the difference of their grades, and nothing else."""

import cv2
import numpy as np
import pytest

from finishkit.measure.colour import AXES, LINEAR, frame_vector, linear_to_srgb
from finishkit.measure.overlap import (
    Marks,
    difference,
    find_marks,
    scene_overlaps,
    within_shot_drift,
)


def framed(still, zoom, x=0.5, y=0.5):
    """Another framing of the same set, 300x400."""
    height, width = still.shape[:2]
    high = min(height, int(width * 4 / 3)) / zoom
    wide = high * 3 / 4
    top, left = int((height - high) * y), int((width - wide) * x)
    return cv2.resize(still[top : top + int(high), left : left + int(wide)], (300, 400))


def graded(picture, stops=0.0, red_oct=0.0, blue_oct=0.0):
    gains = 2.0 ** np.array([stops + red_oct, stops, stops + blue_oct])
    return np.round(linear_to_srgb(LINEAR[picture] * gains) * 255).astype(np.uint8)


def seen(a, b):
    one, two = find_marks(a), find_marks(b)
    assert one is not None
    assert two is not None
    found = difference([one], [two])
    return None if found is None else dict(zip(AXES, found.axes, strict=True))


@pytest.mark.parametrize("name", ["coffee", "astronaut", "rocket"])
def test_another_framing_of_the_same_set_is_no_difference(stills, name):
    found = seen(framed(stills[name], 1.0), framed(stills[name], 1.3, 0.4, 0.4))
    assert found is not None
    assert abs(found["wb_r"]) < 0.05
    assert abs(found["wb_b"]) < 0.06
    assert abs(found["ev"]) < 0.12


@pytest.mark.parametrize(
    ("change", "axis", "truth"),
    [
        ({"stops": -0.5}, "ev", -0.5),
        ({"red_oct": 0.2}, "wb_r", 0.2),
        ({"blue_oct": -0.3}, "wb_b", -0.3),
    ],
)
def test_reads_the_grade_through_another_framing(stills, change, axis, truth):
    wide, close = framed(stills["coffee"], 1.0), framed(stills["coffee"], 1.3, 0.4, 0.4)
    found = seen(wide, graded(close, **change))
    assert found is not None
    assert found[axis] == pytest.approx(truth, abs=0.10 if axis == "ev" else 0.06)


def test_drained_colour_is_read_as_saturation(stills):
    wide = framed(stills["coffee"], 1.0)
    grey = cv2.cvtColor(cv2.cvtColor(wide, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drained = cv2.addWeighted(wide, 0.6, grey, 0.4, 0)
    found = seen(wide, drained)
    assert found is not None
    assert found["sat"] == pytest.approx(np.log2(0.6), abs=0.15)


def test_two_different_sets_have_nothing_in_common(stills):
    names = ["coffee", "astronaut", "rocket", "chelsea"]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert seen(framed(stills[a], 1.0), framed(stills[b], 1.0)) is None


def test_a_burnt_in_logo_is_no_set(stills):
    logo = cv2.resize(framed(stills["camera"], 1.5), (70, 70))

    def with_logo(name):
        picture = framed(stills[name], 1.0).copy()
        picture[320:390, 220:290] = logo
        return picture

    assert seen(with_logo("coffee"), with_logo("chelsea")) is None


def test_a_flat_picture_has_no_marks():
    assert find_marks(np.full((400, 300, 3), 90, np.uint8)) is None


def test_marks_survive_the_cache(stills):
    marks = find_marks(framed(stills["coffee"], 1.0))
    assert marks is not None
    assert Marks.model_validate_json(marks.model_dump_json()) == marks


def test_shots_are_compared_inside_their_scene_only(stills):
    a, b = find_marks(framed(stills["coffee"], 1.0)), find_marks(framed(stills["coffee"], 1.2))
    assert a is not None
    assert b is not None
    shots = [("s1", "day", [a]), ("s2", "night", [b]), ("s3", "day", [b])]
    assert [(x, y) for x, y, _ in scene_overlaps(shots)] == [("s1", "s3")]


def test_a_colour_that_drifts_within_the_shot_is_read_and_a_pan_is_not(stills):
    start = framed(stills["coffee"], 1.1, 0.3)
    end = framed(stills["coffee"], 1.1, 0.6)

    def drift(a, b):
        return within_shot_drift([frame_vector(a), frame_vector(b)], [find_marks(a), find_marks(b)])

    assert drift(start, end) < 3
    assert drift(start, graded(end, red_oct=0.5, blue_oct=-0.4)) > 7
    assert within_shot_drift([frame_vector(start)], [None]) is None
