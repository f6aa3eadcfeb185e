"""What the notebooks show of a run: progress in one output, and the report in short."""

import base64
import html
import os
from typing import Any

from IPython.display import HTML, display

from finishkit.batch import DIE_WITH_PARENT
from finishkit.processes import die_with_parent
from finishkit.progress import Event, Pace, duration_text
from finishkit.report import summary_lines
from finishkit.run import Finished


def end_with_batch() -> None:
    """End this kernel when the batch that started it ends; by hand nothing happens."""
    if os.environ.get(DIE_WITH_PARENT):
        die_with_parent()


class NotebookProgress:
    """A sink for :class:`finishkit.Progress`: one output that is overwritten, a row a stage.

    Plain HTML under a display id, since it is readable live, in an executed notebook, and on a
    page without a kernel; a widget is none of these.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Event] = {}
        self._notes: list[str] = []
        self._pace = Pace()
        self._handle: Any = None

    def __call__(self, event: Event) -> None:
        """Take one event and show where things stand."""
        if event.kind == "stage":
            self._pace = Pace()
            self._pace.update(0)
        if event.kind in ("stage", "shot", "skip"):
            self._rows[event.stage] = event
            self._pace.update(event.done)
        elif event.text:
            self._notes.append(event.text)
        picture = HTML(self.html())
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def html(self) -> str:
        """Return the table as it stands."""
        rows = []
        for stage, event in self._rows.items():
            left = ""
            if event.done < event.total:
                eta, rate = self._pace.eta_s(event.total), self._pace.per_hour
                left = f"{duration_text(eta)} left, {rate:.0f} shots/h" if eta and rate else ""
            rows.append(
                f"<tr><td>{html.escape(stage)}</td><td><progress max='{event.total}'"
                f" value='{event.done}' aria-label='{html.escape(stage)}'></progress></td>"
                f"<td>{event.done}/{event.total}</td><td>{left}</td></tr>"
            )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self._notes)
        return f"<table>{''.join(rows)}</table><ul>{notes}</ul>"


def show_report(done: Finished) -> None:
    """Show the contact sheet and the verdict in a few lines.

    Parameters
    ----------
    done : Finished
        What :func:`finishkit.finish_episode` or :func:`finishkit.measure_episode` gave.
    """
    lines = html.escape(summary_lines(done.report))
    sheet = done.folder / "contact_sheet.png"
    picture = ""
    if sheet.is_file():
        data = base64.b64encode(_shrunk(sheet)).decode()
        picture = (
            '<img alt="every shot in cut order, before and after"'
            f' src="data:image/jpeg;base64,{data}" style="max-width:100%;background:#808080">'
        )
    display(HTML(f"<pre>{lines}</pre>{picture}"))


def _shrunk(sheet: Any) -> bytes:
    # An executed notebook is kept for every episode: the sheet goes in small.
    import io

    from PIL import Image

    with Image.open(sheet) as image:
        image.thumbnail((1400, 1400))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
