"""What does it mean: every shot judged against the shots it will cut against. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from pydantic import Field

from finishkit.measure import CharacterIdentity, Measurements, ShotMeasurement
from finishkit.measure.colour import AXES, DE_PER_UNIT
from finishkit.values import Value

Action = Literal["ok", "fix", "check", "regenerate"]
Positive = Annotated[float, Interval(gt=0, le=50), Field(allow_inf_nan=False)]


class Limits(Value):
    """When a shot is flagged.

    Scene-relative measures need a robust z above ``z`` *and* a distance above their own limit;
    identity, flicker and repeated frames are judged by their limit alone, since a whole episode
    can be wrong in them. Sources: ``docs/metrics`` of the project; in-sample 98th percentiles of
    clean shots for colour, landmark morphs of known strength for identity.
    """

    z: Positive = 3.5
    id_dist: Positive = 0.52
    """dlib distance: 65 % morphs found at 0.96, no false alarm in 160; other backends bring theirs."""
    id_spread: Positive = 0.42
    softer_oct: Positive = 0.30
    wb_de: Positive = 3.8
    ev_de: Positive = 5.2
    con_de: Positive = 3.7
    sat_de: Positive = 2.7
    flick_g: Positive = 0.25
    flick_l: Positive = 0.30
    flick_c: Positive = 0.30
    dup_ratio: Annotated[float, Interval(gt=0, le=1)] = 0.10
    noise_sigma: Positive = 2.5
    hook_s: Annotated[float, Interval(ge=0, le=30)] = 3.0
    hook_factor: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """The first seconds are held to limits this much tighter."""


class Reason(Value):
    """Why a shot was flagged, with everything needed to check the claim.

    Attributes
    ----------
    metric : str
    value, limit : float
        In the metric's unit, or in Delta-E equivalents for colour and octaves for sharpness.
    reference : str
        What it was compared with: a shot, a character, the scene, or nothing.
    text : str
        One sentence a creator can act on.
    """

    metric: str
    value: float
    limit: float
    reference: str = ""
    text: str


class ShotVerdict(Value):
    """One shot, judged.

    Attributes
    ----------
    hook : bool
        Within the first seconds, judged by tighter limits.
    outlier : bool
        Bad against both neighbours: the shot, not the cut, is at fault.
    z : dict of str to float
        Robust z of each scene-relative measure.
    unknown : tuple of str
        What could not be judged, and why.
    """

    shot: str
    order: int
    scene: str
    hook: bool
    action: Action
    outlier: bool = False
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    z: dict[str, float] = {}


class Cut(Value):
    """The jump a viewer sees from one shot to the next, 0 (none) to 1 (objectionable)."""

    from_shot: str
    to_shot: str
    jump: float
    by: dict[str, float] = {}


class Score(Value):
    """The episode as one number, which no uniform change can raise.

    Attributes
    ----------
    value : float or None
        0 to 100; ``None`` when more than a fifth could not be measured.
    consistency, soundness : float
        The two halves: how little the cuts jump, how little each shot lacks by itself.
    unknown_fraction : float
        Share of judgements that could not be made.
    """

    value: float | None
    consistency: float
    soundness: float
    unknown_fraction: float


class Verdict(Value):
    """An episode, judged."""

    shots: tuple[ShotVerdict, ...]
    cuts: tuple[Cut, ...]
    hero: str
    score: Score

    def __getitem__(self, shot: str) -> ShotVerdict:
        return next(s for s in self.shots if s.shot == shot)


FLOORS = {"eff": 0.10, "colour": 0.8, "noise": 0.25}
"""Smallest scale of a robust z: octaves, Delta-E equivalents, octaves."""

RAMPS = {
    "eff": (0.15, 0.60),
    "wb": (2.0, 8.0),
    "ev": (3.0, 12.0),
    "con": (2.0, 8.0),
    "sat": (1.5, 6.0),
    "id": (0.35, 0.55),
    "noise": (1.0, 3.0),
    "flick": (0.1, 0.5),
    "fps": (0.1, 1.0),
}
"""Just noticeable and objectionable difference of each measure across a cut."""

_AXIS_LIMIT = {"wb_r": "wb_de", "wb_b": "wb_de", "ev": "ev_de", "con": "con_de", "sat": "sat_de"}
_BORDER = 0.07
"""Identity closer to its limit than this is a case for a person (dlib units)."""


def judge(
    measurements: Measurements,
    limits: Limits | None = None,
    *,
    baseline: Measurements | None = None,
) -> Verdict:
    """Judge every shot against its scene, its cast and its neighbours.

    Parameters
    ----------
    measurements : Measurements
    limits : Limits, optional
    baseline : Measurements, optional
        The same episode before finishing. The score's targets are taken from it and stay
        frozen, so that blurring or draining everything can only lose.

    Returns
    -------
    verdict : Verdict
    """
    limits = limits or Limits()
    shots = sorted(measurements.shots, key=lambda s: s.order)
    hooks = _hooks(shots, limits)
    frame = _Frame(shots)
    cuts = tuple(_cut(a, b) for a, b in zip(shots, shots[1:], strict=False))
    judged = tuple(_judge_shot(s, frame, limits, s.shot in hooks, cuts) for s in shots)
    return Verdict(
        shots=judged,
        cuts=cuts,
        hero=_hero(shots, judged, frame),
        score=_score(shots, cuts, baseline or measurements),
    )


def _hooks(shots: Sequence[ShotMeasurement], limits: Limits) -> frozenset[str]:
    start, names = 0.0, []
    for index, shot in enumerate(shots):
        if start < limits.hook_s or index < 2:
            names.append(shot.shot)
        start += shot.duration_s
    return frozenset(names)


def _log_eff(shot: ShotMeasurement) -> float | None:
    """Effective resolution in octaves of pixels: comparable between files of different size."""
    eff = shot.values.get("eff_px")
    return math.log2(eff) if eff else None


def _log_noise(shot: ShotMeasurement) -> float | None:
    sigma = shot.values.get("noise_sigma")
    return None if sigma is None else math.log2(max(sigma, 0.5))


def _axis(name: str) -> Callable[[ShotMeasurement], float | None]:
    scale = float(DE_PER_UNIT[AXES.index(name)])

    def read(shot: ShotMeasurement) -> float | None:
        value = shot.values.get(name)
        return None if value is None else value * scale

    return read


class _Frame:
    """Residuals of every shot from the others of its scene, with pooled scales.

    Pooled, because the spread of four shots says nothing.
    """

    def __init__(self, shots: Sequence[ShotMeasurement]) -> None:
        self.shots = shots
        self.residual: dict[str, dict[str, float]] = {}
        self.scale: dict[str, float] = {}
        self._collect("eff", _log_eff, 3, "eff", across=True)
        self._collect("noise", _log_noise, 3, "noise", across=True)
        for axis in AXES:
            # Colour is compared inside a scene only: between scenes a change of grade is meant.
            self._collect(axis, _axis(axis), 3, "colour", across=False)

    def _collect(
        self,
        name: str,
        read: Callable[[ShotMeasurement], float | None],
        least: int,
        floor: str,
        *,
        across: bool,
    ) -> None:
        residual: dict[str, float] = {}
        for shot in self.shots:
            own = read(shot)
            if own is None:
                continue
            others = [s for s in self.shots if s.scene == shot.scene and s is not shot]
            if len(others) < least - 1 and across:
                others = [s for s in self.shots if s is not shot]
            values = [v for s in others if (v := read(s)) is not None]
            if len(values) >= least - 1:
                residual[shot.shot] = own - float(np.median(values))
        pooled = np.array(list(residual.values()) or [0.0])
        mad = 1.4826 * float(np.median(np.abs(pooled - np.median(pooled))))
        self.residual[name] = residual
        self.scale[name] = max(mad, FLOORS[floor])

    def z(self, name: str, shot: str) -> float | None:
        value = self.residual[name].get(shot)
        return None if value is None else value / self.scale[name]


def _judge_shot(
    shot: ShotMeasurement, frame: _Frame, limits: Limits, hook: bool, cuts: Sequence[Cut]
) -> ShotVerdict:
    tight = limits.hook_factor if hook else 1.0
    z = {name: v for name in frame.residual if (v := frame.z(name, shot.shot)) is not None}
    fixes = [
        *_sharpness_reasons(shot, frame, limits, tight),
        *_colour_reasons(shot, frame, limits, tight),
        *_temporal_reasons(shot, limits, tight),
        *_noise_reasons(shot, frame, limits, tight),
    ]
    regenerate, check, unknown = _identity_reasons(shot, frame.shots, limits, hook)
    if shot.values.get("fps_eff") is not None and not shot.static:
        rate = float(shot.values["fps_eff"] or 0)
        if rate < 6:
            regenerate.append(
                Reason(
                    metric="fps_eff",
                    value=rate,
                    limit=6.0,
                    text=f"Only {rate:.1f} different pictures a second: too few to invent motion"
                    " from.",
                )
            )
    check += [r for r in fixes if r.metric in AXES and _beyond_clamp(r)]
    action: Action = (
        "regenerate" if regenerate else "check" if check or unknown else "fix" if fixes else "ok"
    )
    reasons = (*regenerate, *(r for r in check if r not in fixes), *fixes)
    beside = [c.jump for c in cuts if shot.shot in (c.from_shot, c.to_shot)]
    return ShotVerdict(
        shot=shot.shot,
        order=shot.order,
        scene=shot.scene,
        hook=hook,
        action=action,
        outlier=len(beside) == 2 and min(beside) > 0.5,
        reasons=reasons,
        unknown=(*unknown, *shot.unknown),
        z={k: round(v, 3) for k, v in z.items()},
    )


def _sharpness_reasons(
    shot: ShotMeasurement, frame: _Frame, limits: Limits, tight: float
) -> list[Reason]:
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


def _colour_reasons(
    shot: ShotMeasurement, frame: _Frame, limits: Limits, tight: float
) -> list[Reason]:
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


def _beyond_clamp(reason: Reason) -> bool:
    """True where the bounded grade cannot bring the shot all the way (a case for a person)."""
    reach = {"wb_r": 0.5 * 17, "wb_b": 0.5 * 17, "ev": 0.7 * 13, "con": 0.85 * 8.5, "sat": 0.85 * 5}
    return abs(reason.value) > reach[reason.metric] * 1.25


def _temporal_reasons(shot: ShotMeasurement, limits: Limits, tight: float) -> list[Reason]:
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


def _noise_reasons(
    shot: ShotMeasurement, frame: _Frame, limits: Limits, tight: float
) -> list[Reason]:
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


def _identity_reasons(
    shot: ShotMeasurement, shots: Sequence[ShotMeasurement], limits: Limits, hook: bool
) -> tuple[list[Reason], list[Reason], list[str]]:
    regenerate: list[Reason] = []
    check: list[Reason] = []
    unknown: list[str] = []
    # The hook's tighter limit asks a person to look; it does not order a regeneration by itself.
    border = limits.id_dist * limits.hook_factor if hook else limits.id_dist - _BORDER
    for who in shot.identities:
        if who.id_dist is None:
            unknown.append(f"No usable face of {who.character}: identity cannot be judged.")
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
        elif who.id_dist > border and (usual is None or who.id_dist > usual + _BORDER):
            check.append(reason)
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
    return regenerate, check, unknown


def _agreed(who: CharacterIdentity, limits: Limits) -> bool:
    return who.n_faces >= 3 and (who.id_dist or 0) > limits.id_dist


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


def _ramp(delta: float, name: str) -> float:
    low, high = RAMPS[name]
    return float(np.clip((abs(delta) - low) / (high - low), 0, 1))


def _fps_octaves(shot: ShotMeasurement) -> float | None:
    rate = shot.values.get("fps_eff")
    return math.log2(max(rate, 0.5)) if rate is not None and not shot.static else None


def _cut(a: ShotMeasurement, b: ShotMeasurement) -> Cut:
    by: dict[str, float] = {}

    def add(name: str, x: float | None, y: float | None) -> None:
        if x is not None and y is not None:
            by[name] = _ramp(y - x, name)

    add("eff", _log_eff(a), _log_eff(b))
    add("noise", _log_noise(a), _log_noise(b))
    add("flick", a.values.get("flick_g"), b.values.get("flick_g"))
    add("fps", _fps_octaves(a), _fps_octaves(b))
    if a.scene == b.scene:
        red = _difference("wb_r", a, b)
        blue = _difference("wb_b", a, b)
        if red is not None and blue is not None:
            by["wb"] = _ramp(math.hypot(red, blue), "wb")
        for axis in ("ev", "con", "sat"):
            add(axis, _axis(axis)(a), _axis(axis)(b))
    for character, one in {i.character: i for i in a.identities}.items():
        other = next((i for i in b.identities if i.character == character), None)
        if other is not None and one.embedding and other.embedding:
            apart = math.dist(one.embedding, other.embedding)
            by["id"] = max(by.get("id", 0.0), _ramp(apart, "id"))
    jump = min(1.0, sum(v**4 for v in by.values()) ** 0.25)
    return Cut(
        from_shot=a.shot,
        to_shot=b.shot,
        jump=round(jump, 4),
        by={k: round(v, 4) for k, v in by.items()},
    )


def _difference(axis: str, a: ShotMeasurement, b: ShotMeasurement) -> float | None:
    x, y = _axis(axis)(a), _axis(axis)(b)
    return None if x is None or y is None else y - x


def _hero(shots: Sequence[ShotMeasurement], judged: Sequence[ShotVerdict], frame: _Frame) -> str:
    """Return the medoid, not the sharpest: the shot the others resemble most."""
    median_eff = np.median([v for s in shots if (v := _log_eff(s)) is not None] or [0.0])
    faces = any(i.id_dist is not None for s in shots for i in s.identities)

    def cost(pair: tuple[ShotMeasurement, ShotVerdict]) -> tuple[int, float, float]:
        shot, verdict = pair
        clean = verdict.action == "ok" and not verdict.unknown
        face = not faces or any(i.id_dist is not None for i in shot.identities)
        far = sum((z / 3.5) ** 2 for z in verdict.z.values())
        soft = max(0.0, float(median_eff) - (_log_eff(shot) or float(median_eff)))
        return (2 - clean - face, far + 0.5 * soft / 0.3, -shot.duration_s)

    return min(zip(shots, judged, strict=True), key=cost)[0].shot if shots else ""


def _tail_heavy(values: Sequence[float]) -> float:
    """Mean with a share for the worst tenth: one bad cut in forty is still seen."""
    worst = sorted(values)[-max(1, len(values) // 10) :]
    return 0.7 * float(np.mean(values)) + 0.3 * float(np.mean(worst))


def _score(shots: Sequence[ShotMeasurement], cuts: Sequence[Cut], baseline: Measurements) -> Score:
    before = {s.shot: s for s in baseline.shots}
    effs = [v for s in baseline.shots if (v := _log_eff(s)) is not None]
    target = float(np.median(effs)) - 0.15 if effs else None
    raws = [before.get(s.shot, s) for s in shots]
    deficits = [
        _deficit(shot, raw, target, _scene_medians(raw, baseline))
        for shot, raw in zip(shots, raws, strict=True)
    ]
    consistency = 1 - _tail_heavy([c.jump for c in cuts]) if cuts else 1.0
    soundness = 1 - _tail_heavy(deficits) if deficits else 1.0
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
            v for s in baseline.shots if s.scene == raw.scene and (v := _axis(axis)(s)) is not None
        ]
        if values:
            medians[axis] = float(np.median(values))
    return medians


def _deficit(
    now: ShotMeasurement,
    raw: ShotMeasurement,
    target: float | None,
    scene: Mapping[str, float],
) -> float:
    """What the shot lacks by itself, 0 to 1.

    A true outlier may move to its scene without penalty (min and max with the scene's median);
    moving the whole scene may not.
    """
    parts: list[float] = []
    eff, eff_raw = _log_eff(now), _log_eff(raw)
    if eff is not None and target is not None:
        parts.append(float(np.clip(target - eff, 0, 1)))
    if eff is not None and eff_raw is not None:
        parts.append(float(np.clip((eff_raw - eff - 0.10) / 0.5, 0, 1)))
    for axis, loss, slack, span in (
        ("sat", 1, 1.5, 4.0),
        ("sat", -1, 2.5, 5.0),
        ("con", 1, 2.0, 5.0),
    ):
        own, was = _axis(axis)(now), _axis(axis)(raw)
        if own is None or was is None or axis not in scene:
            continue
        allowed = min(was, scene[axis]) if loss > 0 else max(was, scene[axis])
        parts.append(float(np.clip(((allowed - own) * loss - slack) / span, 0, 1)))
    distances = [i.id_dist for i in now.identities if i.id_dist is not None]
    if distances:
        parts.append(_ramp(max(distances), "id"))
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
