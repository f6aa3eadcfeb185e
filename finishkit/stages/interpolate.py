"""Repair the cadence: repeated frames become the motion missing between their neighbours."""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.motion import (
    EXACT,
    REPEAT_RATIO,
    flags_from_differences,
    pair_difference,
)
from finishkit.measure.motion import SHORT_PX as REPEAT_SHORT_PX
from finishkit.settings import InterpolateSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.streaming import Picture, rechunked, singles

MIN_DUP_RATIO: Final = 0.02
"""Share of repeated frames from which a shot is repaired; below it one repeat in 50 frames."""

MAX_RUN: Final = 10
"""Longest run of repeats that is repaired: across longer stills the motion is anybody's guess."""

HELD: Final = MAX_RUN + 4
"""Frames looked ahead: a whole run, its right neighbour and the two pairs that prove its end."""

FLOW_SHORT_PX: Final = 540
FLOW_SIGMA_PX: Final = 3.0
AGREE_PX: Final = 1.0
"""Forward and backward flow agree where their round trip misses by less than this ..."""
AGREE_SHARE: Final = 0.05
"""... plus this share of the motion."""
CUT_RESIDUAL: Final = 0.08
"""Mean absolute code between two frames after motion is taken out, beyond which there is a cut."""


def _repeats(pairs: list[float], index: int) -> bool:
    """Say whether frame ``index`` repeats the one before, by the metric's rule.

    Read from the pairs around it only, so that the answer needs no more than is held.
    """
    if not 1 <= index <= len(pairs):
        return False
    start = max(0, index - HELD)
    near = np.array(pairs[start : index + HELD])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceRepair:
    """Replace repeated frames by motion between the true frames around them.

    Attributes
    ----------
    strength : float
        How far each repeat is moved to where it should be in time: 1 spreads a run evenly, 0
        leaves it. Never a blend of the repeat with the new frame, which would show double.
    confidence_min : float
        Share of the picture in which forward and backward flow must agree.
    """

    strength: float
    confidence_min: float

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield as many frames at the same times; note how many were repaired and kept."""
        sizes: deque[int] = deque()
        yield from rechunked(self._repaired(singles(frames, sizes), notes), sizes)

    def _repaired(self, pictures: Iterator[Picture], notes: Notes) -> Iterator[Picture]:
        pairs: list[float] = []
        held: deque[Picture] = deque()
        small: NDArray[np.uint8] | None = None
        older: Picture | None = None
        left: Picture | None = None
        index = repaired = kept = 0
        exhausted = waiting = False
        # Inside a still too long to repair: the difference up to which it goes on.
        still = 0.0
        while True:
            while not exhausted and len(held) < HELD:
                item = next(pictures, None)
                if item is None:
                    exhausted = True
                    break
                now = _luma(item[0], REPEAT_SHORT_PX)
                if small is not None:
                    pairs.append(pair_difference(small, now))
                small = now
                held.append(item)
            run = _run(pairs, index, len(held), still)
            if left is None or not run:
                if left is not None and waiting:
                    yield left
                if not held:
                    break
                older, left = left, held.popleft()
                waiting, still = True, 0.0
                index += 1
                continue
            if run > MAX_RUN and not still:
                still = _level(pairs, index)
            start, row = left, list(itertools.islice(held, run + 1))
            if waiting and run == len(held):
                # The shot ends on repeats: its last true picture moves to the very end, and the
                # motion up to it is spread over the frames before.
                start, row = older, [left, *held]
            elif waiting:
                yield left
            moved = [] if still else self._between(start, row, run)
            repaired += len(moved)
            kept += run - len(moved)
            for i in range(run + (row[0] is left)):
                yield (moved[i] if i < len(moved) else row[i][0]), row[i][1]
            for _ in range(run):
                left = held.popleft()
            left, waiting = (moved[-1] if moved else left[0], left[1]), False
            index += run
        notes["interpolate.repaired"] = float(repaired)
        notes["interpolate.kept"] = float(kept)

    def _between(
        self, start: Picture | None, row: Sequence[Picture], run: int
    ) -> list[NDArray[np.float32]]:
        """Return ``run`` pictures on the way from ``start`` to the last of a row.

        None when there is no way: an end of the shot, a cut, motion that cannot be trusted.
        """
        if start is None or len(row) != run + 1:
            return []
        end, end_s = row[-1]
        motion = _motion(start[0], end)
        if motion is None or motion.confidence < self.confidence_min:
            return []
        # By their times, so that uneven ones keep even motion.
        shares = [(time - start[1]) / (end_s - start[1]) for _, time in row[:-1]]
        return [_synthesised(start[0], end, motion, self.strength * s) for s in shares]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Motion:
    """Flow between two frames, in px of the flow's own size."""

    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    confidence: float


