"""What the stages solved and what the gates did about it, in words and units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from finishkit.report.model import Gate, Report, ReportShot

STAGES: Final = {
    "conform": "Conform",
    "faces": "Faces",
    "deflicker": "Deflicker",
    "stabilise": "Stabilise",
    "interpolate": "Motion",
    "upscale": "Upscale",
    "sharpen": "Sharpen",
    "grade": "Grade",
    "grain": "Grain",
}
"""What a stage is called on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """How one note is said.

    Attributes
    ----------
    label, unit : str
    decimals : int
    factor : float
        By which the value is shown.
    signed : bool
        A move: zero is no move, and a plus is written.
    lead : bool
        Said in the line of its shot, when it is not ``neutral``.
    neutral : float
        Says that nothing was done.
    """

    label: str
    unit: str = ""
    decimals: int = 2
    factor: float = 1.0
    signed: bool = False
    lead: bool = False
    neutral: float = 0.0


def _move(label: str, unit: str) -> _Note:
    return _Note(label=label, unit=unit, signed=True, lead=True)


def _share(label: str, *, lead: bool = False) -> _Note:
    return _Note(label=label, unit="%", decimals=0, factor=100, lead=lead)


def _count(label: str, *, lead: bool = False) -> _Note:
    return _Note(label=label, decimals=0, lead=lead)


_NOTES: Final = {
    "conform.frames": _count("frames at the master's rate"),
    "faces.count": _count("faces treated", lead=True),
    "faces.strength": _Note(label="strength", lead=True),
    "faces.identity_shift": _Note(label="identity moved by", lead=True),
    "faces.identity_limit": _Note(label="identity may move by"),
    "faces.gated": _count("times held back by the identity gate", lead=True),
    "faces.flicker_ratio": _Note(label="flicker inside faces, after over before"),
    "deflicker.share": _share("taken out", lead=True),
    "deflicker.largest_gain_pct": _Note(label="largest correction", unit="%", decimals=1),
    "deflicker.flashes_kept": _count("flashes kept"),
    "deflicker.steps_kept": _count("changes of light kept"),
    "interpolate.repaired": _count("repeats replaced", lead=True),
    "interpolate.kept": _count("repeats kept, flow not sure", lead=True),
    "upscale.scale": _Note(label="enlarged", unit="×", lead=True, neutral=1.0),
    "upscale.on_device": _share("finished on the GPU"),
    "upscale.strength": _share("share of the net", lead=True),
    "upscale.input_scale": _share("size the net was given"),
    "sharpen.before_px": _Note(label="real resolution before", unit="px", decimals=0),
    "sharpen.goal_px": _Note(label="aimed at", unit="px", decimals=0),
    "sharpen.after_px": _Note(label="real resolution after", unit="px", decimals=0),
    "sharpen.blur_px": _Note(label="blur undone (minus: added)", unit="px"),
    "sharpen.gain": _Note(label="finest detail raised", unit="×", decimals=1),
    "grade.wb_r": _move("red", "oct"),
    "grade.wb_b": _move("blue", "oct"),
    "grade.ev": _move("exposure", "stops"),
    "grade.con": _move("contrast", "oct"),
    "grade.sat": _move("saturation", "oct"),
    "grade.before_de": _Note(label="distance to the scene before", unit="ΔE", decimals=1),
    "grade.residual_de": _Note(label="distance to the scene after", unit="ΔE", decimals=1),
    "grade.drift_before_de": _Note(label="drift within the shot before", unit="ΔE", decimals=1),
    "grade.drift_residual_de": _Note(label="drift within the shot after", unit="ΔE", decimals=1),
    "grain.added_codes": _Note(label="added", unit="codes", lead=True),
}

_PAIRS: Final = (
    ("grade.before_de", "grade.residual_de", " from its scene"),
    ("grade.drift_before_de", "grade.drift_residual_de", " drift within the shot"),
    ("sharpen.before_px", "sharpen.after_px", " of real resolution"),
)
"""Two notes that are best said together: before, after, and what of."""

