"""Why a shot is flagged: one function a dimension, sentences a creator can act on."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from finishkit.measure import ShotMeasurement
from finishkit.measure.classes import FAKE_HD_R, class_px, fake_hd
from finishkit.measure.colour import AXES
from finishkit.verdict.scales import Standing, per_unit
from finishkit.verdict.values import Limits, Reason

_AXIS_LIMIT = {"wb_r": "wb_de", "wb_b": "wb_de", "ev": "ev_de", "con": "con_de", "sat": "sat_de"}


def sharpness_reasons(
    shot: ShotMeasurement, frame: Standing, limits: Limits, tight: float
) -> list[Reason]:
    """Judge whether the shot is softer than its scene, or than its file pretends."""
    reasons = []
    residual, z = frame.residual["eff"].get(shot.shot), frame.z("eff", shot.shot)
    limit, ratio = limits.softer_oct * tight, shot.values.get("eff_r")
    if residual is not None and z is not None and -residual > limit and -z > limits.z:
        witnesses = frame.witnesses("eff", shot.shot)
        judged_by = f", judged by {witnesses} too" if witnesses else ""
        # Of a flat shot only the face may be known.
        own = shot.values.get("eff_px")
        detail = f" ({own:.0f} px of real resolution)" if own is not None else ""
        reasons.append(
            Reason(
                metric="eff_r",
                value=round(-residual, 3),
                limit=round(limit, 3),
                reference=f"scene {shot.scene}",
                text=f"Softer than its scene: about {2.0**residual:.0%} of the detail of the other"
                f" shots{judged_by}{detail}.",
            )
        )
    elif ratio is not None and ratio < limits.soft_r:
        reasons.append(
            Reason(
                metric="eff_r",
                value=round(ratio, 3),
                limit=limits.soft_r,
                text=f"Soft by itself: {ratio:.0%} of the resolution its file has"
                f" ({shot.values['eff_px']:.0f} of {min(shot.width_px, shot.height_px)} px), limit"
                f" {limits.soft_r:.0%}.",
            )
        )
    short = min(shot.width_px, shot.height_px)
    if ratio is not None and (claim := fake_hd(math.log2(ratio), short)) != "no":
        looks = "Looks like" if claim == "yes" else "May be"
        reasons.append(
            Reason(
                metric="eff_px",
                value=round(ratio * short, 1),
                limit=round(FAKE_HD_R[claim == "maybe"] * short, 1),
                text=f"{looks} a {class_px(ratio * short)}-class picture in a {short} px file.",
            )
        )
    return reasons


_SAYS = {
    "wb_r": ("redder", "less red", "octaves of red"),
    "wb_b": ("bluer", "yellower", "octaves of blue"),
    "ev": ("brighter", "darker", "stops"),
    "con": ("more contrasty", "flatter", "octaves of contrast"),
    "sat": ("more saturated", "paler", "octaves of chroma"),
}


def colour_reasons(
    shot: ShotMeasurement, frame: Standing, limits: Limits, tight: float
) -> list[Reason]:
    """Judge each axis of the grade against the scene, and the light by itself."""
    reasons = []
    for axis in AXES:
        residual, z = frame.residual[axis].get(shot.shot), frame.z(axis, shot.shot)
        limit = getattr(limits, _AXIS_LIMIT[axis]) * tight
        if residual is None or z is None or abs(residual) <= limit or abs(z) <= limits.z:
            continue
        more, less, unit = _SAYS[axis]
        witnesses = frame.witnesses(axis, shot.shot)
        judged_by = f"; judged by {witnesses}" if witnesses else ""
        reasons.append(
            Reason(
                metric=axis,
                value=round(residual, 2),
                limit=round(limit, 2),
                reference=f"scene {shot.scene}",
                text=f"{(more if residual > 0 else less).capitalize()} than its scene by"
                f" {abs(residual) / per_unit(axis):.2f} {unit}"
                f" (ΔE {abs(residual):.1f}, limit {limit:.1f}{judged_by}).",
            )
        )
    if all(reason.metric != "ev" for reason in reasons):
        reasons += _light_reasons(shot, frame, limits, tight)
    return reasons + _drift_reasons(shot, limits, tight)


def _light_reasons(
    shot: ShotMeasurement, frame: Standing, limits: Limits, tight: float
) -> list[Reason]:
    white, burnt = shot.values.get("white_ev"), shot.values.get("clip_pct")
    others = [
        v
        for s in frame.shots
        if s.scene == shot.scene and s is not shot
        if (v := s.values.get("white_ev")) is not None
    ]
    limit = limits.white_ev * tight
    # A scene that stays below white throughout is meant to: a night, a fog.
    alone = not others or float(np.median(others)) > -limit
    if white is not None and white < -limit and alone:
        return [
            Reason(
                metric="ev",
                value=round(white * per_unit("ev"), 2),
                limit=round(limit * per_unit("ev"), 2),
                text=f"Dull: its brightest part stays {-white:.2f} stops below white,"
                f" limit {limit:.2f}.",
            )
        ]
    if burnt is not None and burnt > limits.clip_pct * tight:
        return [
            Reason(
                metric="ev",
                value=round(burnt, 1),
                limit=round(limits.clip_pct * tight, 1),
                text=f"Burnt out: {burnt:.0f} % of the picture is at its ceiling, and nothing is"
                " left there to grade.",
            )
        ]
    return []


def _drift_reasons(shot: ShotMeasurement, limits: Limits, tight: float) -> list[Reason]:
    drift, limit = shot.values.get("drift_de"), limits.drift_de * tight
    if drift is None or drift <= limit:
        return []
    text = (
        f"The colour drifts within the shot: ΔE {drift:.1f} from start to end, limit {limit:.1f}."
    )
    return [Reason(metric="drift_de", value=round(drift, 2), limit=round(limit, 2), text=text)]


def inner_cut_reasons(shot: ShotMeasurement) -> list[Reason]:
    """Name the hard cuts inside a file that should hold one shot."""
    return [
        Reason(
            metric="inner_cut",
            value=frame,
            limit=0,
            text=f"A hard cut lies inside this shot, at frame {frame}"
            f" ({frame / float(shot.rate_fps):.2f} s): split the file there and list both parts.",
        )
        for frame in shot.inner_cuts
    ]


REACH: Final = {"wb_r": 0.5, "wb_b": 0.5, "ev": 0.7, "con": 0.85, "sat": 0.85}
"""Octaves and stops that the bounded grade can bring a shot back."""
ANOTHER_PICTURE_DE: Final = 17.0
"""Offsets that together are larger than this are another time of day, not another grade."""


def beyond_reach(shot: str, colour: Sequence[Reason], frame: Standing) -> list[Reason]:
    """Return the reasons that the bounded grade cannot undo: cases for a person.

    An axis counts when even its offset less its uncertainty is a quarter beyond what the grade may
    move; all of them when together they make another picture.
    """
    relative = [r for r in colour if r.metric in AXES and r.reference]
    if float(np.linalg.norm([r.value for r in relative])) > ANOTHER_PICTURE_DE:
        return relative
    return [
        r
        for r in relative
        if abs(r.value) - frame.sd(r.metric, shot) > REACH[r.metric] * per_unit(r.metric) * 1.25
    ]


LEAST_FPS = 6.0
"""Fewer different pictures a second than this cannot be repaired by interpolation."""


def cadence_reasons(shot: ShotMeasurement) -> list[Reason]:
    """Judge whether there is motion enough to repair."""
    rate = shot.values.get("fps_eff")
    if rate is None or shot.static or rate >= LEAST_FPS:
        return []
    text = f"Only {rate:.1f} different pictures a second: too few to invent motion from."
    return [Reason(metric="fps_eff", value=round(rate, 2), limit=LEAST_FPS, text=text)]


def temporal_reasons(shot: ShotMeasurement, limits: Limits, tight: float) -> list[Reason]:
    """Judge flicker and repeated frames, by limit alone."""
    says = {
        "flick_g": "The whole picture flickers",
        "flick_l": "Parts of the picture flicker",
        "flick_c": "The colour flickers",
    }
    reasons = []
    for metric, phrase in says.items():
        value, limit = shot.values.get(metric), getattr(limits, metric) * tight
        if value is not None and value > limit:
            text = f"{phrase}: {value:.2f} L* from frame to frame, limit {limit:.2f}."
            reasons.append(
                Reason(metric=metric, value=round(value, 3), limit=round(limit, 3), text=text)
            )
    ratio, limit = shot.values.get("dup_ratio"), limits.dup_ratio * tight
    if ratio is not None and ratio > limit and not shot.static:
        rate = shot.values.get("fps_eff") or 0
        reasons.append(
            Reason(
                metric="dup_ratio",
                value=round(ratio, 3),
                limit=round(limit, 3),
                text=f"{ratio:.0%} of the frames repeat the one before: it moves like"
                f" {rate:.0f} fps.",
            )
        )
    return reasons


def noise_reasons(
    shot: ShotMeasurement, frame: Standing, limits: Limits, tight: float
) -> list[Reason]:
    """Judge whether the shot is grainier than its scene."""
    sigma, residual = shot.values.get("noise_sigma"), frame.residual["noise"].get(shot.shot)
    limit = limits.noise_sigma * tight
    if sigma is None or residual is None or sigma <= limit or residual <= 1:
        return []
    return [
        Reason(
            metric="noise_sigma",
            value=round(sigma, 2),
            limit=round(limit, 2),
            reference=f"scene {shot.scene}",
            text=f"Grainier than its scene: sigma {sigma:.1f} codes, the others"
            f" {sigma / 2**residual:.1f}.",
        )
    ]
