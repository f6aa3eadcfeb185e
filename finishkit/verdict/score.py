"""How the episode stands as a whole: cuts, and a score that no uniform change can raise."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.measure.colour import AXES
from finishkit.verdict.identity import CALIBRATED_DIST
from finishkit.verdict.scales import Standing, axis_in_de, log_eff, log_noise
from finishkit.verdict.values import Cut, Score

RAMPS = {
    "eff": (0.15, 0.60),
    "wb": (2.0, 8.0),
    "ev": (3.0, 12.0),
    "con": (2.0, 8.0),
    "sat": (1.5, 6.0),
    "id": (0.67, 1.06),
    "noise": (1.0, 3.0),
    "flick": (0.1, 0.5),
    "fps": (0.1, 1.0),
}
"""Just noticeable and objectionable difference of each measure across a cut: octaves, Delta-E
equivalents, shares of the character's limit (dlib: 0.35 and 0.55 of 0.52), L*."""


def _ramp(delta: float, name: str) -> float:
    low, high = RAMPS[name]
    return float(np.clip((abs(delta) - low) / (high - low), 0, 1))


def _fps_octaves(shot: ShotMeasurement) -> float | None:
    rate = shot.values.get("fps_eff")
    return math.log2(max(rate, 0.5)) if rate is not None and not shot.static else None


def face_limit(character: str, measurements: Measurements) -> float:
    """Return the distance from which a face is another's; dlib's where none was calibrated."""
    look = measurements.look(character)
    return look.limit if look else CALIBRATED_DIST


def cut_between(a: ShotMeasurement, b: ShotMeasurement, standing: Standing) -> Cut:
    """Return the jump a viewer sees between two shots.

    Inside a scene what counts is how far the two are off, as far as that is no chance: another
    framing of the same light is no jump.
    """
    by: dict[str, float] = {}

    def add(name: str, x: float | None, y: float | None) -> None:
        if x is not None and y is not None:
            by[name] = _ramp(y - x, name)

    if a.scene == b.scene:
        add("eff", standing.certain("eff", a.shot), standing.certain("eff", b.shot))
    else:
        add("eff", log_eff(a), log_eff(b))
    add("noise", log_noise(a), log_noise(b))
    add("flick", a.values.get("flick_g"), b.values.get("flick_g"))
    add("fps", _fps_octaves(a), _fps_octaves(b))
    if a.scene == b.scene:
        by.update(_colour_jumps(a, b, standing))
    for character, one in {i.character: i for i in a.identities}.items():
        other = next((i for i in b.identities if i.character == character), None)
        if other is not None and one.embedding and other.embedding:
            apart = standing.measurements.face_distance(one.embedding, other.embedding)
            share = apart / face_limit(character, standing.measurements)
            by["id"] = max(by.get("id", 0.0), _ramp(share, "id"))
    jump = min(1.0, sum(v**4 for v in by.values()) ** 0.25)
    return Cut(
        from_shot=a.shot,
        to_shot=b.shot,
        jump=round(jump, 4),
        by={k: round(v, 4) for k, v in by.items()},
    )


def _colour_jumps(a: ShotMeasurement, b: ShotMeasurement, standing: Standing) -> dict[str, float]:
    moved = {
        axis: y - x
        for axis in AXES
        if (x := standing.certain(axis, a.shot)) is not None
        if (y := standing.certain(axis, b.shot)) is not None
    }
    by = {axis: _ramp(moved[axis], axis) for axis in ("ev", "con", "sat") if axis in moved}
    if "wb_r" in moved and "wb_b" in moved:
        by["wb"] = _ramp(math.hypot(moved["wb_r"], moved["wb_b"]), "wb")
    return by


