"""The tables of ``docs/guarantees.md``, written from the results of the full runs."""

import json
from pathlib import Path

from tests.torture.outcome import Outcome, at_least

RESULTS = Path(__file__).parent / "results"
GUARANTEES = Path(__file__).parents[2] / "docs" / "guarantees.md"


def outcomes(folder: Path = RESULTS) -> list[Outcome]:
    """Return what the full runs found, by the first promise each tries."""
    found = [Outcome.model_validate(json.loads(p.read_text())) for p in folder.glob("*.json")]
    return sorted(found, key=lambda o: (int(o.promises[0][1:]), o.suite))


def trials(found: list[Outcome]) -> str:
    """Return how often each promise was tried, as Markdown."""
    lines = [
        "| promises | suite | trials | broken | so the true rate is below (95 %) |",
        "|---|---|---:|---:|---:|",
    ]
    for one in found:
        if one.suite == "damage":
            continue  # a rate and no promise: it has a table of its own
        bound = "" if one.failures else f"{100 * at_least(one.trials):.2g} %"
        lines.append(
            f"| {', '.join(one.promises)} | `{one.suite}` | {one.trials} | {len(one.failures)}"
            f" | {bound} |"
        )
    return "\n".join(lines)


def damage(found: list[Outcome]) -> str:
    """Return how much damage is found in clips of each codec, as Markdown."""
    lines = [
        "| codec | damaged clips | found | of those that decode whole, to wrong pictures |",
        "|---|---:|---:|---:|",
    ]
    (told,) = (one.figures for one in found if one.suite == "damage")
    for name, codec in told["codecs"].items():
        lines.append(
            f"| {name} | {codec['damaged']} | {100 * codec['rate']:.1f} %"
            f" | {codec['pictures_found']} of {codec['wrong_pictures']} |"
        )
    return "\n".join(lines)


def put(text: str, name: str, rows: str) -> str:
    """Return a document with the rows between its marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, rest = text.split(begin)
    return f"{head}{begin}\n{rows}\n{end}{rest.split(end)[1]}"


def written(text: str, found: list[Outcome]) -> str:
    """Return the page with both tables as they are now."""
    return put(put(text, "trials", trials(found)), "damage", damage(found))


if __name__ == "__main__":
    GUARANTEES.write_text(written(GUARANTEES.read_text(), outcomes()))