_UNITS: Final = {
    "oct": "oct",
    "ev": "stops",
    "de": "ΔE",
    "pct": "%",
    "px": "px",
    "codes": "codes",
    "lstar": "L*",
    "fps": "fps",
    "s": "s",
    "deg": "°",
    "db": "dB",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedStage:
    """What one stage solved for one shot.

    Attributes
    ----------
    title : str
    line : str
        The most telling values in a few words; empty when it did nothing worth a line.
    values : tuple of (str, str)
        Every value: what it is called, and figure with unit.
    """

    title: str
    line: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """A gate that did not let a stage's result pass, and what became of it."""

    shot: ReportShot
    stage: str
    gate: Gate
    name: str
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCount:
    """The gates of one stage over all shots.

    Attributes
    ----------
    stage : str
    checks, passed : int
    lowered, left_out : int
        Shots.
    """

    stage: str
    checks: int
    passed: int
    lowered: int
    left_out: int


def solved_stages(notes: Mapping[str, float]) -> tuple[SolvedStage, ...]:
    """Return what was solved for one shot, stage by stage.

    Parameters
    ----------
    notes : Mapping of str to float
        ``<stage>.<name>`` to value, as the stages wrote them. Names that are not known here are
        shown too, by what their ending says of the unit.

    Returns
    -------
    stages : tuple of SolvedStage
        In the order in which they run; unknown ones after them.
    """
    found = dict.fromkeys(name.partition(".")[0] for name in notes)
    order = [s for s in STAGES if s in found] + [s for s in found if s not in STAGES]
    return tuple(
        _solved(stage, {k: v for k, v in notes.items() if k.partition(".")[0] == stage})
        for stage in order
    )


def _solved(stage: str, notes: Mapping[str, float]) -> SolvedStage:
    said = {name: _said(name, value) for name, value in notes.items()}
    lead = []
    if notes.get(f"{stage}.bypassed"):
        lead.append("left out by its gates")
    elif f"{stage}.lowered_to" in notes:
        lead.append(f"lowered to {notes[f'{stage}.lowered_to']:.0%} by its gates")
    lead += [_phrase(*said[n]) for n, v in notes.items() if _note(n).lead and _worth_saying(n, v)]
    for name_before, name_after, text in _PAIRS:
        if name_before in said and name_after in said:
            before, after = said[name_before][1], said[name_after][1]
            if before != after:
                # The unit once: "9.0 → 2.0 ΔE".
                lead.append(f"{before.partition(' ')[0]} → {after}{text}")
    return SolvedStage(
        title=STAGES.get(stage, stage), line=", ".join(lead), values=tuple(said.values())
    )


def _worth_saying(name: str, value: float) -> bool:
    note = _note(name)
    return abs((value - note.neutral) * note.factor) >= 0.5 * 10**-note.decimals


def _phrase(label: str, figure: str) -> str:
    # "2 repeats replaced" and "90 % taken out", but "red +0.12 oct".
    counted = figure.isdigit() or label == "taken out"
    return f"{figure} {label}" if counted else f"{label} {figure}"


def _note(name: str) -> _Note:
    if name in _NOTES:
        return _NOTES[name]
    key = name.partition(".")[2] or name
    if key == "bypassed":
        return _Note(label="left out by its gates", decimals=0)
    if key == "lowered_to":
        return _share("strength left by its gates")
    stem, _, ending = key.rpartition("_")
    if stem and ending in _UNITS:
        return _Note(label=stem.replace("_", " "), unit=_UNITS[ending])
    return _Note(label=key.replace("_", " "))


def _said(name: str, value: float) -> tuple[str, str]:
    note = _note(name)
    if name.endswith(".bypassed"):
        return note.label, "yes" if value else "no"
    shown = value * note.factor
    # What was counted is shown so, whatever decimals other values have.
    decimals = 0 if name not in _NOTES and shown == round(shown) else note.decimals
    text = f"{shown:+.{decimals}f}" if note.signed else f"{shown:.{decimals}f}"
    if not float(text):
        text = text.lstrip("+-")
    figure = text.replace("-", "\N{MINUS SIGN}")
    return note.label, f"{figure} {note.unit}" if note.unit else figure


def acted_gates(report: Report) -> tuple[Acted, ...]:
    """Return every gate that did not pass, in cut order, with what was done about it.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    acted : tuple of Acted
    """
    return tuple(
        Acted(
            shot=shot,
            stage=STAGES.get(_stage(gate), _stage(gate)),
            gate=gate,
            name=gate.name.partition(": ")[2] or gate.name,
            done=_done(shot, _stage(gate)),
        )
        for shot in report.shots
        for gate in shot.gates
        if not gate.passed
    )


def _stage(gate: Gate) -> str:
    # A pass of several stages is named by all of them; the first is the one that is gated.
    stage, found, _ = gate.name.partition(": ")
    return stage.partition("+")[0] if found else ""


def _done(shot: ReportShot, stage: str) -> str:
    if shot.state == "quarantined":
        return "The shot was set aside."
    if shot.solved.get(f"{stage}.bypassed"):
        return "Tried weaker, then left out: the shot is as it was before this stage."
    lowered = shot.solved.get(f"{stage}.lowered_to")
    if lowered:
        return f"Lowered to {lowered:.0%} of its strength, and passed."
    if lowered == 0 and stage == "upscale":
        return "Tried weaker, then enlarged plainly, without the net."
    return "Kept: look at this shot."


def gate_counts(report: Report) -> tuple[GateCount, ...]:
    """Return the gates stage by stage.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    counts : tuple of GateCount
        Without the stages that had nothing to do.
    """
    found = dict.fromkeys(_stage(gate) for shot in report.shots for gate in shot.gates)
    counts = []
    for stage in [s for s in STAGES if s in found] + [s for s in found if s not in STAGES]:
        gates = [g for shot in report.shots for g in shot.gates if _stage(g) == stage]
        counts.append(
            GateCount(
                stage=STAGES.get(stage, stage) or "whole shot",
                checks=len(gates),
                passed=sum(g.passed for g in gates),
                lowered=sum(f"{stage}.lowered_to" in s.solved for s in report.shots),
                left_out=sum(bool(s.solved.get(f"{stage}.bypassed")) for s in report.shots),
            )
        )
    return tuple(counts)
