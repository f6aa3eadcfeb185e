"""The page: one self-contained HTML file. Everything from files is escaped by the template."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finishkit.measure import METRICS
from finishkit.report.cast_table import cast_rows
from finishkit.report.finished import Effect
from finishkit.report.model import Identity, Regenerate, Report, ReportCut, ReportShot
from finishkit.report.pictures import SEEN_JUMP, Pictures, Thumb, as_thumb, neighbour
from finishkit.report.plots import scene_runs, strip_plots
from finishkit.report.solved import SolvedStage, acted_gates, gate_counts, solved_stages
from finishkit.report.wording import (
    FAMILY_WORDS,
    badge,
    cut_causes,
    figures,
    headline,
    lede,
    meta_line,
    plural,
    score_change,
    short_labels,
    title,
)

SHOWN_CHARACTERS = 1500
"""A prompt longer than this is cut on the page; the files hold all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture with the words under it.

    Attributes
    ----------
    thumb : Thumb or None
        ``None``: the picture could not be read.
    alt, name, kind, note : str
        ``kind`` is the badge it wears, empty for none.
    """

    thumb: Thumb | None
    alt: str
    name: str = ""
    kind: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One shot in the strip.

    Attributes
    ----------
    scene : str
        Its name where it begins, otherwise empty.
    scene_index : int
        Scenes are told apart by taking turns.
    scene_alone : bool
        True for a scene of one shot, whose name must not run on over the next.
    jump, jump_raw : float or None
        Across the cut before this shot, as it stands and as it was.
    """

    shot: ReportShot
    label: str
    kind: str
    scene: str
    scene_index: int
    scene_alone: bool
    before: Shown
    after: Shown | None
    jump: float | None
    jump_raw: float | None
    jump_tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One order for a new take, with everything needed to make it."""

    order: Regenerate
    shot: ReportShot
    label: str
    headline: str
    pictures: tuple[Shown, ...]
    evidence: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRow:
    """One line of the table of cuts."""

    label: str
    from_shot: ReportShot
    to_shot: ReportShot
    to_label: str
    before: float | None
    after: float | None
    causes: str
    causes_before: str
    across: bool

    @property
    def jump(self) -> float:
        """The jump as it stands."""
        return (self.before if self.after is None else self.after) or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """What was solved for one shot."""

    shot: ReportShot
    stages: tuple[SolvedStage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPair:
    """The two pictures of a bad cut."""

    row: CutRow
    left: Shown
    right: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of what finishing did; shares of the bar's length."""

    effect: Effect
    before: str
    after: str
    share: float
    target_share: float
    met: bool | None


def render_page(report: Report, pictures: Pictures) -> str:
    """Return ``report.html``.

    Parameters
    ----------
    report : Report
        What is to be shown.
    pictures : Pictures
        As read by :func:`finishkit.report.pictures.read_pictures`.

    Returns
    -------
    html : str
        One file: styles and pictures inside, no script, nothing loaded from elsewhere.
    """
    labels = short_labels([s.shot for s in report.shots])
    rows = _cut_rows(report, labels)
    ranked = sorted(rows.values(), key=lambda row: -row.jump)
    score = score_change(report)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            title=title(report),
            meta=meta_line(report),
            lede=lede(report),
            score=score,
            # The first figure is the score, which then stands by itself.
            figures=figures(report)[1:] if score else figures(report),
            takes=[_take(report, pictures, order, labels) for order in report.regenerate],
            cards=_cards(report, pictures, labels),
            found=[s for s in report.shots if s.reasons or s.fixed or s.unknown or _held(s)],
            bars=[_bar(effect) for effect in report.effects],
            plots=strip_plots(report),
            cuts=list(rows.values()),
            worst_cuts=[row for row in ranked if row.jump >= SEEN_JUMP],
            cut_pairs=_cut_pairs(pictures, labels, rows),
            cast=cast_rows(report),
            metrics=METRICS,
            flagged={
                s.shot: {_SHOWN_AS.get(r.metric, r.metric) for r in s.reasons} for s in report.shots
            },
            treated=[
                Treated(shot=s, stages=solved_stages(s.solved))
                for s in report.shots
                if s.solved or s.gates
            ],
            acted=acted_gates(report),
            gate_counts=gate_counts(report),
            changes=[(c, _METRIC[c.metric]) for c in report.changes if c.metric in _METRIC],
            family_words=FAMILY_WORDS,
            labels=labels,
            badge=badge,
        )
    )


def _held(shot: ReportShot) -> bool:
    return not all(gate.passed for gate in shot.gates)


_SHOWN_AS = {"eff_r": "eff_px"}
_METRIC = {metric.name: metric for metric in METRICS}


