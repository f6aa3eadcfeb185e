"""What a grade should undo: every shot's offset, with how sure it is and what its skin says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.measure.colour import AXES
from finishkit.measure.skin import SKIN_AXES
from finishkit.shots import ShotId
from finishkit.verdict.identity import identity_reasons
from finishkit.verdict.scales import SCALES, Standing
from finishkit.verdict.values import Limits

ALONE: Final = 2.0
"""How much wider the offset of a shot is taken to scatter that only its own picture speaks of: a
teal wall, a pink dress, another room. Chosen, not derived: over the 115 such offsets of ``ep01`` as
it is the bulk scatters as it should, and one in twenty is beyond 2.6 of its uncertainties (1.96 if
content were Gaussian), up to 5.5."""

_SAT: Final = SKIN_AXES.index("sat")


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisOffset:
    """Offset of a shot on one axis of the grade.

    Attributes
    ----------
    value, sd : float
        Offset from the scene and its uncertainty, dE00-equivalents.
    shared : bool
        Told by surfaces or faces that another shot shows too, and not by the picture alone.
    """

    value: float
    sd: float
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SkinStanding:
    """Skin of one character in one shot, on the axes of :data:`finishkit.measure.skin.SKIN_AXES`.

    Attributes
    ----------
    seen : tuple of float
        As measured, octaves and stops.
    usual : tuple of float
        The same character's in the other shots of the scene, else anybody's.
    sd : tuple of float
        How far clean skin lies from ``usual``.
    new : bool
        True where this says more than :attr:`ColourOffset.axes` already weighs: nobody else of the
        scene to compare with, and paler than skin is. Skin of more colour than anybody's is skin
        in the light of a fire, a neon sign or a lamp, and meant.
    """

    seen: tuple[float, ...]
    usual: tuple[float, ...]
    sd: tuple[float, ...]
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourOffset:
    """How far the colour of one shot is off, and what says so.

    Attributes
    ----------
    axes : Mapping of str to AxisOffset
        On the axes of :data:`finishkit.measure.colour.AXES` of which anything is known.
    skins : tuple of SkinStanding
        One a character with usable skin.
    scene_white_ev : float or None
        How near to white the rest of the scene comes at best, stops below full; None for a shot
        alone.
    """

    axes: Mapping[str, AxisOffset] = field(default_factory=dict)
    skins: tuple[SkinStanding, ...] = ()
    scene_white_ev: float | None = None


def colour_offsets(
    measurements: Measurements, limits: Limits | None = None
) -> dict[ShotId, ColourOffset]:
    """Return what the grade of every shot should undo.

    Parameters
    ----------
    measurements : Measurements
        Of the whole episode: a shot is off against its scene.
    limits : Limits, optional
        ``z`` says from when an offset is taken for real. The published ones by default.

    Returns
    -------
    offsets : dict of ShotId to ColourOffset
        Of every shot. One that shows another actor than it should is matched by the set alone.

    Notes
    -----
    Where another shot of the scene shows the same surface or the same face, all evidence of
    :class:`finishkit.verdict.scales.Standing` counts. Elsewhere the picture speaks for itself, and
    a picture is mostly content: its offset counts as less sure by :data:`ALONE`, and its skin is
    handed over beside it instead of being averaged into it, since a fault of saturation shows on
    skin as one of white balance too.
    """
    limits = limits or Limits()
    replaced = frozenset(
        s.shot for s in measurements.shots if identity_reasons(s, measurements, limits, False)[0]
    )
    whole = Standing(measurements, limits.z, replaced)
    bare = Standing(
        measurements.replace(
            overlaps=(), shots=tuple(s.replace(identities=()) for s in measurements.shots)
        ),
        limits.z,
        replaced,
    )
    offsets: dict[ShotId, ColourOffset] = {}
    for shot in measurements.shots:
        axes: dict[str, AxisOffset] = {}
        for axis in AXES:
            seen = _witnessed(axis, shot, measurements, replaced)
            standing, wider = (whole, 1.0) if seen else (bare, ALONE)
            if shot.shot in standing.residual[axis]:
                axes[axis] = AxisOffset(
                    value=standing.residual[axis][shot.shot],
                    sd=standing.sd(axis, shot.shot) * wider,
                    shared=seen,
                )
        skins = () if shot.shot in replaced else _skins(shot, measurements.shots, replaced)
        whites = [
            white
            for other in measurements.shots
            if other.scene == shot.scene and other is not shot
            if (white := other.values.get("white_ev")) is not None
        ]
        offsets[ShotId(shot.shot)] = ColourOffset(
            axes=axes, skins=tuple(skins), scene_white_ev=max(whites, default=None)
        )
    return offsets


def _witnessed(
    axis: str, shot: ShotMeasurement, measurements: Measurements, replaced: Collection[str]
) -> bool:
    """Return whether a shot to be kept shows the same surface or the same face."""
    place = AXES.index(axis)
    for overlap in measurements.overlaps:
        pair = {overlap.first, overlap.second}
        if (
            shot.shot in pair
            and overlap.difference[place] is not None
            and not (pair - {shot.shot}) & set(replaced)
        ):
            return True
    return (
        axis in SKIN_AXES
        and shot.shot not in replaced
        and any(
            _others(i.character, shot, measurements.shots, replaced)
            for i in shot.identities
            if i.skin
        )
    )


def _others(
    character: str,
    shot: ShotMeasurement,
    shots: Sequence[ShotMeasurement],
    replaced: Collection[str],
) -> list[tuple[float, ...]]:
    return [
        who.skin
        for other in shots
        if other.scene == shot.scene and other is not shot and other.shot not in replaced
        for who in other.identities
        if who.character == character and who.skin
    ]


def _skins(
    shot: ShotMeasurement, shots: Sequence[ShotMeasurement], replaced: Collection[str]
) -> list[SkinStanding]:
    scales = [SCALES[axis] for axis in SKIN_AXES]
    found = []
    for who in shot.identities:
        if not who.skin:
            continue
        others = _others(who.character, shot, shots, replaced)
        if others:
            usual = tuple(float(v) for v in np.median(others, axis=0))
            sd = tuple((s.skin or 0.0) * float(np.sqrt(1 + 1 / len(others))) for s in scales)
        else:
            people = [s.people or (0.0, 0.0) for s in scales]
            usual = tuple(mean for mean, _ in people)
            sd = tuple(
                float(np.hypot(spread, s.skin or 0.0))
                for (_, spread), s in zip(people, scales, strict=True)
            )
        found.append(
            SkinStanding(
                seen=who.skin, usual=usual, sd=sd, new=not others and who.skin[_SAT] <= usual[_SAT]
            )
        )
    return found
