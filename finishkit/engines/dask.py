"""Workers of a Dask cluster: its own on this machine, or one of a studio's.

Dask hands work out and notices lost workers. All else is ours: the results lie on the shared
folder, only this process commits them, and what Dask remembers is never believed.

Dask unpickles what its peers send: whoever reaches a scheduler or a worker runs code as its user.
A cluster belongs on the loopback, behind TLS, or on a network that only trusted machines reach.
"""

import contextlib
import pickle
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from finishkit.crew import Lost, Patience
from finishkit.engines import Needs
from finishkit.engines.errand import (
    BEGUN,
    ClusterError,
    Errand,
    Returned,
    errand_of,
    key_of,
    refuse_strangers,
    run_errand,
)
from finishkit.engines.local import lost_error
from finishkit.engines.own_cluster import mend, own_cluster
from finishkit.engines.parts import desks, take_over
from finishkit.environment import OF_ONE_MACHINE, environment
from finishkit.errors import FinishError
from finishkit.pause import Paused

if TYPE_CHECKING:
    from distributed import Client, Future, SpecCluster

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_S: Final = 10.0
FIRST_WORKER_S: Final = 30.0
"""So long is waited for the first worker of a cluster."""
NO_WORKER_S: Final = 600.0
"""So long for another one, when the last one was lost: a queue takes a while."""
LOSSES: Final = 8
"""A task is given up when so many workers died while they were at it: had said that they begin.
Dask gives it back after four (``distributed.scheduler.allowed-failures``) and blames all that was
in their queues: on a busy machine, shots hardly begun were blamed for 24 deaths."""
TROUBLES, BLAMES = 10, 30
"""The same for what the cluster lost though no worker died of it, and for bare blames."""


@dataclass(slots=True)
class _Task:
    index: int
    item: Any
    errand: Errand
    deaths: int = 0
    losses: int = 0
    blames: int = 0


