"""Where every shot stands against its scene, its cast and the shots that show the same set."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.measure.colour import AXES, DE_PER_UNIT
from finishkit.measure.skin import SKIN_AXES
from finishkit.verdict.evidence import CLEARER, Level, Pair, solve_offsets

Reader = Callable[[ShotMeasurement], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much each kind of evidence about one dimension scatters on clean shots.

    Attributes
    ----------
    spread : float
        Of the offsets themselves: what nobody would call off.
    content : float
        Of the whole picture's value inside a scene: framings and things differ.
    skin : float or None
        Of the same character's skin (face, for sharpness) inside a scene.
    people : tuple of float or None
        Mean and spread of skin over characters.
    overlap : float or None
        Of the same surface in two shots.
    """

    spread: float
    content: float
    skin: float | None = None
    people: tuple[float, float] | None = None
    overlap: float | None = None


SCALES: Final = {
    "wb_r": Scale(spread=0.05, content=0.22, skin=0.13, people=(1.0, 0.33), overlap=0.05),
    "wb_b": Scale(spread=0.05, content=0.22, skin=0.13, people=(-0.5, 0.28), overlap=0.06),
    "ev": Scale(spread=0.12, content=0.45, skin=0.35, people=(-1.5, 0.7), overlap=0.10),
    "con": Scale(spread=0.10, content=0.22, overlap=0.25),
    "sat": Scale(spread=0.12, content=0.45, skin=0.22, people=(4.65, 0.38), overlap=0.10),
    "eff": Scale(spread=0.10, content=0.28, skin=0.22),
}
"""Octaves and stops. Set wider than clean shots scatter, whose tails are heavy: 54 shots of two
episodes, see ``calibration/colour_evidence.py``, which prints their scatter."""
FEW_PLACES: Final = 30
"""Overlaps of fewer places scatter half as much again."""
CONTENT_SHOTS: Final = 5
"""Shots the scales above weigh as, when an episode says how much its own scenes scatter."""
CHANCE_Z: Final = 1.5
NOISE_FLOOR_OCT: Final = 0.25


def log_eff(shot: ShotMeasurement) -> float | None:
    """Return effective resolution in octaves of pixels: files of different size compare."""
    eff = shot.values.get("eff_px")
    return math.log2(eff) if eff else None


def log_noise(shot: ShotMeasurement) -> float | None:
    """Return the grain in octaves of sigma."""
    sigma = shot.values.get("noise_sigma")
    return None if sigma is None else math.log2(max(sigma, 0.5))


def axis_in_de(name: str) -> Reader:
    """Return a reader of one grade axis in Delta-E equivalents."""
    scale = per_unit(name)

    def read(shot: ShotMeasurement) -> float | None:
        value = shot.values.get(name)
        return None if value is None else value * scale

    return read


def per_unit(name: str) -> float:
    """Return Delta-E equivalents of one unit of a grade axis; 1 for what is no axis."""
    return float(DE_PER_UNIT[AXES.index(name)]) if name in AXES else 1.0


