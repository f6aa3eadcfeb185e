"""Why a shot is flagged: one function a dimension, sentences a creator can act on."""

import math
from collections.abc import Sequence

import numpy as np

from finishkit.measure import CharacterIdentity, ShotMeasurement
from finishkit.measure.colour import AXES
from finishkit.verdict.scales import Residuals
from finishkit.verdict.values import Limits, Reason

_AXIS_LIMIT = {"wb_r": "wb_de", "wb_b": "wb_de", "ev": "ev_de", "con": "con_de", "sat": "sat_de"}
BORDER = 0.07
"""Identity closer to its limit than this is a case for a person (dlib units)."""


def sharpness_reasons(
    shot: ShotMeasurement, frame: Residuals, limits: Limits, tight: float
) -> list[Reason]:
    """Judge whether the shot is softer than its scene, or than its file pretends."""
    reasons = []
    residual, z = frame.residual["eff"].get(shot.shot), frame.z("eff", shot.shot)
    limit = limits.softer_oct * tight
    if residual is not None and z is not None and -residual > limit and -z > limits.z * tight:
        share = 2.0**residual
        reasons.append(
            Reason(
                metric="eff_r",
                value=round(-residual, 3),
                limit=round(limit, 3),
                reference=f"scene {shot.scene}",
                text=f"Softer than its scene: about {share:.0%} of the detail of the other shots"
                f" ({shot.values['eff_px']:.0f} px of real resolution).",
            )
        )
    ratio, short = shot.values.get("eff_r"), min(shot.width_px, shot.height_px)
    if ratio is not None and short >= 900 and ratio < 0.60:
        reasons.append(
            Reason(
                metric="eff_px",
                value=round(shot.values["eff_px"] or 0, 1),
                limit=round(0.60 * short, 1),
                text=f"Looks like a {_class_px(ratio * short)}-class picture in a {short} px file.",
            )
        )
    return reasons


def _class_px(eff_px: float) -> int:
    return min((270, 360, 480, 540, 720, 1080), key=lambda c: abs(math.log2(eff_px / c)))


_SAYS = {
    "wb_r": ("redder", "less red", "octaves of red", 17.0),
    "wb_b": ("bluer", "yellower", "octaves of blue", 17.0),
    "ev": ("brighter", "darker", "stops", 13.0),
    "con": ("more contrasty", "flatter", "octaves of contrast", 8.5),
    "sat": ("more saturated", "paler", "octaves of chroma", 5.0),
}


def colour_reasons(
    shot: ShotMeasurement, frame: Residuals, limits: Limits, tight: float
) -> list[Reason]:
    """Judge each axis of the grade against the scene."""
    reasons = []
    for axis in AXES:
        residual, z = frame.residual[axis].get(shot.shot), frame.z(axis, shot.shot)
        limit = getattr(limits, _AXIS_LIMIT[axis]) * tight
        if residual is None or z is None or abs(residual) <= limit or abs(z) <= limits.z * tight:
            continue
        more, less, unit, per = _SAYS[axis]
        reasons.append(
            Reason(
                metric=axis,
                value=round(residual, 2),
                limit=round(limit, 2),
                reference=f"scene {shot.scene}",
                text=f"{(more if residual > 0 else less).capitalize()} than its scene by"
                f" {abs(residual) / per:.2f} {unit} (ΔE {abs(residual):.1f}, limit {limit:.1f}).",
            )
        )
    return reasons


def beyond_reach(reason: Reason) -> bool:
    """Return whether the bounded grade cannot bring the shot all the way: a case for a person."""
    reach = {"wb_r": 0.5 * 17, "wb_b": 0.5 * 17, "ev": 0.7 * 13, "con": 0.85 * 8.5, "sat": 0.85 * 5}
    return abs(reason.value) > reach[reason.metric] * 1.25


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
    shot: ShotMeasurement, frame: Residuals, limits: Limits, tight: float
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


def identity_reasons(
    shot: ShotMeasurement, shots: Sequence[ShotMeasurement], limits: Limits, hook: bool
) -> tuple[list[Reason], list[Reason]]:
    """Judge every listed face; return what to regenerate and what a person must check."""
    regenerate: list[Reason] = []
    check: list[Reason] = []
    # The hook's tighter limit asks a person to look; it does not order a regeneration by itself.
    border = limits.id_dist * limits.hook_factor if hook else limits.id_dist - BORDER
    for who in shot.identities:
        if who.id_dist is None:
            continue
        usual = _usual_distance(who.character, shot, shots)
        beside = f"; in the other shots of {who.character} {usual:.2f}" if usual else ""
        reason = Reason(
            metric="id_dist",
            value=round(who.id_dist, 3),
            limit=limits.id_dist,
            reference=who.character,
            text=f"The face of {who.character} is {who.id_dist:.2f} from the reference, limit"
            f" {limits.id_dist:.2f}{beside}.",
        )
        if who.id_dist > limits.id_dist:
            # A verdict that costs money needs three faces that agree.
            (regenerate if _agreed(who, limits) else check).append(reason)
        elif who.id_dist > border and (usual is None or who.id_dist > usual + BORDER):
            check.append(reason)
        elif who.other_dist is not None and who.other_dist < who.id_dist:
            text = (
                f"The face of {who.character} is nearer to {who.nearest_other}"
                f" ({who.other_dist:.2f}) than to its own reference ({who.id_dist:.2f}): the wrong"
                " name, or two faces the face backend cannot tell apart. Add reference images, or"
                " use another backend."
            )
            check.append(reason.replace(limit=round(who.other_dist, 3), text=text))
        if who.id_spread is not None and who.id_spread > limits.id_spread:
            regenerate.append(
                Reason(
                    metric="id_spread",
                    value=round(who.id_spread, 3),
                    limit=limits.id_spread,
                    reference=who.character,
                    text=f"The face of {who.character} changes within the shot: spread"
                    f" {who.id_spread:.2f}, limit {limits.id_spread:.2f}.",
                )
            )
    return regenerate, check


def _agreed(who: CharacterIdentity, limits: Limits) -> bool:
    over = sum(d > limits.id_dist for d in who.face_dists)
    return who.n_faces >= 3 and over >= 0.6 * len(who.face_dists)


def _usual_distance(
    character: str, shot: ShotMeasurement, shots: Sequence[ShotMeasurement]
) -> float | None:
    others = [
        i.id_dist
        for s in shots
        if s is not shot
        for i in s.identities
        if i.character == character and i.id_dist is not None
    ]
    return float(np.median(others)) if others else None
