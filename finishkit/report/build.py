"""From measurements and verdicts to the report. Pure: no file is read, no clock is asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from finishkit.flags import Flag
from finishkit.measure import METRICS, CharacterLook, Measurements, ShotMeasurement
from finishkit.report.changes import genre_reading, metric_changes
from finishkit.report.effects import IDENTITY_TARGET, finishing_effects
from finishkit.report.model import (
    Alike,
    Finding,
    Identity,
    Look,
    Master,
    Picture,
    Quarantined,
    Regenerate,
    Report,
    ReportCut,
    ReportShot,
    Scores,
    ShotOutcome,
    State,
    Template,
)
from finishkit.report.text import legible
from finishkit.settings import Weights
from finishkit.shots import Episode, Shot
from finishkit.verdict import Action, Limits, Reason, ShotVerdict, Verdict
from finishkit.verdict.identity import CALIBRATED_DIST, CALIBRATED_SPREAD, backend_title, cure

UNREPAIRABLE = frozenset({"id_dist", "id_spread", "fps_eff"})
"""Findings no finish can repair: they stand as the raw shot had them."""

FLAG = "flag"
"""Stands in a finding's place of the metric where a person, not a metric, has spoken."""

PASS_MARGIN = 0.07
"""A new take nearer to the limit than this would only be sent back to a person (dlib units); where
nothing was calibrated."""


def build_report(
    *,
    episode: Episode,
    raw: Measurements,
    verdict: Verdict,
    finished: Measurements | None = None,
    finished_verdict: Verdict | None = None,
    template_name: str | None = None,
    template_sha256: str | None = None,
    outcomes: Sequence[ShotOutcome] = (),
    flags: Mapping[str, Flag] | None = None,
    environment: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    max_identity_shift: float = IDENTITY_TARGET,
    weights: Weights | None = None,
    throughput_shots_per_h: float | None = None,
    master: Master | None = None,
    created: str = "",
) -> Report:
    """Put together what is known of an episode.

    Parameters
    ----------
    episode : Episode
        In cut order, with its cast.
    raw : Measurements
        Of the sources. Shots that could not be ingested are missing.
    verdict : Verdict
        On ``raw``.
    finished : Measurements, optional
        Of the finished clips, those there are.
    finished_verdict : Verdict, optional
        On ``finished``, judged with ``baseline=raw``.
    template_name, template_sha256 : str, optional
        Of the locked template; ``None`` when nothing was finished.
    outcomes : sequence of ShotOutcome
        What became of each shot. A shot without one is ``finished`` when it is in ``finished``,
        otherwise ``measured``, otherwise ``not_run``.
    flags : Mapping of str to Flag, optional
        What a person said of shots, by id: it stands above what was measured.
    environment : Mapping of str to str
        Versions and models, for the foot of the page.
    limits : Limits, optional
        Those the verdicts were made with.
    max_identity_shift : float
        The template's bound on what the face stage may change.
    weights : Weights, optional
        What each family of measures counts in the genre.
    throughput_shots_per_h : float, optional
        As measured while finishing.
    master : Master, optional
        The joined file, once there is one.
    created : str
        The date to print.

    Returns
    -------
    report : Report

    Notes
    -----
    After finishing, what could be fixed is judged by the finished clip. What no finish can
    repair (another face, too few pictures) stands as the raw shot had it.
    """
    limits = limits or Limits()
    outcome = {o.shot: o for o in outcomes}
    shots = tuple(
        _shot(
            shot,
            _measured(raw, shot.id),
            _judged(verdict, shot.id),
            _measured(finished, shot.id) if finished else None,
            _judged(finished_verdict, shot.id) if finished_verdict else None,
            outcome.get(shot.id),
            (flags or {}).get(shot.id, Flag()),
        )
        for shot in episode
    )
    score = finished_verdict.score if finished_verdict else None
    return Report(
        episode=episode.name,
        template=Template(name=template_name or "", sha256=template_sha256)
        if template_sha256
        else None,
        environment=dict(environment or {}),
        score=Scores(
            raw=verdict.score.value,
            finished=score.value if score else None,
            unknown_fraction=(score or verdict.score).unknown_fraction,
        ),
        hero=verdict.hero,
        shots=shots,
        cuts=_cuts(verdict),
        cuts_finished=_cuts(finished_verdict) if finished_verdict else None,
        regenerate=tuple(
            _regenerate(episode, s, raw) for s in shots if s.action == "regenerate" and _usable(s)
        ),
        quarantined=tuple(
            _quarantined(s, outcome[s.shot]) for s in shots if s.state == "quarantined"
        ),
        effects=finishing_effects(raw, finished, limits, max_identity_shift=max_identity_shift)
        if finished
        else (),
        changes=metric_changes(raw, finished, verdict, finished_verdict)
        if finished and finished_verdict
        else (),
        reading=genre_reading(verdict, finished_verdict, weights or Weights())
        if finished_verdict
        else None,
        limits=limits.model_dump(),
        face_backend=raw.backend,
        cast=tuple(_look(one, limits) for one in raw.looks),
        separability=tuple(
            Alike.model_validate(pair.model_dump(include=set(Alike.model_fields)))
            for pair in raw.separability
        ),
        notices=_notices(raw),
        throughput_shots_per_h=throughput_shots_per_h,
        master=master,
        created=created,
    ).sealed()


