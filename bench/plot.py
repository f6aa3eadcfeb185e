"""The plot of a benchmark: how many times as long each peer takes, and what was asked for."""

import json
import sys
from pathlib import Path
from typing import Any

OURS = "finishkit"


def bars(record: dict[str, Any]) -> list[tuple[str, str, float, float | None]]:
    """Return row, peer, ratio and floor of every bar."""
    return [
        (row["name"], peer, found["median"], found.get("floor"))
        for row in record["rows"]
        for peer, found in row["ratios"].items()
    ]


def plot(source: Path, target: Path) -> None:
    """Draw a record as horizontal bars, a mark where the floor lies.

    Parameters
    ----------
    source : Path
        The JSON.
    target : Path
        The PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    record = json.loads(source.read_text())
    shown = bars(record)
    if not shown:
        return
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(shown))
    values = [bar[2] for bar in shown]
    axes.barh(places, values, height=0.62, color="#3b6ea5", label="measured ratio")
    floors = [(i, bar[3]) for i, bar in enumerate(shown) if bar[3] is not None]
    axes.scatter(
        [f for _, f in floors], [i for i, _ in floors], marker="|", s=420, linewidths=3,
        color="#c2410c", label="asked for", zorder=3,
    )  # fmt: skip
    axes.axvline(1, color="#444", linewidth=1, linestyle="--", label="as fast as finishkit")
    top = max([*values, *(f for _, f in floors)])
    for i, value in enumerate(values):
        floor = shown[i][3]
        end = max(value, floor) if floor is not None and abs(floor - value) < 0.1 * top else value
        axes.text(end + 0.012 * top, i, f"{value:.2f}×", va="center", fontsize=9)
    axes.set_yticks(places, [f"{row}\nagainst {peer}" for row, peer, *_ in shown], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.14 * top)
    axes.set_xlabel("peer's time over finishkit's, medians of runs in turn (longer is better)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, loc="outside lower center", ncols=3, frameon=False, markerscale=0.5)
    busy = "" if record.get("quiet", True) else " · BUSY MACHINE, INDICATIVE ONLY"
    machine = record["machine"]
    title = f"{record.get('gpu', {}).get('name') or machine['cpu']}, {machine['cores']} cores"
    axes.set_title(f"{title}, {record['threads']} threads a side{busy}", fontsize=10, loc="left")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)


if __name__ == "__main__":
    plot(Path(sys.argv[1]), Path(sys.argv[2]))
