"""Every shot against its scene, its cast and its neighbours."""

import itertools
from collections.abc import Sequence

import numpy as np

from finishkit.measure import Measurements, ShotMeasurement
from finishkit.verdict.identity import identity_reasons
from finishkit.verdict.reasons import (
    beyond_reach,
    cadence_reasons,
    colour_reasons,
    inner_cut_reasons,
    noise_reasons,
    sharpness_reasons,
    temporal_reasons,
)
from finishkit.verdict.scales import Standing, log_eff
from finishkit.verdict.score import cut_between, episode_score
from finishkit.verdict.values import Action, Cut, Limits, Reason, ShotVerdict, Verdict


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
        Of the whole episode: a shot is judged by its neighbours.
    limits : Limits, optional
        The published ones by default.
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
    faces = {s.shot: identity_reasons(s, measurements, limits, s.shot in hooks) for s in shots}
    # A shot with another actor will be generated anew: its light and detail set no standard.
    replaced = [shot for shot, (regenerate, _) in faces.items() if regenerate]
    standing = Standing(measurements, limits.z, replaced)
    cuts = tuple(cut_between(a, b, standing) for a, b in itertools.pairwise(shots))
    judged = tuple(
        _judge_shot(s, standing, faces[s.shot], limits, s.shot in hooks, cuts) for s in shots
    )
    return Verdict(
        shots=judged,
        cuts=cuts,
        hero=_hero(shots, judged),
        score=episode_score(
            shots,
            cuts,
            baseline or measurements,
            _retaken(baseline, limits) if baseline else (),
        ),
    )


def _retaken(baseline: Measurements, limits: Limits) -> list[str]:
    return [s.shot for s in baseline.shots if identity_reasons(s, baseline, limits, False)[0]]


def _hooks(shots: Sequence[ShotMeasurement], limits: Limits) -> frozenset[str]:
    start, names = 0.0, []
    for index, shot in enumerate(shots):
        if start < limits.hook_s or index < 2:
            names.append(shot.shot)
        start += shot.duration_s
    return frozenset(names)


def _judge_shot(
    shot: ShotMeasurement,
    frame: Standing,
    faces: tuple[list[Reason], list[Reason]],
    limits: Limits,
    hook: bool,
    cuts: Sequence[Cut],
) -> ShotVerdict:
    tight = limits.hook_factor if hook else 1.0
    z = {name: v for name in frame.residual if (v := frame.z(name, shot.shot)) is not None}
    colour = colour_reasons(shot, frame, limits, tight)
    fixes = [
        *sharpness_reasons(shot, frame, limits, tight),
        *colour,
        *temporal_reasons(shot, limits, tight),
        *noise_reasons(shot, frame, limits, tight),
    ]
    regenerate = [*faces[0], *cadence_reasons(shot)]
    check = [*faces[1], *inner_cut_reasons(shot), *beyond_reach(shot.shot, colour, frame)]
    # The script says there is a face and none can be used: never a pass. A face that only lacks
    # something to compare it with is listed as unknown, and no more.
    unseen = any(i.id_dist is None and i.n_faces == 0 for i in shot.identities)
    action: Action = (
        "regenerate" if regenerate else "check" if check or unseen else "fix" if fixes else "ok"
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
        unknown=shot.unknown,
        z={k: round(v, 3) for k, v in z.items()},
    )


def _hero(shots: Sequence[ShotMeasurement], judged: Sequence[ShotVerdict]) -> str:
    """Return the medoid, not the sharpest: the shot the others resemble most."""
    median_eff = np.median([v for s in shots if (v := log_eff(s)) is not None] or [0.0])
    faces = any(i.id_dist is not None for s in shots for i in s.identities)

    def cost(pair: tuple[ShotMeasurement, ShotVerdict]) -> tuple[int, float, float]:
        shot, verdict = pair
        clean = verdict.action == "ok" and not verdict.unknown
        face = not faces or any(i.id_dist is not None for i in shot.identities)
        far = sum((z / 3.5) ** 2 for z in verdict.z.values())
        soft = max(0.0, float(median_eff) - (log_eff(shot) or float(median_eff)))
        return (2 - clean - face, far + 0.5 * soft / 0.3, -shot.duration_s)

    return min(zip(shots, judged, strict=True), key=cost)[0].shot if shots else ""
