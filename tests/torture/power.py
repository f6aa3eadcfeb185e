"""G4: what a power cut could leave behind, at every step of a run's writing.

A disk keeps what was flushed. Of what was not it may keep anything, in any order: a file that was
written and not synced may be empty; a rename may be there or not until its folder was synced. So
every write, sync and rename of a run's coordinator is recorded, and after each of them the question
is asked: can a manifest be on the disk that names a file whose bytes are not there?
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.store import sha256_file
from tests import synth
from tests.torture.killing import light_template
from tests.torture.outcome import Outcome, Say


@dataclass
class Disk:
    """Recorded steps, and what of them is sure to be on the disk.

    Attributes
    ----------
    steps : int
    violations : list of str
    """

    steps: int = 0
    violations: list[str] = field(default_factory=list)
    _synced: dict[str, str] = field(default_factory=dict)
    """Path of a file to the digest of its bytes when it was last synced under that name."""
    _renamed: dict[str, str] = field(default_factory=dict)
    """Final name to digest, once its folder was synced after the rename."""
    _loose: dict[str, str] = field(default_factory=dict)
    """Final name to digest: renamed, the folder not synced yet."""

    def sync(self, path: str) -> None:
        """A file or a folder was flushed."""
        self.steps += 1
        if Path(path).is_dir():
            for name in [n for n in self._loose if str(Path(n).parent) == path]:
                self._renamed[name] = self._loose.pop(name)
        else:
            self._synced[path] = sha256_file(Path(path))

    def rename(self, old: str, new: str) -> None:
        """A file got another name; what it holds must have been flushed before."""
        self.steps += 1
        digest = sha256_file(Path(old))
        if self._synced.get(old) != digest:
            self.violations.append(f"{Path(new).name} is renamed before its bytes are flushed")
        if Path(new).name == "manifest.json":
            # From here on this manifest may be what a restart finds.
            self._believed(Path(old), Path(new).parent)
        self._loose[new] = digest
        self._synced[new] = digest

    def _believed(self, manifest: Path, root: Path) -> None:
        for name, entry in json.loads(manifest.read_bytes())["entries"].items():
            if self._renamed.get(str(root / name)) != entry["sha256"]:
                self.violations.append(f"the manifest names {name}, which may not be there")


@contextmanager
def recorded(root: Path) -> Iterator[Disk]:
    """Record what this process syncs and renames below a folder."""
    disk, fsync, replace = Disk(), os.fsync, os.replace
    inside = str(root.resolve())

    def sync(handle: int) -> None:
        fsync(handle)
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if path.startswith(inside):
            disk.sync(path)

    def rename(old: Any, new: Any, **more: Any) -> None:
        if str(Path(new).resolve()).startswith(inside):
            disk.rename(str(Path(old).resolve()), str(Path(new).absolute()))
        replace(old, new, **more)

    with mock.patch("os.fsync", sync), mock.patch("os.replace", rename):
        yield disk


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Finish ``count`` small episodes, with a second run over each, and ask after every step."""
    failures: list[str] = []
    steps = 0
    for index in range(count):
        root = folder / str(index)
        episode = synth.make_episode(root, shots=1 + (seed + index) % 3, count=5)
        template = light_template().lock()
        with recorded(root / "runs") as disk:
            finish_episode(open_episode(episode), template, root / "runs", jobs=1)
            (root / "runs" / "ep01" / "shots" / "shot_001.mp4").write_bytes(b"gone bad")
            finish_episode(open_episode(episode), template, root / "runs", jobs=1)
        failures += [f"{seed}:{index} {text}" for text in disk.violations]
        steps += disk.steps
        shutil.rmtree(root)
        say(f"{index + 1} of {count}, {steps} steps, {len(failures)} violations")
    return Outcome(
        suite="power",
        promises=("G4",),
        trials=count,
        failures=tuple(failures),
        figures={"syncs and renames after which was asked": steps},
    )
