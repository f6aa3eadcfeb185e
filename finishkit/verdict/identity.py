"""Why a face is flagged: another person, a drift within the shot, or a name nobody can tell."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from finishkit.measure import (
    CastPair,
    CharacterIdentity,
    CharacterLook,
    Measurements,
    ShotMeasurement,
)
from finishkit.verdict.values import Limits, Reason

CALIBRATED_DIST: Final = 0.52
"""The value of ``Limits.id_dist`` that leaves the calibrated limits as they are."""
CALIBRATED_SPREAD: Final = 0.42
MARGIN: Final = 0.07
"""Identity closer to its limit than this is a case for a person (dlib units); where nothing was
calibrated."""
MIN_FACES: Final = 3
AGREED: Final = 0.6
"""Share of the faces that must be beyond the limit before a verdict costs money."""
UNUSUAL: Final = 0.7
"""Share of the limit below which a face is the character's, however tight the others are."""
UNUSUAL_Z: Final = 3.5
SCALE_FLOOR: Final = 0.08
"""Smallest spread of a character's shots, in limits: 0.04 for dlib (facts 6)."""
SAME: Final = 0.5
"""Share of the limit within which two faces are one person's, whoever else is in the cast."""
SURE: Final = 3.0
"""Log odds (20 to 1) from which a face is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One character in one shot, and what it is held against."""

    who: CharacterIdentity
    limit: float
    spread_limit: float
    margin: float
    look: CharacterLook | None
    others: tuple[float, ...]
    hook: float

    @property
    def name(self) -> str:
        return self.who.character

    @property
    def usual(self) -> float | None:
        return float(np.median(self.others)) if self.others else None


def identity_reasons(
    shot: ShotMeasurement, measurements: Measurements, limits: Limits, hook: bool
) -> tuple[list[Reason], list[Reason]]:
    """Judge every listed face.

    Parameters
    ----------
    shot : ShotMeasurement
        One of ``measurements``.
    measurements : Measurements
        With the limits calibrated for the cast, if any.
    limits : Limits
        Strictness; the limits themselves where nothing was calibrated.
    hook : bool
        Held to a tighter limit, which asks a person to look and costs no money.

    Returns
    -------
    regenerate, check : list of Reason
        What no finish can repair, and what a person must look at.
    """
    regenerate: list[Reason] = []
    check: list[Reason] = []
    for who in shot.identities:
        case = _case(who, shot, measurements, limits, hook)
        wrong, doubtful = _whose(case, measurements)
        if who.id_dist is None:
            doubtful += _looks_like(case, measurements)
        changed, turning = _drift(case)
        regenerate += wrong or changed
        check += doubtful + turning
    return regenerate, check


def _case(
    who: CharacterIdentity,
    shot: ShotMeasurement,
    measurements: Measurements,
    limits: Limits,
    hook: bool,
) -> _Case:
    look = measurements.look(who.character)
    strict = limits.id_dist / CALIBRATED_DIST
    return _Case(
        who=who,
        limit=look.limit * strict if look else limits.id_dist,
        spread_limit=look.spread_limit * limits.id_spread / CALIBRATED_SPREAD
        if look
        else limits.id_spread,
        margin=look.margin if look else MARGIN,
        look=look,
        others=_other_distances(who.character, shot, measurements),
        hook=limits.hook_factor if hook else 1.0,
    )


def _whose(case: _Case, measurements: Measurements) -> tuple[list[Reason], list[Reason]]:
    """Judge whether the face is the character's; return what is wrong and what is doubtful."""
    who, dist = case.who, case.who.id_dist
    if dist is None:
        return [], []
    other = _likelier(who, measurements)
    if dist > case.limit:
        far = [_far(case, dist)]
        doubted = case.look is not None and case.look.doubted
        return (far, []) if _agreed(who, case.limit) and not doubted else ([], far)
    if other is not None:
        pair, log_odds = other
        partner = _partner(pair, who.character)
        same = max(SAME * case.limit, _same_as(partner, case.limit, measurements))
        named = log_odds <= -SURE and who.other_dists[partner] <= same
        if not pair.separable or not named:
            return [], [_alike(case, dist, partner, measurements)]
        swapped = [_swapped(case, dist, partner)]
        return (swapped, []) if who.n_faces >= MIN_FACES else ([], swapped)
    if who.centre_dist is None and who.other_dist is not None and who.other_dist < dist:
        return [], [_alike(case, dist, who.nearest_other, measurements)]
    return [], [_far(case, dist)] if dist > _border(case) else []


