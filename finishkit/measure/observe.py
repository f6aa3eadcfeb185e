"""One clip, one decode: everything its pixels say."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

from finishkit.frames import Matrix, glances, probe
from finishkit.measure.at_source import at_source_size
from finishkit.measure.colour import AXES, BLACK_EV
from finishkit.measure.flicker import MIN_FRAMES, flicker
from finishkit.measure.flicker import MIN_SIDE_PX as FLICKER_MIN_PX
from finishkit.measure.identity import FaceBackend, load_backend
from finishkit.measure.motion import Cadence, cadence, flags_from_differences, shake_pct
from finishkit.measure.noise import noise_sigma
from finishkit.measure.one_pass import ALL, COLOUR, DETAIL, FACE, FLICKER, SHAKE, OnePass
from finishkit.measure.overlap import within_shot_drift
from finishkit.measure.sharpness import MIN_CONFIDENCE, shot_sharpness
from finishkit.measure.values import Observation
from finishkit.store import sha256_file

VERSION: Final = 3
"""Raised whenever a number changes: it is part of the cache key."""


def observe(
    path: Path,
    *,
    backend: str = "dlib",
    matrix: Matrix | None = None,
    only: Iterable[str] | None = None,
    source_px: int | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Observation:
    """Measure one clip in one decode pass.

    Parameters
    ----------
    path : Path
        A clip that can be read to its end.
    backend : str
        Face backend, see :func:`finishkit.measure.identity.load_backend`.
    matrix : {'bt709', 'bt601'}, optional
        Overrides the file's own, see :func:`finishkit.frames.read_frames`.
    only : iterable of str, optional
        Names of the metrics wanted; all by default.
    source_px : int, optional
        Short side of what a finished clip was made from: its sharpness is read, and told, in the
        source's pixels, see :func:`finishkit.measure.at_source.at_source_size`.
    beat : callable, optional
        Called at every frame, to show that work goes on.

    Returns
    -------
    observation : Observation

    Raises
    ------
    FinishError
        When the clip cannot be read, or the backend cannot be loaded.
    """
    wanted = ALL if only is None else ALL & frozenset(only)
    faces = load_backend(backend) if wanted & FACE else None
    told = probe(path)
    look = _run(path, told.frame_count, wanted, faces, matrix, beat)
    if look.gathered.count != told.frame_count:
        # The container promised another number: only now is it known where the middle is.
        look = _run(path, look.gathered.count, wanted, faces, matrix, beat)
    seen = look.done()
    rate = float(told.rate_fps)
    values: dict[str, float | None] = {}
    why: dict[str, str] = {}
    rhythm = cadence(np.array(seen.differences), rate)
    confidence = _detail(look, source_px, values, why)
    _colour(look, values, why)
    _motion(look, rhythm, rate, values, why)
    return Observation(
        sha256=sha256_file(path),
        width_px=seen.size_px[0],
        height_px=seen.size_px[1],
        rate_fps=told.rate_fps,
        frame_count=seen.count,
        duration_s=seen.last_s + 1 / rate,
        values={name: value for name, value in values.items() if name in wanted},
        why={name: text for name, text in why.items() if name in wanted},
        eff_conf=confidence,
        static=rhythm.static,
        faces=tuple(seen.faces),
        faces_unusable=seen.faces_unusable,
        inner_cuts=seen.inner_cuts,
        marks=tuple(m for m in seen.marks[::2] if m is not None),
    )


def _run(
    path: Path,
    count: int,
    wanted: frozenset[str],
    backend: FaceBackend | None,
    matrix: Matrix | None,
    beat: Callable[[], None],
) -> OnePass:
    look = OnePass(count, wanted, backend) if count else OnePass(1, frozenset(), None)
    for glance in glances(path, matrix=matrix):
        look.take(glance)
        beat()
    return look


def _detail(
    look: OnePass,
    source_px: int | None,
    values: dict[str, float | None],
    why: dict[str, str],
) -> int:
    if not look.wanted & DETAIL:
        return 0
    seen = look.gathered
    short_px = min(source_px or min(seen.size_px), min(seen.size_px))
    sharp = shot_sharpness([at_source_size(n, short_px) for n in seen.native], seen.speeds_pct)
    confidence = sharp.confidence if sharp else 0
    known = sharp if sharp and confidence >= MIN_CONFIDENCE else None
    values["eff_r"] = known.r if known else None
    values["eff_px"] = known.r * short_px if known else None
    if known is None:
        reason = (
            f"Sharpness cannot be judged: only {confidence} places with texture"
            f" ({MIN_CONFIDENCE} are needed)."
        )
        why["eff_r"] = why["eff_px"] = reason
    levels = [s for luma in seen.native if (s := noise_sigma(luma)) is not None]
    values["noise_sigma"] = float(np.median(levels)) if levels else None
    if not levels:
        why["noise_sigma"] = "Noise cannot be judged: the picture is black or white throughout."
    return confidence


def _colour(look: OnePass, values: dict[str, float | None], why: dict[str, str]) -> None:
    if not look.wanted & COLOUR:
        return
    seen = look.gathered
    vector = np.median(seen.vectors, axis=0)
    values.update(zip(AXES, map(float, vector), strict=True))
    white_ev, clip_pct = np.median(seen.white, axis=0)
    values.update(white_ev=float(white_ev), clip_pct=float(clip_pct))
    # A cut inside is another picture, not a drift of this one.
    values["drift_de"] = None if seen.inner_cuts else within_shot_drift(seen.vectors, seen.marks)
    if vector[AXES.index("ev")] <= BLACK_EV:
        for axis in ("wb_r", "wb_b", "con", "sat", "drift_de"):
            values[axis] = None
            why[axis] = "Colour cannot be judged: the picture is black."


def _why_no_flicker(size_px: tuple[int, int], fresh: int) -> str:
    if min(size_px) < FLICKER_MIN_PX:
        return "the picture is too small"
    if fresh < MIN_FRAMES:
        return "too few different frames"
    return "the motion is too fast or too irregular to follow"


def _motion(
    look: OnePass,
    rhythm: Cadence,
    rate_fps: float,
    values: dict[str, float | None],
    why: dict[str, str],
) -> None:
    seen = look.gathered
    values.update(dup_ratio=rhythm.dup_ratio, fps_eff=rhythm.fps_eff)
    if rhythm.dup_ratio is None and not rhythm.static:
        why["dup_ratio"] = why["fps_eff"] = "Cadence cannot be judged: fewer than three frames."
    repeats = flags_from_differences(np.array(seen.differences))
    # Repeats are left out: a held frame hides flicker and reads as shake.
    if look.wanted & FLICKER:
        start = look.flicker_window.start
        fresh = [f for i, f in enumerate(seen.flick) if i == 0 or not repeats[start + i]]
        flick = flicker(np.stack(fresh))
        values.update(flick_g=flick.whole, flick_l=flick.local, flick_c=flick.chroma)
        told = {
            "flick_g": f"Flicker cannot be judged: {_why_no_flicker(seen.size_px, len(fresh))}.",
            "flick_l": "Local flicker cannot be judged: too few flat places.",
        }
        told["flick_c"] = told["flick_g"]
        if flick.whole is None:
            told["flick_l"] = told["flick_g"]
        why.update({name: text for name, text in told.items() if values[name] is None})
    if look.wanted & SHAKE:
        start = look.shake_window.start
        fresh = [f for i, f in enumerate(seen.small) if i == 0 or not repeats[start + i]]
        values["shake_pct"] = shake_pct(np.stack(fresh), rhythm.fps_eff or rate_fps)
        if values["shake_pct"] is None:
            why["shake_pct"] = "Shake cannot be judged: too few points to follow."
