"""What the kill suites share: a small episode, an unbroken run of it, and what must hold after."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from finishkit.store import Store, sha256_file
from finishkit.template import Draft
from tests import synth
from tests.torture.outcome import Say

Told = TypeVar("Told")


def light_template() -> Draft:
    """Return a quick look: small, without nets."""
    draft = Draft.from_genre("romance")
    for name, value in {
        "master.width_px": 288, "master.height_px": 512, "upscale.model": "lanczos",
        "faces.strength": 0.0,
    }.items():  # fmt: skip
        draft.set(name, value)
    return draft


@dataclass
class Bench:
    """An episode, and what an unbroken run makes of it.

    Attributes
    ----------
    episode, template : Path
    truth : dict of str to str
        Every file of work and result, with its SHA-256.
    length_s : float
        How long the unbroken run took.
    """

    episode: Path
    template: Path
    truth: dict[str, str] = field(default_factory=dict)
    length_s: float = 0.0

    @classmethod
    def make(cls, folder: Path, shots: int = 2, count: int = 8) -> "Bench":
        """Make the episode, and finish it once."""
        episode = synth.make_episode(folder, shots=shots, count=count)
        bench = cls(episode, light_template().lock().save(folder / "t.toml"))
        started = time.monotonic()
        whole = subprocess.run(
            bench.command(folder / "whole"), capture_output=True, text=True, check=False
        )
        bench.length_s = time.monotonic() - started
        assert whole.returncode == 0, whole.stderr
        bench.truth = made(folder / "whole" / "ep01")
        assert len(bench.truth) >= shots + 1
        return bench

    def command(self, out: Path) -> list[str]:
        """Return the command a user would give."""
        return [
            sys.executable, "-m", "finishkit", "batch", str(self.episode),
            "-t", str(self.template), "-O", str(out), "-j", "1",
        ]  # fmt: skip

    def start(self, out: Path, env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Start a batch in a process group of its own."""
        return subprocess.Popen(
            self.command(out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )


def made(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that stands under a final name."""
    files = [*folder.glob("shots/*.mp4"), *folder.glob("work/*_*/*.mkv"), folder / "master.mp4"]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
        if p.is_file() and not p.name.startswith(".")
    }


@dataclass
class Watchman:
    """Looks at one output folder after every run, and remembers what was finished.

    Attributes
    ----------
    folder : Path
    truth : dict of str to str
    failures : list of str
        What was broken: names after ``case``.
    checked : int
        Files under final names that were compared, over all looks.
    """

    folder: Path
    truth: dict[str, str]
    failures: list[str] = field(default_factory=list)
    checked: int = 0
    _stamps: dict[str, int] = field(default_factory=dict)

    def look(self, case: str) -> None:
        """Compare everything under a final name with the truth; nothing recorded is made again."""
        for name, digest in made(self.folder).items():
            self.checked += 1
            if digest != self.truth.get(name):
                self.failures.append(f"{case}: {name} is not what an unbroken run makes")
        store = Store(self.folder)
        for name, entry in store.manifest().entries.items():
            path = store.path(name)
            if not path.is_file() or sha256_file(path) != entry.sha256:
                self.failures.append(f"{case}: {name} is recorded and is not there whole")
                continue
            stamp = path.stat().st_mtime_ns
            if self._stamps.setdefault(name, stamp) != stamp:
                self.failures.append(f"{case}: {name} was finished and is made again")

    def finished(self, case: str) -> None:
        """Compare the whole folder: nothing missing, nothing other."""
        found = made(self.folder)
        missing = sorted(set(self.truth) - set(found))
        if missing:
            self.failures.append(f"{case}: {', '.join(missing)} missing at the end")


LANES = 2
"""Batches at a time: one alone leaves a processor idle."""


def in_lanes(
    lane: Callable[..., Told], count: int, seed: int, folder: Path, say: Say
) -> list[Told]:
    """Make a bench, and let each lane work on it until the quota of trials is spent.

    Parameters
    ----------
    lane : callable
        Given bench, folder, quota, seed and ``say``.
    count, seed : int
    folder : Path
    say : callable
    """
    bench = Bench.make(folder)
    say(f"an unbroken run takes {bench.length_s:.1f} s and makes {len(bench.truth)} files")
    quota = Quota(count)
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [
            pool.submit(lane, bench, folder / f"lane{n}", quota, f"{seed}:{n}", say)
            for n in range(LANES)
        ]
        return [one.result() for one in lanes]


class Quota:
    """So many trials, shared by threads."""

    def __init__(self, count: int) -> None:
        self.left, self.lock = count, threading.Lock()

    def take(self) -> int | None:
        """Return the number of a trial that is left, or None."""
        with self.lock:
            if self.left == 0:
                return None
            self.left -= 1
            return self.left
