"""Measures on the scales in which they are compared, and how far each shot is from its scene."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from finishkit.measure import ShotMeasurement
from finishkit.measure.colour import AXES, DE_PER_UNIT

FLOORS = {"eff": 0.10, "colour": 0.8, "noise": 0.25}
"""Smallest scale of a robust z: octaves, Delta-E equivalents, octaves."""


def log_eff(shot: ShotMeasurement) -> float | None:
    """Return effective resolution in octaves of pixels: files of different size compare."""
    eff = shot.values.get("eff_px")
    return math.log2(eff) if eff else None


def log_noise(shot: ShotMeasurement) -> float | None:
    """Return the grain in octaves of sigma."""
    sigma = shot.values.get("noise_sigma")
    return None if sigma is None else math.log2(max(sigma, 0.5))


def axis_in_de(name: str) -> Callable[[ShotMeasurement], float | None]:
    """Return a reader of one grade axis in Delta-E equivalents."""
    scale = float(DE_PER_UNIT[AXES.index(name)])

    def read(shot: ShotMeasurement) -> float | None:
        value = shot.values.get(name)
        return None if value is None else value * scale

    return read


class Residuals:
    """Residuals of every shot from the others of its scene, with pooled scales.

    Pooled, because the spread of four shots says nothing.
    """

    def __init__(self, shots: Sequence[ShotMeasurement]) -> None:
        self.shots = shots
        self.residual: dict[str, dict[str, float]] = {}
        self.scale: dict[str, float] = {}
        self._collect("eff", log_eff, 3, "eff", across=True)
        self._collect("noise", log_noise, 3, "noise", across=True)
        for axis in AXES:
            # Colour is compared inside a scene only: between scenes a change of grade is meant.
            self._collect(axis, axis_in_de(axis), 3, "colour", across=False)

    def _collect(
        self,
        name: str,
        read: Callable[[ShotMeasurement], float | None],
        least: int,
        floor: str,
        *,
        across: bool,
    ) -> None:
        residual: dict[str, float] = {}
        for shot in self.shots:
            own = read(shot)
            if own is None:
                continue
            others = [s for s in self.shots if s.scene == shot.scene and s is not shot]
            if len(others) < least - 1 and across:
                others = [s for s in self.shots if s is not shot]
            values = [v for s in others if (v := read(s)) is not None]
            if len(values) >= least - 1:
                residual[shot.shot] = own - float(np.median(values))
        pooled = np.array(list(residual.values()) or [0.0])
        mad = 1.4826 * float(np.median(np.abs(pooled - np.median(pooled))))
        self.residual[name] = residual
        self.scale[name] = max(mad, FLOORS[floor])

    def z(self, name: str, shot: str) -> float | None:
        """Return how many pooled scales a shot is away from the others of its scene."""
        value = self.residual[name].get(shot)
        return None if value is None else value / self.scale[name]
