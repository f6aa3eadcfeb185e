"""What came of it: one report, as data, as tables and as a page.

:func:`build_report` puts together what is known (pure), :func:`write_report` writes the files.
``report.json`` is a contract: see :mod:`finishkit.report.model`.
"""

from finishkit.report.build import build_report
from finishkit.report.model import Gate, Master, Report, ShotOutcome
from finishkit.report.solved import solved_stages
from finishkit.report.wording import summary_lines
from finishkit.report.write import load_report, write_report

__all__ = [
    "Gate",
    "Master",
    "Report",
    "ShotOutcome",
    "build_report",
    "load_report",
    "solved_stages",
    "summary_lines",
    "write_report",
]
