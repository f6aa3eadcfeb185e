"""TOML that somebody else may have written: capped before parsing, complaints name the line."""

import difflib
import functools
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from finishkit import untrusted
from finishkit.errors import FinishError
from finishkit.untrusted import shown

MAX_BYTES: Final = 64 * 1024
"""A file is refused above this size before it is parsed."""
MAX_LINE_BYTES: Final = 2000
"""And above this line length: ``tomllib`` needs 51 s for one dotted key of 40,000 parts."""
MAX_LINE_DOTS: Final = 100
"""And above these dots a line: 32 keys of 990 parts, which fit the two limits above, need 0.5 s."""
_MOST_COMPLAINTS: Final = 5
_QUOTES: Final = ("'''", '"""')

Where = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlFile:
    """What a file says, and where.

    Attributes
    ----------
    path : Path
    table : dict
        As ``tomllib`` reads it.
    text : str
    """

    path: Path
    table: dict[str, Any]
    text: str

    def line(self, where: Sequence[str | int]) -> int:
        """Return the line, from 1, in which a setting, or else its table, is written.

        Parameters
        ----------
        where : sequence of str or int
            Names from the outermost table inwards, as of a pydantic error's ``loc``.
        """
        places = _places(self.text)
        names = tuple(str(name) for name in where)
        found = (places[names[:n]] for n in range(len(names), 0, -1) if names[:n] in places)
        return next(found, 1)


def read_toml(path: Path, *, missing: str, large: str, broken: str, what: str) -> TomlFile:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    missing, large, broken : str
        Reason codes: it cannot be read; it passes a limit; it is no TOML.
    what : str
        What the file is, in a word, for the messages.

    Returns
    -------
    file : TomlFile

    Raises
    ------
    FinishError
        With those codes, naming the line.
    """
    try:
        raw = untrusted.read_bytes(path, MAX_BYTES)
    except OSError as error:
        raise FinishError(
            f"The {what} {path} cannot be read: {error.strerror}. Name the file that is meant.",
            missing,
        ) from error
    except untrusted.TooLargeError as error:
        raise FinishError(
            f"{path} is larger than a {what} can be ({MAX_BYTES // 1024} KiB).", large
        ) from error
    for number, line in enumerate(raw.splitlines(), start=1):
        if len(line) > MAX_LINE_BYTES or line.count(b".") > MAX_LINE_DOTS:
            raise FinishError(
                f"{path}, line {number}, is larger than a {what}'s can be ({MAX_LINE_BYTES} bytes"
                f" and {MAX_LINE_DOTS} dots a line).",
                large,
            )
    try:
        text = raw.decode("utf-8-sig")
        return TomlFile(path=path, table=tomllib.loads(text), text=text)
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        why = "it is not UTF-8: save it as UTF-8"
    except RecursionError:
        opens = [line.count(b"[") + line.count(b"{") for line in raw.splitlines()]
        number = 1 + opens.index(max(opens))
        why = "it is nested too deep"
    except ValueError as error:
        told = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)", str(error))
        number = int(told[1]) if told and told[1] else max(1, len(raw.splitlines()))
        why = shown(str(error).replace(told[0] if told else "", ""))
    raise FinishError(f"{path}, line {number}: this is not a TOML file: {why}.", broken)


def complaint(file: TomlFile, error: ValidationError, model: type[BaseModel], known: Sequence[str]
              ) -> str:  # fmt: skip
    """Say what is wrong with a file's settings: the line, the setting, what is allowed.

    Parameters
    ----------
    file : TomlFile
        What was validated.
    error : ValidationError
        What came of it.
    model : type of BaseModel
        Against what.
    known : sequence of str
        Dotted names of all settings.
    """
    errors = error.errors(include_url=False, include_context=False)
    told = [_one(file, one, model, known) for one in errors[:_MOST_COMPLAINTS]]
    more = len(errors) - len(told)
    return "\n".join([*told, *([f"... and {more} more"] if more else [])])


def _one(file: TomlFile, error: Any, model: type[BaseModel], known: Sequence[str]) -> str:
    where = tuple(str(part) for part in error["loc"])
    name = shown(".".join(where))
    start = f"{file.path}, line {file.line(where)}: {name}"
    if error["type"] == "extra_forbidden":
        return f"{start}: {unknown(name, known)}"
    given = "" if isinstance(error["input"], dict) else f" = {shown(error['input'])}"
    return f"{start}{given}: {shown_whole(error['msg'])}.{_allowed(model, where)}"


def shown_whole(text: str) -> str:
    """Return pydantic's own sentence, without what it may repeat of the file on further lines."""
    return " ".join(text.split())[:400]


