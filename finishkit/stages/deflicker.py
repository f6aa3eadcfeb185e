"""Even out brightness and colour that jump from frame to frame, and nothing slower than that."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.settings import DeflickerSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.light_trend import light_trend, same_light
from finishkit.stages.streaming import Picture, rechunked, singles

SHORT_PX: Final = 270
"""Short side at which light is compared, as in the metric (:mod:`finishkit.measure.flicker`)."""

MAX_FLOW_PX: Final = 25.0
CUT_RESIDUAL: Final = 0.06
"""Mean absolute code left after motion and the common change are taken out, beyond which the
frames do not show the same thing."""

MAX_GAIN: Final = 0.35
"""Bound on the natural logarithm of any correction."""

MAX_LOCAL_GAIN: Final = 0.12
TILES: Final = (12, 8)
"""Along the long and the short side. With 8 and 6 the bilinear field between the tiles lost a
third of flicker that had itself been planted on 8x6 tiles."""

SHOULDER: Final = 0.88
CLIPPED: Final = 0.97
_STRIP_ROWS: Final = 32
_USABLE: Final = (0.05, 0.96)
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Small:
    """What is kept of a frame for comparing its light with the next one's."""

    rgb: NDArray[np.float32]
    equalised: NDArray[np.uint8]
    flat: NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class _Path:
    """The light of a shot so far, relative to its start, in natural logarithms of code.

    Attributes
    ----------
    gains : list of ndarray, shape (3,)
        Accumulated gain of R, G, B of each frame.
    tiles : list of ndarray, shape (rows, columns)
        Accumulated gain of each tile against the whole.
    segment : list of int
        Frames are only compared within one segment: a cut or a switched lamp starts another.
    flash : list of bool
        Single frames of meant light: neither corrected nor used.
    """

    gains: list[NDArray[np.float64]] = field(default_factory=list)
    tiles: list[NDArray[np.float64]] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    flash: list[bool] = field(default_factory=list)
    jumps: list[float] = field(default_factory=list)
    steps: int = 0


