"""What has been done: the only writer of final names, and the manifest that is believed."""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finishkit.errors import FinishError
from finishkit.inplace import holder, own, sign, take_patiently
from finishkit.manifest import Entry, Manifest, ShotState, State, Whole, from_bytes, to_bytes
from finishkit.values import Value


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes (about 1.7 GB/s, measured).

    Parameters
    ----------
    path : Path
        A readable regular file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_unchanged(path: Path, sha256: str) -> None:
    """Refuse a file whose bytes are no longer those that were looked at.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of the bytes that were checked or made.

    Raises
    ------
    FinishError
        ``changed``, also for a file that is gone or cannot be read.
    """
    try:
        same = sha256_file(path) == sha256
    except OSError:
        same = False
    if not same:
        raise FinishError(
            f"{path} changed while it was being worked on. Leave the files alone during a run, and"
            " run the same command again.",
            "changed",
        )


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


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_fault(point: str) -> None:
    """Do nothing; the kill tests replace this to die at a named point of a write."""


def write_bytes(path: Path, data: bytes, fault: Callable[[str], None] = _no_fault) -> None:
    """Write a small file so that its name holds either the old or the new content, never a part.

    Parameters
    ----------
    path : Path
        Its folder is made when missing.
    data : bytes
        The new content.
    fault : callable, optional
        Told of every step that was taken.
    """
    # By thread too: two clips of the same bytes are checked side by side, and kept under one name.
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            fault("opened")
            file.write(data)
            file.flush()
            fault("written")
            os.fsync(file.fileno())
        fault("synced")
        part.replace(path)
        fault("renamed")
        _fsync_folder(path.parent)
        fault("folder_synced")
    except OSError as error:
        with contextlib.suppress(OSError):  # a read-only folder, in which there is no part
            part.unlink(missing_ok=True)
        raise FinishError(
            f"{path} ({len(data)} bytes) could not be written: {error.strerror}. Free some space,"
            " or choose another --out folder.",
            "write_failed",
        ) from error


FAULT_POINTS = (
    "produced",
    "checked",
    "synced",
    "hashed",
    "renamed",
    "folder_synced",
    "manifest_opened",
    "manifest_written",
    "manifest_synced",
    "manifest_renamed",
    "manifest_folder_synced",
    "recorded",
)
"""Where a commit may be interrupted; the kill tests end the process at each."""


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
            return from_bytes(self.manifest_path.read_bytes())
        except FileNotFoundError:
            return Manifest()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
        try:
            handle = own(lock).open("a+b", buffering=0)
        except OSError as error:
            raise FinishError(
                f"{lock} could not be written: {error.strerror}. Make the folder writable, or"
                " choose another --out folder.",
                "write_failed",
            ) from error
        with handle:
            if not take_patiently(handle):
                raise FinishError(
                    f"{self.root} is being worked on by {holder(lock)}. Wait for it, or stop it.",
                    "locked",
                )
            sign(handle)
            for left in list(self.root.rglob(".*.part*")):
                # Only a killed run leaves these; the lock says that no other run is alive.
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
            yield

    def path(self, name: str) -> Path:
        """Return where a named file stands or will stand."""
        return self.root / name

    def part(self, name: str) -> Path:
        """Return the temporary name, in the same folder, under which a file is produced."""
        final = self.path(name)
        final.parent.mkdir(parents=True, exist_ok=True)
        if not final.parent.resolve().is_relative_to(self.root.resolve()):
            raise FinishError(
                f"{final.parent} is a link out of the output folder. Take it away: results would"
                " be written over what it leads to.",
                "out_in_sources",
            )
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
        return entry if entry is not None and entry.key == key and self.unharmed(name) else None

    def entry(self, name: str) -> Entry:
        """Return what was recorded of a file that this run has made or found whole.

        Parameters
        ----------
        name : str
            Relative to the folder.

        Raises
        ------
        FinishError
            ``changed`` when nothing is recorded any more: somebody else writes to the folder.
        """
        entry = self.manifest().entries.get(name)
        if entry is None:
            raise FinishError(
                f"{self.manifest_path} has lost {name}, which it knew: something else has changed"
                " it. Nothing of this run is called finished. Run the same command again.",
                "changed",
            )
        return entry

    def unharmed(self, name: str) -> bool:
        """Say whether a file is still what was recorded; all of it is read.

        Parameters
        ----------
        name : str
            Relative to the folder.
        """
        entry, path = self.manifest().entries.get(name), self.path(name)
        if entry is None or path.is_symlink() or not path.is_file():
            return False
        return path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256

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
        hash it, rename it, flush its folder, then record it in the same way.

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
        self.fault("hashed")
        part.replace(final)
        self.fault("renamed")
        _fsync_folder(final.parent)
        self.fault("folder_synced")
        manifest = self.manifest()
        self._save(manifest.replace(entries={**manifest.entries, name: entry}))
        self.fault("recorded")
        return entry

    def plan(self, episode: str, shots: tuple[str, ...]) -> None:
        """Record what this run sets out to finish; states of earlier runs are forgotten."""
        self._save(self.manifest().replace(episode=episode, planned=shots, shots={}, ended=False))

    def end(self) -> None:
        """Record that this run came to its end."""
        self._save(self.manifest().replace(ended=True))

    def mark(self, shot: str, state: State, code: str = "", text: str = "") -> None:
        """Record how it stands with a shot."""
        manifest = self.manifest()
        states = {**manifest.shots, shot: ShotState(state=state, code=code, text=text)}
        self._save(manifest.replace(shots=states))

    def record_whole(self, whole: Whole) -> None:
        """Record that the episode is finished to its end."""
        self._save(self.manifest().replace(whole=whole))

    def forget(self, name: str) -> None:
        """Drop a file and its record, so that it is made again."""
        manifest = self.manifest()
        rest = {k: v for k, v in manifest.entries.items() if k != name}
        self._save(manifest.replace(entries=rest))
        self.path(name).unlink(missing_ok=True)

    def release(self, names: Iterable[str]) -> None:
        """Drop records at once; the files, which nobody asks for any more, are the caller's."""
        manifest, gone = self.manifest(), set(names)
        rest = {k: v for k, v in manifest.entries.items() if k not in gone}
        if len(rest) < len(manifest.entries):
            self._save(manifest.replace(entries=rest))

    def verify(self) -> tuple[str, ...]:
        """Re-read every recorded file; return the names that are missing or changed."""
        entries = self.manifest().entries
        return tuple(name for name in entries if not self.unharmed(name))

    def _save(self, manifest: Manifest) -> None:
        def fault(point: str) -> None:
            self.fault(f"manifest_{point}")

        write_bytes(self.manifest_path, to_bytes(manifest), fault)
