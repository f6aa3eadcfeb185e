"""The words of the report: for the page, and for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from finishkit.report.model import Finding, Regenerate, Report, ReportCut, ReportShot

CUT_WORDS = {
    "eff": "sharpness",
    "noise": "grain",
    "wb": "white balance",
    "ev": "exposure",
    "con": "contrast",
    "sat": "saturation",
    "id": "face",
    "flick": "flicker",
    "fps": "motion rate",
}
VISIBLE_JUMP = 0.3
"""Jumps below this are not called by name: nobody sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the big figures at the top.

    Attributes
    ----------
    label, value, note : str
    tone : {'', 'good', 'bad', 'warn'}
    """

    label: str
    value: str
    note: str = ""
    tone: str = ""


FAMILY_WORDS = {
    "face": "faces",
    "motion": "motion and flicker",
    "detail": "sharpness and grain",
    "colour": "colour",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """The episode's score before and after finishing.

    Attributes
    ----------
    before, after : str
    before_share, after_share : float or None
        Of the scale.
    note, tone : str
    """

    before: str
    after: str
    before_share: float | None
    after_share: float
    note: str
    tone: str = ""


def short_labels(shots: Sequence[str]) -> dict[str, str]:
    """Return what is left of shot names without what they all begin with.

    Parameters
    ----------
    shots : sequence of str
        In any order, all different.

    Returns
    -------
    labels : dict of str to str
        ``s01e01_shot_014`` becomes ``014``; numbers are never cut in two.
    """
    prefix = _shared_start(shots) if len(shots) > 1 else ""
    prefix = prefix.rstrip("0123456789")
    labels = {s: s[len(prefix) :] for s in shots}
    return labels if all(labels.values()) else {s: s for s in shots}


def _shared_start(names: Sequence[str]) -> str:
    # Between the first and the last in order lies every other: what these two share, all do.
    first, last = min(names), max(names)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[:same]


def plural(count: int, noun: str) -> str:
    """Return ``1 shot``, ``2 shots``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def badge(shot: ReportShot) -> str:
    """Return the kind of badge a shot wears: its action, or the state that keeps it from one."""
    return shot.state if shot.state in ("quarantined", "not_run") else shot.action


def title(report: Report) -> str:
    """Return the heading."""
    if report.template:
        name = report.template.name or "template"
        return f"{report.episode} · finished with {name} {report.template.sha256[:4]}…"
    return f"{report.episode} · measured"


def meta_line(report: Report) -> tuple[str, ...]:
    """Return the facts under the heading."""
    counts = report.counted()
    parts = [plural(len(report.shots), "shot")]
    if counts.get("finished"):
        parts.append(f"{counts['finished']} finished")
    parts += [f"{len(report.regenerate)} to regenerate", f"{len(report.quarantined)} quarantined"]
    if counts.get("not_run"):
        parts.append(f"{counts['not_run']} not run")
    seconds = sum(p.duration_s for s in report.shots if (p := s.finished_picture or s.picture))
    parts.append(f"{seconds:.0f} s of picture")
    parts += _format(report)
    if report.created:
        parts.append(report.created)
    return tuple(parts)


def _format(report: Report) -> list[str]:
    if report.master:
        size = f"{report.master.width_px}×{report.master.height_px}"
        return [size, f"{report.master.rate_fps:g} fps"]
    pictures = [p for s in report.shots if (p := s.finished_picture or s.picture)]
    sizes = {f"{p.width_px}×{p.height_px}" for p in pictures}
    rates = {f"{p.rate_fps:.5g} fps" for p in pictures}
    texts = []
    for kind, found in (("sizes", sizes), ("frame rates", rates)):
        if found:
            texts.append(found.pop() if len(found) == 1 else f"{len(found)} {kind}")
    return texts


def lede(report: Report) -> str:
    """Return the sentence a person reads first: what is left to do."""
    labels = short_labels([s.shot for s in report.shots])
    parts = []
    for kind, one, many in (
        ("regenerate", "shot needs a new take", "shots need new takes"),
        ("quarantined", "file could not be used", "files could not be used"),
        ("check", "shot is for you to look at", "shots are for you to look at"),
        ("fix", "shot can be corrected", "shots can be corrected"),
        ("not_run", "shot was not run", "shots were not run"),
    ):
        names = [labels[s.shot] for s in report.shots if badge(s) == kind]
        if names:
            listed = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            parts.append(f"{len(names)} {one if len(names) == 1 else many} ({listed})")
    if not parts:
        return "Nothing is left to do: every shot holds beside its neighbours."
    return "; ".join(parts).capitalize() + "."


def figures(report: Report) -> tuple[Figure, ...]:
    """Return the big figures at the top of the page."""
    regenerate = len(report.regenerate)
    shown = [
        _score(report),
        _worst_cut(report),
        _hook(report),
        Figure(
            label="regenerate",
            value=str(regenerate),
            note="new takes needed" if regenerate else "no new take needed",
            tone="bad" if regenerate else "good",
        ),
    ]
    if report.throughput_shots_per_h is not None:
        pace = Figure(label="throughput", value=f"{report.throughput_shots_per_h:.0f} shots/h")
        shown.insert(3, pace)
    return tuple(shown)