def unknown(name: str, known: Sequence[str]) -> str:
    """Say that there is no such setting, which one may be meant, and which there are.

    Parameters
    ----------
    name : str
        Dotted.
    known : sequence of str
        Dotted names of all settings.
    """
    near = difflib.get_close_matches(name[:200], known, n=1, cutoff=0.7)
    guess = f" Did you mean {near[0]}?" if near else ""
    section = name.partition(".")[0]
    listed = [k for k in known if k.startswith(f"{section}.")] or list(known)
    return f"There is no setting {shown(name)!r}.{guess} There are: {', '.join(sorted(listed))}."


def _allowed(model: type[BaseModel], where: Where) -> str:
    """Return the bounds and the default of a setting, as a sentence; nothing for a table."""
    field: Any = None
    owner: Any = model
    for name in where:
        field = getattr(owner, "model_fields", {}).get(name)
        if field is None:
            return ""
        owner = field.annotation
    if field is None or hasattr(owner, "model_fields"):
        return ""
    low = high = None
    for part in field.metadata:
        low = next((v for v in (getattr(part, "ge", None), getattr(part, "gt", None))
                    if v is not None), low)  # fmt: skip
        high = next((v for v in (getattr(part, "le", None), getattr(part, "lt", None))
                     if v is not None), high)  # fmt: skip
    bounds = f" Allowed: {low:g} to {high:g}." if low is not None and high is not None else ""
    return f"{bounds} The default is {field.default!r}."


@functools.lru_cache(maxsize=4)
def _places(text: str) -> dict[Where, int]:
    """Return the line of every setting and table of a text that ``tomllib`` has read."""
    places: dict[Where, int] = {}
    table: Where = ()
    inside = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if inside:
            inside = "" if inside in line else inside
            continue
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        paths, whole = _paths(bare)
        if bare.startswith("["):
            table = paths[0] if paths else table
            places.setdefault(table, number)
            continue
        for path in paths:
            for size in range(1, len(path) + 1):
                places.setdefault((*table, *path[:size]), number)
        if not whole:
            inside = next((q for q in _QUOTES if bare.count(q) == 1), "")
    return places


def _paths(line: str) -> tuple[list[Where], bool]:
    """Return the names a line gives something to, and whether the line is whole by itself."""
    try:
        return _leaves(tomllib.loads(line)), True
    except (ValueError, RecursionError):
        pass
    for found in re.finditer("=", line):
        try:
            return _leaves(tomllib.loads(f"{line[: found.start()]}=0")), False
        except (ValueError, RecursionError):
            continue
    return [], False


def _leaves(table: Any, start: Where = ()) -> list[Where]:
    if isinstance(table, list) and len(table) == 1:
        table = table[0]  # [[name]]
    if not isinstance(table, dict) or not table:
        return [start] if start else []
    return [leaf for name, inner in table.items() for leaf in _leaves(inner, (*start, name))]


def as_toml(values: Mapping[str, Any]) -> str:
    """Return values as the text of a TOML file.

    Parameters
    ----------
    values : Mapping
        Scalars, and tables of scalars.
    """
    lines: list[str] = []
    tables = [(k, v) for k, v in values.items() if isinstance(v, Mapping)]
    lines += [f"{k} = {_scalar(v)}" for k, v in values.items() if not isinstance(v, Mapping)]
    for name, table in tables:
        lines += ["", f"[{name}]", *(f"{k} = {_scalar(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _scalar(value: str | bool | int | float) -> str:
    # JSON's strings, numbers and booleans are TOML's too.
    return json.dumps(value, ensure_ascii=False)
