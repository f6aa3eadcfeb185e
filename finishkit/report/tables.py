"""The CSV files: one row a shot, a cut, a new take. Columns stay in their places."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from finishkit.measure import METRICS
from finishkit.report.model import Report, ReportShot

Cell = str | int | float | bool | None
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def neutral(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    Parameters
    ----------
    text : str
        As it came from a file.

    Returns
    -------
    text : str
        With an apostrophe in front when it begins with ``=``, ``+``, ``-``, ``@`` or a tab and is
        not a plain number.
    """
    # Spreadsheets skip blanks before a formula.
    start = text.lstrip(" \n")
    if (start.startswith(_FORMULA) or text.startswith(_FORMULA)) and not _NUMBER.match(text):
        return "'" + text
    return text


def _csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    # The byte order mark makes Excel read UTF-8; open_episode takes it too.
    return b"\xef\xbb\xbf" + buffer.getvalue().encode("utf-8")


def _cell(value: Cell) -> Cell:
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else value


def shots_csv(report: Report) -> bytes:
    """Return ``shots.csv``: one row a shot, every metric raw and finished.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    data : bytes
        UTF-8 with a byte order mark. The first columns are those of a shot list, so that the
        folder of a finished episode can be opened as an episode.
    """
    header = [
        *("shot", "file", "scene", "characters", "source", "order", "hook", "state", "action"),
        *("reasons", "unknown", "width_px", "height_px", "rate_fps", "frame_count", "duration_s"),
        *(f"raw_{m.name}" for m in METRICS),
        *(f"finished_{m.name}" for m in METRICS),
        *("prompt", "seed"),
    ]
    return _csv(header, (_shot_row(s) for s in report.shots))


def _shot_row(shot: ReportShot) -> list[Cell]:
    picture = shot.finished_picture or shot.picture
    size: list[Cell] = [None] * 5
    if picture:
        size = [
            picture.width_px,
            picture.height_px,
            round(picture.rate_fps, 4),
            picture.frame_count,
            round(picture.duration_s, 3),
        ]
    finished = shot.finished or {}
    return [
        shot.shot,
        shot.file,
        shot.scene,
        ";".join(shot.characters),
        shot.source,
        shot.order,
        shot.hook,
        shot.state,
        shot.action,
        " ".join(r.text for r in shot.reasons),
        " ".join(shot.unknown),
        *size,
        *(_rounded(shot.raw.get(m.name)) for m in METRICS),
        *(_rounded(finished.get(m.name)) for m in METRICS),
        shot.notes.get("prompt", ""),
        shot.notes.get("seed", ""),
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def cuts_csv(report: Report) -> bytes:
    """Return ``cuts.csv``: one row a cut, its jump and what makes it, raw and finished.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    data : bytes
    """
    names = ("eff", "noise", "wb", "ev", "con", "sat", "id", "flick", "fps")
    after = {(c.from_shot, c.to_shot): c for c in report.cuts_finished or ()}
    before = {(c.from_shot, c.to_shot): c for c in report.cuts}
    header = ["from", "to", "raw_jump", "finished_jump"]
    header += [f"{state}_{n}" for state in ("raw", "finished") for n in names]
    rows: list[list[Cell]] = []
    for pair in dict.fromkeys([*before, *after]):
        raw, now = before.get(pair), after.get(pair)
        row: list[Cell] = [*pair, raw.jump if raw else None, now.jump if now else None]
        for cut in (raw, now):
            row += [cut.by.get(n) if cut else None for n in names]
        rows.append(row)
    return _csv(header, rows)


def regenerate_csv(report: Report) -> bytes:
    """Return ``regenerate.csv``: what to generate again, from what, and when it passes.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    data : bytes
    """
    header = ("shot", "characters", "reference_images", "why", "pass_if", "prompt", "seed")
    return _csv(
        header,
        (
            (
                order.shot,
                ";".join(order.characters),
                ";".join(order.reference_images),
                order.why,
                order.pass_if,
                report[order.shot].notes.get("prompt", ""),
                report[order.shot].notes.get("seed", ""),
            )
            for order in report.regenerate
        ),
    )
