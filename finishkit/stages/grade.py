"""Bring every shot to its scene by five bounded moves, then the set to the genre's look.

In the order of a grading system: the group's technical transform (``pre_lut``), the shot's own
trim, the group's look (the genre's trim, then ``look_lut``). All of it is baked into one table a
shot, so a shot gets one transform for all its frames: nothing here can flicker. Where the colour
drifts within a shot, and only there, the table changes slowly along it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.colour import AXES, DE_PER_UNIT
from finishkit.settings import GradeSettings
from finishkit.shots import ShotId
from finishkit.stages import DeviceFilter, Notes, ShotInput
from finishkit.stages.lut import Lut, apply_lut, build_lut, look_up, slice_lut, write_cube
from finishkit.stages.match import Match, solve_match
from finishkit.stages.ramp import KNOTS, Ramp, solve_ramp
from finishkit.stages.trim import Knees, Trim, apply_trim, look_trim
from finishkit.verdict import Limits
from finishkit.verdict.offsets import ColourOffset

CHANCE_Z: Final = 1.5
"""An offset of the hero within so many of its uncertainties is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grade:
    """One shot's match and look, in one table; in a few along the shot where it drifts.

    Attributes
    ----------
    tables : ndarray, shape (k, 33, 33, 33, 3), dtype float32
        One, or :data:`finishkit.stages.ramp.KNOTS` spread evenly from the first to the last frame.
    match : Match
        Written into the notes.
    ramp : Ramp or None
        The drift that is taken out.
    """

    tables: NDArray[np.float32]
    match: Match
    ramp: Ramp | None = None

    @property
    def lut(self) -> Lut:
        """The table of the middle of the shot."""
        return self.tables[len(self.tables) // 2]

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield graded frames; note ``grade.wb_r`` ... ``grade.sat`` and the distances."""
        self._note(notes)
        slices = slice_lut(self.lut)
        for chunk in frames:
            if self.ramp is None:
                yield chunk.with_data(apply_lut(chunk.data, slices))
            else:
                out = [
                    apply_lut(chunk.data[i : i + 1], self.table_at(float(time_s)))
                    for i, time_s in enumerate(chunk.pts_s)
                ]
                yield chunk.with_data(np.concatenate(out))

    def on_device(self, device: str, notes: Notes) -> DeviceFilter:
        """Return the same treatment for frames on a device."""
        from finishkit.stages.device_twins import GradeOnDevice

        self._note(notes)
        return GradeOnDevice(self, device)

    def _note(self, notes: Notes) -> None:
        for axis in AXES:
            notes[f"grade.{axis}"] = float(getattr(self.match.trim, axis))
        notes["grade.before_de"] = self.match.before_de
        notes["grade.residual_de"] = self.match.residual_de
        if self.ramp is not None:
            notes["grade.drift_before_de"] = self.ramp.before_de
            notes["grade.drift_residual_de"] = self.ramp.residual_de

    def table_at(self, time_s: float) -> Lut:
        """Return the table of a moment of the shot, in seconds from its start."""
        if self.ramp is None:
            return self.lut
        place = float(np.clip(time_s / self.ramp.duration_s, 0, 1)) * (len(self.tables) - 1)
        before = min(int(place), len(self.tables) - 2)
        part = np.float32(place - before)
        return np.asarray(
            self.tables[before] * (1 - part) + self.tables[before + 1] * part, np.float32
        )

    def export(self, path: Path, title: str) -> None:
        """Write the table of the middle of the shot as ``.cube``, for any other grading system.

        Parameters
        ----------
        path : Path
            Written directly: callers hand in a temporary name.
        title : str
            Kept in the file: the shot's id, say.
        """
        write_cube(path, self.lut, title)


class GradeStage:
    """Match shots to their scenes, then give all the genre's look."""

    name = "grade"
    version = 2

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: GradeSettings,
        *,
        hero: ShotId | None = None,
        pre: Lut | None = None,
        look: Lut | None = None,
        drift_limit_de: float = Limits().drift_de,
    ) -> Mapping[ShotId, Grade | None]:
        """Solve every shot's trim from its offset and bake it with the look.

        Parameters
        ----------
        shots : sequence of ShotInput
            The whole set. Shots without ``off`` get the look alone.
        settings : GradeSettings
            ``strength`` scales match and look; 0 gives no filter.
        hero : ShotId, optional
            Its scene is brought to it instead of to the scene's centre.
        pre, look : ndarray, shape (size, size, size, 3), dtype float32, optional
            Tables for the whole set, from :func:`finishkit.stages.lut.read_cube`: before the match,
            and after the look.
        drift_limit_de : float
            Changes of colour within a shot are evened out beyond this, see ``even_out``.

        Returns
        -------
        filters : dict of ShotId to (Grade or None)
        """
        if settings.strength == 0:
            return {shot.id: None for shot in shots}
        heroes = {s.scene: hero_offset(s.off) for s in shots if s.id == hero}
        layer = look_layer(settings, look)
        filters: dict[ShotId, Grade | None] = {}
        for shot in shots:
            match, ramp = Match(), None
            seen = shot.samples if pre is None else through(shot.samples, pre)
            if settings.matching == "scene" and len(seen):
                if shot.off is not None and shot.id != hero:
                    match = solve_match(seen, shot.off, settings, heroes.get(shot.scene))
                duration_s = float(shot.probe.frame_count / shot.probe.rate_fps)
                drift_de = shot.measured.get("drift_de")
                ramp = solve_ramp(seen, duration_s, drift_de, settings, drift_limit_de)
            filters[shot.id] = bake(match, layer, pre, ramp)
        return filters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookLayer:
    """What is laid over the whole set: the genre's trim, then a table.

    Attributes
    ----------
    trim : Trim
    lut : ndarray or None
    strength : float
        Share of ``lut`` that is laid on; ``trim`` is scaled already.
    """

    trim: Trim
    lut: Lut | None = None
    strength: float = 1.0

    def __call__(self, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colours, shape (n, 3), float32 in [0, 1], with the look."""
        # Its knees are fixed, since it must not depend on what a shot shows.
        looked = apply_trim(rgb, self.trim, Knees())
        if self.lut is None:
            return looked
        whole = look_up(looked, self.lut)
        return np.asarray(looked + np.float32(self.strength) * (whole - looked), np.float32)


def look_layer(settings: GradeSettings, lut: Lut | None = None) -> LookLayer:
    """Return the look of a template, scaled by ``strength``.

    Parameters
    ----------
    settings : GradeSettings
        Its look fields and ``strength``.
    lut : ndarray, shape (size, size, size, 3), dtype float32, optional
        The creative table.

    Returns
    -------
    layer : LookLayer
        The same for every shot.
    """
    return LookLayer(trim=look_trim(settings), lut=lut, strength=settings.strength)


def hero_offset(off: ColourOffset | None) -> NDArray[np.float64]:
    """Return where the hero's scene is brought to: the part of its offset that is no chance.

    Parameters
    ----------
    off : ColourOffset or None
        Of the hero.

    Returns
    -------
    towards : ndarray, shape (5,), dtype float64
        dE00-equivalents; positive-part James-Stein shrinkage, as in
        :meth:`finishkit.verdict.scales.Standing.certain`.
    """
    known = off.axes if off is not None else {}
    towards = np.zeros(len(DE_PER_UNIT))
    for place, axis in enumerate(AXES):
        own = known.get(axis)
        if own is not None and own.value:
            towards[place] = own.value * max(0.0, 1 - (CHANCE_Z * own.sd / own.value) ** 2)
    return towards


def bake(
    match: Match, look: LookLayer, pre: Lut | None = None, ramp: Ramp | None = None
) -> Grade | None:
    """Put a match and a look into one table, and a ramp into a few.

    Parameters
    ----------
    match : Match
        Of one shot, from :func:`finishkit.stages.match.solve_match`.
    look : LookLayer
        From :func:`look_layer`.
    pre : ndarray, shape (size, size, size, 3), dtype float32, optional
        Comes before both.
    ramp : Ramp, optional
        Comes between ``pre`` and the match.

    Returns
    -------
    grade : Grade or None
        None when all are the identity.
    """
    nothing = match.trim == Trim() and look.trim == Trim()
    if nothing and look.lut is None and pre is None and ramp is None:
        return None
    evens = [Trim()]
    if ramp is not None:
        evens = [ramp.at(time_s) for time_s in np.linspace(0, ramp.duration_s, KNOTS)]

    def whole(nodes: NDArray[np.float32], even: Trim) -> NDArray[np.float32]:
        rgb = nodes if pre is None else np.clip(look_up(nodes, pre), 0, 1)
        rgb = apply_trim(rgb, even, Knees())
        return np.clip(look(apply_trim(rgb, match.trim, match.knees)), 0, 1)

    tables = [build_lut(partial(whole, even=even)) for even in evens]
    return Grade(tables=np.stack(tables), match=match, ramp=ramp)


def through(samples: NDArray[np.uint8], lut: Lut) -> NDArray[np.uint8]:
    """Return sample frames as they look after a table.

    Parameters
    ----------
    samples : ndarray, shape (n, h, w, 3), dtype uint8
        Frames of a shot, small.
    lut : ndarray, shape (size, size, size, 3), dtype float32
        The group's technical transform.

    Returns
    -------
    samples : ndarray, shape (n, h, w, 3), dtype uint8
    """
    return np.round(np.clip(apply_lut(samples, lut), 0, 1) * 255).astype(np.uint8)