def removed_share(strength: float) -> float:
    """Return the share of the detected flicker that a strength takes out.

    Parameters
    ----------
    strength : float
        0 to 1.

    Returns
    -------
    share : float
        ``1 - (1 - strength) ** 3.3``: 0.69 at 0.3, 0.81 at 0.4, 0.95 at 0.6. Genres ask for 0.3 to
        0.8. From 0.5 on (and a window of 7) at most 0.15 of white flicker is left; below, a genre
        that lives on moving light keeps some of it, yet less than half of what was flagged.
    """
    return 1 - (1 - strength) ** 3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflicker:
    """Divide out the part of each frame's light that its neighbours do not share.

    Works on gains of the code: under a display of exponent 2.4 a gain of light is a gain of the
    code, so this is the same correction in both.

    Attributes
    ----------
    share : float
        Share of the flicker taken out, 0 to 1.
    half_window : int
        Frames to either side that say where the light should be. Twice as many are held.
    local : bool
        Whether tiles are corrected besides the whole picture.
    flash_lstar : float
        A change of light this large from one frame to the next is meant: a flash, a strobe, a lamp
        switched, a cut. In hundredths of code, close to L*.
    """

    share: float
    half_window: int
    local: bool
    flash_lstar: float = 12.0

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield frames with steady light; note shares, largest gain, flashes and steps."""
        sizes: deque[int] = deque()
        yield from rechunked(self._steadied(singles(frames, sizes), notes), sizes)

    def _steadied(self, pictures: Iterator[Picture], notes: Notes) -> Iterator[Picture]:
        reach = 2 * self.half_window
        held: deque[Picture] = deque()
        path = _Path()
        before: _Small | None = None
        largest = 0.0
        done = 0
        exhausted = False
        while not exhausted or held:
            if not exhausted:
                item = next(pictures, None)
                if item is None:
                    exhausted = True
                else:
                    small = _reduce(item[0])
                    _extend(path, before, small, self.flash_lstar)
                    before = small
                    held.append(item)
            # One frame beyond the window: whether its last frame is a flash shows one later.
            while held and (exhausted or len(path.gains) > done + reach + 1):
                picture, time = held.popleft()
                gain, tiles = self._correction(path, done)
                largest = max(largest, float(np.abs(gain).max()))
                yield _relit(picture, gain, tiles), time
                done += 1
        notes["deflicker.share"] = self.share
        notes["deflicker.largest_gain_pct"] = 100 * float(np.expm1(largest))
        notes["deflicker.flashes_kept"] = float(sum(path.flash))
        notes["deflicker.steps_kept"] = float(path.steps)

    def _correction(
        self, path: _Path, index: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        none = np.zeros(3)
        if path.flash[index]:
            return none, None
        reach = 2 * self.half_window
        last = min(len(path.gains), index + reach + 1)
        near = np.array(
            [
                i
                # Further back costs no frames: only their light is kept.
                for i in range(max(0, index - 2 * reach), last)
                if path.segment[i] == path.segment[index] and not path.flash[i]
            ]
        )
        gains = np.array([path.gains[i] for i in near])
        lit_alike = same_light(gains @ _LUMA, int(np.flatnonzero(near == index)[0]))
        near, gains = near[lit_alike], gains[lit_alike]
        trend = light_trend(near - index, gains, self.half_window)
        if trend is None:
            return none, None
        gain = np.clip(self.share * (trend - path.gains[index]), -MAX_GAIN, MAX_GAIN)
        if not self.local:
            return gain, None
        tiles = np.array([path.tiles[i].ravel() for i in near])
        tile_trend = light_trend(near - index, tiles, self.half_window)
        assert tile_trend is not None
        local = self.share * (tile_trend.reshape(path.tiles[index].shape) - path.tiles[index])
        return gain, np.clip(local, -MAX_LOCAL_GAIN, MAX_LOCAL_GAIN)


def _reduce(picture: NDArray[np.float32]) -> _Small:
    height, width = picture.shape[:2]
    scale = min(1.0, SHORT_PX / min(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    rgb = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    gradient = np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    codes = np.round(np.clip(luma, 0, 1) * 255).astype(np.uint8)
    return _Small(
        rgb=np.asarray(rgb, np.float32),
        # Equalised, so that the flicker itself does not bend the flow.
        equalised=np.asarray(cv2.createCLAHE(2, (4, 4)).apply(codes), np.uint8),
        flat=gradient <= np.percentile(gradient, 70),
    )


def _extend(path: _Path, before: _Small | None, now: _Small, flash_lstar: float) -> None:
    rows, columns = TILES if now.rgb.shape[0] >= now.rgb.shape[1] else TILES[::-1]
    if before is None:
        path.gains.append(np.zeros(3))
        path.tiles.append(np.zeros((rows, columns)))
        path.segment.append(0)
        path.flash.append(False)
        path.jumps.append(0.0)
        return
    ratio, tiles, jump, residual = _change_of_light(before, now, rows, columns)
    segment = path.segment[-1]
    returned = False
    if abs(jump) >= flash_lstar or residual > CUT_RESIDUAL:
        # Up and down again at once: the frame between was a flash, and the light is as before.
        returned = (
            abs(jump) >= flash_lstar
            and len(path.jumps) > 1
            and abs(path.jumps[-1]) >= flash_lstar
            and abs(jump + path.jumps[-1]) < flash_lstar / 2
        )
        if returned:
            path.flash[-1] = True
            segment = path.segment[-2]
            path.segment[-1] = segment
            path.steps -= 1
        else:
            segment += 1
            path.steps += 1
        ratio, tiles = np.zeros(3), np.zeros((rows, columns))
    start = -2 if returned else -1
    path.gains.append(path.gains[start] + ratio)
    path.tiles.append(path.tiles[start] + tiles)
    path.segment.append(segment)
    path.flash.append(False)
    path.jumps.append(jump)


def _change_of_light(
    before: _Small, now: _Small, rows: int, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow = engine.calc(now.equalised, before.equalised, None)  # type: ignore[arg-type]
    height, width = now.flat.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    warped = cv2.remap(
        before.rgb,
        grid + flow,
        None,  # type: ignore[arg-type]
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    change = now.rgb - warped
    usable = now.flat & (np.hypot(flow[..., 0], flow[..., 1]) < MAX_FLOW_PX)
    luma_change = cv2.cvtColor(change, cv2.COLOR_RGB2GRAY)
    if usable.sum() < 64:
        return np.zeros(3), np.zeros((rows, columns)), 0.0, 1.0
    jump = float(np.median(luma_change[usable]))
    residual = float(np.mean(np.abs(luma_change[usable] - jump)))
    logs = np.log(np.maximum(now.rgb, 1e-3)) - np.log(np.maximum(warped, 1e-3))
    low, high = np.minimum(now.rgb, warped), np.maximum(now.rgb, warped)
    # Near black a ratio is noise; near white both frames may be cut off.
    sure = (low > _USABLE[0]) & (high < _USABLE[1]) & usable[..., None]
    ratio = np.zeros(3)
    for channel in range(3):
        values = logs[..., channel][sure[..., channel]]
        if len(values) >= 64:
            ratio[channel] = np.median(values)
    # Of the luma, not of all three channels: saturated colour is near black in one of them.
    light = [np.maximum(picture @ _LUMA.astype(np.float32), 1e-3) for picture in (now.rgb, warped)]
    lit = (np.minimum(*light) > _USABLE[0]) & (np.maximum(*light) < _USABLE[1]) & usable
    tiles = _tile_medians(np.log(light[0] / light[1]), lit, rows, columns)
    tiles -= np.nanmedian(tiles) if np.isfinite(tiles).any() else 0.0
    # A tile without flat places, or where something new came in, says nothing of the light.
    known = np.isfinite(tiles) & (np.abs(tiles) <= MAX_LOCAL_GAIN)
    return ratio, np.where(known, tiles, 0.0), 100 * jump, residual


def _tile_medians(
    values: NDArray[np.float32], sure: NDArray[np.bool_], rows: int, columns: int
) -> NDArray[np.float64]:
    high, wide = max(1, values.shape[0] // rows), max(1, values.shape[1] // columns)
    out = np.full((rows, columns), np.nan)
    for row in range(rows):
        for column in range(columns):
            part = slice(row * high, (row + 1) * high), slice(column * wide, (column + 1) * wide)
            chosen = values[part][sure[part]]
            if len(chosen) >= 32:
                out[row, column] = np.median(chosen)
    return out


def _relit(
    picture: NDArray[np.float32], gain: NDArray[np.float64], tiles: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    if not gain.any() and (tiles is None or not tiles.any()):
        return picture
    height, width = picture.shape[:2]
    local = None
    if tiles is not None:
        local = cv2.resize(
            np.exp(tiles).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
        )
    out = np.empty_like(picture)
    whole = np.exp(gain).astype(np.float32)
    for top in range(0, height, _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        factor = whole if local is None else local[rows, :, None] * whole
        out[rows] = _gained(picture[rows], np.asarray(factor, np.float32))
    return out


def _gained(part: NDArray[np.float32], factor: NDArray[np.float32]) -> NDArray[np.float32]:
    knee = np.float32(SHOULDER)
    out = part * factor
    # Brightened: what would pass white runs into it.
    if factor.max() > 1 and out.max() > knee:
        room, over = 1 - knee, np.maximum(out - knee, 0)
        bend = 1 / room - 1 / np.maximum(factor - knee, room)
        out = np.minimum(out, knee) + over / (1 + bend * over)
    # Darkened: what was cut off at white stays white, or it would turn into flat grey.
    if factor.min() < 1 and part.max() > CLIPPED:
        clipped = np.clip((part - np.float32(CLIPPED)) / np.float32(1 - CLIPPED), 0, 1)
        out += np.where(factor < 1, (1 - out) * clipped, 0)
    return np.clip(out, 0, 1).astype(np.float32, copy=False)


class DeflickerStage:
    """Steady the light of the shots whose flicker was measured above the threshold."""

    name = "deflicker"
    version = 2

    def fit(
        self, shots: Sequence[ShotInput], settings: DeflickerSettings
    ) -> Mapping[ShotId, Deflicker | None]:
        """Give a filter to the shots that flicker.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``measured`` needs ``flick_g``, ``flick_l``, ``flick_c``; a shot where none could be
            measured is left alone.
        settings : DeflickerSettings
            See :func:`removed_share` for what ``strength`` means.

        Returns
        -------
        filters : dict of ShotId to (Deflicker or None)
        """
        filters: dict[ShotId, Deflicker | None] = {}
        for shot in shots:
            read = {n: shot.measured.get(n) or 0.0 for n in ("flick_g", "flick_l", "flick_c")}
            needed = settings.strength > 0 and max(read.values()) > settings.threshold_lstar
            filters[shot.id] = (
                Deflicker(
                    share=removed_share(settings.strength),
                    half_window=settings.window_frames // 2,
                    local=read["flick_l"] > settings.threshold_lstar,
                    flash_lstar=settings.flash_lstar,
                )
                if needed
                else None
            )
        return filters
