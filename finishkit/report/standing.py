"""Whether the report that stands in a folder is the one that would be written now."""

import json
from pathlib import Path

from finishkit.report.model import Report
from finishkit.store import digest, sha256_file, write_bytes

FILES = (
    "report.json",
    "shots.csv",
    "cuts.csv",
    "regenerate.csv",
    "contact_sheet.png",
    "report.html",
)
_STAMP = "work/report_stamp.json"


def report_key(report: Report, pictured: dict[str, str]) -> str:
    """Return a digest of everything a report is made from, but for the date.

    Parameters
    ----------
    report : Report
        From :func:`finishkit.report.build.build_report`.
    pictured : dict of str to str
        SHA-256 of every file that pictures are read from, by its name.

    Returns
    -------
    key : str
    """
    own = Path(__file__).parent
    code = {str(p.relative_to(own)): p.read_bytes() for p in own.rglob("*.*") if _is_code(p)}
    return digest("report", report.replace(created="", throughput_shots_per_h=None), pictured, code)


def _is_code(path: Path) -> bool:
    return path.is_file() and path.suffix != ".pyc"


def stands(folder: Path, key: str) -> bool:
    """Say whether a report with this key lies whole in a folder.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    key : str
        See :func:`report_key`.
    """
    try:
        stamp = json.loads((folder / _STAMP).read_bytes())
        return stamp == {"key": key, "files": _digests(folder)}
    except (OSError, ValueError):
        return False


def record(folder: Path, key: str) -> None:
    """Note that the report in a folder was made from this.

    Parameters
    ----------
    folder : Path
        An episode's output folder.
    key : str
        See :func:`report_key`.
    """
    stamp = {"key": key, "files": _digests(folder)}
    write_bytes(folder / _STAMP, json.dumps(stamp, indent=1).encode())


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in FILES}
