"""G11: a full or read-only disk, a limit on files: said with path and bytes, and gone on with."""

import contextlib
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from finishkit.store import Store
from tests import synth
from tests.test_finishing import template
from tests.torture.outcome import Outcome, Say

KINDS = ("full", "full", "full", "refused before", "file size", "open files", "read-only")
"""The first three times a disk of 200 KB to 5 MB; without mounts a limit on the size of files."""
LONGEST_S = 240.0
LOOK = {"interpolate.strength": 1.0, "master.rate_fps": "30", "deflicker.strength": 0.0,
        "stabilise.strength": 0.0}  # fmt: skip


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Try it ``count`` times: break the disk, read what is said, mend it, run again."""
    folder.mkdir(parents=True, exist_ok=True)
    episode = synth.make_episode(folder, shots=2, count=8)
    toml = template(**LOOK).save(folder / "t.toml")
    whole = _finish(episode, toml, folder / "whole", ())
    assert whole.returncode == 0, whole.stderr
    truth = _made(folder / "whole" / "ep01")
    mounts = _can_mount()
    failures: list[str] = []
    ends: dict[str, dict[str, int]] = {}
    for index in range(count):
        rng = random.Random(f"{seed}:{index}")
        kind = KINDS[index % len(KINDS)]
        if not mounts and kind in ("full", "refused before", "read-only"):
            kind = "file size"
        wrong, end = _trial(rng, kind, folder / str(index), (episode, toml), truth)
        seen = ends.setdefault(kind, {})
        seen[end] = seen.get(end, 0) + 1
        if wrong:
            failures.append(f"{seed}:{index} {kind}: {wrong}")
        if index % 10 == 9:
            say(f"{index + 1} of {count}, {len(failures)} failures")
    return Outcome(
        suite="disk",
        promises=("G11",),
        trials=count,
        failures=tuple(failures),
        figures={"disks could be mounted": mounts, "ends": ends},
    )


def _trial(
    rng: random.Random, kind: str, folder: Path, work: tuple[Path, Path], truth: dict[str, str]
) -> tuple[str, str]:
    folder.mkdir()
    size = rng.randint(200_000, 5_000_000)
    limits: tuple[tuple[int, int], ...] = ()
    mounted = kind in ("full", "refused before", "read-only")
    if kind == "file size":
        limits = ((resource.RLIMIT_FSIZE, rng.randint(10_000, 600_000)),)
    elif kind == "open files":
        limits = ((resource.RLIMIT_NOFILE, rng.randint(40, 200)),)
    with _disk(folder, size) if mounted else contextlib.nullcontext(_nothing) as remount:
        if kind == "read-only":
            remount("ro")
        options = () if kind == "refused before" else ("--no-disk-check",)
        broken = _finish(*work, folder, limits, options)
        wrong = _wrong(kind, broken, folder / "ep01")
        if kind == "read-only":
            remount("rw")
        if mounted:
            remount("size=200m")
        again = _finish(*work, folder, ())
        if not wrong and again.returncode != 0:
            wrong = f"it does not go on: {again.stderr[-300:]}"
        if not wrong and _made(folder / "ep01") != truth:
            wrong = "other bytes than an unbroken run's"
    return wrong, _end(broken)


def _end(broken: subprocess.CompletedProcess[str]) -> str:
    return "it fitted" if broken.returncode == 0 else f"exit code {broken.returncode}"


def _wrong(kind: str, broken: subprocess.CompletedProcess[str], folder: Path) -> str:
    said = broken.stderr
    if broken.returncode == 0:
        return "" if kind in ("full", "file size") else "it did not notice"
    if broken.returncode not in (1, 2):
        return f"exit code {broken.returncode}: {said[-300:]}"
    if "Traceback" in said:
        return f"a traceback: {said[-300:]}"
    sentence = said[said.rfind("finishkit: ") :]
    if kind == "open files":
        return "" if "may open" in sentence else f"it does not say why: {sentence[-300:]}"
    if str(folder.parent) not in sentence:
        return f"no path: {sentence[-300:]}"
    if kind != "read-only" and "bytes" not in sentence:
        return f"no bytes: {sentence[-300:]}"
    if (folder / "manifest.json").is_file():
        manifest = Store(folder).manifest()
        if manifest.exit_code != 1:
            return f"the manifest says {manifest.exit_code}"
        if any(shot.state == "quarantined" for shot in manifest.shots.values()):
            return "a good shot was set aside"
        if damaged := Store(folder).verify():
            return f"recorded, and not whole: {damaged}"
    if kind == "refused before" and (folder / "manifest.json").exists():
        return "it was not refused before the first shot"
    return ""


def _finish(
    episode: Path,
    toml: Path,
    out: Path,
    limits: tuple[tuple[int, int], ...],
    options: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        for what, most in limits:
            resource.setrlimit(what, (most, most))

    return subprocess.run(
        [sys.executable, "-m", "finishkit", "finish", str(episode), "-t", str(toml), "-O", str(out),
         "-j", "1", *options],
        capture_output=True, text=True, check=False, timeout=LONGEST_S, preexec_fn=limited,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def _made(folder: Path) -> dict[str, str]:
    files = [*folder.glob("shots/*.mp4"), folder / "master.mp4"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()}


def _nothing(_: str) -> None:
    """Nothing is mounted, so nothing is mounted again."""


@contextlib.contextmanager
def _disk(folder: Path, size: int) -> Iterator[Callable[[str], None]]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)

    def again(option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)

    try:
        yield again
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _disk(Path(folder), 200_000):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False
