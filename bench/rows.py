"""A row of the benchmark: sides that do the same work, in turns, and what their results share."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import quiet
from bench.sides import Side, SideFailedError, Spec, interpreter

OURS = "finishkit"

Results = Mapping[str, Path]
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What every row is told.

    Attributes
    ----------
    folder : Path
        Scratch; gone at the end.
    peers : str
        Interpreter of the peers' environment, empty: this one.
    repeats : int
    tiny : bool
        Sizes at which only the code is tried.
    device : str
        ``cpu`` or ``cuda``.
    """

    folder: Path
    peers: str = ""
    repeats: int = 5
    tiny: bool = False
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison.

    Attributes
    ----------
    name, title : str
        ``B2.srvgg_540x960``, and what a reader is told.
    unit : str
        Of work: ``frame``, ``shot``.
    sides : Mapping of str to Spec
        The first is ours.
    floors : Mapping of str to float
        Ratios asked for, by peer.
    parameters : Mapping
        Sizes, counts and settings that both sides share.
    compare : callable, optional
        Takes files the sides saved and what they told at the end; returns what they share.
    notes : str
        What a reader must know to read the ratio rightly.
    repeats : int
        Fewer than asked for where one run takes minutes; 0: as asked for.
    """

    name: str
    title: str
    unit: str
    sides: Mapping[str, Spec]
    floors: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    compare: Callable[[Results, Told], dict[str, Any]] | None = None
    notes: str = ""
    repeats: int = 0


def psnr_db(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return the PSNR of two stacks of 8-bit pictures, None when they are equal."""
    if a.shape != b.shape:
        raise ValueError(f"pictures of {a.shape} and {b.shape} cannot be compared")
    errors = [float(np.mean((x.astype(np.float64) - y) ** 2)) for x, y in zip(a, b, strict=True)]
    mean = float(np.mean(errors))
    return None if mean == 0 else round(10 * float(np.log10(255**2 / mean)), 2)


def same_pictures(saved: Results, _told: Told) -> dict[str, Any]:
    """Compare what the sides saved with what ours saved, picture by picture, before any encode."""
    ours = np.load(saved[OURS])
    found: dict[str, Any] = {}
    for name, path in saved.items():
        if name != OURS:
            theirs = np.load(path)
            count = min(len(ours), len(theirs))
            decibels = psnr_db(ours[:count], theirs[:count])
            found[f"psnr_db to {name}"] = "equal" if decibels is None else decibels
    return found


def measured(row: Row, at: Workplace) -> dict[str, Any]:
    """Run a row and return its record.

    The sides are prepared, each runs once for the warm-up, then they take turns.
    """
    record: dict[str, Any] = {
        "name": row.name,
        "title": row.title,
        "unit": row.unit,
        "parameters": dict(row.parameters),
        "notes": row.notes,
        "before": quiet.load(),
        "sides": {},
        "ratios": {},
        "equality": {},
    }
    folder = at.folder / row.name
    folder.mkdir(parents=True, exist_ok=True)
    running: dict[str, Side] = {}
    try:
        for name, spec in row.sides.items():
            _prepare(name, spec, folder, at, running, record)
        _take_turns(row, row.repeats or at.repeats, running, record)
        _finish(row, folder, running, record)
    finally:
        for side in running.values():
            side.close()
    record["after"] = quiet.load()
    record["ratios"] = ratios(record["sides"], row.floors)
    return record


def _prepare(
    name: str,
    spec: Spec,
    folder: Path,
    at: Workplace,
    running: dict[str, Side],
    record: dict[str, Any],
) -> None:
    log = folder / f"{name.replace(' ', '_')}.log"
    side = Side(spec, interpreter(spec, at.peers), log)
    entry: dict[str, Any] = {"units": spec.units, "env": dict(spec.env)}
    record["sides"][name] = entry
    try:
        answer = side.ask("prepare", **spec.given)
        entry["prepare_s"] = round(answer["seconds"], 4)
        entry["told"] = answer["told"] or {}
        entry["warm_up_s"] = side.ask("run")["seconds"]
        entry["seconds"] = []
        entry["cpu_s"] = []
        running[name] = side
    except SideFailedError as error:
        _note_failure(entry, error, spec)
        side.close()


def _note_failure(entry: dict[str, Any], error: SideFailedError, spec: Spec) -> None:
    if error.missing:
        entry["missing"] = f"{error.missing} is not installed. Run: {spec.install}"
    else:
        entry["failed"] = str(error)[:500]


def _take_turns(row: Row, repeats: int, running: dict[str, Side], record: dict[str, Any]) -> None:
    for _ in range(repeats):
        for name in list(running):
            entry = record["sides"][name]
            try:
                answer = running[name].ask("run")
            except SideFailedError as error:
                _note_failure(entry, error, row.sides[name])
                running.pop(name).close()
                continue
            entry["seconds"].append(answer["seconds"])
            entry["cpu_s"].append(answer["cpu_s"])
            if answer["told"]:
                entry["last"] = answer["told"]
    for entry in record["sides"].values():
        if entry.get("seconds"):
            entry["median_s"] = statistics.median(entry["seconds"])
            entry["min_s"] = min(entry["seconds"])


def _finish(row: Row, folder: Path, running: dict[str, Side], record: dict[str, Any]) -> None:
    saved: dict[str, Path] = {}
    for name, side in running.items():
        entry = record["sides"][name]
        try:
            if row.compare is not None:
                path = folder / f"{name.replace(' ', '_')}.npy"
                entry["saved"] = side.ask("save", path=str(path))["told"] or {}
                saved[name] = path
            entry.update(side.ask("end")["told"])
        except SideFailedError as error:
            entry["failed"] = str(error)[:500]
    if row.compare is not None and OURS in saved and len(saved) > 1:
        told = {name: record["sides"][name].get("saved", {}) for name in saved}
        record["equality"] = row.compare(saved, told)


def ratios(sides: Mapping[str, Mapping[str, Any]], floors: Mapping[str, float]) -> dict[str, Any]:
    """Return how many times as long each peer takes for a unit of work."""
    ours = sides.get(OURS, {})
    found: dict[str, Any] = {}
    for name, side in sides.items():
        if name == OURS or "median_s" not in side or "median_s" not in ours:
            continue
        share = {
            which: (side[f"{which}_s"] / side["units"]) / (ours[f"{which}_s"] / ours["units"])
            for which in ("median", "min")
        }
        found[name] = {k: round(v, 3) for k, v in share.items()}
        if name in floors:
            found[name]["floor"] = floors[name]
    return found
