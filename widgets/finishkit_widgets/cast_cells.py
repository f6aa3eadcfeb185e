"""Every character in every shot, as numbers and as a sentence. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from finishkit.measure import CharacterIdentity, Measurements
from finishkit.measure.values import Box
from finishkit.verdict import Action, Verdict
from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift_points import short_names
from finishkit_widgets.twin_table import Cell

State = Literal["not_listed", "no_face", "no_reference", "near", "far"]
Words = Mapping[str, str]

_NAMED_AT_ONCE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CastCell:
    """One character in one shot.

    Attributes
    ----------
    character, shot : str
    label : str
        The part of the shot's name in which shots differ.
    action : str
        The verdict on the shot as a whole.
    state : {'not_listed', 'no_face', 'no_reference', 'near', 'far'}
        ``far``: above the character's limit.
    dist : float or None
        Distance to the character's reference; None unless near or far.
    limit : float or None
        The character's own.
    usual : float or None
        Median distance in the character's other shots.
    faces : int
        Usable faces.
    frame : int or None
        Of the worst face.
    box : tuple of float, or None
        Left, top, right, bottom of it, in pixels of the shot at its native size.
    """

    character: str
    shot: str
    label: str
    action: Action
    state: State = "not_listed"
    dist: float | None = None
    limit: float | None = None
    usual: float | None = None
    faces: int = 0
    frame: int | None = None
    box: Box | None = None

    @property
    def compared(self) -> bool:
        """Whether there is a distance."""
        return self.dist is not None


def cast_cells(measurements: Measurements, verdict: Verdict) -> tuple[tuple[CastCell, ...], ...]:
    """Return a row a character, with a cell a shot in cut order.

    Parameters
    ----------
    measurements : Measurements
        Gives the distances and the limits.
    verdict : Verdict
        Gives the order and the actions.

    Returns
    -------
    rows : tuple of tuple of CastCell
        Empty when there is no character.
    """
    labels = short_names([judged.shot for judged in verdict.shots])
    names = [look.character for look in measurements.looks] or list(
        dict.fromkeys(who.character for shot in measurements.shots for who in shot.identities)
    )
    return tuple(_row(name, labels, measurements, verdict) for name in names)


def cell_sentence(cell: CastCell, words: Words) -> str:
    """Say what is seen of one character in one shot.

    Parameters
    ----------
    cell : CastCell
        The character in the shot.
    words : mapping of str to str
        Of ``texts/cast.toml``.
    """
    named = {"character": cell.character, "shot": cell.label}
    if cell.dist is None or cell.limit is None:
        return words[cell.state].format(**named)
    usual = ""
    if cell.usual is not None:
        usual = words["usual"].format(usual=f"{cell.usual:.2f}", **named)
    return words[cell.state].format(
        dist=f"{cell.dist:.2f}", limit=f"{cell.limit:.2f}", usual=usual, **named
    )


def cast_sentence(rows: Sequence[Sequence[CastCell]], words: Words) -> str:
    """Say how the whole cast stands.

    Parameters
    ----------
    rows : sequence of sequence of CastCell
        All characters in all shots.
    words : mapping of str to str
        Of ``texts/cast.toml``.
    """
    compared = [cell for row in rows for cell in row if cell.compared]
    far = [cell for cell in compared if cell.state == "far"]
    if not compared:
        return words["summary_none"]
    if not far:
        return words["summary_well"].format(total=len(compared))
    cases = [words["case"].format(character=c.character, shot=c.label) for c in far]
    named = ", ".join(cases[:_NAMED_AT_ONCE]) + (" …" if len(cases) > _NAMED_AT_ONCE else "")
    return words["summary"].format(count=len(far), total=len(compared), cases=named)


def table_heads(words: Words) -> list[str]:
    """Return the heads of the table's columns."""
    columns = ("verdict", "character", "shot", "dist", "limit", "usual", "faces", "why")
    return [words[f"col_{column}"] for column in columns]


def table_row(cell: CastCell, words: Words) -> list[Cell]:
    """Return a listed character in a shot as a row of the table.

    Parameters
    ----------
    cell : CastCell
        The character in the shot.
    words : mapping of str to str
        Of ``texts/cast.toml``.
    """
    badge = BADGES[cell.action]
    why = {
        "far": "why_over",
        "near": "why_within",
        "no_face": "why_no_face",
        "no_reference": "why_no_reference",
        "not_listed": "why_no_face",
    }[cell.state]
    return [
        Cell(
            text=f"{badge.shape}{badge.letter} {words[cell.action]}",
            sort=list(BADGES).index(cell.action),
            kind="badge",
            action=cell.action,
        ),
        Cell(text=cell.character),
        Cell(text=cell.shot),
        _number(cell.dist),
        _number(cell.limit if cell.compared else None),
        _number(cell.usual),
        Cell(text=str(cell.faces), kind="number"),
        Cell(text=words[why]),
    ]


def _row(
    name: str, labels: Sequence[str], measurements: Measurements, verdict: Verdict
) -> tuple[CastCell, ...]:
    found = {
        shot.shot: who
        for shot in measurements.shots
        for who in shot.identities
        if who.character == name
    }
    look = measurements.look(name)
    cells = []
    for judged, label in zip(verdict.shots, labels, strict=True):
        who = found.get(judged.shot)
        empty = CastCell(character=name, shot=judged.shot, label=label, action=judged.action)
        others = [w.id_dist for s, w in found.items() if s != judged.shot and w.id_dist is not None]
        usual = statistics.median(others) if others else None
        cells.append(empty if who is None else _seen(empty, who, look and look.limit, usual))
    return tuple(cells)


def _seen(
    empty: CastCell, who: CharacterIdentity, limit: float | None, usual: float | None
) -> CastCell:
    state: State = "no_reference" if who.n_faces else "no_face"
    if who.id_dist is not None:
        state = "far" if limit is not None and who.id_dist > limit else "near"
    return CastCell(
        character=empty.character,
        shot=empty.shot,
        label=empty.label,
        action=empty.action,
        state=state,
        dist=who.id_dist,
        limit=limit,
        usual=usual,
        faces=who.n_faces,
        frame=who.worst_frame,
        box=who.worst_box,
    )


def _number(value: float | None) -> Cell:
    text = "" if value is None else f"{value:.2f}"
    return Cell(text=text, sort=-1.0 if value is None else round(value, 6), kind="number")
