"""How far each shot is off, from everything that says something about it.

Every shot of a set has one unknown offset (of white balance, exposure, sharpness ...). What is seen
of it is an offset plus a level that shots share plus noise: the picture's own vector shares the
scene's level and carries content as noise; skin shares the character's; a surface seen in two shots
gives their difference and no content at all. Together these are a linear model with known
variances, solved for one shot at a time while all others are held to the small spread that clean
shots have. The largest offset is then taken for real and explains its neighbours' disagreement with
it, and so on.

So evidence is weighed by what it is worth, close-ups and wides of one scene do not accuse each
other over their content, and every offset comes with its uncertainty.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDE: Final = 3.0
"""Standard deviation of an offset nothing is known about."""
KNOWN: Final = 1.5
"""Offsets less certain than this are not told."""
CLEARER: Final = 0.7
"""By how many z one shot must stand out before it explains another's disagreement with it."""
LEVEL_SD: Final = 50.0
"""Standard deviation of a level without prior: it is taken from the shots alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Shots that share one unknown level.

    Attributes
    ----------
    values : dict of int to float
        What is seen of each shot, by its position in the set.
    sd : float
        Of what is seen round level plus offset.
    prior : tuple of float, optional
        Mean and standard deviation of the level, where the world says something about it.
    """

    values: dict[int, float]
    sd: float
    prior: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The difference of two shots' offsets.

    Attributes
    ----------
    first, second : int
        Positions in the set.
    difference : float
        Second minus first.
    sd : float
    """

    first: int
    second: int
    difference: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offsets:
    """How far each shot of a set is off.

    Attributes
    ----------
    value : ndarray, shape (n,), dtype float64
        NaN where nothing is known.
    sd : ndarray, shape (n,), dtype float64
        Its uncertainty.
    """

    value: NDArray[np.float64]
    sd: NDArray[np.float64]

    @property
    def z(self) -> NDArray[np.float64]:
        """Offsets in units of their uncertainty."""
        return self.value / self.sd


def solve_offsets(
    count: int,
    levels: Sequence[Level],
    pairs: Sequence[Pair],
    *,
    spread: float,
    z: float,
    ignored: Collection[int] = (),
    suspects: Collection[int] = (),
) -> Offsets:
    """Estimate every shot's offset from all evidence.

    Parameters
    ----------
    count : int
        Shots in the set.
    levels : sequence of Level
        What groups of shots share.
    pairs : sequence of Pair
        What is seen of two shots at once.
    spread : float
        Standard deviation of the offsets of clean shots.
    z : float
        From which an offset is taken for real, and explains others.
    ignored : collection of int
        Shots that set no standard for others, because they will be replaced.
    suspects : collection of int
        Shots that are off in something else: of shots that contradict each other equally, these
        are taken to be the ones.

    Returns
    -------
    offsets : Offsets

    Notes
    -----
    Gaussian least squares with known variances; forward selection of outliers by the largest
    leave-one-out z. Two shots that contradict each other equally are both left standing, unless one
    is a suspect: nobody can say which of them is wrong.
    """
    released = set(ignored)
    tied: dict[int, tuple[float, float]] = {}
    while True:
        value, sd = _leave_one_out(count, levels, pairs, spread, released)
        standing = np.abs(value / sd)
        open_ = [i for i in range(count) if i not in released and standing[i] > z]
        if not open_:
            break
        top = max(open_, key=lambda i: standing[i])
        level = [i for i in open_ if standing[i] > standing[top] - CLEARER]
        known = [i for i in level if i in suspects]
        if known and any(value[i] * value[top] < 0 for i in level):
            top = max(known, key=lambda i: standing[i])
        elif any(value[i] * value[top] < 0 for i in level):
            tied.update({i: (value[i], sd[i]) for i in level})
            released.update(level)
        released.add(top)
    for i, (offset, uncertainty) in tied.items():
        value[i], sd[i] = offset, uncertainty
    return Offsets(value=np.where(sd > KNOWN, np.nan, value), sd=sd)


def _leave_one_out(
    count: int,
    levels: Sequence[Level],
    pairs: Sequence[Pair],
    spread: float,
    released: Collection[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size = count + len(levels)
    information, right = np.zeros((size, size)), np.zeros(size)

    def observe(terms: dict[int, float], seen: float, sd: float) -> None:
        where, weights = np.array(list(terms)), np.array(list(terms.values()))
        information[np.ix_(where, where)] += np.outer(weights, weights) / sd**2
        right[where] += weights * seen / sd**2

    for number, level in enumerate(levels, start=count):
        observe({number: 1.0}, *(level.prior or (0.0, LEVEL_SD)))
        for i, seen in level.values.items():
            observe({i: 1.0, number: 1.0}, seen, level.sd)
    for pair in pairs:
        observe({pair.second: 1.0, pair.first: -1.0}, pair.difference, pair.sd)
    held = np.array([WIDE if i in released else spread for i in range(count)])
    information[np.arange(count), np.arange(count)] += 1 / held**2

    value, sd = np.zeros(count), np.zeros(count)
    for i in range(count):
        alone = information.copy()
        alone[i, i] += 1 / WIDE**2 - 1 / held[i] ** 2
        cause = np.zeros(size)
        cause[i] = 1.0
        # The i-th row of the inverse alone: its estimate and its variance.
        row = np.linalg.solve(alone, cause)
        value[i], sd[i] = row @ right, np.sqrt(row[i])
    return value, sd
