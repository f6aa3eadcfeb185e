"""Texts and numbers as a report may hold them: legible, and finite."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

Number = Annotated[float, Field(allow_inf_nan=False)]

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def legible(text: Any) -> Any:
    """Return a text that can be stored and shown anywhere.

    Parameters
    ----------
    text : object
        Anything but a string is handed back as it is.

    Returns
    -------
    text : object
        Control characters, marks that reverse the reading direction and halves of surrogate pairs
        (file names that are not UTF-8) are replaced by U+FFFD.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text) if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(legible)]
