"""The next frames made while the last ones are still being looked at."""

import threading
from collections.abc import Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """Run an iterable in a thread of its own, a bounded way ahead of who takes from it.

    Decoders, encoders and nets let other threads run while they work, so the steps of one shot run
    side by side: a GPU need not wait for an encoder.

    Parameters
    ----------
    items : iterable
        Run in another thread from the first item on, and closed there.
    depth : int
        Items that may be ready, or in the making, beside the one that was taken last: what memory
        is paid for.

    Yields
    ------
    item : object
        In the same order; what ``items`` raises is raised here, in its place.
    """
    ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    room = threading.Semaphore(depth)
    given_up = threading.Event()

    def make() -> None:
        iterator = iter(items)
        try:
            # An item is begun only when there is room for it: none waits beside the counted ones.
            while room.acquire() and not given_up.is_set():
                ready.put((next(iterator),))
        except StopIteration:
            ready.put(None)
        except BaseException as error:
            ready.put(error)
        finally:
            if close := getattr(iterator, "close", None):
                close()

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (made := ready.get()) is not None:
            if isinstance(made, BaseException):
                raise made
            room.release()
            yield made[0]
            del made
    finally:
        given_up.set()
        room.release()
        thread.join()
