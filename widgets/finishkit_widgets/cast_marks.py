"""The cast matrix itself: a heat map, with hatching where nothing could be compared."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize

from finishkit_widgets.badges import BADGES
from finishkit_widgets.cast_cells import CastCell
from finishkit_widgets.figure import Ink, elided, legible

COLOURS = "cividis"
NUMBERS_TO = 20
"""Columns up to which every distance is printed."""
_NUMBER_PX = 30
_LETTER_PX = 6.2
_SCALE_TO = 0.8
"""Least distance that has the brightest colour, so that a clean episode looks clean."""


def draw_cast(
    axes: Axes,
    ink: Ink,
    rows: Sequence[Sequence[CastCell]],
    *,
    selected: tuple[int, int],
    width_px: float,
    names_px: float,
) -> None:
    """Draw the matrix.

    Parameters
    ----------
    axes : Axes
        Empty; afterwards a cell spans 1 x 1 round its (column, row).
    ink : Ink
        The page's.
    rows : sequence of sequence of CastCell
        A row a character, at least one.
    selected : tuple of int
        Row and column.
    width_px, names_px : float
        Of the axes, and of the margin for names.
    """
    values = np.array([[np.nan if c.dist is None else c.dist for c in row] for row in rows])
    scale = Normalize(0, max(_SCALE_TO, float(np.nanmax(values, initial=0.0))))
    axes.imshow(
        np.ma.masked_invalid(values), cmap=COLOURS, norm=scale, aspect="auto", zorder=2
    ).set_gid("fk-distances")
    cell_px = width_px / len(rows[0])
    _hatch(axes, ink, rows)
    _letter(axes, ink, rows, scale, cell_px)
    _outline(axes, ink, rows, selected)
    _name(axes, ink, rows, selected, cell_px, names_px)


def _hatch(axes: Axes, ink: Ink, rows: Sequence[Sequence[CastCell]]) -> None:
    for listed, pattern, name in ((False, "//", "fk-not-listed"), (True, "xxxx", "fk-no-distance")):
        places = [
            (column, row)
            for row, cells in enumerate(rows)
            for column, cell in enumerate(cells)
            if not cell.compared and (cell.state != "not_listed") == listed
        ]
        if not places:
            continue
        squares = PolyCollection(
            [_square(x, y, 0.5) for x, y in places],
            facecolors=ink.band if listed else "none",
            edgecolors=ink.line,
            linewidths=0,
            hatch=pattern,
            zorder=1,
        )
        squares.set_hatch_linewidth(0.5)
        squares.set_gid(name)
        axes.add_collection(squares, autolim=False)


def _letter(
    axes: Axes, ink: Ink, rows: Sequence[Sequence[CastCell]], scale: Normalize, cell_px: float
) -> None:
    colours = colormaps[COLOURS]
    fits = cell_px >= _NUMBER_PX
    every = len(rows[0]) <= NUMBERS_TO
    for y, cells in enumerate(rows):
        for x, cell in enumerate(cells):
            text, colour, bold = "", ink.text, False
            if cell.dist is not None and fits and (every or cell.state == "far"):
                text, bold = f"{cell.dist:.2f}", cell.state == "far"
                # Luminance of cividis rises evenly: its middle parts white from black.
                light = np.dot(colours(scale(cell.dist))[:3], (0.2126, 0.7152, 0.0722))
                colour = "#000000" if light > 0.4 else "#ffffff"
            elif cell.state == "no_reference":
                text = "?"
            if text:
                weight = "bold" if bold else "normal"
                axes.text(
                    x, y, text, color=colour, fontsize=7.5, fontweight=weight, ha="center",
                    va="center", zorder=5,
                )  # fmt: skip


def _outline(
    axes: Axes, ink: Ink, rows: Sequence[Sequence[CastCell]], selected: tuple[int, int]
) -> None:
    far = [
        (column, row)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
        if cell.state == "far"
    ]
    badge = BADGES["regenerate"]
    # Two lines: one is seen on the brightest cell, the other on the page.
    for inset, width, colour in (
        (0.465, 2.6, badge.dark if ink.dark else badge.light),
        (0.425, 0.8, "#000000"),
    ):
        if far:
            lines = PolyCollection(
                [_square(x, y, inset) for x, y in far],
                facecolors="none",
                edgecolors=colour,
                linewidths=width,
                zorder=4,
            )
            lines.set_gid("fk-far")
            axes.add_collection(lines, autolim=False)
    row, column = selected
    axes.axvspan(column - 0.5, column + 0.5, color=ink.accent, alpha=0.16, lw=0, zorder=0)
    cursor = PolyCollection(
        [_square(column, row, 0.5)],
        facecolors="none",
        edgecolors=ink.accent,
        linewidths=2.4,
        zorder=6,
    )
    cursor.set_gid("fk-selected")
    cursor.set_clip_on(False)
    axes.add_collection(cursor, autolim=False)


def _name(
    axes: Axes,
    ink: Ink,
    rows: Sequence[Sequence[CastCell]],
    selected: tuple[int, int],
    cell_px: float,
    names_px: float,
) -> None:
    labels = [cell.label for cell in rows[0]]
    longest = max(len(label) for label in labels)
    every = max(1, int(np.ceil((longest + 1) * _LETTER_PX / cell_px)))
    places = list(range(0, len(labels), every))
    axes.set_xticks(places, [legible(labels[x], str(x + 1)) for x in places])
    names = [legible(row[0].character, f"#{y + 1}") for y, row in enumerate(rows)]
    axes.set_yticks(range(len(rows)), [elided(name, names_px - 8) for name in names])
    for place, label in zip(places, axes.get_xticklabels(), strict=True):
        if place == selected[1]:
            label.set(color=ink.accent, fontweight="bold")
    for place, label in enumerate(axes.get_yticklabels()):
        label.set(color=ink.accent if place == selected[0] else ink.text)
        label.set_fontweight("bold" if place == selected[0] else "normal")


def _square(x: float, y: float, half: float) -> list[tuple[float, float]]:
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
