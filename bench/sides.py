"""The parent's half of a comparison: two or more sides take turns, each warm in its own process."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
THREADS = 2
LIMIT_S = 900.0
"""One answer may take no longer: a side that hangs must not hold up the others for ever."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

TUNED = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**30), "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30)}
"""Lets glibc keep large blocks: without it each layer's activation is mapped and cleared anew."""


class SideFailedError(Exception):
    """A side could not do what it was asked; ``missing`` names the package it lacks."""

    def __init__(self, text: str, missing: str = "") -> None:
        super().__init__(text)
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One side of a comparison.

    Attributes
    ----------
    module : str
        Run with ``-m`` from the repository's root.
    given : Mapping
        What its ``prepare`` is called with.
    units : float
        How much of the row's work one run of it does.
    env : Mapping of str to str
        Added to its environment.
    peer : bool
        Run under the peers' interpreter.
    install : str
        What to say when a package is missing.
    """

    module: str
    given: Mapping[str, Any] = field(default_factory=dict)
    units: float = 1.0
    env: Mapping[str, str] = field(default_factory=dict)
    peer: bool = False
    install: str = 'pip install "finishkit[models,review]"'


class Side:
    """A running side.

    Parameters
    ----------
    spec : Spec
    python : str
        Its interpreter.
    log : Path
        Where all it prints goes.
    threads : int
        Threads it may use.
    """

    def __init__(self, spec: Spec, python: str, log: Path, threads: int = THREADS) -> None:
        self.spec = spec
        self._log = log
        env = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        env.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        env.update(spec.env, PYTHONPATH=str(ROOT), BENCH_THREADS=str(threads))
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [python, "-m", spec.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=env,
                cwd=log.parent,
                text=True,
            )

    def ask(self, name: str, **given: Any) -> dict[str, Any]:
        """Return a side's answer: ``told``, ``seconds``, ``cpu_s``.

        Raises
        ------
        SideFailedError
            When it lacks a package, raises, ends, or takes longer than :data:`LIMIT_S`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(LIMIT_S, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": name, "given": given}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            tail = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            text = tail[0] if tail else f"ended with {self._process.wait()}"
            _, _, lost = text.partition("No module named ")
            raise SideFailedError(text, lost.strip("'\""))
        answer = json.loads(line)
        if "missing" in answer:
            raise SideFailedError(answer["text"], answer["missing"])
        if "failed" in answer:
            raise SideFailedError(answer["failed"])
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()


def interpreter(spec: Spec, peers: str) -> str:
    """Return the interpreter a side runs under."""
    return peers if spec.peer and peers else sys.executable