def _border(case: _Case) -> float:
    """Return the distance from which a person must look."""
    border = case.limit - case.margin
    if case.others:
        usual = float(np.median(case.others))
        scatter = 1.4826 * float(np.median(np.abs(np.array(case.others) - usual)))
        # Far from its own other shots, though nobody else by itself.
        unusual = usual + UNUSUAL_Z * max(scatter, SCALE_FLOOR * case.limit)
        # The hook's tighter limit does not order a new take by itself, nor is it for the usual
        # face.
        tight = usual + case.margin if case.hook < 1 else np.inf
        border = min(border, max(UNUSUAL * case.limit, unusual), max(case.hook * case.limit, tight))
    return border


def _agreed(who: CharacterIdentity, limit: float) -> bool:
    over = sum(dist > limit for dist in who.face_dists)
    return who.n_faces >= MIN_FACES and over >= AGREED * len(who.face_dists)


def _partner(pair: CastPair, character: str) -> str:
    return pair.second if pair.first == character else pair.first


def _log_odds(who: CharacterIdentity, pair: CastPair) -> float | None:
    """Return how much likelier the face is the character's own than the other's.

    Leads of either are normal with the pair's scale, so the log of the likelihood ratio is
    d' (lead - midpoint) / scale.
    """
    theirs = who.other_dists.get(_partner(pair, who.character))
    leads = (pair.first_lead, pair.second_lead)
    own, other = leads if pair.first == who.character else reversed(leads)
    if who.centre_dist is None or theirs is None or own is None or other is None:
        return None
    if not pair.scale or own + other <= 0:
        return 0.0  # nearer to the other than to themselves: nothing is told
    lead = theirs - who.centre_dist
    return (own + other) / pair.scale * (lead - (own - other) / 2) / pair.scale


def _likelier(who: CharacterIdentity, measurements: Measurements) -> tuple[CastPair, float] | None:
    """Return the pair with the other that can least be ruled out, and the log odds against it.

    None when every other can.
    """
    pairs = [p for p in measurements.separability if who.character in (p.first, p.second)]
    odds = [(pair, value) for pair in pairs if (value := _log_odds(who, pair)) is not None]
    least = min(odds, key=lambda item: item[1], default=None)
    return least if least is not None and least[1] < SURE else None


def _reason(case: _Case, value: float, text: str, *, limit: float | None = None) -> Reason:
    return Reason(
        metric="id_dist",
        value=round(value, 3),
        limit=round(case.limit if limit is None else limit, 3),
        reference=case.name,
        text=text,
    )


def _beside(case: _Case) -> str:
    usual = f"; in the other shots of {case.name} {case.usual:.2f}" if case.usual else ""
    who = case.who
    if not who.nearest_other or who.other_dist is None:
        return usual
    return f"{usual}; nearest other of the cast: {who.nearest_other} {who.other_dist:.2f}"


def _meant(case: _Case) -> str:
    look = case.look
    if look is None or look.source != "shots" or look.grouped:
        return ""
    return f" Meant is the face of {', '.join(look.accepted[:3])}."


def _far(case: _Case, dist: float) -> Reason:
    what, look, more = "the reference", case.look, _meant(case)
    if look is not None and look.doubted and look.source == "pictures":
        more = (
            " Most shots are as far from the reference picture and agree with one another: it may"
            " be the picture that is wrong. Replace it, or regenerate them all."
        )
    elif look is not None and look.doubted:
        what, more = "the other shots", f" {look.why[0].upper()}{look.why[1:]}"
    return _reason(
        case,
        dist,
        f"The face of {case.name} is {dist:.2f} from {what}, limit {case.limit:.2f}"
        f"{_beside(case)}.{more}",
    )


