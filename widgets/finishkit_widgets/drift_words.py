"""One metric over the cut, in words: the sentence over the plot and the rows of its table. Pure."""

from collections.abc import Mapping, Sequence

from finishkit.verdict import Reason, ShotVerdict
from finishkit.verdict.scales import per_unit
from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift_points import RELATIVE, DriftPoint, metric_of
from finishkit_widgets.twin_table import Cell

Words = Mapping[str, str]

_NAMED_AT_ONCE = 6


def shot_sentence(point: DriftPoint, judged: ShotVerdict, metric: str, words: Words) -> str:
    """Say what is seen of one shot, as in "005 is 0.65 stops brighter than its scene".

    Parameters
    ----------
    point : DriftPoint
        The shot, in the metric shown.
    judged : ShotVerdict
        What else is known of it.
    metric : str
        Its name.
    words : mapping of str to str
        Of ``texts/drift.toml``.
    """
    named = {"shot": point.label, "metric": _said(metric, words)}
    if point.reason is not None:
        return _flagged(point, point.reason, words)
    if point.height is None:
        why = " ".join(judged.unknown)
        return f"{words['not_judged_here'].format(**named)} {why}".strip()
    if metric in RELATIVE:
        key = "unusual" if point.outside else "usual"
        return words[key].format(z=signed(point.height), **named)
    value = _with_unit(point.value, metric)
    if point.band is None:
        return words["plain"].format(value=value, **named)
    key = "over" if point.outside else "within"
    return words[key].format(value=value, limit=_limit_text(point, metric), **named)


def episode_sentence(points: Sequence[DriftPoint], metric: str, words: Words) -> str:
    """Say what is seen of the whole cut: how many shots lie outside, and which.

    Parameters
    ----------
    points : sequence of DriftPoint
        In cut order.
    metric : str
        Its name.
    words : mapping of str to str
        Of ``texts/drift.toml``.
    """
    out = [point.label for point in points if point.outside]
    named = ", ".join(out[:_NAMED_AT_ONCE]) + (" …" if len(out) > _NAMED_AT_ONCE else "")
    judged = [point for point in points if point.height is not None]
    key = "outside" if out else "all_inside"
    if all(point.band is None for point in points):
        key = "no_band"
    said = words[key].format(
        metric=_capital(_said(metric, words)), count=len(out), total=len(judged), shots=named
    )
    missing = len(points) - len(judged)
    return f"{said} {words['unjudged'].format(count=missing)}" if missing else said


def heading(points: Sequence[DriftPoint], metric: str, words: Words) -> tuple[str, str]:
    """Return the title of the plot, and what its height and its shading mean.

    Parameters
    ----------
    points : sequence of DriftPoint
        In cut order.
    metric : str
        Its name.
    words : mapping of str to str
        Of ``texts/drift.toml``.
    """
    if metric in RELATIVE:
        return words["heading_relative"], words["band_relative"]
    unit = metric_of(metric).unit
    banded = any(point.band for point in points)
    if banded and not unit:
        return words["heading_value"], words["band_plain"]
    key = "band_value" if banded else "band_none"
    return words["heading_value"], words[key].format(unit=unit).lstrip(", ，")


def heads(metric: str, words: Words) -> list[str]:
    """Return the heads of the table's columns."""
    row = metric_of(metric)
    named = words[f"metric_{metric}"]
    value = f"{named}, {row.unit}" if row.unit else named
    return [
        words["col_verdict"],
        words["col_shot"],
        words["col_scene"],
        value,
        words["col_z"],
        words["col_limit"],
        words["col_why"],
    ]


def row(point: DriftPoint, judged: ShotVerdict, metric: str, words: Words) -> list[Cell]:
    """Return one shot as a row of the table.

    Parameters
    ----------
    point : DriftPoint
        The shot, in the metric shown.
    judged : ShotVerdict
        The verdict on it.
    metric : str
        Its name.
    words : mapping of str to str
        Of ``texts/drift.toml``.
    """
    badge = BADGES[point.action]
    seen = [_short(reason, words) for reason in judged.reasons]
    why = "; ".join(dict.fromkeys(seen)) or (words["why_unknown"] if judged.unknown else "")
    z = point.height if metric in RELATIVE else None
    value = words["not_judged"] if point.value is None else _number(point.value, metric)
    # Saved as CSV, a true minus would be no number.
    value = value.replace("−", "-")
    limit = "" if point.band is None else _limit_text(point, metric)
    order = list(BADGES).index(point.action)
    return [
        Cell(
            text=f"{badge.shape}{badge.letter} {words[point.action]}",
            sort=order,
            kind="badge",
            action=point.action,
        ),
        Cell(text=point.shot),
        Cell(text=point.scene),
        Cell(text=value, sort=_sorted(point.value), kind="number"),
        Cell(text="" if z is None else f"{z:+.1f}", sort=_sorted(z), kind="number"),
        Cell(text=limit, kind="number"),
        Cell(text=why),
    ]


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign, and a true minus."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def _flagged(point: DriftPoint, reason: Reason, words: Words) -> str:
    metric, value = reason.metric, reason.value
    # The verdict counts softness upwards.
    key = f"{metric}_less" if metric == "eff_r" or value < 0 else f"{metric}_more"
    if not reason.reference.startswith("scene") or key not in words:
        return _by_limit(point, reason, words)
    amount = f"{abs(value) / per_unit(metric):.2f}"
    if metric == "noise_sigma":
        amount = f"{value:.1f}"
    return words[key].format(shot=point.label, amount=amount, percent=f"{100 * 2.0**-value:.0f}")


def _by_limit(point: DriftPoint, reason: Reason, words: Words) -> str:
    # What is not said against the scene may be in another unit: its own words are the engine's.
    if reason.metric in RELATIVE:
        return f"{point.label}: {reason.text}"
    return words["over"].format(
        shot=point.label,
        metric=_said(reason.metric, words),
        value=_with_unit(reason.value, reason.metric),
        limit=_with_unit(reason.limit, reason.metric),
    )


def _short(reason: Reason, words: Words) -> str:
    name = words[f"metric_{reason.metric}"]
    if reason.metric == "inner_cut":
        return f"{name} {reason.value:.0f}"
    unit = "ΔE" if reason.metric in RELATIVE and reason.metric[:3] not in ("eff", "noi") else ""
    value, limit = (
        f"{n:.2f} {unit}".strip().replace("-", "−") for n in (reason.value, reason.limit)
    )
    return words["why_item"].format(metric=name, value=value, limit=limit)


def _said(metric: str, words: Words) -> str:
    """Return the metric's name as it stands in a sentence."""
    return words.get(f"said_{metric}", words[f"metric_{metric}"])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _limit_text(point: DriftPoint, metric: str) -> str:
    assert point.band is not None
    low, high = point.band
    if metric in RELATIVE:
        return f"±{high:.1f} z"
    return _with_unit(low if metric == "white_ev" else high, metric)


def _number(value: float, metric: str) -> str:
    return f"{value:.{metric_of(metric).decimals}f}".replace("-", "−")


def _with_unit(value: float | None, metric: str) -> str:
    assert value is not None
    return f"{_number(value, metric)} {metric_of(metric).unit}".strip()


def _sorted(value: float | None) -> float:
    # What was not judged comes first, where it is seen.
    return -1e9 if value is None else round(value, 6)
