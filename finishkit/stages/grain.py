"""One grain over the whole set: what is too noisy is cleaned first, what lacks grain gets it last.

Shots of one episode come with the noise of whichever net made them, and enlarging smooths or
coarsens it. A common fine grain, put on after the grade and at the master's size, ties them
together, and hides the banding of smooth nets besides.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.noise import noise_sigma
from finishkit.settings import GrainSettings
from finishkit.shots import ShotId
from finishkit.stages import DeviceFilter, Notes, ShotInput

Picture = NDArray[np.float32]

LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
GRAIN_PX: Final = 0.65
"""Blur of the grain at a short side of 2160, pixels: neighbours correlate by 0.49, the next not."""
WHOLE_PX: Final = 4.0
"""Waves longer than this are taken out of the grain: no place becomes lighter or darker by it."""
MASTER_PX: Final = 2160
SHIFT_PX: Final = 256
"""Every frame shows the one field of grain from another place, so much larger is the field."""
ROUNDING: Final = 0.33
"""What it reads of a picture without noise, rounded to 8 bits (facts 5)."""
EXTREMES: Final = 0.8
"""Share of the grain that black and white do without, falling to nothing at mid grey as the square
of the distance: film has little there, and clipped grain would change their mean."""
STRIP_ROWS: Final = 32
"""Rows a step: what is made on the way stays in the processor's cache."""

