"""Where the work is done: one protocol, one implementation a place."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs independent pieces of work, in any order, and hands each result back as it is done."""

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int | None = None
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item with its result, or with the exception that it ended in.

        One item's failure, even the death of the process that worked on it, never takes another
        item with it. The items and the function travel to other processes: both must pickle.
        """
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...
