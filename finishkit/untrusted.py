"""Files that somebody else may have written: regular ones only, read once, up to a limit."""

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SHOWN: Final = 80
"""Characters of a stranger's text that a message repeats."""


class TooLargeError(ValueError):
    """The file holds more than its kind can."""


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """Read a regular file once, whole.

    What is checked afterwards are these bytes, so that nothing can be swapped in between. A pipe,
    a device or a folder under the name is refused without waiting for it.

    Parameters
    ----------
    path : Path
        The file; a link is followed.
    most_bytes : int
        The most a file of its kind holds.

    Returns
    -------
    content : bytes

    Raises
    ------
    OSError
        With ``strerror`` for a message, also for what is no regular file and for a name that no
        file can have.
    TooLargeError
        For more than ``most_bytes``, which are then not read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:
        raise OSError(0, "no file can have this name", str(path)) from error
    with os.fdopen(handle, "rb") as file:
        known = os.fstat(file.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise OSError(0, "it is no regular file", str(path))
        if known.st_size > most_bytes:
            raise TooLargeError(f"{path} holds {known.st_size} bytes")
        # The size again: a file may grow while it is read.
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise TooLargeError(f"{path} holds more than {most_bytes} bytes")
    return content


def parse_json(content: bytes | str) -> Any:
    """Parse JSON; whatever is wrong with it is one kind of error.

    Parameters
    ----------
    content : bytes or str
        UTF-8.

    Raises
    ------
    ValueError
        Also for nesting too deep for the parser, and for ``NaN`` and ``Infinity``, which are no
        JSON.
    """
    try:
        return json.loads(content, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def shown(value: object) -> str:
    """Return a stranger's value for a message: short, on one line, without control characters.

    Parameters
    ----------
    value : object
        Text, or what a parser made of it.
    """
    text = value if isinstance(value, str) else repr(value)
    text = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def private_file(content: bytes) -> Iterator[str]:
    """Lend a path under which a library that takes only paths reads exactly these bytes.

    On Linux the file has no name in any folder and is sealed; elsewhere it is one of a new folder
    that is closed to others.

    Parameters
    ----------
    content : bytes
        What was checked.

    Yields
    ------
    path : str
        Valid within the ``with``.
    """
    if hasattr(os, "memfd_create"):
        import fcntl

        handle = os.memfd_create("finishkit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(handle, fcntl.F_ADD_SEALS, seals)
            yield f"/proc/self/fd/{handle}"
        return
    with tempfile.TemporaryDirectory(prefix="finishkit-") as folder:
        path = Path(folder) / "content"
        path.write_bytes(content)
        yield str(path)
