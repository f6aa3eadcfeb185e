"""Iterables that run a bounded way ahead of who takes from them."""

import gc
import threading
import time
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finishkit.frames import ahead


@given(st.lists(st.integers()), st.integers(1, 4))
def test_nothing_is_lost_added_or_moved(items, depth):
    assert list(ahead(items, depth)) == items
    assert list(ahead(ahead(items, depth), depth)) == items


def test_runs_beside_who_takes():
    def made():
        for _ in range(5):
            yield threading.get_ident()

    assert threading.get_ident() not in set(ahead(made()))


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_are_held_than_was_asked_for(depth):
    class Picture:
        pass

    living = weakref.WeakSet()
    most = 0

    def made():
        for _ in range(20):
            picture = Picture()
            living.add(picture)
            yield picture
            del picture

    for picture in ahead(made(), depth):
        time.sleep(0.01)  # long enough for more to be made, if more were
        gc.collect()
        most = max(most, len(living))
        del picture
    assert 1 < most <= depth + 1


def test_an_error_comes_in_its_place():
    def made():
        yield 1
        yield 2
        raise ZeroDivisionError("third")

    taken = ahead(made(), 3)
    assert next(taken) == 1
    time.sleep(0.01)
    assert next(taken) == 2
    with pytest.raises(ZeroDivisionError, match="third"):
        next(taken)


def test_who_stops_early_stops_it():
    closed = threading.Event()

    def made():
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    outer = ahead(ahead(made(), 2), 2)
    assert [next(outer), next(outer)] == [0, 1]
    outer.close()
    assert closed.wait(5)
    assert not [t for t in threading.enumerate() if t.name == "ahead"]
