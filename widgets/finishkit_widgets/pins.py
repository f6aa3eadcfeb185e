"""Frames that stay in sight while a look is tuned: a look must hold for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.preview import LIVE_SECTIONS
from finishkit.template import Look

MOST_PINS = 6
"""More would be too small to judge, and too slow to follow a slider."""

Why = Literal["dark", "bright", "face", "own"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One frame that stays in sight.

    Attributes
    ----------
    shot : str
    frame : int
        Its index.
    why : {'dark', 'bright', 'face', 'own'}
        ``own``: pinned by a person.
    """

    shot: str
    frame: int
    why: Why = "own"


def first_pins(measurements: Measurements) -> tuple[Pin, ...]:
    """Return the middle frames of the darkest shot, the brightest, and the one with most faces.

    Parameters
    ----------
    measurements : Measurements
        Of the episode that is tuned on.

    Returns
    -------
    pins : tuple of Pin
        Of different shots; fewer where the episode does not have them.
    """
    pins: list[Pin] = []
    wanted: tuple[tuple[Why, Callable[[ShotMeasurement], float | None]], ...] = (
        ("face", _faces),
        ("dark", lambda shot: _negated(shot.values.get("ev"))),
        ("bright", lambda shot: shot.values.get("ev")),
    )
    for why, height in wanted:
        taken = {pin.shot for pin in pins}
        known = [(h, s) for s in measurements.shots if (h := height(s)) is not None]
        free = [(h, s) for h, s in known if s.shot not in taken]
        if free:
            _, best = max(free, key=lambda pair: pair[0])
            pins.append(Pin(shot=best.shot, frame=best.frame_count // 2, why=why))
    order: dict[Why, int] = {"dark": 0, "bright": 1, "face": 2, "own": 3}
    return tuple(sorted(pins, key=lambda pin: order[pin.why]))


def shows_at_once(before: Look, after: Look) -> bool:
    """Return whether the quick picture differs between two looks.

    Parameters
    ----------
    before, after : Look
        What was shown, and what is to be shown.
    """
    return before.hero != after.hero or any(
        getattr(before, name) != getattr(after, name) for name in (*LIVE_SECTIONS, "limits")
    )


def _faces(shot: ShotMeasurement) -> float | None:
    count = sum(who.n_faces for who in shot.identities)
    return float(count) if count else None


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
