"""Every word the widgets say, in one table: a file a widget, a line a language."""

import os
import string
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

LANGUAGES = ("en", "zh")
"""English and Simplified Chinese: the languages of the studios that make micro-drama."""


def system_language() -> str:
    """Return the language of this machine: ``FINISHKIT_LANG``, else the locale's, else English."""
    for name in ("FINISHKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        said = os.environ.get(name, "")
        if said:
            return "zh" if said.lower().startswith("zh") else "en"
    return "en"


def words(part: str, language: str) -> dict[str, str]:
    """Return a widget's words, and those all widgets share.

    Parameters
    ----------
    part : str
        Name of a file in this folder, such as ``player``.
    language : str
        One of :data:`LANGUAGES`.

    Returns
    -------
    words : dict of str to str
        By key; what is in braces is filled in by who says it.

    Raises
    ------
    KeyError
        For a language that is not in the table.
    """
    if language not in LANGUAGES:
        raise KeyError(f"There is no language {language!r}. There are: {', '.join(LANGUAGES)}.")
    both = {**_table("common"), **_table(part)}
    return {key: said[language] for key, said in both.items()}


def holes(text: str) -> set[str]:
    """Return the names in braces in a text.

    Parameters
    ----------
    text : str
        As in the table.
    """
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@cache
def _table(part: str) -> Mapping[str, Mapping[str, str]]:
    source = resources.files(__name__) / f"{part}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))
