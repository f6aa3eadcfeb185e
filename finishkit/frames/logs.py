"""What the media libraries complain of, which is silent otherwise."""

import contextlib
from collections.abc import Iterator
from typing import Any

import av.logging


@contextlib.contextmanager
def listening() -> Iterator[list[Any]]:
    """Collect the errors that libraries log while this is open: (level, name, text)."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    # A complaint that an earlier clip gave rise to as well is one all the same.
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=False) as logs:
            yield logs
    finally:
        av.logging.set_level(level)
