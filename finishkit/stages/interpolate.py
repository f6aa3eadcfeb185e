"""The cadence: repeats become motion, and every shot comes to the master's rate."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.motion import (
    EXACT,
    REPEAT_RATIO,
    flags_from_differences,
    pair_difference,
)
from finishkit.measure.motion import HELD as HELD_CODES
from finishkit.measure.motion import SHORT_PX as REPEAT_SHORT_PX
from finishkit.settings import InterpolateSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.motion_flow import FlowInterpolator, Gap, Interpolator, Shown, luma_of
from finishkit.stages.retime import TRUE_SHARE, Timing, retimed_count
from finishkit.stages.rife import RifeInterpolator
from finishkit.stages.streaming import Picture, rechunked, singles

MIN_DUP_RATIO: Final = 0.02
"""Share of repeated frames from which a shot is repaired; below it one repeat in 50 frames."""

MAX_RUN: Final = 10
"""Longest run of repeats that is repaired: across longer stills the motion is anybody's guess."""

HELD: Final = MAX_RUN + 4
"""Frames looked ahead: a whole run, its right neighbour and the two pairs that prove its end."""

SAME_S: Final = 1e-6
"""Times nearer than this are the same."""


def _repeats(pairs: list[float], index: int) -> bool:
    """Say whether frame ``index`` repeats the one before, by the metric's rule.

    Read from the pairs around it only, so that the answer needs no more than is held.
    """
    if not 1 <= index <= len(pairs):
        return False
    start = max(0, index - HELD)
    near = np.array(pairs[start : index + HELD])
    if pairs[index - 1] >= max(HELD_CODES, REPEAT_RATIO * near.max()):
        return False  # what the rule asks of every repeat, at a tenth of its time
    return bool(flags_from_differences(near)[index - start])


def _level(pairs: list[float], index: int) -> float:
    """Return the difference below which a still that begins at frame ``index`` goes on.

    As in the metric: a share of the motion that broke off.
    """
    motion = pairs[index - 2] if index >= 2 else 0.0
    return max(EXACT, min(REPEAT_RATIO * motion, motion**0.5))


def _run(pairs: list[float], index: int, limit: int, still: float) -> int:
    """Count the repeats from frame ``index`` on, at most ``limit``.

    The metric needs to see both ends of a still. One longer than what is held goes on as long as
    nothing changes more than it did so far, or its two ends would be taken for short runs.
    """
    run = 0
    while run < limit and _repeats(pairs, index + run):
        run += 1
    level = still or (_level(pairs, index) if run else 0.0)
    while run < limit and 1 <= index + run <= len(pairs) and pairs[index + run - 1] < level:
        run += 1
    return run


@dataclass(eq=False)
class _Moment:
    """A true frame, and the pictures after it that repeat it."""

    shown: Shown
    repeats: list[Picture] = field(default_factory=list)


class _Original(NamedTuple):
    """A frame of the source: its picture, its time, and whose it is: left (0) or right (1)."""

    picture: NDArray[np.float32]
    time_s: float
    share: float


