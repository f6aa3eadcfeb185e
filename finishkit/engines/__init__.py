"""Where the work is done: one protocol, one implementation a place."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from finishkit.errors import FinishError

Item = TypeVar("Item")
Result = TypeVar("Result")

Resource = Literal["CPU", "GPU", "IO"]
Needs = Mapping[Resource, float]
"""How much of what one item takes while it is worked on. Workers of a cluster say what they offer
(``--resources "GPU=1"``)."""

ENGINES = "local, dask:local, dask:tcp://HOST:PORT and dask:tls://HOST:PORT"


class Engine(Protocol):
    """Runs independent pieces of work, in any order, and hands each result back as it is done.

    Attributes
    ----------
    offers : frozenset of str
        Resources that can be asked for by name.
    """

    @property
    def offers(self) -> frozenset[str]:
        """Resources that can be asked for by name."""
        ...

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        jobs: int | None = None,
        needs: Needs | None = None,
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item with its result, or with the exception that it ended in.

        One item's failure, even the death of the process that worked on it, never takes another
        item with it. The items and the function travel to other processes: both must pickle.
        """
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


def require_engine(where: str) -> None:
    """Refuse a name that no engine has, before any work is done.

    Parameters
    ----------
    where : str
        As for :func:`open_engine`.

    Raises
    ------
    FinishError
        ``usage``, with those there are.
    """
    if not re.fullmatch(r"local|dask:local|dask:(tcp|tls)://[^\s/]+:\d+", where):
        raise FinishError(f"There is no engine {where!r}. There are: {ENGINES}.", "usage")


def open_engine(
    where: str = "local", jobs: int | None = None, paused: Callable[[], bool] | None = None
) -> Engine:
    """Open the engine that a user has named.

    Parameters
    ----------
    where : str
        ``local``; ``dask:local``, a cluster of this machine's own; or the address of a Dask
        scheduler, ``dask:tcp://HOST:PORT`` or ``dask:tls://HOST:PORT``.
    jobs : int, optional
        Workers of this machine; the number of processors by default. A cluster has its own.
    paused : callable, optional
        Asked before each piece of work is handed out, see :meth:`Engine.map`.

    Raises
    ------
    FinishError
        ``usage`` for another name; what :class:`finishkit.engines.dask.DaskEngine` raises.
    """
    require_engine(where)
    if where == "local":
        from finishkit.engines.local import LocalEngine

        return LocalEngine(jobs, paused)
    address = where.removeprefix("dask:")
    from finishkit.engines.dask import DaskEngine

    return DaskEngine(address, jobs=jobs, paused=paused)
