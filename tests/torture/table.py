"""The table of ``docs/guarantees.md``, written from the results of the full runs."""

import json
from pathlib import Path

from tests.torture.outcome import Outcome, at_least

RESULTS = Path(__file__).parent / "results"
GUARANTEES = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"


def outcomes(folder: Path = RESULTS) -> list[Outcome]:
    """Return what the full runs found, by the first promise each tries."""
    found = [Outcome.model_validate(json.loads(p.read_text())) for p in folder.glob("*.json")]
    return sorted(found, key=lambda o: (int(o.promises[0][1:]), o.suite))


def table(found: list[Outcome]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| promises | suite | trials | broken | so the true rate is below (95 %) |",
        "|---|---|---:|---:|---:|",
    ]
    for one in found:
        bound = "" if one.failures else f"{100 * at_least(one.trials):.2g} %"
        lines.append(
            f"| {', '.join(one.promises)} | `{one.suite}` | {one.trials} | {len(one.failures)}"
            f" | {bound} |"
        )
    return "\n".join(lines)


def put(text: str, rows: str) -> str:
    """Return a document with the rows between its marks."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{rows}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    GUARANTEES.write_text(put(GUARANTEES.read_text(), table(outcomes())))
