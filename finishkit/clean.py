"""Freeing the disk after the night: what lies between the passes, of episodes that are finished."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finishkit.errors import FinishError
from finishkit.hold import batch_holds, held_by_batch
from finishkit.pause import is_held
from finishkit.store import Store

CACHES = ("ingest", "measure")
"""Folders under ``work`` of what was found out about clips: small, and only ``--caches`` takes
them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Litter:
    """What can be freed in one episode's folder.

    Attributes
    ----------
    folder : Path
    files : tuple of str
        Names relative to the folder.
    bytes : int
        Of these.
    used_s : float
        When a run last wrote its manifest, seconds since 1970.
    kept : str
        Why nothing is freed; empty when something is.
    """

    folder: Path
    files: tuple[str, ...] = ()
    bytes: int = 0
    used_s: float = 0.0
    kept: str = ""

    def told(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "folder": str(self.folder),
            "files": len(self.files),
            "bytes": self.bytes,
            "kept": self.kept,
        }


def plan_clean(
    folders: Sequence[Path],
    *,
    older_than_s: float = 0.0,
    keep_bytes: int | None = None,
    caches: bool = False,
) -> list[Litter]:
    """Say what would be freed; nothing is touched.

    Parameters
    ----------
    folders : sequence of Path
        Output folders of episodes, or of a batch.
    older_than_s : float, optional
        Only of episodes that no run has touched for so long.
    keep_bytes : int, optional
        So much may stay, over all: the episodes at rest the longest are cleaned first, and no more
        of them than needed.
    caches : bool, optional
        Whether what was measured goes too.

    Returns
    -------
    plan : list of Litter
        The longest at rest first.

    Raises
    ------
    FinishError
        ``no_folder`` for a folder that nothing was finished in; ``locked`` when one is worked on.
    """
    found = sorted((_litter(f, caches) for f in _episodes(folders)), key=lambda one: one.used_s)
    left = sum(one.bytes for one in found)
    plan = []
    for one in found:
        why = one.kept
        if not why and time.time() - one.used_s < older_than_s:
            why = "not at rest for that long"
        elif not why and keep_bytes is not None and left <= keep_bytes:
            why = "it is small enough already"
        elif not why and not one.files:
            why = "nothing lies between its passes"
        if why:
            plan.append(Litter(folder=one.folder, used_s=one.used_s, kept=why))
        else:
            left -= one.bytes
            plan.append(one)
    return plan


def clean_folder(litter: Litter) -> int:
    """Free what was planned, and return the bytes that were freed.

    The records go first and the files after them: broken off in between, a file without a record
    is left, which the next cleaning takes.

    Parameters
    ----------
    litter : Litter
        From :func:`plan_clean`.

    Raises
    ------
    FinishError
        ``locked`` when a run has begun in the folder since.
    """
    store, freed = Store(litter.folder), 0
    with held_by_batch([litter.folder]), store.locked():
        # Asked again under the lock: the episode may have been gone on with since.
        now = _litter_files(store, caches=any(_is_cache(name) for name in litter.files))
        store.release(name for name in now if not _is_cache(name))
        for name in now:
            path = store.path(name)
            size = path.lstat().st_size if path.is_symlink() or path.is_file() else 0
            path.unlink(missing_ok=True)
            freed += size
        for folder in sorted(store.path("work").rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return freed


def _episodes(folders: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for folder in folders:
        if (folder / "manifest.json").is_file():
            found[folder] = None
            continue
        inside = sorted(p.parent for p in folder.glob("*/manifest.json"))
        if not inside:
            raise FinishError(
                f"{folder} holds no manifest: nothing was finished there, so there is nothing to"
                " clean.",
                "no_folder",
            )
        found |= dict.fromkeys(inside)
    for folder in found:
        if is_held(folder) or batch_holds(folder):
            raise FinishError(
                f"{folder} is being worked on. Clean it when the run has ended, or pause it with:"
                f" finishkit pause {folder}",
                "locked",
            )
    return list(found)


def _litter(folder: Path, caches: bool) -> Litter:
    store = Store(folder)
    used_s = store.manifest_path.stat().st_mtime
    if store.manifest().exit_code == 1:
        return Litter(
            folder=folder,
            used_s=used_s,
            kept="it is not finished, and going on needs what lies between its passes",
        )
    files = _litter_files(store, caches=caches)
    sizes = sum(store.path(name).lstat().st_size for name in files if store.path(name).is_file())
    return Litter(folder=folder, files=files, bytes=sizes, used_s=used_s)


def _litter_files(store: Store, *, caches: bool) -> tuple[str, ...]:
    """Return names under ``work``, those with a record and those that a killed run left."""
    if store.manifest().exit_code == 1:
        return ()
    kept = (".json", ".bypassed")  # the report's stamp; what was tried and left as it was
    names = []
    for path in sorted(store.path("work").rglob("*")):
        name = path.relative_to(store.root).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if _is_cache(name):
            if caches:
                names.append(name)
        elif path.suffix not in kept or path.name.startswith("."):
            names.append(name)
    return tuple(names)


def _is_cache(name: str) -> bool:
    parts = name.split("/")
    return len(parts) > 2 and parts[1] in CACHES
