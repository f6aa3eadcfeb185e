"""What was found out once and is kept: small files that say themselves whether they are whole."""

import hashlib
from pathlib import Path

from finishkit.store import write_bytes

_DIGITS = 64


def keep(path: Path, data: bytes) -> None:
    """Write what was found out, with its digest before it.

    Parameters
    ----------
    path : Path
        Its folder is made when missing.
    data : bytes
        The content.
    """
    write_bytes(path, _digest(path, data) + b"\n" + data)


def kept(path: Path) -> bytes | None:
    """Return what is kept under a name; None when nothing is, or when it was damaged since.

    A bit that flips in a measurement would still be a number, and would be believed; so would
    another clip's record under this clip's name.

    Parameters
    ----------
    path : Path
        As given to :func:`keep`.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    told, data = content[:_DIGITS], content[_DIGITS + 1 :]
    return data if _digest(path, data) == told else None


def _digest(path: Path, data: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + b"\n" + data).hexdigest().encode()
