"""How a batch stands, read from its folder: whoever comes back later sees the same."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from finishkit.events import EVENTS
from finishkit.manifest import Manifest
from finishkit.pause import is_held, pause_requested
from finishkit.plan import PASSES
from finishkit.store import Store
from finishkit.template import Template
from finishkit.timing import Estimate, StageTimes, estimate
from finishkit.untrusted import parse_json

BATCH_FILE = "batch.json"
"""Written by whoever starts a batch in a process of its own: its process, and when."""

BATCH_LOG = "batch.log"
"""What that process printed."""

LOG_TAIL_BYTES = 4000

LETTING_GO_S = 2.0
"""So long after its last word a run may still hold the folder."""

Phase = Literal[
    "idle", "starting", "running", "pausing", "paused", "finished", "failed", "stopped", "busy"
]
"""``stopped``: ended without a word (killed, or the power failed). ``busy``: another command,
such as a measurement, holds the folder."""

FIT, MEASURE, AGAIN = "fit the set", "measure", "measure again"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """One stage of a run.

    Attributes
    ----------
    name : str
    done, total : int
        Shots. ``total`` is what the plan said until the stage begins.
    begun : bool
    """

    name: str
    done: int
    total: int
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedShot:
    """A shot that was set aside, and the sentence that says why."""

    shot: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """How the last run of an episode stands.

    Attributes
    ----------
    episode : str
    phase : str
        See :data:`Phase`.
    alive : bool
        Whether a process holds the folder now.
    started_s, ended_s : float or None
        Wall clock, seconds since 1970.
    stages : tuple of StageState
        In the order of the work.
    stage : str
        The one that is going on; empty: none.
    shots, done, quarantined, left : int
        Of the episode; ``done`` are those whose finished file stands.
    shots_per_h : float or None
        Of this stage over the last ten minutes; None before there is anything to go by.
    eta : Estimate
        Of the time until everything is done.
    set_aside : tuple of QuarantinedShot
    last_error : str
        A sentence; empty: none.
    exit_code : int or None
        0, 3 or 1 once the run ended.
    template, template_sha256 : str
        Which locked template the run uses.
    report : Path or None
        The report, when there is one.
    """

    episode: str
    phase: Phase = "idle"
    alive: bool = False
    started_s: float | None = None
    ended_s: float | None = None
    stages: tuple[StageState, ...] = ()
    stage: str = ""
    shots: int = 0
    done: int = 0
    quarantined: int = 0
    left: int = 0
    shots_per_h: float | None = None
    eta: Estimate = field(default_factory=Estimate)
    set_aside: tuple[QuarantinedShot, ...] = ()
    last_error: str = ""
    exit_code: int | None = None
    template: str = ""
    template_sha256: str = ""
    report: Path | None = None

    @property
    def going_on(self) -> bool:
        """Whether it will change by itself: worth looking again."""
        return self.phase in ("starting", "running", "pausing", "busy")


def run_facts(episode: str, shots: int, template: Template) -> dict[str, Any]:
    """Return what :class:`Watch` must know of a run that begins.

    Parameters
    ----------
    episode : str
        Its name.
    shots : int
        How many it has, the bad ones counted.
    template : Template
        Locked.
    """
    *content, render = ("+".join(stages) for stages in PASSES)
    whole = [(name, shots) for name in ("check", MEASURE, *content, FIT, render)]
    return {
        "episode": episode,
        "shots": shots,
        "stages": [*whole, ("master", 1), (AGAIN, shots), ("report", shots)],
        "template": template.genre,
        "template_sha256": template.sha256,
        "pid": os.getpid(),
    }


class _Run:
    """What the events of one run came to."""

    def __init__(self, event: Mapping[str, Any], earlier: Mapping[str, StageTimes]) -> None:
        facts = event.get("facts") or {}
        self.started_s = float(event.get("time_s", 0.0))
        self.ended: Mapping[str, Any] | None = None
        self.facts: Mapping[str, Any] = facts
        self.planned: dict[str, int] = {str(n): int(t) for n, t in facts.get("stages", ())}
        self.times: dict[str, StageTimes] = {}
        self.earlier = dict(earlier)
        self.stage = ""
        self.error = ""
        self.set_aside: dict[str, str] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event of the run."""
        kind, stage, now = event["kind"], event.get("stage", ""), float(event["time_s"])
        if kind == "stage":
            self.stage = stage
            self.times[stage] = StageTimes(total=event["total"], begun_s=now)
        elif kind in ("shot", "skip") and stage in self.times:
            self.times[stage].add(event["done"], now, made=kind == "shot")
        elif kind == "quarantine":
            self.set_aside[event["shot"]] = self.error = event["text"]
        elif kind in ("end", "paused", "error"):
            self.ended, self.stage = event, ""
            if kind == "error":
                self.error = event["text"]

    def stages(self) -> tuple[StageState, ...]:
        """Return every stage, begun or only planned."""
        names, before = list(self.planned), ""
        for name in self.times:
            if name not in names:
                # Not planned, since not every look asks for it: it stands where it happened.
                names.insert(names.index(before) + 1 if before else 0, name)
            before = name
        last = max((names.index(n) for n in self.times), default=-1)
        return tuple(self._stage(name, passed=at < last) for at, name in enumerate(names))

    def _stage(self, name: str, *, passed: bool) -> StageState:
        times = self.times.get(name)
        if times is not None:
            return StageState(name=name, done=times.done, total=times.total, begun=True)
        # A stage without work says nothing: that a later one has begun tells that it is over.
        return StageState(
            name=name, done=0, total=0 if passed else self.planned[name], begun=passed
        )

    def known(self) -> dict[str, StageTimes]:
        """Return the times to reckon with: this run's, else those of the run before."""
        made = {n: t for n, t in self.times.items() if t.a_shot()}
        known = {**self.earlier, **made}
        if MEASURE in known:
            # The same work over again; a first run has nothing better to go by.
            known.setdefault(AGAIN, known[MEASURE])
        return known


