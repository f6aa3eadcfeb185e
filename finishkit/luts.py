"""The LUT files a template names: found beside it, sealed by their content."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from finishkit import untrusted
from finishkit.errors import FinishError
from finishkit.settings import GradeSettings

LUTS = ("pre_lut", "look_lut")
"""Settings of the grade that name a file."""

Name = Literal["pre_lut", "look_lut"]
MAX_BYTES = 32 * 2**20


def placed(name: str, folder: Path) -> str:
    """Return a file's name as seen from anywhere; nothing stays nothing."""
    return str((folder / name).absolute()) if name else ""


def lies_inside(name: str, folder: Path) -> bool:
    """Say whether a file that is named from a folder lies in it, wherever its links lead.

    Parameters
    ----------
    name : str
        As a template has it; empty: none, which is nowhere else.
    folder : Path
        The template's.
    """
    try:
        return not name or (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # no such name is possible; a ring of links
        return False


def digest(name: str) -> str:
    """Return the sha256 of a LUT file; that of none is empty.

    Raises
    ------
    FinishError
        ``lut_missing`` when it cannot be read or is larger than 32 MiB.
    """
    return hashlib.sha256(_content(Path(name))).hexdigest() if name else ""


def check(grade: GradeSettings, name: Name) -> None:
    """Refuse a LUT file that is not the one the template was locked with.

    Parameters
    ----------
    grade : GradeSettings
        Of a locked template, with names as :func:`placed` gives them.
    name : {'pre_lut', 'look_lut'}
        Which of the two.

    Raises
    ------
    FinishError
        ``lut_missing``, ``lut_changed``.
    """
    path = getattr(grade, name)
    if digest(path) != getattr(grade, f"{name}_sha256"):
        raise FinishError(
            f"{path} is not the file that the template was locked with (grade.{name}). Put the old"
            " one back, or lock the template anew.",
            "lut_changed",
        )


def carry(grade: GradeSettings, name: Name, folder: Path) -> str:
    """Put a LUT file into a folder beside the template that names it.

    Parameters
    ----------
    grade : GradeSettings
        Of a locked template.
    name : {'pre_lut', 'look_lut'}
        Which of the two.
    folder : Path
        The template's.

    Returns
    -------
    name : str
        Relative to ``folder``; a file of that name with other content is left alone, and the copy
        gets another name.

    Raises
    ------
    FinishError
        ``lut_missing``, ``lut_changed``.
    """
    if not getattr(grade, name):
        return ""
    check(grade, name)
    source = Path(getattr(grade, name))
    content = _content(source)
    target = folder / source.name
    if target.exists() and target.read_bytes() != content:
        target = folder / f"{source.stem}_{getattr(grade, f'{name}_sha256')[:8]}{source.suffix}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(content)
        part.replace(target)
    return target.name


def _content(path: Path) -> bytes:
    try:
        return untrusted.read_bytes(path, MAX_BYTES)
    except untrusted.TooLargeError as error:
        raise FinishError(
            f"{path} is larger than 32 MiB: that is no LUT. Export a 3D .cube.", "lut_missing"
        ) from error
    except OSError as error:
        raise FinishError(
            f"The LUT {path} cannot be read: {error.strerror}. Put the .cube there, or set it to"
            ' "".',
            "lut_missing",
        ) from error


def canonical_sha256(values: Mapping[str, Any]) -> str:
    """Return the digest of a template's values; of a LUT its content counts, not its place.

    Parameters
    ----------
    values : Mapping
        As of ``model_dump(mode="json")``.
    """
    text = json.dumps(without_names(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def without_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template's values without the places of its LUT files."""
    grade = {k: v for k, v in values["grade"].items() if k not in LUTS}
    return {**values, "grade": grade}
