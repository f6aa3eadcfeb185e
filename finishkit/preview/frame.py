"""One frame of any shot before and after a draft: quickly, then as it will be."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import Frames, Probe, probe, read_frames
from finishkit.measure import Measurements, sample_frames
from finishkit.preview.crispness import Crispness
from finishkit.preview.newest import Job, Newest
from finishkit.settings import GradeSettings
from finishkit.shots import Episode, ShotId
from finishkit.stages import Filter, ShotInput
from finishkit.stages.faces import FacesStage
from finishkit.stages.grade import Grade, bake, hero_offset, look_layer, through
from finishkit.stages.grain import Clean, GrainStage
from finishkit.stages.lut import Lut, read_cube
from finishkit.stages.match import Match, solve_match
from finishkit.stages.ramp import Ramp, solve_ramp
from finishkit.stages.sharpen import Sharpen
from finishkit.stages.upscale import UpscaleStage
from finishkit.template import Draft, Look
from finishkit.verdict import Limits, Verdict
from finishkit.verdict.offsets import ColourOffset, colour_offsets

WIDTH_PX, HEIGHT_PX = 540, 960
"""Largest preview. At this size a slider answers in under 150 ms (``bench/preview.py``), where a
delay begins to be felt; at twice this size it does not."""

LIVE_SECTIONS = ("grade", "sharpen", "grain")
"""Sections of the template that :meth:`Preview.frame` shows at once."""
REFINED_SECTIONS = ("faces", "upscale", "master")
"""Sections that :meth:`Preview.refine` adds. What needs a run of frames (flicker, motion, shake)
shows in the finished episode."""

Picture = NDArray[np.uint8]

_LOOK_FIELDS = ("saturation", "contrast", "temperature_k", "blacks_ire", "look_lut")
_NO_SAMPLES = np.zeros((0, 1, 1, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refined:
    """A frame with all that a still can show.

    Attributes
    ----------
    shot : str
    index : int
    before, after : ndarray, shape (h, w, 3), dtype uint8
        R'G'B' full range, in the shape of the master, at most 540x960.
    notes : Mapping of str to float
        What the stages solved, as for the report.
    """

    shot: str
    index: int
    before: Picture
    after: Picture
    notes: Mapping[str, float] = field(default_factory=dict)


class Preview:
    """One frame of any shot, before and after a draft.

    Decoded frames, samples and solved filters are kept, so that a change of the look costs one
    table and one pass over a small picture. What is kept never leaves this object.

    Parameters
    ----------
    episode : Episode
    measurements : Measurements
        Of this episode.
    verdict : Verdict
        Says which shots must not serve as a colour target, and proposes the hero.
    """

    def __init__(self, episode: Episode, measurements: Measurements, verdict: Verdict) -> None:
        self.episode = episode
        self.verdict = verdict
        self.measurements = measurements
        self._flagged = frozenset(s.shot for s in verdict.shots if s.off_colour)
        self._crispness = Crispness(episode)
        self._worker: Newest[Refined] = Newest()
        self._probe = lru_cache(maxsize=None)(self._read_probe)
        self._samples = lru_cache(maxsize=None)(self._read_samples)
        self._decoded = lru_cache(maxsize=12)(self._read_frame)
        self._before = lru_cache(maxsize=12)(self._read_before)
        self._whole = lru_cache(maxsize=4)(self._read_whole)
        self._crisp = lru_cache(maxsize=12)(self._read_crisp)
        self._offsets = lru_cache(maxsize=8)(self._find_offsets)
        self._match = lru_cache(maxsize=256)(self._solve)
        self._grade = lru_cache(maxsize=16)(self._bake)

    def frame(self, shot: str, draft: Draft, index: int | None = None) -> tuple[Picture, Picture]:
        """Return one frame before and after, at once.

        Parameters
        ----------
        shot : str
            Its id.
        draft : Draft
            Only the sections of :data:`LIVE_SECTIONS` are shown. Its hero, or the proposed one
            when it names none, is the colour target of its scene. Sharpness that has not been
            solved yet (:meth:`refine` does) is estimated from what has been.
        index : int, optional
            Position of the frame in the shot, from 0; the middle by default.

        Returns
        -------
        before, after : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
            R'G'B' full range, at most 540x960. The same array twice where the draft changes
            nothing.

        Raises
        ------
        FinishError
            ``no_such_shot``, ``no_such_frame``, or what reading the clip raises.
        """
        at, look, inputs = self._index(shot, index), draft.look, self._set()
        source, name = self._decoded(shot, at), ShotId(shot)
        before = self._before(shot, at)
        clean = GrainStage().clean(inputs, look.grain)[name]
        sharpen = self._crispness.at_once(shot, look.sharpen, inputs)
        after = self._crisp(shot, at, clean, sharpen)
        grain = GrainStage().fit(inputs, look.grain)[name]
        after = _through([self._graded(shot, look), grain], after, {})
        return before, before if after is source else after.as_uint8()[0]

    def refine(
        self,
        shot: str,
        draft: Draft,
        index: int | None,
        callback: Callable[[Refined | Exception], None],
        *,
        rest_s: float = 0.0,
    ) -> Job[Refined]:
        """Make the frame with faces, solved sharpness and the net, in a thread.

        Parameters
        ----------
        shot : str
            Its id.
        draft : Draft
            As it stands now: later changes of it are another call.
        index : int or None
            Position of the frame in the shot, from 0; ``None``: the middle.
        callback : callable
            Called in the thread with the pictures, or with the exception. Only for the newest
            call: an older one is called off, and its callback is never called.
        rest_s : float, optional
            Wait so long for a newer call before beginning, seconds: while a slider is dragged the
            processors belong to the quick picture.

        Returns
        -------
        job : Job
            To cancel, or to wait for.

        Raises
        ------
        FinishError
            ``no_such_shot`` or ``no_such_frame``.
        """
        at, look = self._index(shot, index), draft.look

        def work(go_on: Callable[[], None]) -> Refined:
            time.sleep(rest_s)
            go_on()
            return self._refined(shot, look, at, go_on)

        return self._worker.start(Job(work, callback))

    def filters(
        self, shot: str, look: Look, *, whole: bool = False
    ) -> tuple[tuple[Filter, ...], int | None]:
        """Return what :meth:`frame` lays on the pictures of a shot, its sharpness solved.

        Parameters
        ----------
        shot : str
            Its id.
        look : Look
            Only the sections of :data:`LIVE_SECTIONS` count.
        whole : bool, optional
            For pictures at the source's size, instead of the preview's.

        Returns
        -------
        filters : tuple of Filter
            In running order.
        short_side_px : int or None
            The size they are meant for, as :func:`finishkit.frames.read_frames` takes it.
        """
        inputs, name = self._set(), ShotId(self.episode[shot].id)
        said, scale = self._probe(shot), 1.0 if whole else self._scale(shot)
        # As in _read_crisp: noise goes with the pixels that a smaller picture has lost.
        clean = GrainStage().clean(inputs, look.grain)[name] if scale == 1 else None
        sharpen = self._crispness.solve(shot, look.sharpen, inputs)
        if sharpen is not None:
            sharpen = replace(sharpen, blur_px=sharpen.blur_px * scale)
        grain = GrainStage().fit(inputs, look.grain)[name]
        found = (clean, sharpen, self._graded(shot, look), grain)
        short = max(2, int(min(said.width_px, said.height_px) * scale))
        return tuple(f for f in found if f is not None), None if scale == 1 else short

    def frame_count(self, shot: str) -> int:
        """Return how many frames a shot has."""
        return self.measurements[shot].frame_count

    def samples(self, shot: str) -> Picture:
        """Return the small frames a shot is fitted on, spread over it.

        Returns
        -------
        samples : ndarray, shape (n, h, 160, 3), dtype uint8
            R'G'B', full range.
        """
        return self._samples(shot)

    def match(self, shot: str, draft: Draft) -> Match:
        """Return how a draft brings a shot to its scene: the moves, and the distances in dE."""
        look = draft.look
        if look.grade.strength == 0:
            return Match()
        match, _ = self._match(shot, _without_look(look.grade), self._hero(look), look.limits)  # type: ignore[arg-type]
        return match

    def _hero(self, look: Look) -> str:
        # As in the batch: a hero whose own colour is off is no target.
        hero = look.hero or self.verdict.hero
        return "" if hero in self._flagged else hero

    def _index(self, shot: str, index: int | None) -> int:
        count = self.frame_count(self.episode[shot].id)
        if index is None:
            return count // 2
        if not 0 <= index < count:
            raise FinishError(
                f"{shot} has frames 0 to {count - 1}, not {index}. Choose one of them.",
                "no_such_frame",
            )
        return index

    # What is read once

    def _read_probe(self, shot: str) -> Probe:
        return probe(self.episode[shot].path)

    def _read_samples(self, shot: str) -> Picture:
        return sample_frames(self.episode[shot].path)

    def _scale(self, shot: str) -> float:
        said = self._probe(shot)
        short, long = sorted((said.width_px, said.height_px))
        return min(1.0, WIDTH_PX / short, HEIGHT_PX / long)

    def _read_frame(self, shot: str, index: int) -> Frames:
        said, scale = self._probe(shot), self._scale(shot)
        short = min(said.width_px, said.height_px)
        return self._read_one(shot, index, max(2, int(short * scale)))

    def _read_before(self, shot: str, index: int) -> Picture:
        picture = self._decoded(shot, index).as_uint8()[0]
        # Handed out again and again: nobody may draw on it.
        picture.flags.writeable = False
        return picture

    def _read_whole(self, shot: str, index: int) -> Frames:
        return self._read_one(shot, index, None)

    def _read_one(self, shot: str, index: int, short_side_px: int | None) -> Frames:
        path = self.episode[shot].path
        for frames in read_frames(path, indices=[index], short_side_px=short_side_px):
            return frames
        raise FinishError(
            f"{path} ends before frame {index}. Choose an earlier one.", "no_such_frame"
        )

    def _read_crisp(
        self, shot: str, index: int, clean: Clean | None, sharpen: Sharpen | None
    ) -> Frames:
        source, scale = self._decoded(shot, index), self._scale(shot)
        # Noise goes with the pixels that a smaller picture has lost; a blur has fewer of them.
        clean = clean if scale == 1 else None
        if sharpen is not None:
            sharpen = replace(sharpen, blur_px=sharpen.blur_px * scale)
        return _through([clean, sharpen], source, {})

    def _set(self) -> list[ShotInput]:
        return [self._shot_input(s.id) for s in self.episode]

    def _shot_input(self, shot: str) -> ShotInput:
        return ShotInput(
            id=ShotId(shot),
            scene=self.episode[shot].scene,
            probe=self._probe(shot),
            measured=self.measurements[shot].values,
            samples=_NO_SAMPLES,
            flagged=shot in self._flagged,
        )

    # Colour

    def _find_offsets(self, limits: Limits) -> Mapping[ShotId, ColourOffset]:
        return colour_offsets(self.measurements, limits)

    def _graded(self, shot: str, look: Look) -> Grade | None:
        # Frozen values of pydantic have a hash, which pyright cannot see.
        return self._grade(shot, look.grade, self._hero(look), look.limits)  # type: ignore[arg-type]

    def _solve(
        self, shot: str, settings: GradeSettings, hero: str, limits: Limits
    ) -> tuple[Match, Ramp | None]:
        # What GradeStage.fit does for the set, one shot at a time, so that the match is solved
        # once and not at every tick of a look slider. That both agree is a test.
        if settings.matching == "off":
            return Match(), None
        offsets = self._offsets(limits)  # type: ignore[arg-type]
        off, match, said = offsets.get(ShotId(shot)), Match(), self._probe(shot)
        pre, seen = _table(settings.pre_lut), self._samples(shot)
        if pre is not None:
            seen = through(seen, pre)
        if off is not None and shot != hero:
            same_scene = hero and self.episode[hero].scene == self.episode[shot].scene
            towards = hero_offset(offsets.get(ShotId(hero))) if same_scene else None
            match = solve_match(seen, off, settings, towards)
        duration_s = float(said.frame_count / said.rate_fps)
        drift_de = self.measurements[shot].values.get("drift_de")
        return match, solve_ramp(seen, duration_s, drift_de, settings, limits.drift_de)

    def _bake(self, shot: str, settings: GradeSettings, hero: str, limits: Limits) -> Grade | None:
        if settings.strength == 0:
            return None
        match, ramp = self._match(shot, _without_look(settings), hero, limits)  # type: ignore[arg-type]
        layer = look_layer(settings, _table(settings.look_lut))
        return bake(match, layer, _table(settings.pre_lut), ramp)

    # All that a still can show

    def _refined(self, shot: str, look: Look, index: int, go_on: Callable[[], None]) -> Refined:
        source, inputs = self._whole(shot, index), self._set()
        name, notes = ShotId(shot), dict[str, float]()
        size, fit = _within((look.master.width_px, look.master.height_px)), look.master.fit
        go_on()
        faces = FacesStage().fit(inputs, look.faces, self.measurements.backend)[name]
        frames = _through([faces], source, notes)
        go_on()
        sharpen = self._crispness.solve(shot, look.sharpen, inputs)
        go_on()
        enlarge = UpscaleStage().fit(inputs, look.upscale, out_size_px=size, fit_mode=fit)[name]
        clean = GrainStage().clean(inputs, look.grain)[name]
        grain = GrainStage().fit(inputs, look.grain)[name]
        grade = self._graded(shot, look)
        # As in the batch: where nothing is invented, the grade is laid on fewer pixels.
        plain = look.upscale.model == "lanczos" or look.upscale.strength == 0
        middle = [grade, enlarge] if plain else [enlarge, grade]
        frames = _through([clean, sharpen, *middle, grain], frames, notes)
        plainly = look.upscale.replace(strength=0.0)
        as_it_is = UpscaleStage().fit(inputs, plainly, out_size_px=size, fit_mode=fit)[name]
        return Refined(
            shot=shot,
            index=index,
            before=_through([as_it_is], source, {}).as_uint8()[0],
            after=frames.as_uint8()[0],
            notes=notes,
        )


def _table(name: str) -> Lut | None:
    return read_cube(Path(name)) if name else None


def _within(size_px: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size of this shape that a preview may have, in even numbers."""
    width, height = size_px
    scale = min(1.0, WIDTH_PX / min(size_px), HEIGHT_PX / max(size_px))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def _through(filters: Sequence[Filter | None], frames: Frames, notes: dict[str, float]) -> Frames:
    for apply in filters:
        if apply is not None:
            frames = next(iter(list(apply(iter([frames]), notes))))
    return frames


def _without_look(settings: GradeSettings) -> GradeSettings:
    """Keep what a match is solved from: turning a look slider must not solve it again."""
    neutral = GradeSettings()
    return settings.replace(**{name: getattr(neutral, name) for name in _LOOK_FIELDS})