class Watch:
    """Reads a batch's events as they are written; several may read, nobody is disturbed.

    Parameters
    ----------
    folder : str or Path
        An episode's output folder; it may not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._file = self._offset = 0
        self._run: _Run | None = None
        self._manifest: tuple[int, Manifest] | None = None

    def state(self, now_s: float | None = None) -> BatchState:
        """Return how it stands now.

        Parameters
        ----------
        now_s : float, optional
            Wall clock, seconds since 1970; taken now when absent.
        """
        try:
            return self._state(now_s)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            # JSON, but of another's making: a folder that was handed on may hold anything.
            what = f"{self.folder / EVENTS} is not what finishkit wrote ({error!r:.80})."
            return BatchState(episode=self.folder.name, phase="failed", last_error=what)

    def _state(self, now_s: float | None) -> BatchState:
        # First, since a run may end while its events are being read.
        alive = is_held(self.folder)
        self._read()
        now = time.time() if now_s is None else now_s
        report = self.folder / "report.html"
        shared = {
            "episode": self.folder.name,
            "alive": alive,
            "report": report if report.is_file() else None,
        }
        started = self._started()
        run = self._run
        if started and (run is None or started["time_s"] > run.started_s):
            lives = _lives(started)
            if alive or lives:
                return BatchState(**shared, phase="starting" if lives else "busy")
            return BatchState(**shared, phase="failed", last_error=self._log_tail())
        if run is None:
            return BatchState(**shared, phase="busy" if alive else "idle")
        return self._of_run(run, shared, now)

    def _of_run(self, run: _Run, shared: dict[str, Any], now: float) -> BatchState:
        phase = self._phase(run, shared["alive"], now)
        counts = self._counts(run)
        working = phase in ("running", "pausing")
        times = run.times.get(run.stage)
        return BatchState(
            **shared,
            **counts,
            phase=phase,
            started_s=run.started_s,
            ended_s=float(run.ended["time_s"]) if run.ended else None,
            stages=run.stages(),
            stage=run.stage if working else "",
            shots_per_h=times.per_hour(now) if times and working else None,
            eta=estimate(run.stages(), run.known(), run.stage, now) if working else Estimate(),
            last_error=run.error,
            exit_code=_exit_code(run),
            template=str(run.facts.get("template", "")),
            template_sha256=str(run.facts.get("template_sha256", "")),
        )

    def _phase(self, run: _Run, alive: bool, now: float) -> Phase:
        if run.ended is None:
            if not alive:
                return "stopped"
            return "pausing" if pause_requested(self.folder) else "running"
        if alive and now - float(run.ended["time_s"]) > LETTING_GO_S:
            return "busy"
        if run.ended["kind"] == "paused":
            return "paused"
        return "finished" if _exit_code(run) in (0, 3) else "failed"

    def _counts(self, run: _Run) -> dict[str, Any]:
        shots = self._read_manifest().shots
        total = int(run.facts.get("shots", 0)) or len(shots)
        aside = {n: s.text for n, s in shots.items() if s.state == "quarantined"} | run.set_aside
        done = sum(state.state == "finished" for state in shots.values())
        return {
            "shots": total,
            "done": done,
            "quarantined": len(aside),
            "left": max(0, total - done - len(aside)),
            "set_aside": tuple(QuarantinedShot(shot=n, text=t) for n, t in sorted(aside.items())),
        }

    def _read_manifest(self) -> Manifest:
        store = Store(self.folder)
        try:
            written = store.manifest_path.stat().st_mtime_ns
        except OSError:
            return Manifest()
        if self._manifest is None or self._manifest[0] != written:
            self._manifest = (written, store.manifest())
        return self._manifest[1]

    def _read(self) -> None:
        try:
            with (self.folder / EVENTS).open("rb") as file:
                told = os.fstat(file.fileno())
                if told.st_ino != self._file or told.st_size < self._offset:
                    # A new run began a new file.
                    self._file, self._offset, self._run = told.st_ino, 0, None
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                self._take(parse_json(line))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                continue  # a line that a power cut left half written; the next one is whole

    def _take(self, event: Mapping[str, Any]) -> None:
        if event["kind"] == "begin":
            self._run = _Run(event, self._run.known() if self._run else {})
        elif self._run is not None:
            self._run.take(event)

    def _started(self) -> dict[str, Any] | None:
        try:
            told = parse_json((self.folder / BATCH_FILE).read_bytes())
            return {**told, "time_s": float(told["time_s"]), "pid": int(told["pid"])}
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None

    def _log_tail(self) -> str:
        try:
            with (self.folder / BATCH_LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].strip() if lines else ""


def watch_batch(folder: str | Path) -> Watch:
    """Watch how a batch stands.

    Parameters
    ----------
    folder : str or Path
        An episode's output folder; it may not exist yet.
    """
    return Watch(folder)


def _exit_code(run: _Run) -> int | None:
    if run.ended is None:
        return None
    return int((run.ended.get("facts") or {}).get("exit_code", 1))


def _lives(started: Mapping[str, Any]) -> bool:
    pid = int(started["pid"])
    if Path("/proc/self").exists():
        # Numbers of processes are used again: the birth tells them apart.
        return birth(pid) not in ("", "Z") and birth(pid) == started.get("birth")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def birth(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; ``Z``: ended; empty: none, or not Linux.

    Parameters
    ----------
    pid : int
        Its number.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "Z" if fields[0] == "Z" else fields[19]
