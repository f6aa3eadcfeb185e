"""What has been done: the only writer of final names, and the manifest that is believed."""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.values import Value

State = Literal["finished", "quarantined"]
"""A shot that is neither is not run: there is no fourth state."""


class Entry(Value):
    """One file under its final name.

    Attributes
    ----------
    key : str
        Digest of everything the file was made from.
    sha256 : str
        Of its bytes, checked again before the file is believed.
    bytes : int
    facts : dict
        What was learned while making it: counts, solved values, gates.
    """

    key: str
    sha256: str
    bytes: int
    facts: dict[str, Any] = {}


class ShotState(Value):
    """How it stands with one shot.

    Attributes
    ----------
    state : {'finished', 'quarantined'}
    code : str
        Why it needs a person: a reason code of a quarantine, or ``regenerate``; empty for a shot
        that needs nothing more.
    text : str
    """

    state: State
    code: str = ""
    text: str = ""


class Manifest(Value):
    """Everything that stands finished in a folder. On disk it is the only truth."""

    schema_version: Literal[1] = 1
    episode: str = ""
    planned: tuple[str, ...] = ()
    """The shots the last run set out to finish; an empty tuple: nothing was run here."""
    shots: dict[str, ShotState] = {}
    entries: dict[str, Entry] = {}

    @property
    def exit_code(self) -> int:
        """0 all finished; 3 finished, but shots need a person; 1 not finished."""
        states = [self.shots.get(shot) for shot in self.planned]
        if not states or any(s is None for s in states) or "master.mp4" not in self.entries:
            return 1
        return 3 if any(s is not None and s.code for s in states) else 0


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes (about 1.7 GB/s, measured).

    Parameters
    ----------
    path : Path
        A readable regular file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(*values: Any) -> str:
    """Return a SHA-256 over values: numbers, text, paths' text, arrays, and nests of these.

    Parameters
    ----------
    *values : object
        Dataclasses and pydantic values are taken field by field, with their class's name. Two
        different values never have one digest by accident of formatting: every part is framed
        by its type and length.
    """
    running = hashlib.sha256()
    for value in values:
        _feed(running, value)
    return running.hexdigest()


def _feed(running: Any, value: Any) -> None:
    def frame(kind: str, data: bytes) -> None:
        running.update(f"{kind}:{len(data)}:".encode())
        running.update(data)

    if isinstance(value, np.ndarray):
        frame("array", f"{value.dtype}{value.shape}".encode())
        running.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Value):
        _feed(running, (type(value).__name__, value.model_dump(mode="json")))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        _feed(running, (type(value).__name__, fields))
    elif isinstance(value, Mapping):
        frame("map", str(len(value)).encode())
        for key in sorted(value, key=str):
            _feed(running, (str(key), value[key]))
    elif isinstance(value, (list, tuple)):
        frame("list", str(len(value)).encode())
        for part in value:
            _feed(running, part)
    elif isinstance(value, (str, int, float, bool, bytes, type(None))) or np.isscalar(value):
        data = value if isinstance(value, bytes) else repr(value).encode()
        frame(type(value).__name__, data)
    else:
        frame(type(value).__name__, str(value).encode())


LOCK_PATIENCE_S = 1.5
"""How long to wait for a killed run's last processes to let go of the folder."""


def _flock_patiently(handle: IO[str]) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file so that its name holds either the old or the new content, never a part.

    Parameters
    ----------
    path : Path
        Its folder is made when missing.
    data : bytes
        The new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # By thread too: two clips of the same bytes are checked side by side, and kept under one name.
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _fsync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FinishError(
            f"{path} could not be written: {error.strerror}. Free some space, or choose another"
            " --out folder.",
            "write_failed",
        ) from error


def _no_fault(point: str) -> None:
    """Do nothing; the kill tests replace this to die at a named point of :meth:`Store.commit`."""


FAULT_POINTS = ("produced", "checked", "synced", "renamed", "recorded")
"""Where a commit may be interrupted; a test kills the process at each."""