def score_change(report: Report) -> ScoreChange | None:
    """Return the score raw and finished; None where there is no finished one to show."""
    raw, finished = report.score.raw, report.score.finished
    if finished is None:
        return None
    known = f"{1 - report.score.unknown_fraction:.0%} could be judged"
    better = raw is None or finished >= raw
    return ScoreChange(
        before="–" if raw is None else f"{raw:.0f}",
        after=f"{finished:.0f}",
        before_share=None if raw is None else raw / 100,
        after_share=finished / 100,
        note=f"{known}. The same measures on the raw and on the finished shots"
        + ("." if better else "; it fell: the sections below say where."),
        tone="" if better else "bad",
    )


def _score(report: Report) -> Figure:
    raw, finished = report.score.raw, report.score.finished
    known = f"{1 - report.score.unknown_fraction:.0%} could be judged"
    if raw is None and finished is None:
        return Figure(label="consistency", value="not known", note=known, tone="warn")
    before = "–" if raw is None else f"{raw:.0f}"
    if finished is None:
        return Figure(label="consistency", value=before, note=f"of 100, {known}")
    better = raw is None or finished >= raw
    return Figure(
        label="consistency",
        value=f"{before} → {finished:.0f}",
        note=f"of 100, {known}",
        tone="" if better else "bad",
    )


def _worst_cut(report: Report) -> Figure:
    cuts = report.cuts if report.cuts_finished is None else report.cuts_finished
    worst = max(cuts, key=lambda c: c.jump, default=None)
    if worst is None or worst.jump == 0:
        return Figure(label="worst cut", value="none", note="no jump is left", tone="good")
    labels = short_labels([s.shot for s in report.shots])
    return Figure(
        label="worst cut",
        value=f"{labels[worst.from_shot]} | {labels[worst.to_shot]}",
        note=f"jump {worst.jump:.2f}: {cut_causes(worst)}",
    )


def _hook(report: Report) -> Figure:
    hook = [s for s in report.shots if s.hook]
    label = f"hook, first {plural(len(hook), 'shot')}"
    for kind in ("quarantined", "regenerate", "check", "fix", "not_run"):
        count = sum(badge(s) == kind for s in hook)
        if count:
            verb = {"not_run": "not run"}.get(kind, kind if kind == "quarantined" else f"to {kind}")
            tone = "bad" if kind in ("quarantined", "regenerate") else "warn"
            return Figure(label=label, value=f"{count} of {len(hook)} {verb}", tone=tone)
    if not hook:
        return Figure(label="hook", value="not known", tone="warn")
    return Figure(label=label, value="holds", note="judged by tighter limits", tone="good")


def cut_causes(cut: ReportCut) -> str:
    """Return what makes a jump, strongest first."""
    ranked = sorted(cut.by.items(), key=lambda item: -item[1])
    named = [CUT_WORDS.get(k, k) for k, v in ranked if v >= VISIBLE_JUMP]
    if not named and ranked and ranked[0][1] > 0:
        named = [CUT_WORDS.get(ranked[0][0], ranked[0][0])]
    return ", ".join(named[:4]) or "nothing visible"


def headline(order: Regenerate, shot: ReportShot) -> str:
    """Return the ground of a new take in a few words."""
    metrics = {r.metric: r for r in shot.reasons if r.value is not None}
    if "id_dist" in metrics:
        return f"Another face than {metrics['id_dist'].reference}'s."
    if "id_spread" in metrics:
        return f"The face of {metrics['id_spread'].reference} changes within the shot."
    if "fps_eff" in metrics:
        return "Too few different pictures to make motion from."
    return f"{', '.join(order.characters) or 'This shot'} cannot be finished."


def worst_finding(shot: ReportShot) -> Finding | None:
    """Return the finding with the largest share of its limit."""
    known = [r for r in shot.reasons if r.value is not None and r.limit]
    return max(known, key=lambda r: abs((r.value or 0) / (r.limit or 1)), default=None)


def summary_lines(report: Report) -> str:
    """Return the report in a few lines for a terminal.

    Parameters
    ----------
    report : Report
        What is to be shown.

    Returns
    -------
    text : str
        Without colour; every shot with something left to do has a line of its own.
    """
    marks = {
        "ok": "●",
        "check": "▲",
        "fix": "◆",
        "regenerate": "■",
        "quarantined": "✕",
        "not_run": "○",
    }
    lines = [title(report), " · ".join(meta_line(report))]
    lines += [
        f"  {f.label}: {f.value}" + (f" ({f.note})" if f.note else "") for f in figures(report)
    ]
    for shot in report.shots:
        kind = badge(shot)
        if kind == "ok":
            continue
        texts = [r.text for r in shot.reasons] or list(shot.unknown)
        said = texts[0] if texts else ""
        more = f" (+{len(texts) - 1})" if len(texts) > 1 else ""
        lines.append(f"{marks[kind]} {kind:<11} {shot.shot}  {said}{more}")
    lines += [
        f"  {e.label}: {_number(e.before, e.decimals)} → {_number(e.after, e.decimals)}"
        f" {e.unit} (target ≤ {e.target:g})"
        for e in report.effects
    ]
    lines.append(lede(report))
    return "\n".join(lines)


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
