"""From a folder of clips to a preview: what a notebook starts with."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.ingest import ingest
from finishkit.measure import measure
from finishkit.preview.frame import Preview
from finishkit.progress import Progress
from finishkit.report import Report
from finishkit.shots import open_episode
from finishkit.store import Store
from finishkit.verdict import judge


def open_preview(
    folder: str | Path,
    out: str | Path,
    *,
    report: Report | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Preview:
    """Open, check, measure and judge an episode; damaged clips are left out, not fatal.

    Parameters
    ----------
    folder : str or Path
        The episode's clips.
    out : str or Path
        Measurements are kept in ``out/<episode>/work``, where finishing finds them again.
    report : Report, optional
        Of :func:`finishkit.measure_episode`: what it checked is not checked again.
    jobs : int, optional
        Worker processes; the number of processors by default.
    progress : Progress, optional
        Told of every clip.

    Returns
    -------
    preview : Preview

    Raises
    ------
    FinishError
        ``no_good_shot`` when no clip can be used, and what :func:`finishkit.open_episode` raises.
    """
    episode = open_episode(folder)
    say = progress or Progress()
    store = Store((Path(out) / episode.name).resolve())
    with _locked_unless_busy(store):
        if report is None:
            checked = ingest(
                episode,
                jobs=jobs,
                progress=say.counter("check"),
                cache_dir=store.path("work/ingest"),
            )
            bad = {shot: seen.text for shot, seen in checked.items() if not seen.ok}
        else:
            bad = {q.shot: q.text for q in report.quarantined}
        shots = tuple(s for s in episode if s.id not in bad)
        if not shots:
            raise FinishError(
                f"Not one shot of {episode.name} can be used. The first:"
                f" {next(iter(bad.values()))}",
                "no_good_shot",
            )
        good = replace(episode, shots=shots)
        measurements = measure(
            good,
            jobs=jobs,
            progress=say.counter("measure"),
            cache_dir=store.path("work/measure"),
        )
    return Preview(good, measurements, judge(measurements))


@contextlib.contextmanager
def _locked_unless_busy(store: Store) -> Iterator[None]:
    # While a batch works in the folder its episode can still be looked at: what is read and
    # written here is kept by content, each file whole or not at all.
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(store.locked())
        except FinishError as error:
            if error.code != "locked":
                raise
        yield