class Store:
    """One output folder.

    Parameters
    ----------
    root : Path
        Made when missing.
    """

    fault: Callable[[str], None] = staticmethod(_no_fault)

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FinishError(
                f"The output folder {root} cannot be made: {error.strerror}.", "write_failed"
            ) from error

    @property
    def manifest_path(self) -> Path:
        """Where the manifest lies."""
        return self.root / "manifest.json"

    def manifest(self) -> Manifest:
        """Read the manifest; an empty one where nothing was done yet.

        Raises
        ------
        FinishError
            When the file is there and is no manifest.
        """
        try:
            return Manifest.model_validate_json(self.manifest_path.read_bytes())
        except FileNotFoundError:
            return Manifest()
        except (OSError, ValidationError) as error:
            raise FinishError(
                f"{self.manifest_path} cannot be read as a manifest. Move it away to start over;"
                " finished files are then made again.",
                "bad_manifest",
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run; the kernel lets go even when the process is killed.

        Raises
        ------
        FinishError
            ``locked``, naming who holds it.
        """
        lock = self.root / ".lock"
        with lock.open("a+") as handle:
            try:
                _flock_patiently(handle)
            except OSError as error:
                handle.seek(0)
                holder = handle.read(200).strip() or "another process"
                raise FinishError(
                    f"{self.root} is being worked on by {holder}. Wait for it, or stop it.",
                    "locked",
                ) from error
            handle.truncate(0)
            handle.write(f"process {os.getpid()} on {socket.gethostname()}")
            handle.flush()
            for left in self.root.rglob(".*.part*"):
                # Only a killed run leaves these; the lock says that no other run is alive.
                left.unlink(missing_ok=True)
            yield

    def path(self, name: str) -> Path:
        """Return where a named file stands or will stand."""
        return self.root / name

    def part(self, name: str) -> Path:
        """Return the temporary name, in the same folder, under which a file is produced."""
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        # The ending stays: it tells players and muxers the container.
        return final.with_name(f".{final.stem}.part{final.suffix}")

    def current(self, name: str, key: str) -> Entry | None:
        """Return the entry when the file was made from exactly this and is still whole.

        Parameters
        ----------
        name : str
            Relative to the folder.
        key : str
            See :func:`digest`.
        """
        entry = self.manifest().entries.get(name)
        if entry is None or entry.key != key:
            return None
        path = self.path(name)
        if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.bytes:
            return None
        return entry if sha256_file(path) == entry.sha256 else None

    def commit(
        self,
        name: str,
        *,
        key: str,
        check: Callable[[Path], None],
        facts: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Turn the produced part into the final file, and record it.

        The order is what survives a power cut: check the part by opening it again, flush it,
        hash it, rename it, record it, flush the folder.

        Parameters
        ----------
        name : str
            Its part, :meth:`part`, must have been written.
        key : str
            See :func:`digest`.
        check : callable
            Given the part; raises when it is not what was ordered.
        facts : Mapping, optional
            Kept in the manifest.

        Returns
        -------
        entry : Entry
        """
        part, final = self.part(name), self.path(name)
        self.fault("produced")
        check(part)
        self.fault("checked")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        self.fault("synced")
        entry = Entry(
            key=key, sha256=sha256_file(part), bytes=part.stat().st_size, facts=dict(facts or {})
        )
        part.replace(final)
        self.fault("renamed")
        manifest = self.manifest()
        self._save(manifest.replace(entries={**manifest.entries, name: entry}))
        self.fault("recorded")
        return entry

    def plan(self, episode: str, shots: tuple[str, ...]) -> None:
        """Record what this run sets out to finish; states of earlier runs are forgotten."""
        self._save(self.manifest().replace(episode=episode, planned=shots, shots={}))

    def mark(self, shot: str, state: State, code: str = "", text: str = "") -> None:
        """Record how it stands with a shot."""
        manifest = self.manifest()
        states = {**manifest.shots, shot: ShotState(state=state, code=code, text=text)}
        self._save(manifest.replace(shots=states))

    def forget(self, name: str) -> None:
        """Drop a file and its record, so that it is made again."""
        manifest = self.manifest()
        rest = {k: v for k, v in manifest.entries.items() if k != name}
        self._save(manifest.replace(entries=rest))
        self.path(name).unlink(missing_ok=True)

    def verify(self) -> tuple[str, ...]:
        """Re-read every recorded file; return the names that are missing or changed."""
        entries = self.manifest().entries
        return tuple(n for n, e in entries.items() if self.current(n, e.key) is None)

    def _save(self, manifest: Manifest) -> None:
        text = json.dumps(manifest.model_dump(mode="json"), indent=1)
        write_bytes(self.manifest_path, text.encode())