FINE_PX: Final = (1.0, 2.0)
"""Blurs between which noise is looked for when it is lowered."""
LOCAL_PX: Final = 2.5
SIGNAL: Final = 1.5
"""A place whose fine structure has this many times the power of the noise holds detail, and is
left alone by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """Add grain to one shot, as much as it lacks.

    Attributes
    ----------
    shot : str
        Its id: two shots never show the same grain.
    sigma_codes : float
        Of the grain that the finished picture shall have, 8-bit codes of luma.
    strength : float
        Share of what is lacking that is added, in [0, 1].
    """

    shot: str
    sigma_codes: float
    strength: float

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames with grain; a chunk a chunk.

        What a shot has of its own is read from its first frame that can be judged (before it all
        is black or white, where hardly any grain is shown), once: the amount never changes.

        Notes ``grain.own_codes``, ``grain.added_codes``.
        """
        own: float | None = None
        for chunk in frames:
            pictures = chunk.as_float()
            out = np.empty_like(pictures)
            for picture, into, pts_s in zip(pictures, out, chunk.pts_s, strict=True):
                if own is None:
                    own = own_grain(picture)
                self._add(picture, self.added_codes(own, notes), float(pts_s), into)
            yield chunk.with_data(out)

    def on_device(self, device: str, notes: Notes) -> DeviceFilter:
        """Return the same treatment for frames on a device."""
        from finishkit.stages.device_twins import GrainOnDevice

        return GrainOnDevice(self, device, notes)

    def added_codes(self, own: float | None, notes: Notes) -> float:
        """Return how much grain a shot is given that has so much of its own; note both."""
        lacking = max(self.sigma_codes**2 - (own or 0.0) ** 2, 0.0) ** 0.5
        added = self.strength * lacking
        notes["grain.own_codes"], notes["grain.added_codes"] = own or 0.0, added
        return added

    def place(self, pts_s: float) -> tuple[int, int, bool, bool]:
        """Return from where a frame's grain is cut, top and left, and which way it is turned."""
        # A seed of its own for every frame: no frame needs the one before, so neither the chunks
        # nor the place where a run was taken up again can be seen in the picture.
        seed = (zlib.crc32(self.shot.encode()), round(pts_s * 1e6) % 2**32)
        top, left, turn = np.random.default_rng(seed).integers(0, (SHIFT_PX, SHIFT_PX, 4))
        return int(top), int(left), bool(turn & 1), bool(turn & 2)

    def _add(self, picture: Picture, codes: float, pts_s: float, into: Picture) -> None:
        height, width = picture.shape[:2]
        top, left, upside_down, mirrored = self.place(pts_s)
        field = grain_field(height, width)[top : top + height, left : left + width]
        field = field[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
        shape = np.array([[*(2 * LUMA), -1]], np.float32) * np.float32(
            np.sqrt(EXTREMES * codes / 255)
        )
        for start in range(0, height, STRIP_ROWS):
            rows = slice(start, start + STRIP_ROWS)
            part = picture[rows]
            shown = np.asarray(cv2.transform(part, shape)).reshape(part.shape[:2])
            shown *= shown
            np.subtract(np.float32(codes / 255), shown, out=shown)
            shown *= field[rows]
            grainy = np.asarray(cv2.add(part, cv2.merge((shown, shown, shown)), dst=into[rows]))
            np.clip(grainy, 0, 1, out=grainy)


@lru_cache(maxsize=2)
def grain_field(height: int, width: int) -> NDArray[np.float32]:
    """Return grain of standard deviation 1, without waves longer than :data:`WHOLE_PX`."""
    size = (height + SHIFT_PX, width + SHIFT_PX)
    white = np.random.default_rng(2160).standard_normal(size, dtype=np.float32)
    blur_px = _blur_px(height, width)
    grain = cv2.GaussianBlur(white, (0, 0), blur_px) if blur_px else white
    grain = grain - cv2.GaussianBlur(white, (0, 0), WHOLE_PX)
    grain /= np.float32(grain.std())
    grain.flags.writeable = False
    return grain


def _blur_px(height: int, width: int) -> float:
    blur_px = GRAIN_PX * min(height, width) / MASTER_PX
    return blur_px if blur_px > 0.3 else 0.0


@lru_cache(maxsize=4)
def _reads_as(blur_px: float) -> float:
    """Return what ``noise_sigma`` reads of grain of 1 code: it looks at the finest waves only."""
    white = np.random.default_rng(0).standard_normal((512, 512), dtype=np.float32)
    grain = cv2.GaussianBlur(white, (0, 0), blur_px) if blur_px else white
    grain = (grain - cv2.GaussianBlur(white, (0, 0), WHOLE_PX)) * 8
    read = noise_sigma(np.round(128 + grain).clip(0, 255).astype(np.uint8))
    assert read is not None
    return read / float(grain.std())


def own_grain(picture: Picture) -> float | None:
    """Read the grain of a finished picture.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype float32
        R'G'B' in [0, 1].

    Returns
    -------
    sigma : float or None
        Standard deviation in 8-bit codes of luma, of grain as fine as is added here; None where
        all is black or white.
    """
    codes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) * np.float32(255)
    read = noise_sigma(np.round(codes).clip(0, 255).astype(np.uint8))
    if read is None:
        return None
    return max(read**2 - ROUNDING**2, 0.0) ** 0.5 / _reads_as(_blur_px(*codes.shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """Lower the noise of one shot's luma, at the source's size, before it is sharpened.

    Attributes
    ----------
    noise_codes : float
        Of the source, as ``noise_sigma`` measures it.
    share : float
        Of the noise that is taken out, in [0, 1].
    """

    noise_codes: float
    share: float

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames, cleaner; one picture at a time.

        Notes ``grain.cleaned_from_codes`` and ``grain.cleaned_share``.
        """
        for chunk in frames:
            notes["grain.cleaned_from_codes"] = self.noise_codes
            notes["grain.cleaned_share"] = self.share
            pictures = chunk.as_float()
            out = np.empty_like(pictures)
            for picture, into in zip(pictures, out, strict=True):
                light = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
                taken = self._noise_of(light * np.float32(255)) * np.float32(self.share / 255)
                np.clip(picture - taken[..., None], 0, 1, out=into)
            yield chunk.with_data(out)

    def _noise_of(self, codes: Picture) -> Picture:
        """Return what of a picture's fine structure is no more than its noise."""
        noise = np.zeros_like(codes)
        rest = codes
        for blur_px in FINE_PX:
            smooth = cv2.GaussianBlur(codes, (0, 0), blur_px)
            fine = rest - smooth
            power = cv2.GaussianBlur(fine * fine, (0, 0), LOCAL_PX)
            level = np.float32(_white_power(blur_px, FINE_PX) * self.noise_codes**2)
            excess = np.maximum(power / level - 1, 0) / np.float32(SIGNAL - 1)
            noise += fine / (1 + excess * excess)
            rest = smooth
        return noise


@lru_cache(maxsize=4)
def _white_power(blur_px: float, blurs: tuple[float, ...]) -> float:
    """Return the power of white noise of sigma 1 between this blur and the one before."""
    dot = np.zeros((65, 65), np.float32)
    dot[32, 32] = 1
    before = [b for b in blurs if b < blur_px]
    finer = cv2.GaussianBlur(dot, (0, 0), before[-1]) if before else dot
    return float(((finer - cv2.GaussianBlur(dot, (0, 0), blur_px)) ** 2).sum())


class GrainStage:
    """Give the set one grain."""

    name = "grain"
    version = 1

    def fit(
        self, shots: Sequence[ShotInput], settings: GrainSettings
    ) -> Mapping[ShotId, Grain | None]:
        """Return the last filter of every shot.

        Parameters
        ----------
        shots : sequence of ShotInput
            The whole set.
        settings : GrainSettings
            ``sigma_codes`` and ``strength``.

        Returns
        -------
        filters : Mapping of ShotId to (Grain or None)
            ``None`` where no grain is wanted.
        """
        if settings.strength == 0 or settings.sigma_codes == 0:
            return {shot.id: None for shot in shots}
        return {
            shot.id: Grain(
                shot=shot.id, sigma_codes=settings.sigma_codes, strength=settings.strength
            )
            for shot in shots
        }

    def clean(
        self, shots: Sequence[ShotInput], settings: GrainSettings
    ) -> Mapping[ShotId, Clean | None]:
        """Return the filter that every shot is cleaned by, before all else of the render pass.

        Parameters
        ----------
        shots : sequence of ShotInput
            ``measured["noise_sigma"]`` is read.
        settings : GrainSettings
            A shot noisier than ``sigma_codes`` is brought there, by at most ``denoise`` of its
            noise, times ``strength``.

        Returns
        -------
        filters : Mapping of ShotId to (Clean or None)
            ``None`` where a shot is clean enough, or its noise is unknown.
        """
        found: dict[ShotId, Clean | None] = {}
        for shot in shots:
            noise = shot.measured.get("noise_sigma")
            share = 0.0
            if noise is not None and noise > max(settings.sigma_codes, QUIET_CODES):
                share = settings.strength * min(settings.denoise, 1 - settings.sigma_codes / noise)
            found[shot.id] = Clean(noise_codes=noise, share=share) if noise and share else None
        return found


QUIET_CODES: Final = 0.8
"""Noise below this is not seen, and cleaning would only flatten what is there."""
