"""What workers are given to do: importable by name, as it must be."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.working import beat


@dataclass(frozen=True)
class Deed:
    shot: str
    what: str = "work"
    mark: Path | None = None
    part: Path | None = None
    begun: Path | None = None


class OddError(Exception):
    """Pickles, and cannot be made again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def _spin(seconds, beats=False):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
        if beats:
            beat()


def _once(mark):
    first = not mark.exists()
    mark.touch()
    return first


def perform(deed):
    """Do it; return who did it."""
    what = deed.what
    if deed.begun is not None:
        with deed.begun.open("a") as file:
            file.write(f"{time.monotonic()}\n")
    if what == "refuse":
        raise FinishError("no picture", "no_frames")
    if what == "fail":
        raise ZeroDivisionError("by nothing")
    if what == "fail oddly":
        raise OddError(1, 2)
    if what == "unpicklable":
        return lambda: None
    if what == "kill the worker":
        os.kill(os.getppid(), signal.SIGKILL)
    if what == "die" or (what == "die once" and _once(deed.mark)):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep" or (what == "sleep once" and _once(deed.mark)):
        time.sleep(600)
    if what == "stop" or (what == "stop once" and _once(deed.mark)):
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "fifo":
        deed.mark.open("rb").read()
    if what == "pipe":
        _, write = os.pipe()
        while True:
            os.write(write, bytes(65536))
    if what == "spin":
        _spin(600)
    if what == "compute":
        _spin(3)
    if what == "beat slowly":
        for _ in range(12):
            time.sleep(0.25)
            beat()
    if what == "leave a child":
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(0.3)
        deed.mark.write_text(str(child.pid))
        time.sleep(600)
    if what == "grow":
        perform.__dict__.setdefault("held", []).append(bytearray(300 * 2**20))
    if what == "environment":
        import resource

        import cv2

        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HTTPS_PROXY")
        return {
            "stdin": sys.stdin.read(),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "cv2": cv2.getNumThreads(),
            "leads": os.getsid(0) == os.getpid(),
            **{name: os.environ.get(name) for name in names},
        }
    if deed.part is not None:
        deed.part.write_text(f"{deed.shot} done")
    return os.getpid()
