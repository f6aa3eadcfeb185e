"""The solver against truths that can be worked out by hand, and against itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finishkit.verdict.evidence import Level, Pair, solve_offsets


def scene(values, sd=0.2):
    return Level(values=dict(enumerate(values)), sd=sd)


def solved(count, levels, pairs=(), **given_):
    return solve_offsets(count, levels, pairs, **{"spread": 0.05, "z": 2.5, **given_})


def test_equal_shots_are_not_off():
    found = solved(5, [scene([1.0] * 5)])
    assert found.value == pytest.approx(np.zeros(5), abs=1e-4)


def test_one_outlier_is_read_and_does_not_accuse_the_others():
    found = solved(5, [scene([1.0, 1.0, 2.0, 1.0, 1.0])])
    assert found.value[2] == pytest.approx(1.0, abs=0.03)
    assert found.z[2] > 4
    assert np.abs(found.z[[0, 1, 3, 4]]).max() < 0.2


def test_the_uncertainty_is_that_of_one_value_against_the_mean_of_the_others():
    found = solved(5, [scene([1.0] * 5)], spread=1e-6)
    # One shot's noise, and the level's from four others; the wide prior hardly counts.
    assert found.sd == pytest.approx(np.full(5, 0.2 * np.sqrt(1 + 1 / 4)), rel=0.01)


def test_a_shared_surface_outweighs_content():
    # Content says shot 3 is far off; the surface it shares with shot 0 says it is not.
    values = [0.0, 0.1, -0.1, 0.6]
    alone = solved(4, [scene(values)])
    held = solved(4, [scene(values)], [Pair(first=0, second=3, difference=0.0, sd=0.05)])
    assert alone.z[3] > 2.4
    assert abs(held.z[3]) < 1.5


def test_a_surface_finds_what_content_hides():
    values = [0.0, 0.1, -0.1, 0.2]
    pairs = [
        Pair(first=0, second=3, difference=0.3, sd=0.05),
        Pair(first=1, second=3, difference=0.3, sd=0.05),
    ]
    found = solved(4, [scene(values)], pairs)
    assert found.value[3] == pytest.approx(0.3, abs=0.05)
    assert found.z[3] > 3
    assert np.abs(found.z[:3]).max() < 2.5


def test_two_that_contradict_each_other_equally_are_both_named():
    found = solved(
        2, [scene([0.0, 0.0], sd=1.0)], [Pair(first=0, second=1, difference=0.5, sd=0.05)]
    )
    assert found.z[0] < -2.5
    assert found.z[1] > 2.5


def test_of_two_the_one_that_is_off_in_something_else_is_named():
    pair = [Pair(first=0, second=1, difference=0.5, sd=0.05)]
    found = solved(3, [scene([0.0, 0.0, 0.0], sd=1.0)], pair, suspects=[1])
    assert found.z[1] > 2.5
    assert abs(found.z[0]) < 1


def test_a_third_shot_settles_who_is_wrong():
    pairs = [
        Pair(first=0, second=1, difference=0.5, sd=0.05),
        Pair(first=2, second=1, difference=0.5, sd=0.05),
        Pair(first=0, second=2, difference=0.0, sd=0.05),
    ]
    found = solved(3, [scene([0.0, 0.0, 0.0], sd=1.0)], pairs)
    assert found.z[1] > 5
    assert np.abs(found.z[[0, 2]]).max() < 1


def test_a_shot_that_will_be_replaced_sets_no_standard():
    values = [0.0, 0.0, 1.5]
    with_it = solved(3, [scene(values)])
    without = solved(3, [scene(values)], ignored=[2])
    assert abs(without.value[0]) < 0.02
    assert abs(without.value[0]) <= abs(with_it.value[0]) + 1e-9


def test_a_prior_judges_a_shot_that_stands_alone():
    skin = Level(values={0: -1.0}, sd=0.13, prior=(1.0, 0.33))
    found = solved(1, [skin])
    assert found.value[0] == pytest.approx(-2.0, abs=0.05)
    assert found.z[0] < -4


def test_nothing_known_is_nothing_said():
    assert np.isnan(solved(1, [scene([0.7])]).value[0])
    assert np.isnan(solved(2, []).value).all()


@given(
    values=st.lists(st.floats(-3, 3), min_size=3, max_size=8),
    shift=st.floats(-5, 5),
    order=st.randoms(use_true_random=False),
)
def test_a_common_shift_and_the_order_of_shots_do_not_matter(values, shift, order):
    plain = solved(len(values), [scene(values)], z=np.inf)
    moved = solved(len(values), [scene([v + shift for v in values])], z=np.inf)
    assert moved.value == pytest.approx(plain.value, abs=2e-3)
    places = list(range(len(values)))
    order.shuffle(places)
    shuffled = solved(len(values), [scene([values[p] for p in places])], z=np.inf)
    assert shuffled.value == pytest.approx(plain.value[places], abs=1e-6)


def test_two_against_two_names_all_four():
    found = solved(4, [scene([0.0, 0.0, 3.0, 3.0])])
    assert (np.abs(found.z) > 2.5).all()
    assert found.value[:2] == pytest.approx(-found.value[2:], abs=1e-3)
