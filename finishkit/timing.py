"""How long it will still take, with a range: from what was measured, or not said at all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

WINDOW_S = 600.0
"""The rate is that of the last ten minutes: a slow start must not spoil it for ever."""

LEAST_SHOTS = 2
"""Fewer say nothing about how much shots differ."""

LIGHT = ("check", "fit the set", "master", "measure again", "report")
"""Stages that take seconds where the others take minutes: they never make the whole unknown."""

KEPT_S = 0.05
"""A shot that took less was not worked on: its result was kept from before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Time left. All three are None when nothing can be said yet.

    Attributes
    ----------
    eta_s, low_s, high_s : float or None
        Seconds: expected, and two standard deviations to either side.
    waiting_for : tuple of str
        The stages to come that were never measured here; with a heavy one among them nothing is
        said, and the light ones are left out of the sum.
    """

    eta_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    waiting_for: tuple[str, ...] = ()


@dataclass(slots=True)
class StageTimes:
    """When the shots of one stage were done.

    Attributes
    ----------
    total : int
        Shots it will go over.
    begun_s : float
        Wall clock.
    done : int
        Shots it went over.
    last_s : float
        When the last of them was done.
    made_s : list of float
        Seconds between a shot that was made and the one before it: with several workers side by
        side that is the share of the wall clock it took.
    marks : list of (float, int)
        When, and how many had been made then.
    skipped : int
        Shots that stood already, or that the template leaves alone here.
    """

    total: int
    begun_s: float
    done: int = 0
    last_s: float = 0.0
    made_s: list[float] = field(default_factory=list)
    marks: list[tuple[float, int]] = field(default_factory=list)
    skipped: int = 0

    def add(self, done: int, now_s: float, *, made: bool) -> None:
        """Note that one more shot is done; ``made``: it took work."""
        before = self.last_s or self.begun_s
        if made:
            self.made_s.append(max(0.0, now_s - before))
            self.marks.append((now_s, len(self.made_s)))
        else:
            self.skipped += 1
        self.done, self.last_s = done, now_s

    def per_hour(self, now_s: float) -> float | None:
        """Return shots made an hour, over the last ten minutes.

        Parameters
        ----------
        now_s : float
            Wall clock: a stage in which nothing comes out slows down before one's eyes.
        """
        start = max(self.begun_s, now_s - WINDOW_S)
        count = sum(when >= start for when, _ in self.marks)
        span = now_s - start
        return 3600 * count / span if count and span > 0 else None

    def a_shot(self) -> tuple[float, float] | None:
        """Return mean and standard deviation of the seconds a shot takes; None: not known."""
        count = len(self.made_s)
        if count < LEAST_SHOTS:
            return None
        mean = sum(self.made_s) / count
        spread = sum((s - mean) ** 2 for s in self.made_s) / (count - 1)
        return (mean, math.sqrt(spread)) if mean >= KEPT_S else None


class _Stage(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def begun(self) -> bool: ...


def estimate(
    stages: Sequence[_Stage], known: Mapping[str, StageTimes], current: str, now_s: float
) -> Estimate:
    """Return the time left of a run.

    A stage's shots are taken to cost what those cost that it has made, here or in the run before.
    The range has two parts: shots differ, and the mean of a few is itself uncertain.

    Parameters
    ----------
    stages : sequence
        With ``name``, ``done``, ``total`` and ``begun``, in the order of the work.
    known : Mapping of str to StageTimes
        What was measured.
    current : str
        The stage that is going on.
    now_s : float
        Wall clock.
    """
    expected, variance, unknown = 0.0, 0.0, []
    for stage in stages:
        left = stage.total - stage.done
        over = stage.begun and stage.name != current
        if left <= 0 or over:
            continue
        times = known.get(stage.name)
        cost = times.a_shot() if times else None
        if times is None or cost is None:
            unknown.append(stage.name)
            continue
        mean, spread = cost
        seconds = left * mean
        if stage.name == current:
            # What the shots under way have had already.
            seconds = max(0.0, seconds - min(mean, now_s - (times.last_s or times.begun_s)))
        expected += seconds
        variance += left * spread**2 + (left * spread) ** 2 / len(times.made_s)
    if any(name not in LIGHT for name in unknown) or (expected == 0 and unknown):
        return Estimate(waiting_for=tuple(unknown))
    reach = 2 * math.sqrt(variance)
    return Estimate(
        eta_s=expected,
        low_s=max(0.0, expected - reach),
        high_s=expected + reach,
        waiting_for=tuple(unknown),
    )
