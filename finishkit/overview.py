"""All episodes of a batch on one page: which are finished, which need somebody, and how to go on.

Everything is read from the folders themselves, so that the page is as true after a power cut as
after a good night; the batch adds only what it alone knows: how a notebook ended.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from finishkit.errors import FinishError
from finishkit.hold import batch_holds
from finishkit.manifest import Manifest
from finishkit.progress import duration_text
from finishkit.report import load_report
from finishkit.store import Store
from finishkit.values import Value
from finishkit.watch import BatchState, watch_batch

PAGE, DATA = "overview.html", "overview.json"

State = Literal["finished", "attention", "running", "waiting", "paused", "stopped", "failed"]
"""``attention``: finished, but shots need somebody. ``waiting``: not begun. ``stopped``: ended
without a word (killed, or the power failed)."""

WORDS: Mapping[str, str] = {
    "finished": "finished",
    "attention": "needs you",
    "running": "running",
    "waiting": "not begun",
    "paused": "paused",
    "stopped": "stopped",
    "failed": "failed",
}


class EpisodeResult(Value):
    """How one episode of a batch ended.

    Attributes
    ----------
    exit_code : int
        From the manifest: 0 finished, 3 finished with shots to see to, 1 not finished.
    notebook : str
        The executed notebook; its name says how it ended.
    text : str
        One sentence.
    resume : str
        The command that goes on; empty when there is nothing left to do.
    ended_s : float
        Wall clock, seconds since 1970.
    """

    episode: str
    folder: str
    exit_code: int
    notebook: str
    text: str
    resume: str = ""
    ended_s: float = 0.0

    @property
    def paused(self) -> bool:
        """Whether it ended because somebody asked for a pause."""
        return self.notebook.endswith(".paused.ipynb")


class Trouble(Value):
    """A shot that needs somebody, and the sentence that says why."""

    shot: str
    code: str
    text: str


class EpisodeRow(Value):
    """One episode of the overview.

    Attributes
    ----------
    state : str
        See :data:`State`.
    text : str
        One sentence; empty when the state says it all.
    exit_code : int or None
        ``None`` while it runs, and before.
    shots, finished : int
        Of the episode, and those of which a finished file stands.
    quarantined, regenerate : tuple of Trouble
    score_before, score_after : float or None
        Consistency, 0 to 100; of a finished episode only.
    shots_per_h, duration_s : float or None
        Of the last run.
    eta_s : float or None
        While it runs.
    report, master, notebook : str
        Relative to the overview; empty: not there.
    resume : str
        The command that goes on; empty when there is nothing left to do.
    """

    episode: str
    state: State
    text: str = ""
    exit_code: int | None = None
    shots: int = 0
    finished: int = 0
    quarantined: tuple[Trouble, ...] = ()
    regenerate: tuple[Trouble, ...] = ()
    score_before: float | None = None
    score_after: float | None = None
    shots_per_h: float | None = None
    duration_s: float | None = None
    eta_s: float | None = None
    report: str = ""
    master: str = ""
    notebook: str = ""
    resume: str = ""


class Overview(Value):
    """The episodes of an output folder.

    Attributes
    ----------
    written_s : float
        Wall clock, seconds since 1970.
    template : str
        Which locked template the last batch used.
    results : tuple of EpisodeResult
        What batches said of how they ended; the rest is read from the folders.
    rows : tuple of EpisodeRow
    resume : str
        The command that goes on with all that is not finished.
    """

    schema_version: Literal[1] = 1
    written_s: float
    template: str = ""
    results: tuple[EpisodeResult, ...] = ()
    rows: tuple[EpisodeRow, ...] = ()
    resume: str = ""

    @property
    def exit_code(self) -> int:
        """1 while anything is not finished; 3 when all is, but shots need somebody; else 0."""
        codes = [1 if row.exit_code is None else row.exit_code for row in self.rows]
        return 1 if 1 in codes or not codes else max(codes)

    def counted(self, *states: str) -> int:
        """How many episodes are in one of these states."""
        return sum(row.state in states for row in self.rows)


def gather(
    out: Path,
    episodes: Sequence[str],
    results: Mapping[str, EpisodeResult],
    *,
    resume: Mapping[str, str],
    template: str = "",
    resume_all: str = "",
) -> Overview:
    """Read how episodes stand.

    Parameters
    ----------
    out : Path
        Results lie in ``out/<episode>``.
    episodes : sequence of str
        Names, in the order they are to be shown.
    results : Mapping of str to EpisodeResult
        Of those that a batch has ended.
    resume : Mapping of str to str
        The command that goes on with an episode.
    template : str, optional
        Name of the locked template.
    resume_all : str, optional
        The command that goes on with all.
    """
    rows = tuple(_row(out, name, results.get(name), resume.get(name, "")) for name in episodes)
    left = any(row.exit_code in (1, None) for row in rows)
    return Overview(
        written_s=time.time(),
        template=template,
        results=tuple(results.values()),
        rows=rows,
        resume=resume_all if left else "",
    )


def _row(out: Path, name: str, result: EpisodeResult | None, resume: str) -> EpisodeRow:
    folder = out / name
    told = watch_batch(folder).state()
    if result is not None and (told.started_s or 0.0) > result.ended_s:
        result = None  # somebody finished it by hand since
    manifest, wrong = _manifest(folder)
    state, code = _state(told, manifest, result, waiting=batch_holds(folder))
    facts: dict[str, Any] = {}
    if code in (0, 3):
        facts = _of_report(folder)
    planned = manifest.planned
    return EpisodeRow(
        episode=name,
        state=state,
        text=wrong or _text(state, told, result),
        exit_code=code,
        shots=len(planned) or told.shots,
        finished=sum(s.state == "finished" for s in manifest.shots.values()),
        quarantined=_troubles(manifest, "quarantined"),
        regenerate=_troubles(manifest, "finished"),
        duration_s=_duration_s(told),
        eta_s=told.eta.eta_s if state == "running" else None,
        report=_link(folder, "report.html"),
        master=_link(folder, "master.mp4") if code in (0, 3) else "",
        notebook=_link(folder, result.notebook if result else _notebook(folder)),
        resume="" if code in (0, 3) or state == "running" else resume,
        **facts,
    )


def _state(
    told: BatchState, manifest: Manifest, result: EpisodeResult | None, *, waiting: bool
) -> tuple[State, int | None]:
    if result is not None and not told.going_on:
        code = result.exit_code
        if code != 1:
            return ("finished" if code == 0 else "attention"), code
        if result.paused:
            return "paused", 1
        return (
            "failed" if result.notebook else "waiting" if told.phase == "idle" else "stopped"
        ), 1
    if told.going_on:
        return "running", None
    if waiting:
        return "waiting", None
    by_phase: dict[str, State] = {
        "paused": "paused", "stopped": "stopped", "failed": "failed", "idle": "waiting",
    }  # fmt: skip
    if told.phase in by_phase:
        return by_phase[told.phase], 1
    code = manifest.exit_code
    states: dict[int, State] = {0: "finished", 3: "attention"}
    return states.get(code, "stopped"), code


def _text(state: State, told: BatchState, result: EpisodeResult | None) -> str:
    if result is not None and state not in ("running", "finished", "attention"):
        return result.text
    if state == "running":
        return f"{told.stage or told.phase}"
    return told.last_error if state == "failed" else ""


def _manifest(folder: Path) -> tuple[Manifest, str]:
    if not (folder / "manifest.json").is_file():
        # Asking a store would make the folder.
        return Manifest(), ""
    try:
        return Store(folder).manifest(), ""
    except FinishError as error:
        return Manifest(), str(error)


def _troubles(manifest: Manifest, state: str) -> tuple[Trouble, ...]:
    return tuple(
        Trouble(shot=name, code=shot.code, text=shot.text)
        for name, shot in manifest.shots.items()
        if shot.state == state and shot.code
    )


def _of_report(folder: Path) -> dict[str, Any]:
    try:
        report = load_report(folder / "report.json")
    except FinishError:
        return {}
    return {
        "score_before": report.score.raw,
        "score_after": report.score.finished,
        "shots_per_h": report.throughput_shots_per_h,
    }


def _duration_s(told: BatchState) -> float | None:
    if told.started_s is None:
        return None
    end = told.ended_s or (time.time() if told.going_on else None)
    # Clocks are set back: a night of minus two hours is not shown.
    return max(0.0, end - told.started_s) if end else None


def _notebook(folder: Path) -> str:
    found = sorted(folder.glob(f"{folder.name}*.ipynb"))
    return found[0].name if found else ""


def _link(folder: Path, name: str) -> str:
    return f"{folder.name}/{name}" if name and (folder / name).is_file() else ""


def overview_lines(overview: Overview, out: Path) -> str:
    """Return an overview as a table for a terminal.

    Parameters
    ----------
    overview : Overview
        From :func:`gather`.
    out : Path
        Where it lies.
    """
    width = max([len("episode"), *(len(row.episode) for row in overview.rows)])
    lines = [f"{'episode':<{width}}  {'state':<10}  {'shots':>9}  {'score':>9}  shots/h  time"]
    for row in overview.rows:
        score = (
            ""
            if row.score_after is None
            else f"{_whole(row.score_before)} → {_whole(row.score_after)}"
        )
        pace = "" if row.shots_per_h is None else f"{row.shots_per_h:.0f}"
        took = "" if row.duration_s is None else duration_text(row.duration_s)
        shots = f"{row.finished}/{row.shots}"
        lines.append(
            f"{row.episode:<{width}}  {WORDS[row.state]:<10}  {shots:>9}  {score:>9}"
            f"  {pace:>7}  {took}".rstrip()
        )
        lines += [f"  quarantined {t.shot}: {t.text}" for t in row.quarantined]
        lines += [f"  regenerate {t.shot}: {t.text}" for t in row.regenerate]
        if row.text and row.state not in ("running", "waiting"):
            lines.append(f"  {row.text}")
    if overview.resume:
        lines.append(f"To go on: {overview.resume}")
    lines.append(f"Overview: {os.fspath(out / PAGE)}")
    return "\n".join(lines)


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
