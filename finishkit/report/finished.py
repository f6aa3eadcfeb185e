"""What ``report.json`` holds of the difference that finishing made."""

from typing import Literal

from finishkit.report.text import Number
from finishkit.values import Value


class Effect(Value):
    """One line of what finishing did: lower is better.

    Attributes
    ----------
    name : str
    label, unit : str
    before, after : float or None
        ``None`` where there is nothing to measure.
    target : float
    text : str
        How the figure is made.
    decimals : int
    """

    name: str
    label: str
    unit: str
    before: Number | None
    after: Number | None
    target: Number
    text: str
    decimals: int = 2


class Change(Value):
    """One metric over the episode, before and after: shots measured in both.

    Attributes
    ----------
    metric : str
    median, spread : pair of float or None
        Before and after; ``spread`` is the distance of the quartiles, in octaves for ``eff_px``.
    flagged : pair of int
        Shots beyond the limit, before and after.
    """

    metric: str
    median: tuple[Number | None, Number | None]
    spread: tuple[Number | None, Number | None]
    flagged: tuple[int, int]


class Family(Value):
    """One family of measures at the cuts, and what it counts in the genre.

    Attributes
    ----------
    name : {'face', 'motion', 'detail', 'colour'}
    weight : float
        The template's, in [0, 1].
    raw, finished : float or None
        0 to 100, as the consistency of the whole score; ``None`` where no cut could be judged.
    """

    name: Literal["face", "motion", "detail", "colour"]
    weight: Number
    raw: Number | None = None
    finished: Number | None = None


class Reading(Value):
    """How the cuts hold for the genre: the families together, by the template's weights."""

    families: tuple[Family, ...]
    raw: Number | None = None
    finished: Number | None = None
