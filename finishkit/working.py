"""The inside of a worker process: one item after another, and a beat for whoever watches."""

import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from finishkit.errors import FinishError
from finishkit.processes import die_with_parent

T = TypeVar("T")

BEAT_S: Final = 0.25
"""Beats that come faster are not sent."""
BEAT, ANSWER = b".", b"="
"""How messages to the outside begin."""

_send_beat: Callable[[], None] | None = None


def beat() -> None:
    """Tell that a piece of work is done, a frame or a layer; outside a worker nobody listens."""
    if _send_beat is not None:
        _send_beat()


def beating(parts: Iterable[T]) -> Iterator[T]:
    """Pass an iterator's parts on, with a beat for each.

    Parameters
    ----------
    parts : iterable
        Chunks of frames, usually.
    """
    for part in parts:
        beat()
        yield part


def serve(handle: int, parent: int) -> None:
    """Answer for item after item; what a worker process runs.

    Parameters
    ----------
    handle : int
        Of the pipe to who started it.
    parent : int
        Number of the process that started it.
    """
    global _send_beat
    # A killed batch must not leave its workers behind.
    die_with_parent(parent)
    import resource

    import cv2

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)
    pipe = Connection(handle)
    last_s = 0.0

    one_at_a_time = threading.Lock()

    def send() -> None:
        nonlocal last_s
        # Decoder, filters and encoder of a shot are threads of their own.
        with one_at_a_time:
            now = time.monotonic()
            if now - last_s >= BEAT_S:
                last_s = now
                pipe.send_bytes(BEAT)

    _send_beat = send
    while True:
        try:
            given = pipe.recv_bytes()
        except EOFError:
            return
        try:
            function, item = pickle.loads(given)
            answer = pickle.dumps(function(item))
        except Exception as error:
            answer = packed_error(error)
        try:
            with one_at_a_time:
                pipe.send_bytes(ANSWER + answer)
        except OSError:
            return  # who asked has died: nobody is there to be told


def packed_error(error: Exception) -> bytes:
    """Pickle an exception, or what it says where it does not survive that.

    Parameters
    ----------
    error : Exception
        Any.
    """
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # some pickle, and then cannot be made again
    except Exception:
        packed = pickle.dumps(FinishError(f"{type(error).__name__}: {error}", "stage_failed"))
    return packed
