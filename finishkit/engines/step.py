"""One pass over one shot: what a worker process is given, and what it hands back."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from finishkit.environment import device_of_nets
from finishkit.errors import FinishError
from finishkit.frames import (
    CodedFrames,
    Encoding,
    Frames,
    Matrix,
    ahead,
    decode_report,
    read_frames,
    write_frames,
)
from finishkit.shots import ShotId
from finishkit.stages import Filter
from finishkit.stages.gate import Gate, GateLimits, GateResult
from finishkit.store import require_unchanged
from finishkit.working import beating


@dataclass(frozen=True, slots=True, kw_only=True)
class StepJob:
    """A pass over a shot. Files, filters and settings; nothing of the set.

    Attributes
    ----------
    shot : ShotId
    source : Path
        Clip to read: the source, or the mezzanine of the pass before.
    matrix : {'bt709', 'bt601'} or None
        How the source is read.
    part : Path
        Temporary name to write to.
    before : Filter or None
        Applied first and not judged by the gate: the conform, which changes the count.
    filters : tuple of Filter
    frame_count : int
        Frames that must come out.
    rate_fps : Fraction
    encoding : Encoding
    audio_from : Path or None
    chunk : int
        Frames held at a time.
    gated : int
        So many of the filters, from the first, are watched: what goes in is compared with what
        comes out. The rest is there to change colour.
    limits : GateLimits
        What the watched filters may change.
    inputs : tuple of (Path, str)
        Every file that is read, with the SHA-256 it must have before and after.
    """

    shot: ShotId
    source: Path
    matrix: Matrix | None
    part: Path
    before: Filter | None
    filters: tuple[Filter, ...]
    frame_count: int
    rate_fps: Fraction
    encoding: Encoding
    audio_from: Path | None
    chunk: int
    gated: int
    limits: GateLimits = field(default_factory=GateLimits)
    inputs: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What came of it.

    Attributes
    ----------
    notes : Mapping of str to float
        What the filters solved.
    gates : tuple of GateResult
        Empty when the step was not gated.
    elapsed_s : float
    """

    notes: Mapping[str, float]
    gates: tuple[GateResult, ...] = ()
    elapsed_s: float = 0.0
    passed: bool = field(default=True)


def execute_step(job: StepJob) -> StepResult:
    """Read, filter, gate, write; then open what was written and count it.

    Parameters
    ----------
    job : StepJob
        What to read, do and write.

    Returns
    -------
    result : StepResult

    Raises
    ------
    FinishError
        ``lost_frames`` when another number of frames came out than was ordered, ``changed`` when
        an input is not what it was, and whatever reading, filtering or writing raise.
    """
    started = time.monotonic()
    _require_inputs(job)
    notes: dict[str, float] = {}
    gate = Gate()
    # A beat for every chunk that any of them hands on: one filter may look far ahead.
    frames = ahead(beating(read_frames(job.source, chunk=job.chunk, matrix=job.matrix)))
    if job.before is not None:
        frames = job.before(frames, notes)
    if job.gated:
        frames = gate.watch_in(frames)
    there = _first_on_device(job)
    for number, apply in enumerate(job.filters[:there], start=1):
        frames = beating(apply(frames, notes))
        if number == job.gated:
            frames = gate.watch_out(frames)
    written = write_frames(
        job.part,
        _finite(frames, job) if there is None else _on_device(frames, job, there, notes, gate),
        rate_fps=job.rate_fps,
        encoding=job.encoding,
        audio_from=job.audio_from,
    )
    if written != job.frame_count:
        raise FinishError(
            f"{job.shot}: {written} frames came out where {job.frame_count} were due. This is a"
            " fault of finishkit; please report it with the run's environment.",
            "lost_frames",
        )
    # Again: what was overwritten while it was read gave pictures of two files.
    _require_inputs(job)
    gates = gate.verdict(job.limits, notes) if job.gated else ()
    return StepResult(
        notes=notes,
        gates=gates,
        elapsed_s=time.monotonic() - started,
        passed=all(g.passed for g in gates),
    )


def _first_on_device(job: StepJob) -> int | None:
    """Return from which filter on the frames stay on a GPU; None: all is the host's."""
    device = device_of_nets()
    if not device or job.encoding.pixel_format != "yuv420p":
        return None
    from finishkit.engines import device_pass

    there = device_pass.first_on_device(job.filters)
    return None if there is None or device_pass.why_not_here(device) else there


def _on_device(
    frames: Iterator[Frames], job: StepJob, there: int, notes: dict[str, float], gate: Gate
) -> Iterator[CodedFrames]:
    from finishkit.engines.device_pass import finished_on_device

    notes["upscale.on_device"] = 1.0
    return finished_on_device(
        frames,
        job.filters[there:],
        job.gated - there,
        shot=job.shot,
        notes=notes,
        gate=gate,
        device=device_of_nets(),
    )


def _require_inputs(job: StepJob) -> None:
    for path, sha256 in job.inputs:
        require_unchanged(path, sha256)


def _finite(frames: Iterator[Frames], job: StepJob) -> Iterator[Frames]:
    for chunk in frames:
        # A net that overflows gives not-a-number, which an encoder silently turns into black.
        # One pass and nothing kept: a sum is no number where one of its terms is none.
        if chunk.data.dtype == np.float32 and not np.isfinite(chunk.data.sum()):
            raise FinishError(f"{job.shot}: a stage gave pictures that are no numbers.", "nan")
        yield chunk


def check_video(path: Path, frame_count: int) -> None:
    """Open a produced clip again and count its pictures.

    Parameters
    ----------
    path : Path
        The produced clip.
    frame_count : int
        As many as there must be.

    Raises
    ------
    FinishError
        ``lost_frames`` or what opening it raises.
    """
    report = decode_report(path)
    if report.frame_count != frame_count or report.error or not report.increasing:
        raise FinishError(
            f"{path.name} holds {report.frame_count} readable frames where {frame_count} were"
            f" written {report.error}. Is the disk full or failing?",
            "lost_frames",
        )
