"""Who can be told apart: every pair of the cast as one cell of a table."""

from dataclasses import dataclass
from typing import Final

from finishkit.report.model import Alike, Look, Report

HEAT_AT: Final = (1.4, 1.1, 0.85, 0.6)
"""Distances, in limits, below which the tint gets stronger."""
SOURCES: Final = {
    "pictures": "pictures",
    "shots": "its shots",
    "none": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A pair of characters.

    Attributes
    ----------
    text : str
        Distance, or a dash.
    heat : int
        0 (far apart) to 4; the number and the mark say the same.
    doubtful : bool
        The face backend cannot tell the two apart.
    own : bool
        On the diagonal: how far the character's shots usually are from its reference.
    tip : str
        All that is known of the pair.
    """

    text: str
    heat: int = 0
    doubtful: bool = False
    own: bool = False
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CastRow:
    """One character against all."""

    look: Look
    reference: str
    cells: tuple[Cell, ...]


def cast_rows(report: Report) -> tuple[CastRow, ...]:
    """Return the table of the cast.

    Parameters
    ----------
    report : Report
        With the looks and pairs that the measurements brought.

    Returns
    -------
    rows : tuple of CastRow
        Characters with a reference, in the order of the cast, each against all of them; those
        without one follow, without cells. Empty for an episode without faces.
    """
    paired = {name for pair in report.separability for name in (pair.first, pair.second)}
    names = [look.character for look in report.cast if look.character in paired]
    pairs = {frozenset((p.first, p.second)): p for p in report.separability}
    rows = []
    for look in sorted(report.cast, key=lambda one: one.character not in paired):
        cells = [
            _own(look) if other == look.character else _cell(pairs, look, other)
            for other in (names if look.character in paired else ())
        ]
        rows.append(CastRow(look=look, reference=SOURCES[look.source], cells=tuple(cells)))
    return tuple(rows)


def _own(look: Look) -> Cell:
    if look.usual is None:
        return Cell(text="–", own=True, tip=f"{look.character}: one shot or none to judge by")
    tip = f"{look.character}: its {look.n_shots} shots are {look.usual:.2f} from the reference"
    return Cell(text=f"{look.usual:.2f}", own=True, tip=tip)


def _cell(pairs: dict[frozenset[str], Alike], look: Look, other: str) -> Cell:
    pair = pairs.get(frozenset((look.character, other)))
    if pair is None:
        return Cell(text="–")
    said = [f"{look.character} and {other}: {pair.distance:.2f} apart"]
    if pair.d_prime is not None:
        said.append(f"separation d\N{MODIFIER LETTER PRIME} {pair.d_prime:.1f}")
    if pair.confused_ratio is not None:
        said.append(f"{pair.confused_ratio:.0%} of their faces are nearer to the other")
    said.append("told apart" if pair.separable else "cannot be told apart")
    return Cell(
        text=f"{pair.distance:.2f}",
        heat=sum(pair.distance < share * look.limit for share in HEAT_AT),
        doubtful=not pair.separable,
        tip="; ".join(said),
    )