def house_templates() -> Environment:
    """Return the environment all our pages are rendered in: it escapes, and knows the one style."""
    environment = Environment(
        loader=PackageLoader("finishkit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = resources.files("finishkit.report").joinpath("templates/report.css")
    # Our own file, the only text that goes in unescaped.
    environment.globals["css"] = Markup(css.read_text(encoding="utf-8"))
    return environment


@functools.cache
def _environment() -> Environment:
    environment = house_templates()
    environment.filters["number"] = _number
    environment.filters["cut_off"] = _cut_off
    return environment


def _number(value: float | None, decimals: int = 2) -> str:
    if value is None:
        return "–"
    text = f"{value:.{decimals}f}"
    # Minus zero says nothing; a hyphen is no minus.
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("-")


def _cut_off(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"


def _shown(picture: object, alt: str, **words: str) -> Shown:
    thumb = as_thumb(picture) if picture is not None else None  # type: ignore[arg-type]
    return Shown(thumb=thumb, alt=alt, **words)


def _cards(report: Report, pictures: Pictures, labels: Mapping[str, str]) -> list[Card]:
    raw = {c.to_shot: c for c in report.cuts}
    now = {c.to_shot: c for c in report.cuts_finished or report.cuts}
    finished = report.cuts_finished is not None
    cards: list[Card] = []
    for index, (scene, start, length) in enumerate(scene_runs(report.shots)):
        for shot in report.shots[start : start + length]:
            label = labels[shot.shot]
            cut = now.get(shot.shot)
            after = pictures.after.get(shot.shot)
            cards.append(
                Card(
                    shot=shot,
                    label=label,
                    kind=badge(shot),
                    scene=scene if shot is report.shots[start] else "",
                    scene_index=index,
                    scene_alone=length == 1,
                    before=_shown(pictures.before.get(shot.shot), f"Shot {label}, before"),
                    after=None if after is None else _shown(after, f"Shot {label}, finished"),
                    jump=cut.jump if cut else None,
                    jump_raw=raw[shot.shot].jump if finished and shot.shot in raw else None,
                    jump_tip=_jump_tip(cut, labels) if cut else "",
                )
            )
    return cards


def _jump_tip(cut: ReportCut, labels: Mapping[str, str]) -> str:
    return (
        f"Cut {labels[cut.from_shot]} | {labels[cut.to_shot]}: jump {cut.jump:.2f}"
        f" ({cut_causes(cut)})"
    )


def _take(report: Report, pictures: Pictures, order: Regenerate, labels: Mapping[str, str]) -> Take:
    shot = report[order.shot]
    label = labels[order.shot]
    shown: list[Shown] = []
    for character in order.characters:
        for picture in pictures.references.get(character, ())[:2]:
            text = f"Reference of {character}"
            shown.append(_shown(picture, text, name="reference", note=character))
        who = next((i for i in shot.identities if i.character == character), None)
        value = f"{who.id_dist:.2f}" if who and who.id_dist is not None else "no face"
        look = report.look(character)
        limit = look.limit if look else report.limits.get("id_dist")
        shown.append(
            _shown(
                pictures.faces.get((shot.shot, character), pictures.before.get(shot.shot)),
                f"Shot {label}, the frame furthest from {character}",
                name=label,
                kind="regenerate",
                note=f"{value}, limit {limit:.2f}" if limit else value,
            )
        )
        beside = neighbour(report, order.shot, character)
        if beside:
            face = next(i for i in report[beside].identities if i.character == character)
            place = "before" if report[beside].order < shot.order else "after"
            shown.append(
                _shown(
                    pictures.faces.get((beside, character), pictures.before.get(beside)),
                    f"Shot {labels[beside]}, {character} as meant",
                    name=labels[beside],
                    note=f"{place} it, {face.id_dist:.2f}"
                    if face.id_dist is not None
                    else f"{place} it",
                )
            )
    if not order.characters:
        middle = pictures.before.get(shot.shot)
        shown.append(_shown(middle, f"Shot {label}", name=label, kind="regenerate"))
    return Take(
        order=order,
        shot=shot,
        label=label,
        headline=headline(order, shot),
        pictures=tuple(shown),
        evidence=" ".join(_evidence(who) for who in shot.identities if who.n_faces),
        others=tuple(r.text for r in shot.reasons if r.text not in order.why),
    )


def _evidence(who: Identity) -> str:
    faces = plural(who.n_faces, "face")
    if not who.nearest_other or who.other_dist is None:
        return f"{who.character}: judged on {faces}."
    other = f"{who.nearest_other} ({who.other_dist:.2f})"
    return f"{who.character}: judged on {faces}; the nearest other character is {other}."


def _cut_rows(report: Report, labels: Mapping[str, str]) -> dict[tuple[str, str], CutRow]:
    """Return the cuts in cut order."""
    shots = {s.shot: s for s in report.shots}
    raw = {(c.from_shot, c.to_shot): c for c in report.cuts}
    now = {(c.from_shot, c.to_shot): c for c in report.cuts_finished or ()}
    pairs = sorted({*raw, *now}, key=lambda pair: (shots[pair[1]].order, shots[pair[0]].order))
    return {
        (a, b): CutRow(
            label=f"{labels[a]} | {labels[b]}",
            from_shot=shots[a],
            to_shot=shots[b],
            to_label=labels[b],
            before=raw[a, b].jump if (a, b) in raw else None,
            after=now[a, b].jump if (a, b) in now else None,
            causes=cut_causes(now.get((a, b)) or raw[a, b]),
            causes_before=cut_causes(raw[a, b]) if (a, b) in raw else "",
            across=shots[a].scene != shots[b].scene,
        )
        for a, b in pairs
    }


def _cut_pairs(
    pictures: Pictures,
    labels: Mapping[str, str],
    rows: Mapping[tuple[str, str], CutRow],
) -> list[CutPair]:
    pairs = []
    for (a, b), (left, right) in pictures.cuts.items():
        pairs.append(
            CutPair(
                row=rows[a, b],
                left=_shown(left, f"Last frame of shot {labels[a]}", name=labels[a]),
                right=_shown(right, f"First frame of shot {labels[b]}", name=labels[b]),
            )
        )
    return pairs


def _bar(effect: Effect) -> Bar:
    top = max(v for v in (effect.before, effect.after, effect.target, 1e-9) if v is not None)
    after = effect.after
    return Bar(
        effect=effect,
        before=_number(effect.before, effect.decimals),
        after=_number(after, effect.decimals),
        share=0.0 if after is None else round(after / top, 4),
        target_share=round(effect.target / top, 4),
        met=None if after is None else after <= effect.target,
    )