def _measured(measurements: Measurements, shot: str) -> ShotMeasurement | None:
    return next((s for s in measurements.shots if s.shot == shot), None)


def _judged(verdict: Verdict, shot: str) -> ShotVerdict | None:
    return next((s for s in verdict.shots if s.shot == shot), None)


def _cuts(verdict: Verdict) -> tuple[ReportCut, ...]:
    return tuple(
        ReportCut(from_shot=c.from_shot, to_shot=c.to_shot, jump=c.jump, by=c.by)
        for c in verdict.cuts
    )


def _usable(shot: ReportShot) -> bool:
    return shot.state != "quarantined"


def _values(measured: ShotMeasurement | None) -> dict[str, float | None]:
    return {m.name: measured.values.get(m.name) if measured else None for m in METRICS}


def _shot(
    shot: Shot,
    raw: ShotMeasurement | None,
    verdict: ShotVerdict | None,
    finished: ShotMeasurement | None,
    finished_verdict: ShotVerdict | None,
    outcome: ShotOutcome | None,
    flag: Flag,
) -> ReportShot:
    state: State = "finished" if finished else "measured" if raw else "not_run"
    state = outcome.state if outcome else state
    action, standing, fixed = _left_to_do(raw, verdict, finished_verdict)
    if state == "quarantined" and outcome:
        text = outcome.text or f"The shot was set aside: {outcome.code}."
        standing = (Finding(metric=outcome.code, value=None, limit=None, text=text), *standing)
        action = "regenerate" if action == "regenerate" else "check"
    elif outcome and outcome.text and not flag.mark:
        # Its pictures are measured and finished; of its sound a person must judge.
        sound = Finding(metric="sound", value=None, limit=None, text=outcome.text)
        standing, action = (*standing, sound), "check" if action == "ok" else action
    elif flag.mark:
        # A person has looked: what they say stands, and what was measured beside it.
        action = "regenerate" if flag.mark == "regenerate" else "ok"
        standing = (_flagged(flag), *standing)
    return ReportShot(
        shot=shot.id,
        scene=shot.scene,
        order=shot.order,
        hook=verdict.hook if verdict else False,
        state=state,
        action=action,
        reasons=standing,
        unknown=_unknown(verdict, finished_verdict),
        raw=_values(raw),
        finished=_values(finished) if finished else None,
        file=(outcome.file if outcome else "") or shot.path.name,
        source=shot.path.name,
        characters=shot.characters,
        raw_action=verdict.action if verdict else "check",
        outlier=(finished_verdict or verdict).outlier if finished_verdict or verdict else False,  # type: ignore[union-attr]
        static=raw.static if raw else False,
        fixed=fixed,
        z=verdict.z if verdict else {},
        identities=_identities(raw, finished),
        picture=_picture(raw),
        finished_picture=_picture(finished),
        solved=outcome.notes if outcome else {},
        gates=outcome.gates if outcome else (),
        notes=dict(shot.notes),
    )


def _finding(reason: Reason) -> Finding:
    return Finding.model_validate(reason.model_dump())


def _key(reason: Reason) -> tuple[str, str]:
    # The scene a finding is measured against may change its wording, a character may not.
    return reason.metric, reason.reference if reason.metric.startswith("id_") else ""


