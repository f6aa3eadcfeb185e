"""The strip plots: where every shot lies, before and after, and where it may lie."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from finishkit.measure import METRICS
from finishkit.measure.colour import AXES, DE_PER_UNIT
from finishkit.report.model import Report, ReportShot
from finishkit.report.wording import short_labels

WIDTH, HEIGHT = 560.0, 190.0
"""Size of a plot in its own units."""
LEFT, RIGHT, TOP, BOTTOM = 44.0, 550.0, 10.0, 150.0
"""Edges of the field in which values lie."""
UNKNOWN_Y = 162.0
"""Where shots go whose value could not be judged."""

PLOTTED = (
    *("eff_px", "wb_r", "wb_b", "ev", "con", "sat", "id_dist", "id_spread"),
    *("flick_g", "flick_l", "dup_ratio", "noise_sigma"),
)
_LOGARITHMIC = frozenset({"eff_px", "noise_sigma"})
_AXIS_LIMIT = {"wb_r": "wb_de", "wb_b": "wb_de", "ev": "ev_de", "con": "con_de", "sat": "sat_de"}
_FACES = frozenset({"id_dist", "id_spread"})
_CADENCE = frozenset({"dup_ratio", "fps_eff"})
_SAME_FINDING = {"eff_r": "eff_px"}

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One shot in a plot.

    Attributes
    ----------
    x : float
    raw_y, y : float or None
        Before, and as it stands now; ``raw_y`` is ``None`` when nothing was finished.
    kind : str
        ``ok`` or the action of a shot flagged in this metric, or ``unknown``.
    tip : str
    """

    x: float
    raw_y: float | None
    y: float
    kind: str
    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where the value of one shot may lie."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The stretch of one scene on the x axis."""

    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One strip plot, ready to be drawn.

    Attributes
    ----------
    name, label, unit, text, summary : str
    ticks : tuple of (y, label)
    scenes : tuple of Scene
    bands : tuple of Band
    hook_width : float
        Width of the hook's zone from the left edge; 0 without one.
    marks : tuple of Mark
    limited : bool
        True when there is a limit to draw.
    """

    name: str
    label: str
    unit: str
    text: str
    summary: str
    ticks: tuple[tuple[float, str], ...]
    scenes: tuple[Scene, ...]
    bands: tuple[Band, ...]
    hook_width: float
    marks: tuple[Mark, ...]
    limited: bool


def strip_plots(report: Report) -> tuple[Plot, ...]:
    """Return a plot for every metric worth one, those without a single value left out.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    plots : tuple of Plot
    """
    return tuple(p for name in PLOTTED if (p := _plot(report, name)) is not None)


def scene_runs(shots: Sequence[ReportShot]) -> tuple[tuple[str, int, int], ...]:
    """Return the stretches of consecutive shots of one scene: name, first position, length."""
    runs: list[tuple[str, int, int]] = []
    for position, shot in enumerate(shots):
        if runs and runs[-1][0] == shot.scene:
            runs[-1] = (shot.scene, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((shot.scene, position, 1))
    return tuple(runs)


def _now(shot: ReportShot, name: str) -> float | None:
    return (shot.raw if shot.finished is None else shot.finished).get(name)


def _plot(report: Report, name: str) -> Plot | None:
    metric = next(m for m in METRICS if m.name == name)
    shots = report.shots
    scale = _log2 if name in _LOGARITHMIC else _same
    values = [scale(v) for s in shots for v in (_now(s, name), s.raw.get(name)) if v is not None]
    if not values:
        return None
    bands = [_allowed(report, shot, name) for shot in shots]
    low, high = _range(values, [b for b in bands if b], name)
    step = (RIGHT - LEFT) / len(shots)

    def y(value: float) -> float:
        share = (scale(value) - low) / (high - low)
        return round(BOTTOM - min(1.0, max(0.0, share)) * (BOTTOM - TOP), 1)

    labels = short_labels([s.shot for s in shots])
    marks = []
    for position, shot in enumerate(shots):
        mark = _mark(shot, name, LEFT + (position + 0.5) * step, y, labels[shot.shot])
        if mark:
            marks.append(mark)
    flagged = [m for m in marks if m.kind not in ("ok", "unknown")]
    hooks = [i for i, s in enumerate(shots) if s.hook]
    return Plot(
        name=name,
        label=metric.label,
        unit=metric.unit,
        text=metric.description,
        summary=f"{metric.label} of {len(marks)} shots, {len(flagged)} outside their limit.",
        ticks=tuple((y(t), _tick_label(t, name)) for t in _ticks(low, high, name)),
        scenes=tuple(
            Scene(name=n, x=round(LEFT + start * step, 1), width=round(length * step, 1))
            for n, start, length in scene_runs(shots)
        ),
        bands=tuple(
            Band(
                x=round(LEFT + i * step, 2),
                y=y(band[1]),
                width=round(step + 0.05, 2),
                height=round(y(band[0]) - y(band[1]), 1),
            )
            for i, band in enumerate(bands)
            if band
        ),
        hook_width=round((max(hooks) + 1) * step, 1) if hooks else 0.0,
        marks=tuple(marks),
        limited=any(bands),
    )


def _mark(
    shot: ReportShot, name: str, x: float, y: Callable[[float], float], label: str
) -> Mark | None:
    metric = next(m for m in METRICS if m.name == name)
    raw, now = shot.raw.get(name), _now(shot, name)
    if now is None:
        if not _asked(shot, name):
            return None
        tip = f"{label}: could not be judged"
        return Mark(x=round(x, 1), raw_y=None, y=UNKNOWN_Y, kind="unknown", tip=tip)
    kind = "ok"
    for finding in shot.reasons:
        if _SAME_FINDING.get(finding.metric, finding.metric) == name:
            kind = shot.action if shot.action != "ok" else "fix"
    unit = f" {metric.unit}" if metric.unit else ""
    tip = f"{label}: {now:.{metric.decimals}f}{unit}"
    finished = shot.finished is not None and raw is not None
    if finished and raw is not None:
        tip = f"{label}: {raw:.{metric.decimals}f} → {now:.{metric.decimals}f}{unit}"
    return Mark(
        x=round(x, 1),
        raw_y=y(raw) if finished and raw is not None else None,
        y=y(now),
        kind=kind,
        tip=tip,
    )


def _asked(shot: ReportShot, name: str) -> bool:
    """Say whether a value was to be expected: an empty room has no face, a still no cadence."""
    if shot.picture is None:
        return False
    if name in _FACES:
        return bool(shot.identities)
    return not (name in _CADENCE and shot.static)


def _allowed(report: Report, shot: ReportShot, name: str) -> Interval | None:
    """Return where a value may lie by the limits of the verdict."""
    limits = report.limits
    tight = limits.get("hook_factor", 1.0) if shot.hook else 1.0
    if name in _AXIS_LIMIT:
        others = _others(report, shot, name, across=False)
        if others is None or _AXIS_LIMIT[name] not in limits:
            return None
        reach = limits[_AXIS_LIMIT[name]] * tight / DE_PER_UNIT[AXES.index(name)]
        return others - reach, others + reach
    if name == "eff_px":
        others = _others(report, shot, name, across=True)
        if others is None or "softer_oct" not in limits:
            return None
        return others * 2.0 ** (-limits["softer_oct"] * tight), math.inf
    if name not in limits:
        return None
    looks = [look for who in shot.identities if (look := report.look(who.character))]
    if name in _FACES and looks:
        # The strictest of those in the shot: the value drawn is the worst of them.
        return 0.0, min(look.limit if name == "id_dist" else look.spread_limit for look in looks)
    # Identity's hook limit only asks a person to look; the limit drawn is the one that decides.
    return 0.0, limits[name] * (1.0 if name in _FACES else tight)


def _others(report: Report, shot: ReportShot, name: str, *, across: bool) -> float | None:
    """Return the median of the other shots of the scene, as the verdict compares."""
    rest = [s for s in report.shots if s is not shot]
    beside = [v for s in rest if s.scene == shot.scene and (v := _now(s, name)) is not None]
    if len(beside) < 2 and across:
        beside = [v for s in rest if (v := _now(s, name)) is not None]
    return float(np.median(beside)) if len(beside) >= 2 else None


def _same(value: float) -> float:
    return value


def _log2(value: float) -> float:
    return math.log2(max(value, 1e-3))


def _range(values: Sequence[float], bands: Sequence[Interval], name: str) -> Interval:
    scale = _log2 if name in _LOGARITHMIC else _same
    edges = [scale(e) for band in bands for e in band if math.isfinite(e) and e > -1e6]
    if name in _LOGARITHMIC:
        edges = [e for e in edges if e > -5]
    low, high = min([*values, *edges]), max([*values, *edges])
    margin = max(0.08 * (high - low), 0.02)
    if name not in _AXIS_LIMIT and name not in _LOGARITHMIC:
        return min(0.0, low), high + margin
    return low - margin, high + margin


def _ticks(low: float, high: float, name: str) -> tuple[float, ...]:
    if name in _LOGARITHMIC:
        steps = (0.25, 0.5, 1, 2, 4, 8, 16, 90, 135, 180, 270, 360, 540, 720, 1080, 1440, 2160)
        within = [t for t in steps if low <= math.log2(t) <= high]
        return tuple(within[:: max(1, len(within) // 4)])
    span = high - low
    base = 10.0 ** math.floor(math.log10(span / 3))
    unit = next(base * f for f in (1, 2, 2.5, 5, 10) if span / (base * f) <= 4.5)
    first = math.ceil(low / unit)
    return tuple(i * unit for i in range(first, math.floor(high / unit) + 1))


def _tick_label(value: float, name: str) -> str:
    if name == "dup_ratio":
        return f"{value:.0%}"
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
