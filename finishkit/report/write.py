"""The files of a report, each complete or not there."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.report.model import Report
from finishkit.report.page import render_page
from finishkit.report.pictures import Progress, read_pictures
from finishkit.report.sheet import contact_sheet
from finishkit.report.tables import cuts_csv, regenerate_csv, shots_csv
from finishkit.shots import ShotId
from finishkit.store import write_bytes


def write_report(
    report: Report,
    folder: str | Path,
    *,
    sources: Mapping[ShotId, Path],
    finished_files: Mapping[ShotId, Path] | None = None,
    references: Mapping[str, Sequence[Path]] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write everything a report consists of.

    ``report.json``, ``shots.csv``, ``cuts.csv``, ``regenerate.csv``, ``contact_sheet.png`` and,
    last, ``report.html``. Each name holds the old content or the new, never a part.

    Parameters
    ----------
    report : Report
        From :func:`finishkit.report.build.build_report`. Without a date it gets today's.
    folder : str or Path
        Made when it is missing.
    sources : Mapping of ShotId to Path
        The raw clips, for the pictures.
    finished_files : Mapping of ShotId to Path, optional
        The finished clips, those there are.
    references : Mapping of str to sequence of Path, optional
        Pictures of each character.
    progress : callable, optional
        Called with (done, total, shot) while pictures are read, first with 0 done.

    Returns
    -------
    page : Path
        Of ``report.html``.

    Raises
    ------
    FinishError
        ``write_failed``.

    Notes
    -----
    A clip that cannot be read costs its picture, not the report. Clips of shots that were never
    measured are not opened at all.
    """
    target = Path(folder)
    today = date.today()
    report = report if report.created else report.replace(created=f"{today:%d %b %Y}".lstrip("0"))
    # The words first: should reading pictures be cut short, the numbers are already there.
    write_bytes(target / "report.json", (report.model_dump_json(indent=1) + "\n").encode())
    write_bytes(target / "shots.csv", shots_csv(report))
    write_bytes(target / "cuts.csv", cuts_csv(report))
    write_bytes(target / "regenerate.csv", regenerate_csv(report))
    pictures = read_pictures(
        report,
        sources=sources,
        finished_files=finished_files or {},
        references=references or {},
        progress=progress,
    )
    write_bytes(target / "contact_sheet.png", contact_sheet(report, pictures))
    page = target / "report.html"
    write_bytes(page, render_page(report, pictures).encode("utf-8"))
    return page


def load_report(path: str | Path) -> Report:
    """Read a ``report.json``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    report : Report

    Raises
    ------
    FinishError
        ``no_report`` or ``bad_report``.
    """
    source = Path(path)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise FinishError(
            f"{source} cannot be read: {error.strerror}. Make it with: finishkit measure EPISODE",
            "no_report",
        ) from error
    try:
        return Report.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise FinishError(
            f"{source} is no report of this finishkit: {where}: {first['msg']}. Make it again.",
            "bad_report",
        ) from error
