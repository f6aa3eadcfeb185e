"""The overview as a file: written whole or not at all, self-contained, nothing runs in it."""

import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.overview import DATA, PAGE, WORDS, EpisodeResult, Overview, gather
from finishkit.progress import duration_text
from finishkit.store import write_bytes

EVERY_S = 60.0
"""So old may the page of a batch that works be."""


class OverviewPages:
    """The overview of a batch while it runs: written anew after every episode, and every minute.

    Parameters
    ----------
    episodes : sequence of (Path, str, str)
        Output folder of all, the episode's name, and the command that goes on with it.
    template : str
        Name of the locked template.
    """

    def __init__(self, episodes: Sequence[tuple[Path, str, str]], *, template: str) -> None:
        self._template = template
        self._resume: dict[Path, dict[str, str]] = {}
        for out, name, command in episodes:
            self._resume.setdefault(out, {})[name] = command
        # Episodes of earlier batches stay on the page: a night that is gone on with names only
        # those that were left.
        self._earlier = {out: load_overview(out) for out in self._resume}
        self._written_s = -math.inf
        self._told = False

    def due(self) -> bool:
        """Whether the page is a minute old."""
        return time.monotonic() - self._written_s > EVERY_S

    def write(
        self, results: Sequence[EpisodeResult], resume: str, say: Callable[[str], None]
    ) -> None:
        """Write it; a page that cannot be written is said once, and stops no episode.

        Parameters
        ----------
        results : sequence of EpisodeResult
            Of the episodes that have ended.
        resume : str
            The command that goes on with all that is left.
        say : callable
            Told why it cannot be written.
        """
        self._written_s = time.monotonic()
        for out, commands in self._resume.items():
            old = self._earlier[out]
            rows = [r for r in old.rows if r.episode not in commands] if old else []
            known = {r.episode: r for r in old.results} if old else {}
            known = {n: r for n, r in known.items() if n not in commands}
            known |= {r.episode: r for r in results if Path(r.folder).parent == out}
            overview = gather(
                out,
                sorted([*(r.episode for r in rows), *commands]),
                known,
                resume={**{r.episode: r.resume for r in rows}, **commands},
                template=self._template,
                resume_all=resume,
            )
            try:
                write_overview(out, overview)
            except FinishError as error:
                if not self._told:
                    self._told = True
                    say(str(error))


def load_overview(out: Path) -> Overview | None:
    """Return what the last batch into a folder wrote; None: nothing that can be read.

    Parameters
    ----------
    out : Path
        The folder that holds the episodes' folders.
    """
    try:
        return Overview.model_validate_json((out / DATA).read_bytes())
    except (OSError, ValidationError):
        return None


def write_overview(out: Path, overview: Overview) -> Path:
    """Write ``overview.json`` and ``overview.html``, each whole or not at all.

    Parameters
    ----------
    out : Path
        The folder that holds the episodes' folders.
    overview : Overview
        From :func:`gather`.

    Returns
    -------
    page : Path

    Raises
    ------
    FinishError
        ``write_failed``.
    """
    write_bytes(out / DATA, (overview.model_dump_json(indent=1) + "\n").encode())
    write_bytes(out / PAGE, render_overview(overview).encode())
    return out / PAGE


def refreshed(out: Path) -> Overview | None:
    """Return how the episodes of an overview stand now, whoever is still alive.

    Parameters
    ----------
    out : Path
        The folder that holds ``overview.json``.
    """
    old = load_overview(out)
    if old is None:
        return None
    return gather(
        out,
        [row.episode for row in old.rows],
        {r.episode: r for r in old.results},
        resume={row.episode: row.resume for row in old.rows},
        template=old.template,
        resume_all=old.resume,
    )


def render_overview(overview: Overview) -> str:
    """Return ``overview.html``: one file, no script, nothing loaded from elsewhere.

    Parameters
    ----------
    overview : Overview
        From :func:`gather`.
    """
    return _template().render(
        overview=overview,
        words=WORDS,
        written=time.strftime("%d %b %Y, %H:%M", time.localtime(overview.written_s)).lstrip("0"),
        going_on=overview.counted("running") > 0,
        shots=sum(row.shots for row in overview.rows),
        finished_shots=sum(row.finished for row in overview.rows),
        troubles=sum(len(r.quarantined) + len(r.regenerate) for r in overview.rows),
    )


@functools.cache
def _template() -> Any:
    from finishkit.report.page import house_templates

    environment = house_templates()
    environment.filters["duration"] = duration_text
    # A name with a colon would be a protocol, one with a question mark a query.
    environment.filters["address"] = lambda path: "./" + quote(path)
    return environment.get_template("overview.html.j2")
