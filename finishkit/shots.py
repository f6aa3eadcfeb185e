"""What is there: a folder of clips, its scenes and its cast."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NewType

from finishkit import untrusted
from finishkit.errors import FinishError
from finishkit.untrusted import shown

ShotId = NewType("ShotId", str)

CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm"})
"""File name endings read as clips; they match the containers :mod:`finishkit.frames` opens."""

MAX_TABLE_BYTES = 4 * 2**20
"""A shot list larger than this is refused before it is parsed."""
MAX_ROWS = 10_000
"""An episode has some hundred shots; a table of more rows than this is refused."""
MAX_COLUMNS = 200
MAX_CELL_CHARS = 20_000
"""Of a free column too: prompts have some thousand."""
MAX_ID_BYTES = 180
"""Of a shot's name in UTF-8: with endings and prefixes it must stay below a file name's 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One role of the cast, and the pictures that say what the face must look like.

    Attributes
    ----------
    name : str
        The name used in ``shots.csv``.
    reference_images : tuple of Path
        Approved pictures of the face; may be empty, then the cast centre is used.
    """

    name: str
    reference_images: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One clip in cut order.

    Attributes
    ----------
    id : ShotId
        Stable name, used for every output file.
    path : Path
        Absolute path of the source, which is only ever read.
    scene : str
        Shots of one scene are judged and graded together.
    characters : tuple of str
        Who should be seen; empty when nobody said.
    order : int
        Position in the cut, from 0.
    notes : Mapping of str to str
        Free columns of the shot list (prompt, seed ...), handed on to the report.
    """

    id: ShotId
    path: Path
    scene: str
    characters: tuple[str, ...] = ()
    order: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """Shots in cut order, and the cast they share.

    Attributes
    ----------
    name : str
        Folder name; names the output folder too.
    root : Path
        Absolute path of the folder.
    shots : tuple of Shot
    characters : tuple of Character
    """

    name: str
    root: Path
    shots: tuple[Shot, ...]
    characters: tuple[Character, ...] = ()

    def __iter__(self) -> Iterator[Shot]:
        return iter(self.shots)

    def __len__(self) -> int:
        return len(self.shots)

    def __getitem__(self, shot: str) -> Shot:
        """Return the shot with this id.

        Raises
        ------
        FinishError
            When the episode has no such shot; the message lists those it has.
        """
        for candidate in self.shots:
            if candidate.id == shot:
                return candidate
        known = ", ".join(s.id for s in self.shots)
        raise FinishError(f"{self.name} has no shot {shot!r}. It has: {known}.", "no_such_shot")

    def character(self, name: str) -> Character:
        """Return the character with this name, without references when the cast list has none."""
        return next((c for c in self.characters if c.name == name), Character(name=name))


Row = tuple[int, dict[str, str]]
"""Line of a table, and its cells by column."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key under which ``shot_2`` comes before ``shot_10``.

    Parameters
    ----------
    name : str
        A file name.

    Returns
    -------
    key : tuple
    """
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(p)) if p.isdigit() else (1, p) for p in parts if p)


