"""Whole episodes unattended: papermill runs the notebook, one process an episode."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from finishkit.background import BatchProcess, start_batch
from finishkit.disk import require_disk, require_open_files
from finishkit.episode_process import Died, EpisodeProcess, done_within
from finishkit.events import run_mark
from finishkit.hold import held_by_batch
from finishkit.inplace import own
from finishkit.notebook_run import (
    DIE_WITH_PARENT,
    NOTEBOOK,
    execute_notebook,
    name_by_ending,
    shipped,
)
from finishkit.overview import EpisodeResult
from finishkit.overview_page import OverviewPages
from finishkit.pause import is_held, pause_requested, request_pause
from finishkit.run_params import RunParams, refuse_what_cannot_run, resume_command
from finishkit.shots import open_episode
from finishkit.stopping import Stopped, Stopping
from finishkit.store import Store
from finishkit.template import load_template
from finishkit.watch import Watch, watch_batch

__all__ = ["DIE_WITH_PARENT", "NOTEBOOK", "BatchProcess", "EpisodeResult", "RunParams", "Watch",
           "request_pause", "run_batch", "shipped", "start_batch", "watch_batch",
           "worst_exit_code"]  # fmt: skip

SOON_S = 0.5
"""How often a batch looks whether somebody asked it to pause."""


def run_batch(
    params: Sequence[RunParams],
    *,
    at_once: int = 1,
    done: Callable[[EpisodeResult], None] | None = None,
    say: Callable[[str], None] | None = None,
    check_disk: bool = True,
) -> list[EpisodeResult]:
    """Finish episodes by running the notebook, each in a process of its own.

    ``OUT/overview.html`` is written before the first, after every one, and every minute between.

    Parameters
    ----------
    params : sequence of RunParams
        One an episode.
    at_once : int, optional
        Episodes side by side.
    done : callable, optional
        Called with each result as it comes.
    say : callable, optional
        Told in a sentence what a Ctrl-C does.
    check_disk : bool, optional
        Whether to refuse a night that will not fit, see :func:`finishkit.disk.require_disk`.

    Returns
    -------
    results : list of EpisodeResult
        In the order of ``params``.

    Raises
    ------
    FinishError
        Before anything runs: a missing episode or template, two episodes of one name, a face
        backend that is not there or that the template's licence does not allow, a folder that is
        worked on already (``locked``), a disk on which it does not fit (``disk_full``).
    Stopped
        At the second Ctrl-C, and when the process is told to end; with the command that goes on.
    """
    require_open_files()
    refuse_what_cannot_run(params)
    settled = [one.settled() for one in params]
    with held_by_batch([one.folder for one in settled]):
        if check_disk:
            require_disk(
                (open_episode(p.episode), load_template(p.template), p.folder) for p in settled
            )
        return _Night(settled, max(1, at_once), done, say).run()


class _Night:
    """The episodes of one batch: which run, which are left, how the others ended."""

    def __init__(
        self,
        params: Sequence[RunParams],
        at_once: int,
        done: Callable[[EpisodeResult], None] | None,
        say: Callable[[str], None] | None,
    ) -> None:
        self.params, self.at_once, self.done = params, at_once, done
        self.say = say or (lambda _: None)
        self.left = list(reversed(range(len(params))))
        self.running: list[EpisodeProcess[int]] = []
        self.results: dict[int, EpisodeResult] = {}
        self.pages = OverviewPages(
            [(Path(one.out), one.folder.name, resume_command([one])) for one in params],
            template=load_template(params[0].template).genre,
        )
        self.pausing = False

    def run(self) -> list[EpisodeResult]:
        """Go through all of them."""
        with Stopping(self._pause_all) as stopping:
            try:
                self._write_pages()
                self._go_through(stopping)
            except Stopped as stopped:
                self._end_all(str(stopped))
                stopped.resume = resume_command(self._unfinished(), self.at_once)
                raise
            finally:
                for process in self.running:
                    process.end()
                self.running.clear()
                self._write_pages()
        return [self.results[i] for i in range(len(self.params))]

    def _go_through(self, stopping: Stopping) -> None:
        while self.left or self.running:
            while self.left and len(self.running) < self.at_once:
                index = self.left.pop()
                self.running.append(EpisodeProcess(index, _run_notebook, self.params[index]))
            ended = done_within(self.running, SOON_S)
            for process in ended:
                self._take(process)
            if stopping.asked:
                self._pause_all()
            if ended or self.pages.due():
                self._write_pages()
            paused = any(result.paused for result in self.results.values())
            if self.left and (paused or stopping.asked):
                # Who pauses wants the machine back: the other episodes are not begun.
                self._not_begun("not begun: the batch was paused")

    def _take(self, process: EpisodeProcess[int]) -> None:
        self.running.remove(process)
        one = self.params[process.of]
        try:
            result = EpisodeResult.model_validate_json(process.answer())
        except Died as died:
            result = _failed(one, f"The episode's process died: {died}.")
        self.results[process.of] = result
        if self.done:
            self.done(result)

    def _pause_all(self) -> bool:
        """Ask every run to pause; one that has not begun yet is asked again when it has."""
        if not self.pausing:
            self.pausing = True
            self.say(
                "Pausing: the shots under way are finished first. Ctrl-C again stops at once;"
                " what is finished stays finished either way."
            )
        for process in self.running:
            folder = self.params[process.of].folder
            if is_held(folder) and not pause_requested(folder):
                request_pause(folder)
        return True

    def _end_all(self, why: str) -> None:
        for process in self.running:
            process.end()
            one = self.params[process.of]
            # Killed in the middle: its notebook is not written to its end.
            name = name_by_ending(_part(one.folder), ".stopped")
            self.results[process.of] = _failed(one, f"It was {why}.", name)
        self.running.clear()
        self._not_begun(f"not begun: the batch was {why}")

    def _not_begun(self, text: str) -> None:
        self.results |= {i: _failed(self.params[i], text) for i in self.left}
        self.left.clear()

    def _unfinished(self) -> list[RunParams]:
        return [
            one
            for i, one in enumerate(self.params)
            if i not in self.results or self.results[i].exit_code == 1
        ]

    def _write_pages(self) -> None:
        unfinished = self._unfinished()
        again = resume_command(unfinished, self.at_once) if unfinished else ""
        self.pages.write([r for _, r in sorted(self.results.items())], again, self.say)


def worst_exit_code(codes: Sequence[int]) -> int:
    """Return what a whole batch ends with: 1 beats 3, 3 beats 0.

    Parameters
    ----------
    codes : sequence of int
        Of the episodes.
    """
    return 1 if 1 in codes or not codes else max(codes)


def _part(folder: Path) -> Path:
    return own(folder / f".{folder.name}.partial.ipynb")


def _run_notebook(params: RunParams) -> bytes:
    """Run in a child process: execute, and name the notebook by how it ended."""
    folder = params.folder
    folder.mkdir(parents=True, exist_ok=True)
    before = run_mark(folder)
    ending = execute_notebook(params.model_dump(), _part(folder))
    # Only the run itself knows: papermill calls a dead kernel completed, and a cell that calls
    # sys.exit a success.
    finished = run_mark(folder) != before and watch_batch(folder).state().exit_code in (0, 3)
    code = Store(folder).manifest().exit_code if finished else 1
    says = {
        0: "finished",
        3: "finished; some shots need you, see the report",
        1: "not finished: the notebook ended before finishing did",
    }
    text = ending.text or says[code]
    if code != 1 and ending.kind:
        text = f"{says[code]}. Only the notebook did not reach its end: {ending.text}"
    notebook = name_by_ending(_part(folder), ending.kind or (".failed" if code == 1 else ""))
    result = EpisodeResult(
        episode=folder.name,
        folder=str(folder),
        exit_code=code,
        notebook=notebook,
        text=text,
        resume=resume_command([params]) if code == 1 else "",
        ended_s=time.time(),
    )
    return result.model_dump_json().encode()


def _failed(params: RunParams, text: str, notebook: str = "") -> EpisodeResult:
    folder = params.folder
    return EpisodeResult(
        episode=folder.name,
        folder=str(folder),
        exit_code=1,
        notebook=notebook,
        text=text,
        resume=resume_command([params]),
        ended_s=time.time(),
    )
