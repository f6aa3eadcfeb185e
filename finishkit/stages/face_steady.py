"""The same from frame to frame: residuals carried along the flow, and flicker measured along it."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.stages import face_crop
from finishkit.stages.face_crop import Picture

KEEP = 0.6
"""Share of the frame before, carried along the flow, where the flow explains the face."""

CHANGED = 0.03
"""Brightness left unexplained, averaged over 5 x 5 px, at which a place counts as changed."""

CHANGED_SHARE = 0.25
"""Of the residual, where the face changed: there the eye sees motion, and structure flickers."""

CALM = 0.5
"""Of the grain that differs from the frame before: taken out with the residual, so that definition
does not raise flicker. Measured on ep01 at 0.6: face flicker out/in 1.05 to 1.17 without, 0.94 to
1.06 with it."""

MIN_IN = (0.1 / 255) ** 2
"""Flicker energy below which a face is still: no ratio is taken of nothing."""


def _codes(luma: Picture) -> NDArray[np.uint8]:
    return np.round(luma * np.float32(255)).astype(np.uint8)


def flow(now: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return where each pixel of a crop lies in another.

    Parameters
    ----------
    now, other : ndarray, shape (side, side), dtype uint8
        Luma.

    Returns
    -------
    flow : ndarray, shape (side, side, 2), dtype float32
    """
    # Made anew each time: it holds buffers, and two threads may be at work.
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(engine.calc(now, other, None), np.float32)  # type: ignore[call-overload]


def carried(planes: Picture, along: NDArray[np.float32]) -> Picture:
    """Bring planes of another crop to where the flow says they are now.

    Parameters
    ----------
    planes : ndarray, shape (side, side) or (side, side, k), k at most 4, dtype float32
        Of the other crop.
    along : ndarray, shape (side, side, 2), dtype float32
        From :func:`flow`.

    Returns
    -------
    planes : ndarray, dtype float32
        Of the same shape.
    """
    side_px = along.shape[0]
    y, x = np.mgrid[0:side_px, 0:side_px].astype(np.float32)
    moved = cv2.remap(
        planes,
        x + along[..., 0],
        y + along[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32).reshape(planes.shape)


@dataclass(slots=True, kw_only=True, eq=False)
class Memory:
    """What a track remembers of the frame before.

    Attributes
    ----------
    luma : ndarray, shape (side, side)
        Of the crop.
    calm : ndarray, shape (side, side, 3)
        The crop, averaged along the flow.
    residual : ndarray, shape (side, side, 1 or 3)
        As it was used.
    """

    luma: Picture
    calm: Picture
    residual: Picture


def calmed(
    crop: Picture, before: Memory | None
) -> tuple[Picture, Picture, NDArray[np.float32] | None]:
    """Average a crop with those before it, along the flow, where the flow explains it.

    Parameters
    ----------
    crop : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
        Of this frame.
    before : Memory or None
        Of the frame before.

    Returns
    -------
    calm : ndarray, shape (side, side, 3), dtype float32
    same : ndarray, shape (side, side, 1), dtype float32
        How far the flow explains the face, 0 to 1.
    along : ndarray or None
        The flow to the frame before.
    """
    if before is None:
        return crop, np.zeros((*crop.shape[:2], 1), np.float32), None
    luma = np.asarray(crop @ face_crop.LUMA, np.float32)
    along = flow(_codes(luma), _codes(before.luma))
    old = carried(np.dstack([before.calm, before.luma]), along)
    change = cv2.blur(np.abs(luma - old[..., 3]), (5, 5)) / np.float32(CHANGED)
    same = np.exp(-change * change).astype(np.float32)[..., None]
    keep = np.float32(KEEP) * same
    return (keep * old[..., :3] + (1 - keep) * crop).astype(np.float32), same, along


def steadied(
    crop: Picture,
    calm: Picture,
    raw: Picture,
    before: Memory | None,
    same: Picture,
    along: NDArray[np.float32] | None,
) -> tuple[Picture, Memory]:
    """Blend a residual with the one before, carried along the flow.

    Parameters
    ----------
    crop, calm : ndarray, shape (side, side, 3), dtype float32
        This frame's, and its average from :func:`calmed`.
    raw : ndarray, shape (side, side, 1 or 3), dtype float32
        The engine's residual.
    before : Memory or None
        Of the frame before.
    same, along : ndarray
        From :func:`calmed`.

    Returns
    -------
    residual : ndarray, shape (side, side, 1 or 3), dtype float32
        To be added to ``crop``, calming included.
    memory : Memory
        For the next frame.
    """
    luma = np.asarray(crop @ face_crop.LUMA, np.float32)
    if before is None or along is None:
        return raw, Memory(luma=luma, calm=calm, residual=raw)
    keep = np.float32(KEEP) * same
    now = raw * (np.float32(CHANGED_SHARE) + np.float32(1 - CHANGED_SHARE) * same)
    blended = (keep * carried(before.residual, along) + (1 - keep) * now).astype(np.float32)
    grain = ((calm - crop) @ face_crop.LUMA)[..., None]
    residual = (blended + np.float32(CALM) * same * grain).astype(np.float32)
    return residual, Memory(luma=luma, calm=calm, residual=blended)


@dataclass(slots=True, kw_only=True, eq=False)
class FlickerMeter:
    """Flicker of one face going in and coming out, while the frames pass.

    At each frame the neighbours' crops are carried along the flow of what went in, for both sides
    alike, and ``f = (before - 2 now + after) / sqrt(6)`` is taken pixel by pixel: for independent
    noise its standard deviation, for uniform change of light nothing. All pixels of the inner face
    count, the eyes and the mouth too: this is stricter than the shot's ``flick_g``, which looks at
    medians over flat places.

    Attributes
    ----------
    energy_in, energy_out : float
        Sums of the mean square over the face, R'G'B' luma in [0, 1].
    frames : int
        Frames judged.
    """

    energy_in: float = 0.0
    energy_out: float = 0.0
    frames: int = 0
    _held: list[tuple[Picture, Picture]] = field(default_factory=list)

    def see(self, crop_in: Picture, crop_out: Picture) -> None:
        """Take the next frame's aligned crops.

        Parameters
        ----------
        crop_in, crop_out : ndarray, shape (side, side, 3), dtype float32, in [0, 1]
            Of one place, before and after treatment.
        """
        lumas = tuple(np.asarray(c @ face_crop.LUMA, np.float32) for c in (crop_in, crop_out))
        self._held.append(lumas)  # type: ignore[arg-type]
        if len(self._held) < 3:
            return
        (a, _), (b, _), (c, _) = self._held
        now = _codes(b)
        ways = flow(now, _codes(a)), flow(now, _codes(c))
        pairs = [np.dstack(self._held[i]) for i in (0, 2)]
        before, after = (carried(pair, way) for pair, way in zip(pairs, ways, strict=True))
        second = (before - 2 * np.dstack(self._held[1]) + after) / np.float32(np.sqrt(6))
        inside = face_crop.oval(b.shape[0]) > 0.5
        energy = (second[inside] ** 2).mean(axis=0)
        self.energy_in += float(energy[0])
        self.energy_out += float(energy[1])
        self.frames += 1
        del self._held[0]

    def gap(self) -> None:
        """Forget the frames before: the face was not there."""
        self._held.clear()

    @property
    def ratio(self) -> float:
        """Flicker out over flicker in; 1 where next to nothing went in and came out."""
        floor = MIN_IN * max(self.frames, 1)
        return float(np.sqrt((self.energy_out + floor) / (self.energy_in + floor)))