def _luma(picture: NDArray[np.float32], short_px: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = min(1.0, short_px / min(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if size != (width, height):
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _grid(height: int, width: int) -> NDArray[np.float32]:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _sampled(picture: NDArray[np.float32], at: NDArray[np.floating]) -> NDArray[np.float32]:
    found = cv2.remap(
        picture,
        np.asarray(at, np.float32),
        None,  # type: ignore[arg-type]
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found, np.float32)


def _disagreement(
    flow: NDArray[np.float32], other: NDArray[np.float32], grid: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the round trip's error relative to what is allowed: above 1 the flows disagree."""
    back = _sampled(other, grid + flow)
    error = np.linalg.norm(flow + back, axis=-1)
    allowed = AGREE_PX + AGREE_SHARE * np.linalg.norm(flow, axis=-1)
    return (error / allowed).astype(np.float32)


def _motion(start: NDArray[np.float32], end: NDArray[np.float32]) -> _Motion | None:
    """Find the motion between two frames; None across a cut."""
    a, b = _luma(start, FLOW_SHORT_PX), _luma(end, FLOW_SHORT_PX)
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # Smoothed: the flow tears at the rims of fast things (0.1 dB better, and no fringes).
    forward = _smooth(engine.calc(a, b, None))  # type: ignore[arg-type]
    backward = _smooth(engine.calc(b, a, None))  # type: ignore[arg-type]
    grid = _grid(*a.shape)
    unit_a, unit_b = a.astype(np.float32) / 255, b.astype(np.float32) / 255
    residual = np.abs(unit_a - _sampled(np.asarray(unit_b, np.float32), grid + forward))
    if float(residual.mean()) > CUT_RESIDUAL:
        return None
    agree = (_disagreement(forward, backward, grid) < 1).mean()
    agree += (_disagreement(backward, forward, grid) < 1).mean()
    return _Motion(forward=forward, backward=backward, confidence=float(agree) / 2)


def _smooth(flow: cv2.typing.MatLike) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(flow, (0, 0), FLOW_SIGMA_PX), np.float32)


def _source(
    flow: NDArray[np.float32], share: float, grid: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return where each pixel, ``share`` of the way along the flow, set out from.

    Solves ``u + share * flow(u) = x`` for ``u`` by fixed-point steps; three are enough for motion
    smoother than one px a px.
    """
    at = grid - np.float32(share) * flow
    for _ in range(3):
        at = grid - np.float32(share) * _sampled(flow, at)
    return np.asarray(at, np.float32)


def _synthesised(
    start: NDArray[np.float32], end: NDArray[np.float32], motion: _Motion, share: float
) -> NDArray[np.float32]:
    """Return the picture ``share`` (0 to 1) of the way from ``start`` to ``end``."""
    rows, columns = motion.forward.shape[:2]
    grid = _grid(rows, columns)
    from_start = _source(motion.forward, share, grid)
    from_end = _source(motion.backward, 1 - share, grid)
    # Where the round trip fails a thing is hidden in one of the two frames: take the other one.
    seen_start = _sampled(_disagreement(motion.forward, motion.backward, grid), from_start)
    seen_end = _sampled(_disagreement(motion.backward, motion.forward, grid), from_end)
    weight_start = (1 - share) * np.exp(-(np.minimum(seen_start, 6) ** 2)) + 1e-6 * (1 - share)
    weight_end = share * np.exp(-(np.minimum(seen_end, 6) ** 2)) + 1e-6 * share
    mix = (weight_end / (weight_start + weight_end)).astype(np.float32)
    height, width = start.shape[:2]
    scale = np.array([width / columns, height / rows], np.float32)
    full = _grid(height, width)

    def at_full(small: NDArray[np.float32]) -> NDArray[np.float32]:
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]

    first = _sampled(start, full + at_full(from_start - grid) * scale)
    second = _sampled(end, full + at_full(from_end - grid) * scale)
    blend = at_full(mix)
    return np.clip(cv2.blendLinear(first, second, 1 - blend, blend), 0, 1).astype(np.float32)


class InterpolateStage:
    """Repair the cadence of the shots that repeat frames."""

    name = "interpolate"
    version = 1

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: InterpolateSettings,
        *,
        min_dup_ratio: float = MIN_DUP_RATIO,
    ) -> Mapping[ShotId, CadenceRepair | None]:
        """Give a filter to the shots with repeated frames.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``measured`` needs ``dup_ratio``; it is None for a static shot, which is left alone.
        settings : InterpolateSettings
            ``strength`` and ``confidence_min`` are handed to the filter.
        min_dup_ratio : float
            Share of repeated frames from which a shot is repaired.

        Returns
        -------
        filters : dict of ShotId to (CadenceRepair or None)
        """
        filters: dict[ShotId, CadenceRepair | None] = {}
        for shot in shots:
            needed = (
                settings.strength > 0 and (shot.measured.get("dup_ratio") or 0) >= min_dup_ratio
            )
            filters[shot.id] = (
                CadenceRepair(strength=settings.strength, confidence_min=settings.confidence_min)
                if needed
                else None
            )
        return filters
