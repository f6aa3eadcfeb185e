"""Bring every shot's real resolution into one band: too soft is deconvolved, too crisp is softened.

A generator gives one shot every pixel of the file and the next one half of them, and the cut shows
it more than either shot does. The filter works at the source's size, before the enlargement: what
can be recovered lies below the source's own limit, and a frame has 28 times fewer pixels there.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.measure.noise import noise_sigma
from finishkit.measure.sharpness import MIN_CONFIDENCE, Sharpness, shot_sharpness
from finishkit.settings import SharpenSettings
from finishkit.shots import ShotId
from finishkit.stages import Notes, ShotInput
from finishkit.stages.deconvolve import (
    CORE_CODES,
    CORE_NOISE,
    LUMA,
    Picture,
    along_edges,
    filtered,
    response,
    skin_mask,
    within_neighbours,
    worth,
)

SCENE_OCT: Final = 0.10
"""How far scenes may be meant to differ (``verdict.scales``, spread of ``eff``): the prior against
which the scatter of a scene's shots is weighed."""
USUAL_SCATTER_OCT: Final = 0.28
"""Scatter of shots within a scene where too few shots tell (``verdict.scales``, content)."""
AIM: Final = 0.5
"""Shots outside the band are brought to half of it: the estimate moves by 0.02 to 0.06 octave from
frame to frame, and what is left on the edge would be outside for the next look."""
INSIDE_OCT: Final = 0.03
"""Nothing is aimed nearer to the upper bound than this, for the same reason."""