class _Tick(NamedTuple):
    """A frame to give: the moment of the source it shows, and its own time."""

    moment_s: float
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Show each moment at its time: repeats give way to motion, other rates are met.

    Attributes
    ----------
    strength : float
        How far a picture is moved from the frame that is shown at its time now to where it should
        be: 1 is even motion, 0 leaves repeats, and meets another rate with the nearest frames.
        Never a blend of old and new, which would show double.
    confidence_min : float
        Share of the worst part of the picture in which motion must be found, see
        :attr:`finishkit.stages.motion_flow.Gap.confidence`; below it the nearest frame is shown.
    repeats : bool
        Whether to look for repeated frames.
    timing : Timing or None
        The master's rate; None keeps count and times.
    engine : Interpolator
        What makes the pictures.
    """

    strength: float
    confidence_min: float
    repeats: bool = True
    timing: Timing | None = None
    engine: Interpolator = field(default_factory=FlowInterpolator)

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames; note how many repeats were repaired and kept.

        With a ``timing``, one a chunk; ``interpolate.made`` are those that are no frame of the
        source, ``interpolate.nearest`` those where the nearest one had to do.
        """
        sizes: deque[int] = deque()
        made = self._made(singles(frames, sizes), notes)
        if self.timing is None:
            yield from rechunked(made, sizes)
            return
        for picture, time_s in made:
            yield Frames(data=picture[None], pts_s=np.array([time_s]))

    def _made(self, pictures: Iterator[Picture], notes: Notes) -> Iterator[Picture]:
        count: dict[str, int] = {"repaired": 0, "kept": 0, "made": 0, "nearest": 0}
        writer = _Writer(self, count)
        left: _Moment | None = None
        right: _Moment | None = None
        before: Gap | None = None
        gap: Gap | None = None
        for moment in self._moments(pictures, count):
            if left is None:
                left = moment
            elif right is None or gap is None:
                right, gap = moment, Gap(left.shown, moment.shown)
            else:
                after = Gap(right.shown, moment.shown)
                yield from writer.across(left, right, gap, before, after)
                before, left, right, gap = gap, right, moment, after
        if left is not None:
            yield from writer.to_the_end(left, right, before)
        if self.timing is None:
            del count["made"], count["nearest"]
        for name, value in count.items():
            notes[f"interpolate.{name}"] = float(value)

    def _moments(self, pictures: Iterator[Picture], count: dict[str, int]) -> Iterator[_Moment]:
        """Yield the true frames, each with the repeats that follow it."""
        if not self.repeats or self.strength == 0:
            for picture, time_s in pictures:
                yield _Moment(Shown(picture, time_s))
            return
        pairs: list[float] = []
        held: deque[Picture] = deque()
        small: NDArray[np.uint8] | None = None
        moment: _Moment | None = None
        index = 0
        exhausted = False
        # Inside a still too long to repair: the difference up to which it goes on.
        still = 0.0
        while True:
            while not exhausted and len(held) < HELD:
                item = next(pictures, None)
                if item is None:
                    exhausted = True
                    break
                now = luma_of(item[0], REPEAT_SHORT_PX)
                if small is not None:
                    pairs.append(pair_difference(small, now))
                small = now
                held.append(item)
            if not held:
                break
            run = _run(pairs, index, len(held), still)
            if moment is None or not run:
                if moment is not None:
                    yield moment
                moment, still = _Moment(Shown(*held.popleft())), 0.0
                index += 1
                continue
            if run > MAX_RUN and not still:
                still = _level(pairs, index)
            for item in [held.popleft() for _ in range(run)]:
                if still:
                    # So long a still is meant to be one: each of its frames is a true one.
                    count["kept"] += 1
                    yield moment
                    moment = _Moment(Shown(*item))
                else:
                    moment.repeats.append(item)
            index += run
        if moment is not None:
            yield moment


