"""Flicker: brightness and colour that jump from frame to frame, with motion taken out."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SHORT_PX: Final = 270
"""Short side at which flicker is measured."""
MAX_FRAMES: Final = 48
"""Consecutive frames looked at: 48 tell 0.5 % of gain."""
MIN_FRAMES: Final = 6
MIN_SIDE_PX: Final = 32
"""Smaller pictures have nothing to follow."""
MAX_RESIDUAL: Final = 30.0
"""Mean squared L* left after motion is taken out, above which the motion was not found."""
MAX_FLOW_PX: Final = 25.0
LIGHT: Final = (25.0, 97.0)
"""L* of the places looked at. Darker, 2 % of light is less than one code, and encoders leave it
out; lighter, it is clipped."""
LIGHT_SHARE: Final = 0.08
"""Of the picture, the lightest, where less is that light."""
FLAT_SHARE: Final = 0.5
"""Of those places, the flattest: errors of the motion show there least."""
TILES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Flicker:
    """Standard deviation of frame-to-frame flicker in L* (``chroma``: a*b*) units.

    Attributes
    ----------
    whole : float or None
        Of the whole picture.
    local : float or None
        Of 8x8 tiles against the whole.
    chroma : float or None
        Of the colour of the whole picture.
    residual : float or None
        Mean squared L* left in flat places after motion and one gain and offset a frame are taken
        out.
    """

    whole: float | None = None
    local: float | None = None
    chroma: float | None = None
    residual: float | None = None


def _ranked(values: NDArray[np.float32], share: float) -> float:
    # One partition: np.percentile looks for NaN as well and takes ten times as long.
    place = min(len(values) - 1, int(len(values) * share))
    return float(np.partition(values, place)[place])


def _warped(
    picture: NDArray[np.float32], flow: NDArray[np.float32], grid: NDArray[np.float32]
) -> NDArray[np.float32]:
    where = grid + flow
    return cv2.remap(  # type: ignore[return-value]
        picture, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def _middle(values: NDArray[np.float32]) -> float:
    # The mean of the middle half: as robust as the median, and not bound to whole codes, where the
    # change of most pixels is none at all.
    low, high = len(values) // 4, max(len(values) // 4 + 1, 3 * len(values) // 4)
    return float(np.partition(values, (low, high - 1))[low:high].mean())


def _tile_middles(residual: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    # Sorted once with the unusable pixels last, then summed up to both quarters.
    rows, columns = residual.shape[0] // TILES, residual.shape[1] // TILES
    cut = np.where(usable, residual, np.inf)[: rows * TILES, : columns * TILES]
    tiles = cut.reshape(TILES, rows, TILES, columns).swapaxes(1, 2).reshape(TILES**2, -1)
    tiles = np.sort(tiles, axis=1)
    known = np.isfinite(tiles)
    count = known.sum(axis=1)
    sums = np.cumsum(np.where(known, tiles, 0), axis=1, dtype=np.float64)
    low, high = (np.maximum(1, count * share // 4) for share in (1, 3))
    inner = np.take_along_axis(sums, np.stack([low, high], axis=1) - 1, axis=1)
    middle = (inner[:, 1] - inner[:, 0]) / np.maximum(1, high - low)
    return np.where(count >= 16, middle, np.nan)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Standard deviation with the outer 15 % drawn in, so that a flash or a pair badly followed does
    # not count; 1.152 makes it that of normal values. The median deviation lost half of it where
    # an encoder had dropped every other change.
    apart = np.abs(values - np.median(values, axis=0))
    drawn_in = np.minimum(apart, np.percentile(apart, 85, axis=0))
    return 1.152 * np.sqrt((drawn_in**2).mean(axis=0))


def flicker(frames: NDArray[np.uint8]) -> Flicker:
    """Measure flicker over consecutive frames.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w, 3), dtype uint8
        R'G'B', full range, short side about 270 px, repeats left out. At most 48 are used.

    Returns
    -------
    flicker : Flicker
        All None with fewer than six frames, or below 32 px; ``residual`` alone when motion could
        not be followed.

    Notes
    -----
    DIS flow on equalised luma, so that flicker does not bend the flow; the previous frame's Lab is
    warped; what remains on the flattest half of the light places (L* of 25 to 97), with less than
    25 px of flow, is the change of light: the mean of its middle half. Its second difference over
    time, divided by sqrt(6), cancels fades and reads the standard deviation of white flicker
    (facts 5). Measured on 14 AI and real clips: gain of 1/2/4 % encoded at CRF 12 reads a median
    of 0.4/0.9/1.7 L*, clean clips 0 to 0.11; at CRF 23 the encoder leaves about two thirds of it.
    """
    frames = frames[:MAX_FRAMES]
    if len(frames) < MIN_FRAMES or min(frames.shape[1:3]) < MIN_SIDE_PX:
        return Flicker()
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    equalise = cv2.createCLAHE(2, (4, 4))
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)

    light, colour, tiles, residuals = [], [], [], []
    before: tuple[NDArray[np.float32], NDArray[np.uint8]] | None = None
    for frame in frames:
        lab = cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
        luma = equalise.apply(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        if before is not None:
            flow = engine.calc(luma, before[1], None)  # type: ignore[arg-type]
            change = cv2.split(lab - _warped(before[0], flow, grid))  # type: ignore[arg-type]
            usable = _flat(lab[..., 0]) & (cv2.magnitude(*cv2.split(flow)) < MAX_FLOW_PX)
            if usable.sum() < usable.size // 100:
                return Flicker(residual=None)
            chosen = [plane[usable] for plane in change]
            middle = [_middle(plane) for plane in chosen]
            light.append(middle[0])
            colour.append(middle[1:])
            tiles.append(_tile_middles(change[0], usable))  # type: ignore[arg-type]
            residuals.append(_unexplained(chosen[0], lab[..., 0][usable]))
        before = lab, luma  # type: ignore[assignment]
    residual = float(np.median(residuals))
    followed = np.array(residuals) <= MAX_RESIDUAL
    # Pair by pair: a hard cut inside the clip spoils two differences, not the measurement.
    usable_pairs = followed[:-1] & followed[1:]
    if usable_pairs.sum() < max(4, len(usable_pairs) // 2):
        return Flicker(residual=residual)

    def second(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        series = np.array(values, np.float64)
        return ((series[:-1] - series[1:]) / np.sqrt(6))[usable_pairs]

    return Flicker(
        whole=float(_spread(second(light))),
        chroma=float(np.hypot(*_spread(second(colour)))),
        local=_local(second(tiles)),
        residual=residual,
    )


def _flat(light: NDArray[np.float32]) -> NDArray[np.bool_]:
    lowest = min(LIGHT[0], _ranked(light.ravel(), 1 - LIGHT_SHARE))
    lit = (light >= lowest) & (light <= LIGHT[1])
    if lit.sum() < light.size // 20:
        lit = np.ones(light.shape, bool)
    gradient = np.abs(cv2.Sobel(light, cv2.CV_32F, 1, 0))
    gradient += np.abs(cv2.Sobel(light, cv2.CV_32F, 0, 1))
    # At or below, not below: where more than this share is quite flat the limit is zero.
    return lit & (gradient <= _ranked(gradient[lit], FLAT_SHARE))


def _unexplained(change: NDArray[np.float32], light: NDArray[np.float32]) -> float:
    # Without what one gain and offset explain: strong flicker must not read as motion not found.
    spread = float(light.var())
    centred = change - change.mean()
    slope = float((centred * (light - light.mean())).mean()) / spread if spread > 1e-6 else 0.0
    return float(np.mean((centred - slope * (light - light.mean())) ** 2))


def _local(tile: NDArray[np.float64]) -> float | None:
    seen = np.isfinite(tile)
    # Tiles that are flat in most frames only; masked arrays skip the rest without warnings.
    tile, seen = tile[:, seen.mean(axis=0) >= 0.6], seen[:, seen.mean(axis=0) >= 0.6]
    if tile.shape[1] < 4:
        return None
    masked = np.ma.masked_array(tile, ~seen)
    against = masked - np.ma.median(masked, axis=1, keepdims=True)
    return float(np.median(np.ma.filled(against.std(axis=0), np.nan)))
