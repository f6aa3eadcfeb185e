"""What will it look like: one frame before and after, fast enough for a slider.

The after picture comes out of the same code as the batch, on a small frame: a match and a look are
one transform a pixel, so enlarging first or last gives the same colours.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import Frames, Probe, probe, read_frames
from finishkit.ingest import ingest
from finishkit.measure import Measurements, measure, sample_frames
from finishkit.progress import Progress
from finishkit.report import Report
from finishkit.settings import GradeSettings
from finishkit.shots import Episode, ShotId, open_episode
from finishkit.stages import ShotInput
from finishkit.stages.grade import (
    Grade,
    Match,
    bake,
    look_trim,
    scene_spread,
    scene_targets,
    solve_match,
)
from finishkit.store import Store
from finishkit.template import Draft
from finishkit.verdict import Verdict, judge

WIDTH_PX, HEIGHT_PX = 540, 960
"""Largest preview. A slider answers in 99 ms (median, measured) at this size, in 149 ms at twice
this size, where 150 ms is felt as a delay."""

LIVE_SECTIONS = ("grade",)
"""Sections of the template a single still frame can show. The others need a run of frames or a
net, and show in the finished episode."""

Target = tuple[NDArray[np.float64], NDArray[np.float64]]
"""What a scene is brought to, and how far its shots may lie apart."""

_LOOK_FIELDS = ("saturation", "contrast", "temperature_k", "blacks_ire")


class Preview:
    """One frame of any shot, before and after a draft.

    Decoded frames, samples and solved matches are kept, so that a change of the look costs one
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
        self._probe = lru_cache(maxsize=None)(self._read_probe)
        self._samples = lru_cache(maxsize=None)(self._read_samples)
        self._decoded = lru_cache(maxsize=12)(self._read_frame)
        self._target = lru_cache(maxsize=16)(self._find_target)
        self._match = lru_cache(maxsize=256)(self._solve)
        self._grade = lru_cache(maxsize=16)(self._bake)

    def frame(
        self, shot: str, draft: Draft, index: int | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one frame before and after.

        Parameters
        ----------
        shot : str
            Its id.
        draft : Draft
            Only the sections of :data:`LIVE_SECTIONS` are shown. Its hero, or the proposed one
            when it names none, is the colour target of its scene.
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
        source = self._decoded(shot, self._index(shot, index))
        before = source.as_uint8()[0]
        hero = draft.look.hero or self.verdict.hero
        # Frozen values of pydantic have a hash, which pyright cannot see.
        grade = self._grade(shot, draft.look.grade, hero)  # type: ignore[arg-type]
        if grade is None:
            return before, before
        graded = next(iter(grade(iter([source]), {})))
        return before, graded.as_uint8()[0]

    def frame_count(self, shot: str) -> int:
        """Return how many frames a shot has."""
        return self.measurements[shot].frame_count

    def samples(self, shot: str) -> NDArray[np.uint8]:
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
        hero = look.hero or self.verdict.hero
        return self._match(shot, _without_look(look.grade), hero)  # type: ignore[arg-type]

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

    def _read_probe(self, shot: str) -> Probe:
        return probe(self.episode[shot].path)

    def _read_samples(self, shot: str) -> NDArray[np.uint8]:
        return sample_frames(self.episode[shot].path)

    def _read_frame(self, shot: str, index: int) -> Frames:
        said = self._probe(shot)
        short, long = sorted((said.width_px, said.height_px))
        scale = min(1.0, WIDTH_PX / short, HEIGHT_PX / long)
        read = read_frames(
            self.episode[shot].path, indices=[index], short_side_px=max(2, int(short * scale))
        )
        for frames in read:
            return frames
        raise FinishError(
            f"{self.episode[shot].path} ends before frame {index}. Choose an earlier one.",
            "no_such_frame",
        )

    def _shot_input(self, shot: str) -> ShotInput:
        return ShotInput(
            id=ShotId(shot),
            scene=self.episode[shot].scene,
            probe=self._probe(shot),
            measured=self.measurements[shot].values,
            samples=self._samples(shot),
            flagged=shot in self._flagged,
        )

    def _find_target(self, scene: str, hero: str) -> Target | None:
        members = [self._shot_input(s.id) for s in self.episode if s.scene == scene]
        # As in the batch: a hero whose own colour is off is no target.
        trusted = None if hero in self._flagged else ShotId(hero)
        vector = scene_targets(members, trusted).get(scene)
        return None if vector is None else (vector, scene_spread(members))

    def _solve(self, shot: str, settings: GradeSettings, hero: str) -> Match:
        target = self._target(self.episode[shot].scene, hero)
        if target is None or settings.matching == "off":
            return Match()
        return solve_match(self._samples(shot), target[0], settings, target[1])

    def _bake(self, shot: str, settings: GradeSettings, hero: str) -> Grade | None:
        # What GradeStage.fit does for the set, one shot at a time, so that the match is solved
        # once and not at every tick of a look slider. That both agree is a test.
        if settings.strength == 0:
            return None
        match = self._match(shot, _without_look(settings), hero)  # type: ignore[arg-type]
        return bake(match, look_trim(settings))


def open_preview(
    folder: str | Path,
    out: str | Path,
    *,
    report: Report | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Preview:
    """Open, check, measure and judge an episode; damaged clips are left out, not fatal.

    Parameters
    ----------
    folder : str or Path
        The episode's clips.
    out : str or Path
        Measurements are kept in ``out/<episode>/work``, where finishing finds them again.
    report : Report, optional
        Of :func:`finishkit.measure_episode`: what it checked is not checked again.
    jobs : int, optional
        Worker processes; the number of processors by default.
    progress : Progress, optional
        Told of every clip.

    Returns
    -------
    preview : Preview

    Raises
    ------
    FinishError
        ``no_good_shot`` when no clip can be used, and what :func:`finishkit.open_episode` raises.
    """
    episode = open_episode(folder)
    say = progress or Progress()
    store = Store((Path(out) / episode.name).resolve())
    with store.locked():
        if report is None:
            checked = ingest(episode, jobs=jobs, progress=say.counter("check"))
            bad = {shot: seen.text for shot, seen in checked.items() if not seen.ok}
        else:
            bad = {q.shot: q.text for q in report.quarantined}
        shots = tuple(s for s in episode if s.id not in bad)
        if not shots:
            raise FinishError(
                f"Not one shot of {episode.name} can be used. The first:"
                f" {next(iter(bad.values()))}",
                "no_good_shot",
            )
        good = replace(episode, shots=shots)
        measurements = measure(
            good,
            jobs=jobs,
            progress=say.counter("measure"),
            cache_dir=store.path("work/measure"),
        )
    return Preview(good, measurements, judge(measurements))


def _without_look(settings: GradeSettings) -> GradeSettings:
    """Keep what a match is solved from: turning a look slider must not solve it again."""
    neutral = GradeSettings()
    return settings.replace(**{name: getattr(neutral, name) for name in _LOOK_FIELDS})