@dataclass(eq=False)
class _Writer:
    """Fills the ticks between true frames, gap by gap."""

    cadence: Cadence
    count: dict[str, int]
    tick: int = 0
    first_s: float | None = None

    def across(
        self, left: _Moment, right: _Moment, gap: Gap, before: Gap | None, after: Gap | None
    ) -> Iterator[Picture]:
        """Yield what is shown from ``left`` on, until ``right``."""
        originals = _originals(left, 0.0)
        ticks = self._ticks(originals, right.shown.time_s)
        originals.append(_Original(right.shown.picture, right.shown.time_s, 1.0))
        yield from self._filled(ticks, originals, gap, before, after, len(left.repeats))

    def to_the_end(
        self, left: _Moment, right: _Moment | None, before: Gap | None
    ) -> Iterator[Picture]:
        """Yield what is shown from ``left`` on, to the end of the shot.

        Where that ends on repeats, or its last frame is followed by more ticks, the last true
        picture moves to the very end, and the motion up to it is spread over the frames before.
        """
        originals = _originals(left, 0.0)
        repeats = len(left.repeats)
        if right is not None:
            originals += _originals(right, 1.0)
            repeats += len(right.repeats)
        ticks = self._ticks(originals, None)
        last = left if right is None else right
        end_s = max([last.shown.time_s, *(t.moment_s for t in ticks)])
        gap = Gap(left.shown, Shown(last.shown.picture, end_s))
        yield from self._filled(ticks, originals, gap, before, None, repeats)

    def _ticks(self, originals: Sequence[_Original], until_s: float | None) -> list[_Tick]:
        timing = self.cadence.timing
        if timing is None:
            return [_Tick(o.time_s, o.time_s) for o in originals]
        if self.first_s is None:
            self.first_s = originals[0].time_s
        ticks: list[_Tick] = []
        while self.tick < timing.frame_count:
            moment_s = self.first_s + timing.source_s(self.tick)
            if until_s is not None and moment_s > until_s - SAME_S:
                break
            ticks.append(_Tick(moment_s, float(self.tick / timing.rate_fps)))
            self.tick += 1
        return ticks

    def _filled(
        self,
        ticks: Sequence[_Tick],
        originals: Sequence[_Original],
        gap: Gap,
        before: Gap | None,
        after: Gap | None,
        repeats: int,
    ) -> Iterator[Picture]:
        cadence, timing = self.cadence, self.cadence.timing
        own_end_s = next((o.time_s for o in originals if o.share == 1), None)
        true_s = SAME_S if timing is None else float(TRUE_SHARE / timing.source_fps)
        may = cadence.strength > 0 and own_end_s is not None and gap.span_s > 0
        if timing is not None and timing.mode == "nearest":
            may = may and repeats > 0
        trusted: bool | None = None
        if repeats:
            trusted = may and self._trusts(gap)
            self.count["repaired" if trusted else "kept"] += repeats
        for tick in ticks:
            moment_s = tick.moment_s
            # Rounded, so that of two at one distance the earlier is taken.
            nearest = min(originals, key=lambda o: round(abs(o.time_s - moment_s), 7))
            if abs(moment_s - gap.start.time_s) <= true_s:
                yield gap.start.picture, tick.time_s
                continue
            moved = own_end_s is not None and gap.end.time_s > own_end_s + SAME_S
            if own_end_s is not None and not moved and abs(moment_s - own_end_s) <= true_s:
                yield gap.end.picture, tick.time_s
                continue
            if trusted is None:
                trusted = may and self._trusts(gap)
            if not trusted:
                self.count["nearest"] += abs(nearest.time_s - moment_s) > true_s
                yield nearest.picture, tick.time_s
                continue
            share = (moment_s - gap.start.time_s) / gap.span_s
            share = nearest.share + cadence.strength * (share - nearest.share)
            if share >= 1:
                yield gap.end.picture, tick.time_s
                continue
            self.count["made"] += 1
            yield cadence.engine.between(gap, share, before, after), tick.time_s

    def _trusts(self, gap: Gap) -> bool:
        return not gap.cut and gap.confidence >= self.cadence.confidence_min


def _originals(moment: _Moment, share: float) -> list[_Original]:
    shown = _Original(moment.shown.picture, moment.shown.time_s, share)
    return [shown, *(_Original(picture, time_s, share) for picture, time_s in moment.repeats)]


class InterpolateStage:
    """Repair the cadence of the shots that repeat frames, and bring all to one rate."""

    name = "interpolate"
    version = 2

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: InterpolateSettings,
        *,
        rate_fps: Fraction | None = None,
        min_dup_ratio: float = MIN_DUP_RATIO,
    ) -> Mapping[ShotId, Cadence | None]:
        """Give a filter to the shots with repeated frames or another rate than the master's.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``probe`` as the frames will come: at the shot's own, constant rate, counted.
            ``measured`` needs ``dup_ratio``; it is None for a static shot, which is not searched.
        settings : InterpolateSettings
            With ``strength`` 0 another rate is met with the nearest frames.
        rate_fps : Fraction, optional
            The master's. Without it each shot keeps its own.
        min_dup_ratio : float
            Share of repeated frames from which a shot is repaired.

        Returns
        -------
        filters : dict of ShotId to (Cadence or None)
            A filter with a ``timing`` gives another count at another rate, see
            :class:`finishkit.stages.retime.Timing`.

        Raises
        ------
        FinishError
            ``weights_missing``, ``weights_changed`` or ``models_missing`` when the template asks
            for RIFE and it is not there.
        """
        filters: dict[ShotId, Cadence | None] = {}
        engine: Interpolator = FlowInterpolator()
        for shot in shots:
            own = shot.probe.rate_fps
            timing = None
            if rate_fps is not None and own != rate_fps:
                timing = Timing(
                    source_fps=own,
                    rate_fps=rate_fps,
                    frame_count=retimed_count(shot.probe, rate_fps),
                    mode=settings.retime,
                )
            repeats = (
                settings.strength > 0 and (shot.measured.get("dup_ratio") or 0) >= min_dup_ratio
            )
            if timing is None and not repeats:
                filters[shot.id] = None
                continue
            if settings.engine == "rife" and settings.strength > 0:
                engine = RifeInterpolator.of(settings.rife_sha256)
            filters[shot.id] = Cadence(
                strength=settings.strength,
                confidence_min=settings.confidence_min,
                repeats=repeats,
                timing=timing,
                engine=engine,
            )
        return filters
