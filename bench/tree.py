"""Run a program and watch the memory of the whole tree of its processes."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

EVERY_S = 0.1


def watched(command: Sequence[str], log: Path, good: Sequence[int] = (0,)) -> dict[str, float]:
    """Run a program to its end.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    log : Path
        Where all it prints is appended.
    good : sequence of int
        Exit codes that mean it did its work.

    Returns
    -------
    told : dict
        ``seconds`` and ``tree_peak_bytes``: the largest memory of its own that the tree had at one
        moment, pages shared between its processes left out.

    Raises
    ------
    RuntimeError
        For any other exit code.
    """
    begun = time.perf_counter()
    top = 0
    with log.open("ab") as file:
        process = subprocess.Popen(list(command), stdout=file, stderr=file)
        while process.poll() is None:
            top = max(top, _tree_bytes(process.pid))
            time.sleep(EVERY_S)
    if process.returncode not in good:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {process.returncode}, see {log}")
    return {"seconds": time.perf_counter() - begun, "tree_peak_bytes": top}


def _tree_bytes(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for one in (root, *root.children(recursive=True)):
            try:
                info = one.memory_info()
            except psutil.NoSuchProcess:
                continue
            total += info.rss - info.shared
    except psutil.NoSuchProcess:
        return total
    return total
