"""What a person said of a shot, kept beside the results so that it survives the notebook."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from finishkit import untrusted
from finishkit.errors import FinishError
from finishkit.inplace import own
from finishkit.values import Value

Mark = Literal["regenerate", "accept", ""]
"""What a person decides of a shot; empty: a note alone."""

FILE = "flags.json"
MAX_BYTES = 16 * 2**20
"""Ten thousand shots with a note each are 6 MB."""


class Flag(Value):
    """A person's word on one shot.

    Attributes
    ----------
    mark : {'regenerate', 'accept', ''}
    note : str
        For whoever regenerates the shot, at most 500 characters.
    """

    mark: Mark = ""
    note: str = ""


def load_flags(folder: Path) -> dict[str, Flag]:
    """Return the flags of an episode, by shot.

    Parameters
    ----------
    folder : Path
        ``out/<episode>``; none when nobody flagged anything yet.

    Raises
    ------
    FinishError
        ``bad_flags`` when the file was damaged by hand.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        raw = untrusted.parse_json(untrusted.read_bytes(path, MAX_BYTES))
        return {shot: Flag.model_validate(flag) for shot, flag in raw.items()}
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise FinishError(
            f"{path} is not a list of flags any more. Move it away and flag the shots again.",
            "bad_flags",
        ) from error


def save_flags(folder: Path, flags: Mapping[str, Flag]) -> None:
    """Write the flags: whole or not at all.

    Parameters
    ----------
    folder : Path
        ``out/<episode>``.
    flags : mapping of str to Flag
        By shot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = own(folder / f".{FILE}.partial")
    said = {shot: flag.model_dump() for shot, flag in sorted(flags.items())}
    part.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / FILE)
