"""G10: however many start on one folder at once, one works, and the others say who it is."""

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from finishkit.hold import BATCH_LOCK
from tests import synth
from tests.test_finishing import template
from tests.torture.outcome import Outcome, Say

KINDS = ("at once", "orphan", "another machine", "left over")
REAL_EVERY = 5
"""Every so manieth trial starts the whole command; the others take the folder the same way, by
the same call, and do no work in it."""
TELL_WITHIN_S = 2.0
HOLD = """
import sys, time
from pathlib import Path
from finishkit.errors import FinishError
from finishkit.hold import held_by_batch
folder, start, seconds = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
time.sleep(max(0.0, start - time.time()))
begun = time.monotonic()
try:
    with held_by_batch([folder]):
        has_it = time.monotonic()
        time.sleep(seconds)
        print("had it", has_it, time.monotonic(), flush=True)
except FinishError as error:
    print(f"{error.code} {time.monotonic() - begun:.3f} {error}", flush=True)
    sys.exit(2)
"""
ORPHAN = """
import fcntl, os, sys, time
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.truncate(0)
lock.write(sys.argv[2])
lock.flush()
if os.fork() == 0:
    print("held", flush=True)
    time.sleep(120)
os._exit(0)
"""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Try it ``count`` times: two to four at once, an orphan's lock, another machine's name."""
    folder.mkdir(parents=True, exist_ok=True)
    episode = synth.make_episode(folder, shots=1, count=4)
    toml = template().save(folder / "t.toml")
    failures: list[str] = []
    waits: list[float] = []
    real = 0
    for index in range(count):
        rng = random.Random(f"{seed}:{index}")
        kind = KINDS[index // REAL_EVERY % len(KINDS)]
        whole = index % REAL_EVERY == 0
        real += whole
        command = _batch(episode, toml, folder / str(index)) if whole else None
        wrong = _trial(rng, kind, folder / str(index) / "ep01", command, waits)
        if wrong:
            failures.append(f"{seed}:{index} {kind}{', whole command' * whole}: {wrong}")
        if index % 20 == 19:
            say(f"{index + 1} of {count}, {len(failures)} failures")
    return Outcome(
        suite="double_start",
        promises=("G10",),
        trials=count,
        failures=tuple(failures),
        figures={
            "by the whole command": real,
            "told at latest after s": round(max(waits, default=0.0), 2),
        },
    )


def _batch(episode: Path, toml: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "finishkit", "batch", str(episode), "-t", str(toml),
            "-O", str(out), "-j", "1"]  # fmt: skip


def _trial(
    rng: random.Random, kind: str, folder: Path, command: list[str] | None, waits: list[float]
) -> str:
    folder.mkdir(parents=True)
    who, orphan = "", 0
    if kind in ("orphan", "another machine"):
        name = rng.choice((".lock", BATCH_LOCK))
        machine = "another-machine" if kind == "another machine" else socket.gethostname()
        who = f"process 4711 on {machine} since 2026-01-02 03:04:05"
        orphan = _orphan(folder / name, who)
    elif kind == "left over":
        # A killed one leaves its words in the lock, and nobody who holds it.
        for name in (".lock", BATCH_LOCK):
            (folder / name).write_text("process 1 on a-machine-that-is-off")
    try:
        starters = rng.randint(2, 4) if command is None else 2
        ends = _start(rng, folder, command, starters)
    finally:
        if orphan:
            os.kill(orphan, signal.SIGKILL)
    return _wrong(ends, waits, command is not None, winners=0 if orphan else 1, who=who)


def _start(
    rng: random.Random, folder: Path, command: list[str] | None, starters: int
) -> list[tuple[int, str]]:
    start = time.time() + 1.0
    # So long that the one who has it still does when the slowest of the others gives up.
    argv = command or [sys.executable, "-c", HOLD, str(folder), str(start), "4"]

    def one(delay_s: float) -> tuple[int, str]:
        time.sleep(delay_s)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(starters) as pool:
        return list(pool.map(one, [rng.uniform(0, 0.3) for _ in range(starters)]))


def _orphan(lock: Path, who: str) -> int:
    """Return the number of a process whose parent has ended and that still holds a lock."""
    starter = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(lock), who], stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert starter.stdout is not None
    starter.stdout.readline()
    starter.wait()
    starter.stdout.close()
    return _members(starter.pid)[0]


def _members(group: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since it was listed
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def _wrong(
    ends: list[tuple[int, str]], waits: list[float], whole: bool, *, winners: int, who: str
) -> str:
    codes = sorted(code for code, _ in ends)
    if set(codes) - {0, 2} or min(1, codes.count(0)) != winners:
        return f"exit codes {codes}: {ends[0][1][-200:]}"
    # On a machine so busy that one starts when another has ended already, both may have it.
    held = sorted(
        tuple(map(float, said.split()[2:4])) for code, said in ends if code == 0 and not whole
    )
    if whole and codes.count(0) > 1:
        return f"{codes.count(0)} whole batches worked on it"
    if any(later[0] < earlier[1] for earlier, later in itertools.pairwise(held)):
        return f"two had it at once: {held}"
    for code, said in ends:
        if code != 2:
            continue
        named = who or f"on {socket.gethostname()} since"
        if named not in said or "is being worked on by process " not in said:
            return f"it does not say who: {said[-200:]}"
        if not whole:
            waited = float(said.split()[1])
            waits.append(waited)
            if waited >= TELL_WITHIN_S:
                return f"it took {waited:.2f} s to say so"
    return ""
