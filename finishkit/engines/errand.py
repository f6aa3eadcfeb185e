"""One piece of work for another machine: what a Dask worker is given, and what it hands back.

The work is done in a child of the Dask worker: a clip that kills its process then costs the child,
and Dask never blames, or reruns, what happened to be beside it.
"""

import contextlib
import dataclasses
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from finishkit.crew import Crew, Patience
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.store import digest
from finishkit.working import packed_error


class ClusterError(FinishError):
    """A fault of the cluster, not of any shot: the run stops, and can be resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A function and an item, and what must be so where they are worked on.

    Attributes
    ----------
    work : bytes
        The pickled function and item: the Dask worker itself imports nothing of them.
    kind : str
        The function's name.
    environment : Mapping of str to str
        What decides the numbers; the same on every machine, or shots would differ.
    reads : tuple of (Path, int)
        Files of the item and their sizes in bytes.
    note : (Path, str) or None
        A file in the folder in which the item is to write, and what it says.
    patience : Patience
    """

    work: bytes
    kind: str
    environment: Mapping[str, str]
    reads: tuple[tuple[Path, int], ...]
    note: tuple[Path, str] | None
    patience: Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came of an errand.

    Attributes
    ----------
    answer : object
        What the function returned or raised, or :class:`~finishkit.crew.Lost`.
    part : Path or None
        What it has written, under a name of this attempt's own.
    part_bytes : int
    """

    answer: Any
    part: Path | None = None
    part_bytes: int = 0


BEGUN: Final = "finishkit-begun"
"""Topic of Dask's events under which a worker says what it begins: the key of the task."""

_crews = threading.local()


def run_errand(errand: Errand) -> bytes:
    """Work on an errand in a child; what a Dask worker runs, in one of its threads.

    Parameters
    ----------
    errand : Errand
        What to do.

    Returns
    -------
    packed : bytes
        A pickled :class:`Returned`.
    """
    _say_begun()
    crew = getattr(_crews, "crew", None)
    if crew is None or crew.patience != errand.patience:
        # Kept warm; its processes end with this worker's.
        crew = _crews.crew = Crew(1, errand.patience)
    for _, answer in crew.run(_in_child, [errand], kind=errand.kind):
        if isinstance(answer, bytes):
            return answer
        return pickle.dumps(Returned(answer=answer))
    raise AssertionError("an errand without an answer")


def _say_begun() -> None:
    from distributed import get_worker

    with contextlib.suppress(ValueError):  # not in a worker
        worker = get_worker()
        worker.log_event(BEGUN, str(worker.get_current_task()))


def _in_child(errand: Errand) -> bytes:
    part: Path | None = None
    try:
        refuse_strangers(errand)
        function, item = pickle.loads(errand.work)
        item, part = _with_own_part(item, errand.note)
        answer = pickle.dumps(_done(function, item, part))
    except Exception as error:
        if part is not None:
            part.unlink(missing_ok=True)
        answer = pickle.dumps(Returned(answer=pickle.loads(packed_error(error))))
    return answer


def _done(function: Callable[[Any], Any], item: Any, part: Path | None) -> Returned:
    answer = function(item)
    written = part is not None and part.exists()
    size = part.stat().st_size if part is not None and written else 0
    return Returned(answer=answer, part=part if written else None, part_bytes=size)


def _with_own_part(item: Any, note: tuple[Path, str] | None) -> tuple[Any, Path | None]:
    """Let an item write to a name of its own.

    A worker that was given up, and lives, must not write into the file that another one makes.
    """
    part = getattr(item, "part", None)
    if not isinstance(part, Path) or note is None:
        return item, None
    own = note[0].with_name(f"{uuid.uuid4().hex}{part.suffix}")
    return dataclasses.replace(item, part=own), own


def refuse_strangers(errand: Errand) -> None:
    """Refuse to work where numbers would differ, or where the files are not the coordinator's.

    Parameters
    ----------
    errand : Errand
        Its ``environment``, ``reads`` and ``note`` are looked at.

    Raises
    ------
    ClusterError
        ``cluster_mismatch`` or ``not_shared``.
    """
    here = environment()
    other = [f"{n} {here.get(n)} instead of {v}" for n, v in errand.environment.items()
             if here.get(n) != v]  # fmt: skip
    if other:
        raise ClusterError(
            f"A worker of the cluster has {', '.join(other)}: its shots would differ from the"
            " others. Install the same versions on every machine.",
            "cluster_mismatch",
        )
    unseen = [path for path, size in errand.reads if not _is(path, size)]
    if errand.note is not None and not _says(*errand.note):
        unseen.append(errand.note[0].parent)
    if unseen:
        raise ClusterError(
            f"A worker of the cluster does not see {unseen[0].parent} as this machine does. Share"
            " that folder, and mount it under this very path on every machine.",
            "not_shared",
        )


def _is(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


def _says(path: Path, said: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == said
    except OSError:
        return False


def errand_of(
    function: Callable[[Any], Any],
    item: Any,
    here: Mapping[str, str],
    notes: Mapping[Path, tuple[Path, str]],
    patience: Patience,
) -> Errand:
    """Pack a piece of work.

    Parameters
    ----------
    function : callable
        Importable by name.
    item : object
        Files it reads are its fields of type Path; what it writes is called ``part``.
    here : Mapping of str to str
        The coordinator's environment.
    notes : Mapping of Path to (Path, str)
        Of each folder in which results will stand, a note in the folder to write to.
    patience : Patience
        When its child counts as hanging.
    """
    part = getattr(item, "part", None)
    return Errand(
        work=pickle.dumps((function, item)),
        kind=name_of(function),
        environment=here,
        reads=tuple((path, path.stat().st_size) for path in _read_paths(item)),
        note=notes[part.parent] if isinstance(part, Path) else None,
        patience=patience,
    )


def _read_paths(item: Any) -> list[Path]:
    if not dataclasses.is_dataclass(item):
        return []
    found = [getattr(item, f.name) for f in dataclasses.fields(item) if f.name != "part"]
    return [path for path in found if isinstance(path, Path) and path.is_file()]


def name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called, or a callable's class.

    Parameters
    ----------
    function : callable
        Of any kind.
    """
    return getattr(function, "__qualname__", type(function).__name__)


def key_of(function: Callable[[Any], Any], item: Any) -> str:
    """Return what a task's key begins with: the same for the same work.

    Parameters
    ----------
    function : callable
        Its name counts.
    item : object
        Its content counts.
    """
    return f"finishkit-{name_of(function)}-{digest(item)[:32]}"