def _swapped(case: _Case, dist: float, other: str) -> Reason:
    own = dist if case.who.centre_dist is None else case.who.centre_dist
    theirs = case.who.other_dists[other]
    return _reason(
        case,
        dist,
        f"The face is {other}'s and not {case.name}'s: {theirs:.2f} from {other}, {own:.2f} from"
        f" {case.name}.{_meant(case)}",
    )


def _alike(case: _Case, dist: float, other: str, measurements: Measurements) -> Reason:
    own = dist if case.who.centre_dist is None else case.who.centre_dist
    theirs = case.who.other_dists.get(other, case.who.other_dist or 0.0)
    return _reason(
        case,
        dist,
        f"{backend_title(measurements.backend)} cannot tell {case.name} from {other} here: the"
        f" face is {own:.2f} from {case.name} and {theirs:.2f} from {other}. Look at it yourself."
        f" {cure(measurements.backend)}",
        limit=theirs,
    )


def backend_title(backend: str) -> str:
    """Return what to call a face backend in a sentence; digests of its weights are left out."""
    return f"The face backend {backend.partition(':')[0].partition('@')[0]}"


def cure(backend: str) -> str:
    """Return what helps where a backend cannot tell two characters apart."""
    pictures = "add two or three clear reference pictures of both to characters.csv"
    if backend.startswith("dlib"):
        return (
            f"Cure: measure with an ArcFace-class backend (finishkit doctor says how), or"
            f" {pictures}."
        )
    return f"Cure: {pictures}."


def _looks_like(case: _Case, measurements: Measurements) -> list[Reason]:
    """Return what can be said of a face with nothing of its own to be compared with."""
    who, other = case.who, case.who.nearest_other
    if who.other_dist is None:
        return []
    near = _same_as(other, case.limit, measurements)
    if who.other_dist > near:
        return []
    text = (
        f"The face listed as {case.name} is as near to {other} as that one's own shots are:"
        f" {who.other_dist:.2f}. {case.name} has no reference to tell by: another's face, or two"
        f" that {backend_title(measurements.backend)[0].lower()}"
        f"{backend_title(measurements.backend)[1:]} cannot tell apart. Look at it yourself."
        f" {cure(measurements.backend)}"
    )
    return [_reason(case, who.other_dist, text, limit=near)]


def _drift(case: _Case) -> tuple[list[Reason], list[Reason]]:
    """Judge whether the face changes within the shot; return what is wrong and what is doubtful.

    A head that turns moves an embedding as far as another face does, so a spread alone is for a
    person to look at. It costs money when the face was the character's in one part of the shot
    and is not in the other.
    """
    who, limit = case.who, case.spread_limit
    moved = max(who.id_spread or 0.0, who.id_trend or 0.0)
    if moved <= limit:
        return [], []
    left = _left_reference(who, case.limit)
    end = (
        " At one end of it the face is not the character's any more."
        if left
        else " A turning head does that too: look at it."
    )
    reason = Reason(
        metric="id_spread",
        value=round(moved, 3),
        limit=round(limit, 3),
        reference=case.name,
        text=f"The face of {case.name} changes within the shot by {moved:.2f}, limit"
        f" {limit:.2f}.{end}",
    )
    return ([reason], []) if left else ([], [reason])


def _left_reference(who: CharacterIdentity, limit: float) -> bool:
    third = len(who.face_dists) // 3
    if who.id_trend is None or third < 2:
        return False
    first, last = who.face_dists[:third], who.face_dists[-third:]
    return (max(first) <= limit < min(last)) or (max(last) <= limit < min(first))


def _other_distances(
    character: str, shot: ShotMeasurement, measurements: Measurements
) -> tuple[float, ...]:
    return tuple(
        who.id_dist
        for other in measurements.shots
        if other.shot != shot.shot
        for who in other.identities
        if who.character == character and who.id_dist is not None
    )


def _same_as(character: str, limit: float, measurements: Measurements) -> float:
    """Return the distance within which a face is as near to a character as its own shots are."""
    look = measurements.look(character)
    accepted = look.accepted if look else ()
    own = [
        who.centre_dist
        for shot in measurements.shots
        if shot.shot in accepted
        for who in shot.identities
        if who.character == character and who.centre_dist is not None
    ]
    return float(np.median(own)) if len(own) > 1 else SAME * limit