class DaskEngine:
    """Workers of a Dask cluster.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` or ``tls://HOST:PORT`` of a scheduler; ``local`` starts a cluster on
        this machine, on the loopback, without a dashboard, that ends with the engine.
    jobs : int, optional
        Workers of a ``local`` cluster; the number of processors by default.
    paused : callable, optional
        As for :class:`finishkit.engines.local.LocalEngine`.
    patience : Patience, optional
        When the child of a worker counts as hanging.
    wait_s : float
        Seconds to wait for a first worker.

    Raises
    ------
    FinishError
        ``no_distributed``, ``cluster_unreachable``, ``no_workers`` or ``cluster_mismatch``.
    """

    def __init__(
        self,
        address: str,
        *,
        jobs: int | None = None,
        paused: Callable[[], bool] | None = None,
        patience: Patience | None = None,
        wait_s: float = FIRST_WORKER_S,
    ) -> None:
        self._paused = paused or (lambda: False)
        self._patience = patience or Patience()
        self._here = {k: v for k, v in environment().items() if k not in OF_ONE_MACHINE}
        self.cluster: SpecCluster | None = None
        try:
            import distributed
        except ImportError as error:
            raise FinishError(
                'Working on a cluster needs Dask: pip install "finishkit[cluster]", on every'
                " machine of it.",
                "no_distributed",
            ) from error
        if address == "local":
            self.cluster = own_cluster(jobs)
            address = self.cluster.scheduler_address
        self.address = address
        try:
            self.client: Client = distributed.Client(
                address, timeout=CONNECT_S, set_as_default=False, name="finishkit"
            )
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            self._close_cluster()
            raise FinishError(
                f"No Dask scheduler answers at {address} ({_first_line(error)}). Start one there"
                " (dask scheduler), or give the address that it prints; for tls:// see"
                " docs/cluster.md.",
                "cluster_unreachable",
            ) from error
        try:
            self._meet_workers(wait_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "DaskEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def offers(self) -> frozenset[str]:
        """Resources that workers have declared."""
        return frozenset(name for _, resources in self._workers().values() for name in resources)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        jobs: int | None = None,  # noqa: ARG002 (of this machine, where nothing is worked on)
        needs: Needs | None = None,
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item with its result or its exception, as they are done.

        Parameters
        ----------
        function : callable
            Importable by name on the workers.
        items : sequence
            Each must pickle. Files are fields of type Path, under the same path everywhere; what
            an item writes is its field ``part``.
        jobs : int, optional
            Not looked at: it is of this machine.
        needs : Mapping, optional
            What one item takes. Work that needs a GPU goes to workers that offer one; CPU and IO
            count only where workers declare them, elsewhere their threads do.

        Raises
        ------
        Paused
            After the results of what was under way, when work is left that must not be begun.
        FinishError
            ``no_such_resource`` when no worker offers what is needed; ``no_workers``,
            ``cluster_lost``, ``cluster_mismatch`` or ``not_shared`` when no shot is to blame.
        """
        wanted = self._satisfiable(needs or {})
        parts = [p for item in items if isinstance(p := getattr(item, "part", None), Path)]
        with desks({part.parent for part in parts}) as notes:
            tasks = deque(
                _Task(n, item, errand_of(function, item, self._here, notes, self._patience))
                for n, item in enumerate(items)
            )
            if tasks:
                self._refuse_strangers(tasks[0].errand)
            yield from _Round(self, function, wanted, tasks).results()

    def close(self) -> None:
        """Leave the cluster; end it when it is this engine's own."""
        with contextlib.suppress(OSError, TimeoutError):
            self.client.close(timeout=CONNECT_S)
        self._close_cluster()

    def _close_cluster(self) -> None:
        if self.cluster is not None:
            self.cluster.close(timeout=CONNECT_S)
            self.cluster = None

    def _meet_workers(self, wait_s: float) -> None:
        try:
            self.client.wait_for_workers(1, timeout=wait_s)
        except TimeoutError as error:
            raise FinishError(
                f"The Dask scheduler at {self.address} has no worker, for {wait_s:.0f} s now. Start"
                f" one on each machine: dask worker {self.address} --nthreads 1 --nworkers auto.",
                "no_workers",
            ) from error
        self._refuse_strangers(
            Errand(work=b"", kind="", environment=self._here, reads=(), note=None,
                   patience=self._patience)
        )  # fmt: skip

    def _refuse_strangers(self, errand: Errand) -> None:
        """Ask every worker whether it is like this machine, and sees the same files."""
        answers: Any = self.client.run(refuse_strangers, errand, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, ClusterError):
                raise ClusterError(f"{answer} (Worker {worker}.)", answer.code)
            if isinstance(answer, ImportError):
                raise ClusterError(
                    f"The worker {worker} has no finishkit of this version ({answer}). Install the"
                    " same versions on every machine.",
                    "cluster_mismatch",
                )

    def _workers(self) -> dict[str, tuple[int, Mapping[str, float]]]:
        known = self.client.scheduler_info(n_workers=-1)["workers"]
        return {name: (w["nthreads"], w["resources"]) for name, w in known.items()}

    def _satisfiable(self, needs: Needs) -> dict[str, float]:
        """Return what must be asked for; raise when nobody has it."""
        offers = self.offers
        wanted = {str(n): amount for n, amount in needs.items() if n in offers or n == "GPU"}
        if wanted and not self.slots(wanted):
            said = ", ".join(f"{n}={amount:g}" for n, amount in wanted.items())
            raise FinishError(
                f"This work needs {said}, and no worker of {self.address} offers it (offered:"
                f" {', '.join(sorted(offers)) or 'nothing'}). Start a worker with --resources"
                f' "{said}".',
                "no_such_resource",
            )
        return wanted

    def slots(self, wanted: Mapping[str, float]) -> int:
        """Return how many items can be worked on at a time now.

        Parameters
        ----------
        wanted : Mapping of str to float
            What each takes.
        """
        return sum(
            min([threads, *(int(has.get(n, 0) // amount) for n, amount in wanted.items())])
            for threads, has in self._workers().values()
        )

    @property
    def paused(self) -> bool:
        """Whether somebody has asked for a pause."""
        return self._paused()


class _Round:
    """One call of :meth:`DaskEngine.map`: what waits and what is under way."""

    def __init__(
        self,
        engine: DaskEngine,
        function: Callable[[Any], Any],
        wanted: Mapping[str, float],
        tasks: deque[_Task],
    ) -> None:
        self.engine, self.client = engine, engine.client
        self.function, self.wanted, self.waiting = function, wanted, tasks
        # Names this round's work: what Dask still holds of an earlier one, of the same item, is an
        # answer whose file has been taken away since.
        self.name = secrets.token_hex(4)
        self.running: dict[Future, _Task] = {}
        self.seen_s = time.monotonic()

    def results(self) -> Iterator[tuple[Any, Any]]:
        left = 0
        try:
            while self.running or self.waiting:
                if self.engine.paused and (left := left or self._withdrawn()) and not self.running:
                    break
                if not left:
                    self._hand_out()
                for future in self._done():
                    task = self.running.pop(future)
                    if (answer := self._answer(future, task)) is not None:
                        yield task.item, answer[0]
        finally:
            if self.running:
                with contextlib.suppress(OSError, TimeoutError):
                    self.client.cancel(list(self.running), force=True)
        if left:
            raise Paused("Paused between two shots. Run the same command again to go on.", "paused")

    def _withdrawn(self) -> int:
        """Take back what no worker has begun; return how much is left."""
        stacks: Any = self.client.call_stack(list(self.running)) or {}
        begun = {key for stack in stacks.values() for key in stack}
        back = [f for f in self.running if f.key not in begun and f.status == "pending"]
        if back:
            self.client.cancel(back, force=True)
        left = len(self.waiting) + len(back)
        for future in back:
            del self.running[future]
        self.waiting.clear()
        return left

    def _hand_out(self) -> None:
        # Some more than can be worked on: a cluster that grows with its queue must see one.
        most = 2 * self.engine.slots(self.wanted) + 2
        while self.waiting and len(self.running) < most:
            task = self.waiting.popleft()
            attempt = f"{self.name}-{task.index}-{task.blames + task.losses}"
            key = f"{key_of(self.function, task.item)}-{attempt}"
            future = self.client.submit(
                run_errand, task.errand, key=key, pure=False, resources=dict(self.wanted) or None
            )
            self.running[future] = task

    def _done(self) -> list["Future"]:
        from distributed import wait

        if self.client.status not in ("running", "connecting"):
            raise ClusterError(
                f"The Dask scheduler at {self.engine.address} is gone. What is finished stays"
                " finished: start it again, and run the same command again.",
                "cluster_lost",
            )
        with contextlib.suppress(TimeoutError), self.client.as_current():
            wait(list(self.running), timeout=1.0, return_when="FIRST_COMPLETED")
        if self.engine.cluster is not None:
            mend(self.engine.cluster)
        if self.engine.slots(self.wanted):
            self.seen_s = time.monotonic()
        elif time.monotonic() - self.seen_s > NO_WORKER_S:
            raise ClusterError(
                f"The cluster at {self.engine.address} has had no worker that can do this work for"
                f" {NO_WORKER_S / 60:.0f} minutes. Start some, and run the same command again.",
                "no_workers",
            )
        return [f for f in self.running if f.status != "pending"]

    def _answer(self, future: "Future", task: _Task) -> tuple[Any] | None:
        """Return a task's answer in a tuple; None when it was lost and is submitted again."""
        from distributed import KilledWorker

        try:
            returned: Returned = pickle.loads(future.result(timeout=CONNECT_S))
        except FinishError:
            raise
        except TimeoutError:
            # Its result went with the worker that held it: Dask has it made again.
            self.running[future] = task
            return None
        except Exception as error:
            begun = self._begun(future) if isinstance(error, KilledWorker) else None
            return self._lost(task, error, begun)
        if isinstance(returned.answer, ClusterError):
            raise returned.answer
        if isinstance(returned.answer, Lost):
            return (lost_error(task.item, returned.answer),)
        if returned.part is not None:
            take_over(returned.part, returned.part_bytes, task.item.part)
        return (returned.answer,)

    def _begun(self, future: "Future") -> int:
        """Return how often a worker has said that it begins with a task."""
        with contextlib.suppress(OSError, TimeoutError):
            events: Any = self.client.get_events(BEGUN)
            return sum(said == str(future.key) for _, said in events)
        return 0

    def _lost(self, task: _Task, error: Exception, begun: int | None) -> tuple[Any] | None:
        """Submit a task again that workers died of (``begun`` by so many), or that was lost."""
        from concurrent.futures import CancelledError

        killed = begun is not None
        if not killed and not isinstance(error, (CancelledError, OSError)):
            raise ClusterError(
                f"A worker of {self.engine.address} could not begin its work"
                f" ({type(error).__name__}: {_first_line(error)}). Is the same finishkit installed"
                " on every machine?",
                "cluster_failed",
            ) from error
        # Counted apart: a task that the cluster lost twice is no nearer to being a killer.
        task.blames += killed
        task.losses += not killed
        task.deaths += begun or 0
        if task.deaths >= LOSSES or task.losses >= TROUBLES or task.blames >= BLAMES:
            # Its child takes the crash of a bad clip; whole workers die of memory.
            return (lost_error(task.item, Lost("killed", "its Dask workers died")),)
        self.waiting.appendleft(task)
        return None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