class Standing:
    """Offset of every shot, an axis, from all evidence.

    Parameters
    ----------
    measurements : Measurements
        Of the whole episode.
    z : float
        From which an offset is taken for real.
    replaced : collection of str
        Shots that will be generated anew: they set no standard.

    Attributes
    ----------
    measurements : Measurements
    shots : sequence of ShotMeasurement
        In cut order.
    residual : dict of str to dict of str to float
        Dimension, then shot: signed offset, in Delta-E equivalents for colour, octaves otherwise.
    """

    def __init__(
        self, measurements: Measurements, z: float, replaced: Collection[str] = ()
    ) -> None:
        self.measurements = measurements
        self.shots = sorted(measurements.shots, key=lambda s: s.order)
        self.residual: dict[str, dict[str, float]] = {}
        self._z: dict[str, dict[str, float]] = {}
        self._sd: dict[str, dict[str, float]] = {}
        self._witnesses: dict[tuple[str, str], list[str]] = {}
        # Twice: a cast that drains or deepens colour contradicts its neighbour in saturation, and
        # white balance says which of the two it is.
        for _ in range(2):
            off = {axis: self._clearly_off(axis, z) for axis in self.residual}
            for axis in (*AXES, "eff"):
                read = log_eff if axis == "eff" else _value(axis)
                suspects = set().union(*(shots for other, shots in off.items() if other != axis))
                self._solve(axis, read, measurements, z, replaced, suspects)
        self._compare_noise()

    def z(self, name: str, shot: str) -> float | None:
        """Return how many of its own uncertainties a shot is off."""
        return self._z[name].get(shot)

    def certain(self, name: str, shot: str) -> float | None:
        """Return the part of a shot's offset that is no chance, in the unit of ``residual``.

        Positive-part James-Stein shrinkage: none of an offset within 1.5 of its uncertainties,
        two thirds of one at 2.5, nine tenths at 4.5.
        """
        value, z = self.residual[name].get(shot), self.z(name, shot)
        if value is None or z is None:
            return None
        return value * max(0.0, 1 - (CHANCE_Z / abs(z)) ** 2) if z else 0.0

    def sd(self, name: str, shot: str) -> float:
        """Return the uncertainty of a shot's offset, in the unit of ``residual``."""
        return self._sd[name][shot]

    def witnesses(self, name: str, shot: str) -> str:
        """Return what says so beside the scene: ``the skin of MIA``, ``the set, seen in 004``."""
        return " and ".join(self._witnesses.get((name, shot), [])[:2])

    def _clearly_off(self, name: str, z: float) -> set[str]:
        return {shot for shot, own in self._z[name].items() if abs(own) > z + CLEARER}

    def _solve(
        self,
        name: str,
        read: Reader,
        measurements: Measurements,
        z: float,
        replaced: Collection[str],
        suspects: Collection[str],
    ) -> None:
        scale = SCALES[name]
        content = self._content_sd(read, scale.content, replaced)
        self.residual[name], self._z[name], self._sd[name] = {}, {}, {}
        for scene in dict.fromkeys(s.scene for s in self.shots):
            mine = [s for s in self.shots if s.scene == scene]
            levels = [Level(values=_known(read, mine), sd=content, prior=self._prior(name, scene))]
            levels += self._levels_of_cast(name, scale, mine, replaced)
            pairs = self._pairs(name, scale, mine, measurements)
            levels = [level for level in levels if level.values]
            offsets = solve_offsets(
                len(mine), levels, pairs, spread=scale.spread, z=z,
                ignored=[i for i, s in enumerate(mine) if s.shot in replaced],
                suspects=[i for i, s in enumerate(mine) if s.shot in suspects],
            )  # fmt: skip
            for shot, offset, sd in zip(mine, offsets.value, offsets.sd, strict=True):
                if np.isfinite(offset):
                    self.residual[name][shot.shot] = float(offset) * per_unit(name)
                    self._sd[name][shot.shot] = float(sd) * per_unit(name)
                    self._z[name][shot.shot] = float(offset / sd)

    def _prior(self, name: str, scene: str) -> tuple[float, float] | None:
        # Sharpness alone is meant to agree across scenes; colour changes there on purpose.
        if name != "eff":
            return None
        others = [v for s in self.shots if s.scene != scene and (v := log_eff(s)) is not None]
        return (float(np.median(others)), 0.3) if len(others) >= 3 else None

    def _content_sd(self, read: Reader, usual: float, replaced: Collection[str]) -> float:
        """Return how much content scatters here: scenes on one set agree better than the table."""
        scatter = []
        for shot in self.shots:
            own = read(shot)
            others = [
                v
                for s in self.shots
                if s.scene == shot.scene and s is not shot and s.shot not in replaced
                if (v := read(s)) is not None
            ]
            if own is not None and len(others) >= 2 and shot.shot not in replaced:
                # The median of k others scatters itself, by about 1.57 / k of their variance.
                scatter.append((own - float(np.median(others))) / math.sqrt(1 + 1.57 / len(others)))
        if not scatter:
            return usual
        here = 1.4826 * float(np.median(np.abs(scatter)))
        weight = len(scatter) / (len(scatter) + CONTENT_SHOTS)
        pooled = math.sqrt((1 - weight) * usual**2 + weight * here**2)
        return float(np.clip(pooled, 0.5 * usual, 1.5 * usual))

    def _levels_of_cast(
        self,
        name: str,
        scale: Scale,
        mine: Sequence[ShotMeasurement],
        replaced: Collection[str],
    ) -> Iterable[Level]:
        if scale.skin is None:
            return
        for character in dict.fromkeys(i.character for s in mine for i in s.identities):
            values = {}
            for number, shot in enumerate(mine):
                seen = _of_face(name, shot, character)
                # In a shot to be replaced the face, and its skin, may be another's.
                if seen is not None and shot.shot not in replaced:
                    values[number] = seen
                    self._witness(name, shot.shot, _FACE_SAYS[name == "eff"].format(character))
            yield Level(values=values, sd=scale.skin, prior=scale.people)

    def _pairs(
        self,
        name: str,
        scale: Scale,
        mine: Sequence[ShotMeasurement],
        measurements: Measurements,
    ) -> list[Pair]:
        if scale.overlap is None:
            return []
        place = {shot.shot: i for i, shot in enumerate(mine)}
        pairs = []
        for overlap in measurements.overlaps:
            seen = overlap.difference[AXES.index(name)]
            if seen is None or overlap.first not in place or overlap.second not in place:
                continue
            sd = scale.overlap * (1.0 if overlap.places >= FEW_PLACES else 1.5)
            first, second = place[overlap.first], place[overlap.second]
            pairs.append(Pair(first=first, second=second, difference=seen, sd=sd))
            for a, b in ((overlap.first, overlap.second), (overlap.second, overlap.first)):
                self._witness(name, a, f"the set, which {b} shows too", first=True)
        return pairs

    def _witness(self, name: str, shot: str, text: str, *, first: bool = False) -> None:
        said = self._witnesses.setdefault((name, shot), [])
        if text not in said:
            said.insert(0 if first else len(said), text)

    def _compare_noise(self) -> None:
        residual: dict[str, float] = {}
        for shot in self.shots:
            own = log_noise(shot)
            others = [s for s in self.shots if s.scene == shot.scene and s is not shot]
            if len(others) < 2:
                others = [s for s in self.shots if s is not shot]
            values = [v for s in others if (v := log_noise(s)) is not None]
            if own is not None and len(values) >= 2:
                residual[shot.shot] = own - float(np.median(values))
        pooled = np.array(list(residual.values()) or [0.0])
        mad = 1.4826 * float(np.median(np.abs(pooled - np.median(pooled))))
        scale = max(mad, NOISE_FLOOR_OCT)
        self.residual["noise"] = residual
        self._z["noise"] = {shot: value / scale for shot, value in residual.items()}
        self._sd["noise"] = dict.fromkeys(residual, scale)


_FACE_SAYS: Final = ("the skin of {}", "the face of {}")


def _value(axis: str) -> Reader:
    return lambda shot: shot.values.get(axis)


def _known(read: Reader, shots: Sequence[ShotMeasurement]) -> dict[int, float]:
    return {i: v for i, shot in enumerate(shots) if (v := read(shot)) is not None}


def _of_face(name: str, shot: ShotMeasurement, character: str) -> float | None:
    for who in shot.identities:
        if who.character != character:
            continue
        if name == "eff":
            if who.face_log2_r is None:
                return None
            return who.face_log2_r + math.log2(min(shot.width_px, shot.height_px))
        return who.skin[SKIN_AXES.index(name)] if who.skin else None
    return None
