"""The tables of ``docs/performance.md``, written from ``bench/results``.

    python bench/table.py

The page says nothing that is not in a result there; without one it says that there is none.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.rows import OURS

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NONE = "*Not measured yet: no result is kept under `bench/results/`.*"

PICTURE = "\n\n![Ratios as bars, a mark where the target lies](performance.png)"

HOURS_S = 3600
FRAMES_A_SHOT = 96
OUT_FPS = 24

# TFLOP a frame from 540x960 to 2160x3840, two a multiply-add (torch's counter, facts 1.2).
NETS = {"realesr-animevideov3": 0.642, "realesrgan-x4plus": 18.59, "realesrgan-x4plus-anime": 5.92}
# Dense half-precision peak, TFLOP/s, from the makers' data sheets.
CARDS = {"RTX 4090": 165.0, "H100 SXM": 989.0, "H200": 989.0}
SHARES = (0.15, 0.45)
"""Share of the peak that a net reaches: what eager half precision does, and what the best public
engine does (TensorRT, 153 TFLOP/s of a 4090's 330 with half-precision sums, facts 1.2)."""


def kept(pattern: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the results of a kind, by name."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(pattern))]


def ratios(records: list[dict[str, Any]]) -> str:
    """Return every ratio as Markdown, a table a machine."""
    if not records:
        return NONE
    made = []
    for record in records:
        made += [told(record), "", *_ratio_lines(record), ""]
    return "\n".join(made).strip()


def told(record: dict[str, Any]) -> str:
    """Return the sentence that says on what, and how quietly, a record was measured."""
    machine = record["machine"]
    flags = [name for name, has in machine["flags"].items() if has]
    without = [name for name, has in machine["flags"].items() if not has]
    gpu = record.get("gpu", {}).get("name")
    versions = record.get("versions", {})
    named = [f"{n} {versions[n]}" for n in ("torch", "openvino", "av") if n in versions]
    text = (
        f"{gpu + '; ' if gpu else ''}{machine['cpu']}, {machine['cores']} cores"
        f" ({', '.join(flags) or 'no vector extension of note'}"
        f"{'; without ' + ', '.join(without) if without else ''})"
        f"{'' if gpu else ', no GPU'}. {record['threads']} threads a side, {record['repeats']}"
        f" repeats in turn, {record['made'][:10]}, {', '.join(named)}."
    )
    loads = [record[w]["foreign_cores"] for w in ("before", "after") if w in record]
    if loads:
        text += f" Foreign load {max(loads):.2f} processors at most, before and after."
    if not record.get("quiet", True):
        text += " **The machine was busy: indicative only.**"
    return text


def _ratio_lines(record: dict[str, Any]) -> list[str]:
    lines = [
        "| row | work | finishkit | against | theirs | ratio, median (min) | asked | peak, MiB |",
        "|---|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in record["rows"]:
        ours = row["sides"].get(OURS, {})
        mine = _each(ours)
        for name, side in row["sides"].items():
            if name == OURS:
                continue
            ratio = row["ratios"].get(name)
            if ratio is None:
                why = side.get("missing") or side.get("failed") or ours.get("failed", "no figure")
                shown, floor = f"none: {why}", ""
            else:
                shown = f"**{ratio['median']:.2f}×** ({ratio['min']:.2f})"
                floor = f"{ratio['floor']:g}×" if "floor" in ratio else ""
            lines.append(
                f"| `{row['name']}` | {row['title']} | {mine} a {row['unit']} | {name}"
                f" | {_each(side)} | {shown} | {floor} | {_peak(ours)} / {_peak(side)} |"
            )
    return lines


def _each(side: dict[str, Any]) -> str:
    if "median_s" not in side:
        return "–"
    seconds = side["median_s"] / side["units"]
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _peak(side: dict[str, Any]) -> str:
    last = side.get("last", {})
    most = last.get("tree_peak_bytes") or max(
        side.get("peak_bytes", 0), side.get("peak_child_bytes", 0)
    )
    return f"{most / 2**20:.0f}" if most else "–"


def equality(records: list[dict[str, Any]]) -> str:
    """Return what the two sides' results have in common, as Markdown."""
    if not records:
        return NONE
    lines = ["| row | compared | found |", "|---|---|---|"]
    for record in records:
        for row in record["rows"]:
            for what, value in row["equality"].items():
                shown = (
                    ", ".join(f"{k} {v}" for k, v in value.items())
                    if isinstance(value, dict)
                    else value
                )
                lines.append(f"| `{row['name']}` | {what} | {shown} |")
    return "\n".join(lines)


def growth(records: list[dict[str, Any]]) -> str:
    """Return the fitted exponents, as Markdown."""
    if not records:
        return NONE
    lines = [
        "| model | against | points | seconds | slope of the whole | fixed cost | slope above it |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for record in records:
        for name, series in record["series"].items():
            fit, points = series["fit"], series["points"]
            marginal = "–" if fit["marginal"] is None else f"**{fit['marginal']:.2f}**"
            fixed = f"{fit['fixed_s']:.1f} s" if fit.get("fixed_s") is not None else "–"
            sizes = ", ".join(str(p[name]) for p in points)
            times = ", ".join("{:.1f}".format(p["min_s"]) for p in points)
            lines.append(
                f"| {record['model']} | {name} | {sizes} | {times} | {fit['raw']:.2f}"
                f" | {fixed} | {marginal} |"
            )
    return "\n".join(lines)


def memory(records: list[dict[str, Any]]) -> str:
    """Return the peaks of 4K renders, as Markdown."""
    if not records:
        return NONE
    lines = [
        "| model | frames at 2160x3840 | peak of all processes | time |",
        "|---|---:|---:|---:|",
    ]
    for record in records:
        gib = record["tree_peak_bytes"] / 2**30
        seconds = f"{record['seconds']:.0f} s"
        lines.append(f"| {record['model']} | {record['frames']} | **{gib:.2f} GiB** | {seconds} |")
    return "\n".join(lines)


def shots_an_hour(tflop_a_frame: float, tflops: float, share: float) -> float:
    """Return how many shots of 96 frames a card's net gets through in an hour.

    Parameters
    ----------
    tflop_a_frame : float
        Of the net, at the size of the source.
    tflops : float
        Dense half-precision peak of the card, TFLOP/s.
    share : float
        Of the peak that is reached.
    """
    return HOURS_S * tflops * share / (tflop_a_frame * FRAMES_A_SHOT)


def planner() -> str:
    """Return shots an hour by card and net, computed, as Markdown."""
    low, high = (f"{100 * share:.0f} %" for share in SHARES)
    lines = [
        f"| card | peak, TFLOP/s | net | shots an hour at {low} to {high} of the peak (computed) |",
        "|---|---:|---|---:|",
    ]
    for name, tflops in CARDS.items():
        for net, cost in NETS.items():
            few, many = (shots_an_hour(cost, tflops, share) for share in SHARES)
            lines.append(f"| {name} | {tflops:g} | {net} | {few:,.0f} to {many:,.0f} |")
    return "\n".join(lines)


def put(text: str, name: str, rows: str) -> str:
    """Return a document with the rows between its marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, rest = text.split(begin)
    return f"{head}{begin}\n{rows}\n{end}{rest.split(end)[1]}"


def written(text: str, folder: Path = RESULTS) -> str:
    """Return the page with all tables as they are now."""
    bench, gpu = kept("bench*.json", folder), kept("gpu*.json", folder)
    for name, rows in {
        "ratios": ratios(bench) + (PICTURE if bench else ""),
        "equality": equality(bench + gpu),
        "gpu": ratios(gpu),
        "growth": growth(kept("growth*.json", folder)),
        "memory": memory(kept("memory*.json", folder)),
        "planner": planner(),
    }.items():
        text = put(text, name, rows)
    return text


if __name__ == "__main__":
    from bench.plot import plot

    for path in sorted(RESULTS.glob("bench*.json")):
        plot(path, PAGE.with_suffix(".png"))
    PAGE.write_text(written(PAGE.read_text()))