def tail_heavy(values: Sequence[float]) -> float:
    """Return the mean with a share for the worst tenth: one bad cut in forty is still seen.

    Parameters
    ----------
    values : sequence of float
        At least one.
    """
    worst = sorted(values)[-max(1, len(values) // 10) :]
    return 0.7 * float(np.mean(values)) + 0.3 * float(np.mean(worst))


def episode_score(
    shots: Sequence[ShotMeasurement],
    cuts: Sequence[Cut],
    baseline: Measurements,
    retaken: Collection[str] = (),
) -> Score:
    """Return the episode as one number; targets come from the baseline and stay frozen.

    ``retaken`` names shots whose baseline showed another actor: a new take owes that one nothing.
    """
    before = {s.shot: s for s in baseline.shots if s.shot not in retaken}
    effs = [v for s in baseline.shots if (v := log_eff(s)) is not None]
    target = float(np.median(effs)) - 0.15 if effs else None
    raws = [before.get(s.shot, s) for s in shots]
    deficits = [
        _deficit(shot, raw, target, _scene_medians(raw, baseline), baseline)
        for shot, raw in zip(shots, raws, strict=True)
    ]
    consistency = 1 - tail_heavy([c.jump for c in cuts]) if cuts else 1.0
    soundness = 1 - tail_heavy(deficits) if deficits else 1.0
    unknown = _unknown_fraction(shots)
    value = 100 * math.sqrt(max(consistency, 0) * max(soundness, 0))
    return Score(
        value=round(value, 1) if unknown <= 0.2 and shots else None,
        consistency=round(consistency, 4),
        soundness=round(soundness, 4),
        unknown_fraction=round(unknown, 4),
    )


def _scene_medians(raw: ShotMeasurement, baseline: Measurements) -> Mapping[str, float]:
    medians: dict[str, float] = {}
    for axis in ("con", "sat"):
        values = [
            v
            for s in baseline.shots
            if s.scene == raw.scene and (v := axis_in_de(axis)(s)) is not None
        ]
        if values:
            medians[axis] = float(np.median(values))
    return medians


def _deficit(
    now: ShotMeasurement,
    raw: ShotMeasurement,
    target: float | None,
    scene: Mapping[str, float],
    baseline: Measurements,
) -> float:
    """Return what the shot lacks by itself, 0 to 1.

    A true outlier may move to its scene without penalty (min and max with the scene's median);
    moving the whole scene may not.
    """
    parts: list[float] = []
    eff, eff_raw = log_eff(now), log_eff(raw)
    if eff is not None and target is not None:
        parts.append(float(np.clip(target - eff, 0, 1)))
    if eff is not None and eff_raw is not None:
        parts.append(float(np.clip((eff_raw - eff - 0.10) / 0.5, 0, 1)))
    for axis, loss, slack, span in (
        ("sat", 1, 1.5, 2.5),
        ("sat", -1, 2.5, 5.0),
        ("con", 1, 1.5, 2.5),
    ):
        own, was = axis_in_de(axis)(now), axis_in_de(axis)(raw)
        if own is None or was is None or axis not in scene:
            continue
        allowed = min(was, scene[axis]) if loss > 0 else max(was, scene[axis])
        parts.append(float(np.clip(((allowed - own) * loss - slack) / span, 0, 1)))
    far = [
        i.id_dist / face_limit(i.character, baseline)
        for i in now.identities
        if i.id_dist is not None
    ]
    if far:
        parts.append(_ramp(max(far), "id"))
    flicker = now.values.get("flick_g")
    if flicker is not None:
        parts.append(_ramp(flicker, "flick"))
    repeats = now.values.get("dup_ratio")
    if repeats is not None and not now.static:
        parts.append(_ramp(math.log2(max(1 - repeats, 0.05)), "fps"))
    return min(1.0, sum(p**4 for p in parts) ** 0.25)


def _unknown_fraction(shots: Sequence[ShotMeasurement]) -> float:
    asked = missing = 0
    for shot in shots:
        judgements: list[float | None] = [shot.values.get(m) for m in ("eff_px", "ev", "flick_g")]
        judgements += [i.id_dist for i in shot.identities]
        asked += len(judgements)
        missing += sum(v is None for v in judgements)
    return missing / asked if asked else 0.0
