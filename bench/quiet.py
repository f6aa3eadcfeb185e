"""What machine this is, and whether it is quiet enough for a timing to mean anything.

Contention does not cancel out of a ratio: torch's thread pool collapses when processors are shared,
others do not, so that a busy machine makes headlines of its own.
"""

import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil

LOAD_LIMIT = 0.3
"""Foreign load a processor above which nothing is measured."""

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")
"""What decides how fast a processor runs a net, and in which number format."""

ALLOCATOR = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "LD_PRELOAD")


def machine() -> dict[str, Any]:
    """Describe the machine: processor, its flags, memory, system, allocator settings."""
    told: dict[str, str] = {}
    flags: set[str] = set()
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            name, _, value = line.partition(":")
            told.setdefault(name.strip(), value.strip())
        flags = set(told.get("flags", told.get("Features", "")).split())
    family = " ".join(f"{k} {told[k]}" for k in ("cpu family", "model") if k in told)
    return {
        "cpu": told.get("model name", platform.processor()) + (f" ({family})" if family else ""),
        "cores": len(_cores()),
        "flags": {name: name in flags for name in FLAGS},
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "allocator": {name: os.environ[name] for name in ALLOCATOR if name in os.environ},
    }


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _busy_s() -> float:
    """Seconds the processors we may use were busy, whoever kept them so, the host included."""
    every = psutil.cpu_times(percpu=True)
    total = 0.0
    for core in _cores():
        if core < len(every):
            seen = every[core]
            total += seen.user + seen.nice + seen.system
            total += sum(getattr(seen, name, 0.0) for name in ("irq", "softirq", "steal"))
    return total


def _own_s() -> float:
    """Seconds of processor time this process and those it started have used."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def foreign_cores(seconds: float = 1.0) -> float:
    """Return how many processors others keep busy, watched for a while.

    Parameters
    ----------
    seconds : float
        How long is watched; nothing of ours should run meanwhile.
    """
    busy, own, begun = _busy_s(), _own_s(), time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    return max(0.0, (_busy_s() - busy - (_own_s() - own)) / elapsed)


def load() -> dict[str, float]:
    """Return the load average of the last minute and the foreign load of this second."""
    return {"load_1min": round(os.getloadavg()[0], 2), "foreign_cores": round(foreign_cores(), 3)}


def is_quiet(foreign: float, cores: int) -> bool:
    """Tell whether a foreign load is small enough for timings."""
    return foreign <= LOAD_LIMIT * cores


def require_quiet(anyway: bool) -> dict[str, float]:
    """Return the load, or end the program when it is too high.

    Parameters
    ----------
    anyway : bool
        Go on all the same; the record then says so.
    """
    found = load()
    cores = len(_cores())
    if not is_quiet(found["foreign_cores"], cores) and not anyway:
        raise SystemExit(
            f"Others keep {found['foreign_cores']:.2f} of {cores} processors busy: timings would"
            f" lie (limit {LOAD_LIMIT} a processor). Wait until the machine is quiet, or say"
            " --anyway, which the record will say too."
        )
    return found
