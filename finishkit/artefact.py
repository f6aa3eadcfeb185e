"""A shot as it stands between passes, and what becomes of its failures."""

import shutil
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from finishkit.engines.step import StepResult
from finishkit.errors import MACHINE_CODES, FinishError
from finishkit.ingest import Ingest
from finishkit.report.model import Gate as ReportGate
from finishkit.shots import Shot
from finishkit.stages.conform import Conform, conformed_count, nominal_rate


@dataclass(slots=True)
class Artefact:
    """A shot as it stands between passes: where, made from what, with which notes."""

    shot: Shot
    checked: Ingest
    path: Path
    sha256: str
    conform: Conform | None
    frame_count: int
    rate_fps: Fraction
    notes: dict[str, float] = field(default_factory=dict)
    gates: list[ReportGate] = field(default_factory=list)


def artefact_of(shot: Shot, checked: Ingest) -> Artefact:
    """Return a shot as it stands before the first pass: at its own rate, made constant."""
    assert checked.probe is not None
    rate = nominal_rate(checked.probe)
    count = conformed_count(checked.probe, rate)
    return Artefact(
        shot=shot,
        checked=checked,
        path=shot.path,
        sha256=checked.sha256,
        conform=(
            None if checked.probe.constant_rate else Conform(rate_fps=rate, frame_count=count)
        ),
        frame_count=count,
        rate_fps=rate,
    )


def report_gates(stage: str, result: StepResult) -> list[ReportGate]:
    """Return a step's gates as the report shows them."""
    return [
        ReportGate(
            name=f"{stage}: {g.name}",
            before=g.before,
            after=g.after,
            limit=g.limit,
            passed=g.passed,
            text=g.text,
        )
        for g in result.gates
    ]


def as_finish_error(shot: str, error: Exception) -> FinishError:
    """Return any failure as one with a sentence and a cure."""
    if isinstance(error, FinishError):
        return error
    return FinishError(
        f"{shot}: a stage failed ({type(error).__name__}: {error}). The other shots are not"
        " touched by it; finish this one alone with --redo, or generate it again.",
        "stage_failed",
    )


def stop_if_disk_full(error: Exception, folder: Path) -> None:
    """Raise when a failure is the machine's: no shot is to blame for a full disk."""
    if isinstance(error, FinishError) and error.code in MACHINE_CODES:
        raise FinishError(
            f"{error} Then run the same command again: what is finished in {folder} stays"
            " finished.",
            error.code,
        )
    # FFmpeg does not always hand the system's reason on.
    free = shutil.disk_usage(folder).free
    if isinstance(error, FinishError) and error.code == "write_failed" and free < 64 * 2**20:
        raise FinishError(
            f"The disk of {folder} is full ({free} bytes left): {error} Free some space and run the"
            " same command again: what is finished stays finished.",
            "disk_full",
        )
