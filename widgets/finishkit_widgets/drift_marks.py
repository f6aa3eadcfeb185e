"""The drift plot itself: marks on axes, a call for each kind of mark and not for each shot."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift_points import DriftPoint, scene_starts
from finishkit_widgets.drift_words import signed
from finishkit_widgets.figure import Ink, elided, families, legible

_AREA = 52
"""Of a mark, in square points."""
_FAR_Z = 12.0
"""Shots further from their scene than this would press all others together on a plain scale."""
_LETTER_PX = 6.2
_FLAG = Path([(0, -1), (0, 1), (1.1, 0.55), (0, 0.1)], [Path.MOVETO, *[Path.LINETO] * 3])
_TICK = Path([(-0.8, 0.1), (-0.2, -0.6), (0.9, 0.9)], [Path.MOVETO, *[Path.LINETO] * 2])


def draw_drift(
    axes: Axes,
    ink: Ink,
    points: Sequence[DriftPoint],
    *,
    selected: int,
    marks: Mapping[str, str],
    relative: bool,
    decimals: int,
    width_px: float,
) -> None:
    """Draw one metric over the cut.

    Parameters
    ----------
    axes : Axes
        Empty.
    ink : Ink
        The page's.
    points : sequence of DriftPoint
        In cut order, at x = 0, 1, 2 ...
    selected : int
        Position of the shot that is selected.
    marks : mapping of str to str
        What a person said, by shot: ``regenerate`` or ``accept``.
    relative : bool
        Whether heights are robust z.
    decimals : int
        Of the metric.
    width_px : float
        Of the axes.
    """
    axes.set_xlim(-0.6, len(points) - 0.4)
    _scale(axes, points, relative, decimals)
    _draw_band(axes, ink, points)
    _draw_scenes(axes, ink, points, width_px)
    axes.axvline(selected, color=ink.accent, lw=1.4, ls=(0, (2, 2)), gid="fk-selected", zorder=2)
    axes.text(
        selected,
        1.06,
        legible(points[selected].label, str(selected + 1)),
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        color=ink.accent,
        fontsize=9,
        fontweight="bold",
        fontfamily=families(),
    )
    _draw_shots(axes, ink, points)
    _draw_word_of_a_person(axes, ink, points, marks)
    _name_shots(axes, points, width_px)


def _scale(axes: Axes, points: Sequence[DriftPoint], relative: bool, decimals: int) -> None:
    heights = [p.height for p in points if p.height is not None]
    edges = [edge for p in points if p.band for edge in p.band]
    low, high = min([0.0, *heights, *edges]), max([0.0, *heights, *edges])
    if not relative:
        room = 0.12 * ((high - low) or 1.0)
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:.{decimals}f}".replace("-", "−"))
        )
        return
    far = max(4.0, -low, high)
    ticks = [0.0, 3.0, 6.0, 9.0, 12.0]
    if far > _FAR_Z:
        # Near the band as it is, beyond it by powers of ten: the far ones stay where they are.
        axes.set_yscale("symlog", linthresh=6, linscale=2)
        ticks = [0.0, 3.0, 6.0, 20.0, 60.0, 200.0, 600.0]
    axes.set_ylim(-1.2 * far, 1.2 * far)
    shown = [t for t in ticks if t <= 1.2 * far]
    axes.yaxis.set_major_locator(FixedLocator(sorted({*shown, *(-t for t in shown)})))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda z, _: signed(z, 0) if z else "0"))


def _draw_band(axes: Axes, ink: Ink, points: Sequence[DriftPoint]) -> None:
    banded = [(x, p.band) for x, p in enumerate(points) if p.band]
    if not banded:
        return
    # Limits may differ from shot to shot: every shot has its own step.
    edges = np.array([[x - 0.5, x + 0.5] for x, _ in banded]).ravel()
    edges[0], edges[-1] = edges[0] - 0.1, edges[-1] + 0.1
    low, high = (np.repeat([band[side] for _, band in banded], 2) for side in (0, 1))
    axes.fill_between(edges, low, high, color=ink.band, lw=0, zorder=0, gid="fk-band")
    axes.plot(edges, high, color=ink.line, lw=0.8, zorder=1)
    axes.plot(edges, low, color=ink.line, lw=0.8, zorder=1)


def _draw_scenes(axes: Axes, ink: Ink, points: Sequence[DriftPoint], width_px: float) -> None:
    starts = scene_starts(points)
    foot = axes.get_xaxis_transform()
    axes.vlines(
        [start - 0.5 for start in starts[1:]],
        -0.13,
        1,
        transform=foot,
        colors=ink.line,
        lw=1,
        clip_on=False,
        gid="fk-scenes",
    )
    room = width_px / (len(points) + 0.2)
    for number, (start, end) in enumerate(
        zip(starts, [*starts[1:], len(points)], strict=True), start=1
    ):
        name = legible(points[start].scene, f"#{number}")
        axes.text(
            start - 0.42,
            -0.14,
            elided(name, room * (end - start) - 8, 6.6),
            transform=foot,
            ha="left",
            va="center",
            color=ink.text,
            fontsize=8.5,
            fontfamily=families(),
        )


def _name_shots(axes: Axes, points: Sequence[DriftPoint], width_px: float) -> None:
    longest = max(len(p.label) for p in points)
    every = max(1, int(np.ceil((longest + 1) * _LETTER_PX * len(points) / width_px)))
    places = range(0, len(points), every)
    axes.set_xticks(
        [float(x) for x in places], [legible(points[x].label, str(x + 1)) for x in places]
    )


def _draw_shots(axes: Axes, ink: Ink, points: Sequence[DriftPoint]) -> None:
    for action, badge in BADGES.items():
        colour = badge.dark if ink.dark else badge.light
        seen = [(x, p.height) for x, p in enumerate(points) if p.action == action]
        judged = [(float(x), y) for x, y in seen if y is not None]
        if judged:
            _scatter(axes, judged, badge.marker, colour, colour, f"fk-{action}")
        blank = [(float(x), 0.045) for x, y in seen if y is None]
        if blank:
            # At the foot, not at 0: that would say "as the scene".
            marks = _scatter(axes, blank, badge.marker, "none", colour, f"fk-{action}-unjudged")
            marks.set_offset_transform(axes.get_xaxis_transform())


def _scatter(
    axes: Axes,
    places: Sequence[tuple[float, float]],
    marker: str | Path,
    face: str,
    edge: str,
    name: str,
) -> PathCollection:
    x, y = zip(*places, strict=True)
    limits = axes.get_ylim()
    marks = axes.scatter(
        x,
        y,
        s=_AREA,
        marker=marker,
        facecolors=face,
        edgecolors=edge,
        lw=1.5,
        zorder=4,  # type: ignore[arg-type]
    )
    marks.set_gid(name)
    marks.set_clip_on(False)
    axes.set_ylim(limits)
    return marks


def _draw_word_of_a_person(
    axes: Axes, ink: Ink, points: Sequence[DriftPoint], marks: Mapping[str, str]
) -> None:
    for mark, sign, badge in (
        ("regenerate", _FLAG, BADGES["regenerate"]),
        ("accept", _TICK, BADGES["ok"]),
    ):
        places = [(float(x), 1.035) for x, p in enumerate(points) if marks.get(p.shot) == mark]
        if not places:
            continue
        colour = badge.dark if ink.dark else badge.light
        filled = colour if sign is _FLAG else "none"
        drawn = _scatter(axes, places, sign, filled, colour, f"fk-person-{mark}")
        drawn.set_offset_transform(axes.get_xaxis_transform())