def _left_to_do(
    raw: ShotMeasurement | None, verdict: ShotVerdict | None, finished: ShotVerdict | None
) -> tuple[Action, tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the action that is left, the findings that stand and those that are gone."""
    if verdict is None:
        return "check", (), ()
    if finished is None:
        return verdict.action, tuple(_finding(r) for r in verdict.reasons), ()
    now = {_key(r): r for r in finished.reasons}
    before = {_key(r) for r in verdict.reasons}
    standing, fixed = [], []
    for reason in verdict.reasons:
        if reason.metric in UNREPAIRABLE:
            standing.append(_finding(reason))
        elif _key(reason) in now:
            standing.append(_finding(now[_key(reason)]))
        else:
            fixed.append(_finding(reason))
    standing += [_finding(r) for r in finished.reasons if _key(r) not in before]
    return _action(raw, verdict, finished, standing), tuple(standing), tuple(fixed)


def _action(
    raw: ShotMeasurement | None,
    verdict: ShotVerdict,
    finished: ShotVerdict,
    standing: Sequence[Finding],
) -> Action:
    if verdict.action == "regenerate":
        return "regenerate"
    faceless = any(who.id_dist is None for who in raw.identities) if raw else False
    if verdict.action == "check" and (standing or faceless):
        return "check"
    # Finishing may have made things worse: that is never passed over in silence.
    return "check" if finished.action in ("check", "regenerate") else finished.action


def _unknown(verdict: ShotVerdict | None, finished: ShotVerdict | None) -> tuple[str, ...]:
    texts = [*(verdict.unknown if verdict else ()), *(finished.unknown if finished else ())]
    return tuple(dict.fromkeys(texts))


def _identities(
    raw: ShotMeasurement | None, finished: ShotMeasurement | None
) -> tuple[Identity, ...]:
    now = {i.character: i.id_dist for i in finished.identities} if finished else {}
    return tuple(
        Identity(
            character=who.character,
            id_dist=who.id_dist,
            id_spread=who.id_spread,
            id_dist_finished=now.get(who.character),
            n_faces=who.n_faces,
            worst_frame=who.worst_frame,
            worst_box=who.worst_box,
            nearest_other=who.nearest_other,
            other_dist=who.other_dist,
        )
        for who in (raw.identities if raw else ())
    )


def _look(one: CharacterLook, limits: Limits) -> Look:
    known = one.model_dump(include=set(Look.model_fields))
    # As the verdict holds them: in proportion to the strictness asked for.
    known["limit"] = one.limit * limits.id_dist / CALIBRATED_DIST
    known["spread_limit"] = one.spread_limit * limits.id_spread / CALIBRATED_SPREAD
    return Look.model_validate(known)


def _notices(raw: Measurements) -> tuple[str, ...]:
    notices = []
    grouped = [look.character for look in raw.looks if look.grouped]
    if grouped:
        notices.append(
            "Nobody is listed in shots.csv, so faces that look alike were put together:"
            f" {', '.join(grouped)} are made-up names, and one face asked of several generators"
            " may have several. List the characters to have every face judged."
        )
    alike = [
        f"{pair.first} and {pair.second} ({pair.distance:.2f} apart)"
        for pair in raw.separability
        if not pair.separable
    ]
    if alike:
        notices.append(
            f"{backend_title(raw.backend)} cannot tell these characters apart: {', '.join(alike)}."
            " Their shots are for you to look at: one in the other's place may measure as right."
            f" {cure(raw.backend)}"
        )
    return tuple(notices)


def _picture(measured: ShotMeasurement | None) -> Picture | None:
    return measured and Picture(
        width_px=measured.width_px,
        height_px=measured.height_px,
        rate_fps=float(measured.rate_fps),
        frame_count=measured.frame_count,
        duration_s=measured.duration_s,
    )


def _flagged(flag: Flag) -> Finding:
    said = "A new take was asked for by hand" if flag.mark == "regenerate" else "Accepted by hand"
    text = f"{said}: {flag.note}" if flag.note else f"{said}."
    return Finding(metric=FLAG, value=None, limit=None, text=text)


def _quarantined(shot: ReportShot, outcome: ShotOutcome) -> Quarantined:
    return Quarantined(
        shot=shot.shot, file=shot.source, code=outcome.code, text=shot.reasons[0].text
    )


def _regenerate(episode: Episode, shot: ReportShot, raw: Measurements) -> Regenerate:
    grounds = [r for r in shot.reasons if r.metric in UNREPAIRABLE or r.metric == FLAG]
    # A face that may be wrong beside one that is: both must be right in the new take.
    wrong = tuple(dict.fromkeys(r.reference for r in grounds if r.reference))
    who = wrong or shot.characters
    # Names in findings have been made legible; those of the cast are compared the same way.
    cast = {legible(c.name): c.reference_images for c in episode.characters}
    images = [path for name in who for path in cast.get(name, ())]
    return Regenerate(
        shot=shot.shot,
        characters=who,
        reference_images=tuple(_relative(path, episode.root) for path in images),
        why=" ".join(r.text for r in grounds or shot.reasons),
        pass_if=" ".join(_pass_if(r, raw) for r in grounds),
    )


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _pass_if(finding: Finding, raw: Measurements) -> str:
    limit = finding.limit or 0.0
    if finding.metric == FLAG:
        return "Whoever asked for it accepts the new take."
    if finding.metric == "id_dist":
        looks = {legible(one.character): one for one in raw.looks}
        look = looks.get(finding.reference)
        margin = look.margin if look else PASS_MARGIN
        return f"The face of {finding.reference} measures {limit - margin:.2f} or less."
    if finding.metric == "id_spread":
        return f"The face of {finding.reference} spreads {limit:.2f} or less within the shot."
    return f"At least {limit:.0f} different pictures a second."