def open_episode(folder: str | Path) -> Episode:
    """Read an episode from a folder of clips.

    ``shots.csv`` (columns ``shot``, ``file``, ``scene``, ``characters``, and any others) gives the
    cut order; without it the clips are taken in natural order, as one scene. ``characters.csv``
    (columns ``character``, ``reference_images``) names the cast. Both may carry a byte order mark,
    capitals and spaces in the header.

    Parameters
    ----------
    folder : str or Path
        Holds the clips themselves; sub-folders are not searched.

    Returns
    -------
    episode : Episode

    Raises
    ------
    FinishError
        When the folder is missing or holds no clips, a listed clip lies outside the folder, a
        table is broken (with its line), or two shots share a name (also by capitals or Unicode
        form alone, since file systems differ).
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise FinishError(
            f"{folder} is not a folder. Give the folder that holds the episode's clips.",
            "no_folder",
        )
    rows = _read_table(root / "shots.csv", required=("file",), key="shot")
    shots = _listed(root, rows) if rows is not None else _scanned(root)
    if not shots:
        raise FinishError(
            f"{root} holds no clips ({', '.join(sorted(CLIP_SUFFIXES))}). Put the episode's shots"
            " there, or give another folder.",
            "no_clips",
        )
    seen: dict[str, str] = {}
    for shot in shots:
        folded = unicodedata.normalize("NFC", shot.id).casefold()
        if folded in seen:
            raise FinishError(
                f"{root.name}: two shots are called {shot.id!r} and {seen[folded]!r}. Rename one"
                " in shots.csv: their outputs would overwrite each other.",
                "duplicate_shot",
            )
        seen[folded] = shot.id
    return Episode(name=root.name, root=root, shots=tuple(shots), characters=_cast(root))


def _scanned(root: Path) -> list[Shot]:
    clips = [p for p in root.iterdir() if p.suffix.casefold() in CLIP_SUFFIXES]
    clips.sort(key=lambda p: natural_key(p.name))
    # Two clips that differ only by their ending keep it, so that their outputs stay apart.
    stems = [p.stem for p in clips]
    return [
        Shot(
            id=_shot_id(p.stem if stems.count(p.stem) == 1 else p.name.replace(".", "_")),
            path=p,
            scene="1",
            order=i,
        )
        for i, p in enumerate(clips)
    ]


def _listed(root: Path, rows: list[Row]) -> list[Shot]:
    shots: list[Shot] = []
    for order, (line, row) in enumerate(rows):
        name = row["file"]
        path = _inside(root, name, f"shots.csv, line {line}")
        shots.append(
            Shot(
                id=_shot_id(row.get("shot") or path.stem, f"{root / 'shots.csv'}, line {line}: "),
                path=path,
                scene=row.get("scene") or "1",
                characters=_names(row.get("characters", "")),
                order=order,
                notes={
                    k: v
                    for k, v in row.items()
                    if k not in {"shot", "file", "scene", "characters"} and v
                },
            )
        )
    return shots


def _cast(root: Path) -> tuple[Character, ...]:
    rows = _read_table(root / "characters.csv", required=("character",), key="character")
    return tuple(
        Character(
            name=row["character"],
            reference_images=tuple(
                _inside(root, name, f"characters.csv, line {line}")
                for name in _names(row.get("reference_images", ""))
            ),
        )
        for line, row in rows or ()
    )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())


def _shot_id(text: str, where: str = "") -> ShotId:
    # Shot ids become file names: anything a file system or a shell could trip over is replaced.
    cleaned = re.sub(r"[^\w.\- ]+", "_", unicodedata.normalize("NFC", text)).strip(" .-_")
    # What does not fit is cut; two names that are then the same are refused as such.
    fits = cleaned[:100].encode()[:MAX_ID_BYTES].decode(errors="ignore").rstrip(" .-_")
    if not fits:
        raise FinishError(
            f"{where}{shown(text)!r} is no name for a shot: use letters and digits.", "bad_name"
        )
    return ShotId(fits)


def _inside(root: Path, name: str, table: str) -> Path:
    path = root / name
    # Where the path leads, not how it is spelled: a list is data and must not name other files.
    try:
        lies_inside = path.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError) as error:  # an impossible name, a ring of links
        raise FinishError(
            f"{root / table}: {shown(name)!r} is no file's name ({shown(str(error))}). Correct it.",
            "bad_table",
        ) from error
    if not lies_inside:
        raise FinishError(
            f"{root / table}: {shown(name)!r} lies outside the episode's folder. Copy it in.",
            "outside_folder",
        )
    return path


def _read_table(path: Path, required: tuple[str, ...], key: str) -> list[Row] | None:
    if not path.is_file():
        return None
    try:
        text = untrusted.read_bytes(path, MAX_TABLE_BYTES).decode("utf-8-sig")
    except untrusted.TooLargeError as error:
        raise FinishError(
            f"{path} is larger than 4 MiB: that is no shot list. Save the list alone.",
            "table_too_large",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else _not_utf8(error)
        raise FinishError(
            f"{path} cannot be read as a table ({why}). Save it as CSV, UTF-8.", "bad_table"
        ) from error
    # With strict quotes: one that is never closed would swallow the shots that follow.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [shown(h.strip().casefold().replace(" ", "_")) for h in next(reader, [])]
        rows = list(_rows(path, reader, header))
    except csv.Error as error:
        raise FinishError(
            f"{path}, line {reader.line_num}, cannot be read as a table ({error}). Save it as CSV,"
            " UTF-8.",
            "bad_table",
        ) from error
    missing = [name for name in required if name not in header]
    if missing:
        listed = shown(", ".join(header) or "none")
        raise FinishError(
            f"{path}, line 1, has no column {', '.join(missing)}. It has: {listed}. Add it.",
            "bad_table",
        )
    for line, row in rows:
        if not all(row.get(name) for name in required):
            raise FinishError(
                f"{path}, line {line}: {key} has no {required[0]}. Fill it in.", "bad_table"
            )
    return rows


def _not_utf8(error: UnicodeDecodeError) -> str:
    ends = error.object.count(b"\n", 0, error.start)
    return f"line {ends + 1} is not UTF-8"


def _rows(path: Path, reader: Any, header: list[str]) -> Iterator[Row]:
    """Yield the rows of a table that hold anything, each checked against its limits."""

    def refuse(why: str, code: str = "bad_table") -> FinishError:
        return FinishError(f"{path}, line {reader.line_num}: {why}", code)

    named = [name for name in header if name]
    if len(header) > MAX_COLUMNS:
        raise refuse(f"more than {MAX_COLUMNS} columns. Save the list alone.", "table_too_large")
    if twice := next((n for n in named if named.count(n) > 1), None):
        raise refuse(f"two columns are called {twice}. Rename one.")
    count = 0
    for cells in reader:
        row = [cell.strip() for cell in cells]
        if not any(row):
            continue
        count += 1
        if count > MAX_ROWS:
            raise refuse(f"more than {MAX_ROWS} rows: that is no shot list.", "table_too_large")
        if any(row[len(header) :]):
            raise refuse(
                f"{len(row)} cells under {len(header)} columns. Put cells that hold a comma into"
                " quotation marks."
            )
        if any(len(cell) > MAX_CELL_CHARS for cell in row):
            raise refuse(f"a cell of more than {MAX_CELL_CHARS} characters. Shorten it.")
        if any("\0" in cell for cell in row):
            raise refuse("a NUL character. Save the list as CSV, UTF-8.")
        yield reader.line_num, dict(zip(header, row, strict=False))