BLUR_PER_LOSS: Final = ((2.1, 0.46), (2.8, 0.62))
"""Sigma of the blur that is undone, pixels, over ``loss = sqrt(b**-2 - a**-2)`` of the effective
resolution b that a shot has and a that it is brought to (widths add in squares): the second at a
loss of the first, in between by interpolation. Soft shots were mostly enlarged (shrunk and enlarged
by 2.5: 0.46 comes nearest to the clean twin), very soft ones blurred (sigma 1.6: 0.6 to 0.65)."""
WIDER: Final = (1.0, 1.4, 1.9)
WIDEST_PX: Final = 1.75
"""Where the goal is out of reach, the blur is taken to be so many times wider, up to this: beyond,
hair gets a thin outline."""
REGULAR: Final = (1e-3, 1.0)
"""Bounds of the regularisation: the first is a gain of 16, where the blocks and rings of H.264 come
up; the second is none."""
MAX_RAISE_OCT: Final = 0.8
"""No shot is raised by more: what is missing beyond that is not hidden in the picture."""
STEPS: Final = 8
CLOSE_OCT: Final = 0.015
SOFT_SIGMA_PX: Final = (0.2, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a shot's real resolution should lie, octaves of pixels (log2 of ``eff_px``).

    Attributes
    ----------
    centre_oct : float
        Of the scene.
    half_oct : float
        Half width.
    """

    centre_oct: float
    half_oct: float

    @property
    def upper_oct(self) -> float:
        """Nothing is finished crisper than this."""
        return self.centre_oct + self.half_oct

    def goal_oct(self, own_oct: float, strength: float) -> float:
        """Return where a shot is to be brought.

        Parameters
        ----------
        own_oct : float
            Where it is, log2 of ``eff_px``.
        strength : float
            Share of its way to :data:`AIM` of the band, in [0, 1]; 0 leaves it.

        Returns
        -------
        goal_oct : float
            ``own_oct`` when it lies in the band already.
        """
        off = own_oct - self.centre_oct
        if abs(off) <= self.half_oct or strength == 0:
            return own_oct
        aim = self.centre_oct + math.copysign(AIM * self.half_oct, off)
        goal = own_oct + strength * (aim - own_oct)
        return min(goal, self.upper_oct - INSIDE_OCT, own_oct + MAX_RAISE_OCT)


def bands(shots: Sequence[ShotInput], settings: SharpenSettings) -> dict[ShotId, Band]:
    """Work out the band of every shot: its scene's, drawn to the episode's.

    Parameters
    ----------
    shots : sequence of ShotInput
        The whole set; ``measured["eff_px"]`` is read.
    settings : SharpenSettings
        ``target_oct`` and ``band_oct``.

    Returns
    -------
    bands : dict of ShotId to Band
        Of shots that could be measured, where at least three could.

    Notes
    -----
    Scenes differ in colour on purpose, hardly ever in resolution. A scene's median is therefore
    followed by ``t^2 / (t^2 + 1.57 s^2 / n)`` of its distance from the episode's (the posterior
    mean, with ``s`` the scatter of shots within scenes, 1.57/n the variance of a median of n,
    and ``t`` = :data:`SCENE_OCT`).
    """
    known = {s.id: math.log2(e) for s in shots if (e := s.measured.get("eff_px"))}
    if len(known) < 3:
        return {}
    middle = float(np.median(list(known.values())))
    scenes: dict[str, list[float]] = {}
    for shot in shots:
        if shot.id in known:
            scenes.setdefault(shot.scene, []).append(known[shot.id])
    medians = {scene: float(np.median(values)) for scene, values in scenes.items()}
    inside = [
        abs(v - medians[n]) for n, values in scenes.items() if len(values) > 2 for v in values
    ]
    scatter = max(1.4826 * float(np.median(inside)), 0.05) if inside else USUAL_SCATTER_OCT
    centres = {}
    for scene, values in scenes.items():
        share = SCENE_OCT**2 / (SCENE_OCT**2 + 1.57 * scatter**2 / len(values))
        centres[scene] = middle + share * (medians[scene] - middle) + settings.target_oct
    return {
        s.id: Band(centre_oct=centres[s.scene], half_oct=settings.band_oct)
        for s in shots
        if s.id in known
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharpen:
    """Sharpen or soften one shot, all its frames alike.

    Attributes
    ----------
    blur_px : float
        Sigma of the Gaussian that is undone (``regular`` given) or applied (``regular`` 0), pixels
        of the source.
    regular : float
        Regularisation of the inverse: smaller is stronger; 0 softens instead.
    skin_share : float
        Share of the sharpening that skin is given, in [0, 1].
    core_codes : float
        Fine contrast at which half of it is given, see :data:`CORE_CODES`.
    before_oct, goal_oct, after_oct : float
        log2 of ``eff_px`` of the frames it was solved on: as they were, wanted, reached.
    """

    blur_px: float
    regular: float
    skin_share: float
    core_codes: float
    before_oct: float
    goal_oct: float
    after_oct: float

    def __call__(self, frames: Iterator[Frames], notes: Notes) -> Iterator[Frames]:
        """Yield the frames, sharpened or softened; one picture at a time.

        Notes ``sharpen.before_px``, ``sharpen.goal_px`` and ``sharpen.after_px`` (effective pixels
        on the short side), ``sharpen.blur_px`` (negative where it softens) and ``sharpen.gain``
        (the most that any fineness is raised by, as a ratio).
        """
        for chunk in frames:
            notes["sharpen.before_px"] = 2.0**self.before_oct
            notes["sharpen.goal_px"] = 2.0**self.goal_oct
            notes["sharpen.after_px"] = 2.0**self.after_oct
            notes["sharpen.blur_px"] = self.blur_px if self.regular else -self.blur_px
            pictures = chunk.as_float()
            out = np.empty_like(pictures)
            notes["sharpen.gain"] = float(self._response(*pictures.shape[1:3]).max())
            for i, picture in enumerate(pictures):
                out[i] = self.picture(picture)
            yield chunk.with_data(out)

    def picture(self, picture: Picture) -> Picture:
        """Treat one picture.

        Parameters
        ----------
        picture : ndarray, shape (h, w, 3), dtype float32
            R'G'B' in [0, 1], at the size the filter was solved for.

        Returns
        -------
        treated : ndarray, shape (h, w, 3), dtype float32
            In [0, 1]; colour differences as they were.
        """
        # Not as a matrix product: BLAS rounds otherwise for another alignment in memory.
        luma = np.asarray(cv2.transform(picture, LUMA[None]), np.float32)
        luma = luma.reshape(picture.shape[0], picture.shape[1])
        changed = filtered(luma, self._response(*luma.shape)) - luma
        if self.regular:
            changed *= worth(luma, self.core_codes)
            if self.skin_share < 1:
                changed = changed * (1 - skin_mask(picture) * np.float32(1 - self.skin_share))
            limited = within_neighbours(luma, changed.astype(np.float32, copy=False))
            changed = along_edges(luma, limited)
        treated = picture + changed[..., None]
        return np.clip(treated, 0, 1, out=treated).astype(np.float32, copy=False)

    def _response(self, height: int, width: int) -> NDArray[np.float32]:
        return response(height, width, self.blur_px, self.regular)


def solve_sharpen(
    frames: NDArray[np.uint8], band: Band, settings: SharpenSettings
) -> Sharpen | None:
    """Find the filter that brings a shot into its band, by trying it on the shot.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w, 3), dtype uint8
        A few whole frames at the size the filter will see, best those that
        :func:`finishkit.measure.sampling.picks` names.
    band : Band
        Of this shot.
    settings : SharpenSettings
        ``strength`` and ``skin_share``.

    Returns
    -------
    sharpen : Sharpen or None
        ``None`` when the shot lies in its band, or cannot be judged.

    Notes
    -----
    Closed loop: each candidate is applied and :func:`finishkit.measure.sharpness.shot_sharpness`
    read again, by bisection on the regularisation, or on the blur where the shot is softened. A
    goal that cannot be reached within :data:`REGULAR` is left short of, never overshot.
    """
    lumas = _lumas(frames)
    own = _told(lumas)
    if own is None:
        return None
    pixels_oct = math.log2(min(frames.shape[1:3]))
    own_oct = own.log2_r + pixels_oct
    goal_oct = band.goal_oct(own_oct, settings.strength)
    if abs(goal_oct - own_oct) < CLOSE_OCT:
        return None
    noise = [n for luma in lumas if (n := noise_sigma(luma)) is not None]
    softens = goal_oct < own_oct
    start = Sharpen(
        blur_px=0.0,
        regular=0.0 if softens else REGULAR[1],
        skin_share=settings.skin_share,
        core_codes=max(CORE_CODES, CORE_NOISE * float(np.median(noise or [0.0]))),
        before_oct=own_oct,
        goal_oct=goal_oct,
        after_oct=own_oct,
    )
    pictures = frames.astype(np.float32) / np.float32(255)

    def tried(made: Sharpen) -> Sharpen:
        seen = _told(_lumas(np.round([made.picture(p) * 255 for p in pictures]).astype(np.uint8)))
        return made if seen is None else replace(made, after_oct=seen.log2_r + pixels_oct)

    if softens:
        low, high = (math.log2(px) for px in SOFT_SIGMA_PX)
        return _bisected(lambda knob: tried(replace(start, blur_px=2.0**knob)), low, high)
    lost = math.sqrt(own.r**-2 - 2.0 ** (2 * (pixels_oct - goal_oct)))
    losses, factors = zip(*BLUR_PER_LOSS, strict=True)
    usual_px = lost * float(np.interp(lost, losses, factors))
    low, high = (-math.log2(end) for end in reversed(REGULAR))
    found = start
    for wider in WIDER:
        blur_px = max(usual_px, min(usual_px * wider, WIDEST_PX))
        wide = replace(start, blur_px=blur_px)
        found = tried(replace(wide, regular=2.0**-high))
        if found.after_oct > goal_oct:
            return _bisected(lambda knob, w=wide: tried(replace(w, regular=2.0**-knob)), low, high)
        if found.after_oct > goal_oct - CLOSE_OCT or blur_px * wider >= WIDEST_PX:
            break
    return found


def _bisected(tried: Callable[[float], Sharpen], low: float, high: float) -> Sharpen:
    """Return what comes nearest to its goal; ``tried`` does more for a higher knob."""
    best: Sharpen | None = None
    for _ in range(STEPS):
        knob = (low + high) / 2
        made = tried(knob)
        left = abs(made.goal_oct - made.after_oct)
        if best is None or left < abs(best.goal_oct - best.after_oct):
            best = made
        if left < CLOSE_OCT:
            break
        past = (made.after_oct > made.goal_oct) == (made.goal_oct > made.before_oct)
        low, high = (low, knob) if past else (knob, high)
    assert best is not None
    return best


def _told(lumas: list[NDArray[np.uint8]]) -> Sharpness | None:
    seen = shot_sharpness(lumas)
    return seen if seen is not None and seen.confidence >= MIN_CONFIDENCE else None


def _lumas(frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [np.asarray(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), np.uint8) for f in frames]


class SharpenStage:
    """Bring every shot into its scene's band, by the filters that were solved on the shots."""

    name = "sharpen"
    version = 1

    def fit(
        self,
        shots: Sequence[ShotInput],
        settings: SharpenSettings,
        *,
        solved: Mapping[ShotId, Sharpen | None],
    ) -> Mapping[ShotId, Sharpen | None]:
        """Return a filter a shot.

        Parameters
        ----------
        shots : sequence of ShotInput
            The whole set.
        settings : SharpenSettings
            Those that ``solved`` was solved with.
        solved : Mapping of ShotId to (Sharpen or None)
            What :func:`solve_sharpen` found for the shots to which :func:`bands` gives a band.

        Returns
        -------
        filters : Mapping of ShotId to (Sharpen or None)
            ``None`` where a shot lies in its band or cannot be judged.
        """
        off = settings.strength == 0
        return {shot.id: None if off else solved.get(shot.id) for shot in shots}
