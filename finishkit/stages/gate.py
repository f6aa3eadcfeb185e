"""Do no harm: what went into a stage against what came out, measured while the frames pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import Frames
from finishkit.values import Value

WIDTH_PX: Final = 160
"""Width at which frames are compared."""

GRID: Final = (16, 9)
"""Rows and columns of the low-frequency colour of an upright picture; turned for a wide one."""

BLACK: Final = 0.02
"""A frame of a lower mean code shows nothing."""

STILL_CODES: Final = 0.4
MOVING_CODES: Final = 2.0
"""A pair that moved by the second, in 8-bit codes, and now by less than the first, was frozen."""


class NoteLimit(Value):
    """A bound on something that a stage notes of itself, such as a change of identity.

    Attributes
    ----------
    note : str
        Its name among the notes; a shot without it is not judged by it.
    name : str
        Of the check, for the report.
    limit : float
    limit_note : str
        A note that takes the limit's place, where the stage knows it in a better unit.
    text : str
        Sentence for the report, with ``{value}`` where the figure goes.
    """

    note: str
    name: str
    limit: float
    limit_note: str = ""
    text: str


class GateLimits(Value):
    """What a stage may change.

    Attributes
    ----------
    flicker_ratio : float
        Flicker out over flicker in.
    flicker_floor_lstar : float
        Added to that limit, so that next to nothing may become twice next to nothing.
    colour_de : float or None
        Change of low-frequency colour, dE76, averaged over the shot; None for stages that are
        there to change colour.
    retimes : bool
        The stage changes the rate: frames are compared with those shown at their time, and frozen
        ones are not looked for, since a repeat is what is fallen back to.
    moves : bool
        The stage moves what is shown: colour is compared over the whole picture, not place by
        place (a freeze of nine frames that moves again shifts places by 2.5 dE), and a picture that
        stands still at last was meant to.
    noted : tuple of NoteLimit
        What the stage measures itself while it runs.
    """

    flicker_ratio: float = 1.05
    flicker_floor_lstar: float = 0.05
    colour_de: float | None = 2.0
    retimes: bool = False
    moves: bool = False
    noted: tuple[NoteLimit, ...] = ()


class GateResult(Value):
    """One check of one stage on one shot.

    Attributes
    ----------
    name : str
        ``frames``, ``times``, ``finite``, ``black``, ``frozen``, ``flicker`` or ``colour``, or that
        of a :class:`NoteLimit`.
    before, after, limit : float
        ``after`` may not be above ``limit`` (``frames``: may not differ from it).
    passed : bool
    text : str
        One sentence for the report.
    """

    name: str
    before: float
    after: float
    limit: float
    passed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateReading:
    """What one side of a gate has seen.

    Attributes
    ----------
    pts_s : ndarray, shape (n,), dtype float64
    mean : ndarray, shape (n,), dtype float64
        Mean luma code, 0 to 1.
    lab : ndarray, shape (n, rows * columns, 3), dtype float32
        Mean CIE Lab of each cell.
    change : ndarray, shape (n - 1,), dtype float64
        95th percentile of the difference to the next frame after the best common gain and offset,
        8-bit codes: motion, not light.
    unfinite : int
        Frames with a value that is no finite number.
    """

    pts_s: NDArray[np.float64]
    mean: NDArray[np.float64]
    lab: NDArray[np.float32]
    change: NDArray[np.float64]
    unfinite: int

    @property
    def flicker_lstar(self) -> float:
        """Second difference of L* over time, median over cells and deviation over frames."""
        light = self.lab[..., 0]
        if len(light) < 3:
            return 0.0
        second = (light[2:] - 2 * light[1:-1] + light[:-2]) / np.sqrt(6)
        return float(np.median(np.sqrt(np.mean(second**2, axis=0))))

    def same_times(self, other: "GateReading") -> bool:
        """Return whether the other side shows as many frames at the same times."""
        same = len(self.pts_s) == len(other.pts_s)
        return same and bool(np.allclose(self.pts_s, other.pts_s, rtol=0, atol=1e-9))

    def shown_at(self, pts_s: NDArray[np.float64]) -> "GateReading":
        """Return the reading as it would be at other times: the frame shown then, again or not."""
        if not len(self.pts_s):
            return self
        shown = np.clip(np.searchsorted(self.pts_s, pts_s + 1e-6, side="right") - 1, 0, None)
        return GateReading(
            pts_s=pts_s,
            mean=self.mean[shown],
            lab=self.lab[shown],
            change=np.zeros(max(0, len(pts_s) - 1)),
            unfinite=self.unfinite,
        )


def compared_px(width: int, height: int) -> tuple[int, int]:
    """Return the size (width, height) at which frames of a size are compared."""
    return WIDTH_PX, max(1, round(height * WIDTH_PX / width))


@dataclass(slots=True, eq=False)
class _Watch:
    pts: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    lab: list[NDArray[np.float32]] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    unfinite: int = 0
    before: NDArray[np.float32] | None = None

    def see(self, chunk: Frames) -> None:
        for i in range(len(chunk)):
            picture = chunk.data[i]
            size = compared_px(picture.shape[1], picture.shape[0])
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
            if picture.dtype == np.uint8:
                small /= 255
            self.see_small(small, float(chunk.pts_s[i]))

    def see_small(self, small: NDArray[np.float32], pts_s: float) -> None:
        self.pts.append(pts_s)
        # An average over every pixel: one bad value anywhere shows here.
        if not np.isfinite(small).all():
            self.unfinite += 1
            small = np.nan_to_num(small, nan=0.0, posinf=1.0, neginf=0.0)
        small = np.clip(small, 0, 1)
        rows, columns = GRID if small.shape[0] >= small.shape[1] else GRID[::-1]
        cells = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_AREA)
        self.lab.append(np.asarray(cv2.cvtColor(cells, cv2.COLOR_RGB2LAB), np.float32))
        luma = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
        self.mean.append(float(luma.mean()))
        if self.before is not None:
            self.change.append(_motion(self.before, luma))
        self.before = luma

    def reading(self) -> GateReading:
        return GateReading(
            pts_s=np.array(self.pts),
            mean=np.array(self.mean),
            lab=np.array(self.lab, np.float32).reshape(-1, GRID[0] * GRID[1], 3),
            change=np.array(self.change),
            unfinite=self.unfinite,
        )


def _motion(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    a, b = before - before.mean(), after - after.mean()
    power = float((a * a).sum())
    gain = float((a * b).sum()) / power if power > 0 else 1.0
    return 255 * float(np.percentile(np.abs(b - gain * a), 95))


class Gate:
    """Watches the frames that go into and come out of one stage.

    Wrap the stage's input in :meth:`watch_in` and its output in :meth:`watch_out`, run it, then
    ask for the :meth:`verdict`. Costs about 7 ms of one core a frame of 1080x1920 and side;
    keeps a few hundred numbers a frame.
    """

    def __init__(self) -> None:
        self._in, self._out = _Watch(), _Watch()

    def watch_in(self, frames: Iterator[Frames]) -> Iterator[Frames]:
        """Hand on frames on their way into the stage.

        Parameters
        ----------
        frames : iterator of Frames
            Handed on untouched.

        Yields
        ------
        frames : Frames
        """
        for chunk in frames:
            self._in.see(chunk)
            yield chunk

    def watch_out(self, frames: Iterator[Frames]) -> Iterator[Frames]:
        """Hand on frames on their way out of the stage.

        Parameters
        ----------
        frames : iterator of Frames
            Handed on untouched.

        Yields
        ------
        frames : Frames
        """
        for chunk in frames:
            self._out.see(chunk)
            yield chunk

    def see_out(self, smalls: NDArray[np.float32], pts_s: NDArray[np.float64]) -> None:
        """Take frames on their way out of the stage that somebody else has made small.

        Parameters
        ----------
        smalls : ndarray, shape (n, h, w, 3), dtype float32
            R'G'B' in [0, 1], averaged over areas to :func:`compared_px`.
        pts_s : ndarray, shape (n,), dtype float64
            Their times.
        """
        for small, at_s in zip(smalls, pts_s, strict=True):
            self._out.see_small(small, float(at_s))

    @property
    def readings(self) -> tuple[GateReading, GateReading]:
        """What has been seen so far, in and out."""
        return self._in.reading(), self._out.reading()

    def verdict(
        self, limits: GateLimits | None = None, notes: Mapping[str, float] | None = None
    ) -> tuple[GateResult, ...]:
        """Judge the stage once all frames have passed.

        Parameters
        ----------
        limits : GateLimits, optional
            Default: those of a stage that restores.
        notes : Mapping of str to float, optional
            What the stage noted, for ``limits.noted``.

        Returns
        -------
        results : tuple of GateResult
            The stage did no harm when all have ``passed``. With other frame counts the checks that
            compare frame with frame are left out, unless the stage retimes.
        """
        limits = limits or GateLimits()
        before, after = self.readings
        said = notes or {}
        noted = [_noted(bound, said) for bound in limits.noted if bound.note in said]
        if limits.retimes and not before.same_times(after):
            before = before.shown_at(after.pts_s)
            results = [_finite(before, after), _black(before, after)]
        else:
            results = [_count(before, after), _finite(before, after)]
            if len(before.pts_s) != len(after.pts_s):
                return (*results, *noted)
            results += [_times(before, after), _black(before, after)]
            if not limits.moves:
                results.append(_frozen(before, after))
        results.append(_flicker(before, after, limits))
        if limits.colour_de is not None and len(before.pts_s):
            results.append(_colour(before, after, limits.colour_de, whole=limits.moves))
        return (*results, *noted)


def _result(name: str, before: float, after: float, limit: float, text: str) -> GateResult:
    return GateResult(
        name=name, before=before, after=after, limit=limit, passed=after <= limit, text=text
    )


def _noted(bound: NoteLimit, notes: Mapping[str, float]) -> GateResult:
    value, limit = notes[bound.note], notes.get(bound.limit_note, bound.limit)
    return _result(bound.name, 0.0, value, limit, bound.text.format(value=f"{value:.2f}"))


def _count(before: GateReading, after: GateReading) -> GateResult:
    n, m = len(before.pts_s), len(after.pts_s)
    return GateResult(
        name="frames",
        before=n,
        after=m,
        limit=n,
        passed=n == m,
        text=f"{n} frames went in, {m} came out.",
    )


def _finite(before: GateReading, after: GateReading) -> GateResult:
    text = f"{after.unfinite} frames hold values that are no numbers."
    return _result("finite", before.unfinite, after.unfinite, before.unfinite, text)


def _times(before: GateReading, after: GateReading) -> GateResult:
    moved = float(np.abs(before.pts_s - after.pts_s).max(initial=0.0))
    return _result("times", 0.0, moved, 0.0, f"Frame times moved by up to {moved:g} s.")


def _black(before: GateReading, after: GateReading) -> GateResult:
    was, now = before.mean < BLACK, after.mean < BLACK
    new = int((now & ~was).sum())
    return _result("black", float(was.sum()), float(new), 0.0, f"{new} frames turned black.")


def _frozen(before: GateReading, after: GateReading) -> GateResult:
    was = int((before.change < STILL_CODES).sum())
    new = int(((before.change > MOVING_CODES) & (after.change < STILL_CODES)).sum())
    return _result("frozen", float(was), float(new), 0.0, f"{new} moving frames stand still.")


def _flicker(before: GateReading, after: GateReading, limits: GateLimits) -> GateResult:
    was, now = before.flicker_lstar, after.flicker_lstar
    limit = was * limits.flicker_ratio + limits.flicker_floor_lstar
    return _result("flicker", was, now, limit, f"Flicker went from {was:.2f} to {now:.2f} L*.")


def _colour(before: GateReading, after: GateReading, limit: float, *, whole: bool) -> GateResult:
    # Averaged over the shot, so that a deflicker, which moves single frames, is not a shift.
    was, now = before.lab.mean(axis=0), after.lab.mean(axis=0)
    if whole:
        was, now = was.mean(axis=0, keepdims=True), now.mean(axis=0, keepdims=True)
    worst = float(np.percentile(np.linalg.norm(now - was, axis=-1), 95))
    return _result("colour", 0.0, worst, limit, f"Low-frequency colour moved by {worst:.1f} dE.")
