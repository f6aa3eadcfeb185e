"""One exception for everything a user can do something about."""

import errno
import shutil
from pathlib import Path

MACHINE_CODES = frozenset({"disk_full", "not_writable", "too_many_files"})
"""Reason codes of failures that no shot is to blame for: the run ends, and can be gone on with."""

_BY_NUMBER = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "disk_full"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "not_writable"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "too_many_files"),
}
MACHINE_NUMBERS = frozenset(_BY_NUMBER)
"""The system's numbers of such failures."""


class FinishError(Exception):
    """A failure with a cure.

    Raised for what the person at the keyboard can repair. The message names the file and says
    what to do; the command line prints it without a traceback.

    Parameters
    ----------
    message : str
        One or two sentences: what is wrong, and the cure.
    code : str, optional
        A short stable reason code (``no_video``, ``truncated`` ...), written into the report.
    """

    def __init__(self, message: str, code: str = "error") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["FinishError"], tuple[str, str]]:
        # Survives the trip from a worker process with its code.
        return type(self), (str(self), self.code)


def write_error(path: Path, error: Exception) -> FinishError:
    """Return a failed write as a sentence with the path, the bytes and the cure.

    Parameters
    ----------
    path : Path
        What was being written.
    error : Exception
        An OSError, or one of FFmpeg's, with the system's reason.

    Returns
    -------
    failure : FinishError
        With one of :data:`MACHINE_CODES`, or ``write_failed``.
    """
    code = _BY_NUMBER.get(getattr(error, "errno", 0), "write_failed")
    why, more = getattr(error, "strerror", "") or str(error), ""
    if code == "disk_full":
        try:
            more = f"; it needs more than the {path.stat().st_size} bytes that were written, and"
            more += f" {shutil.disk_usage(path.parent).free} bytes are free"
        except OSError:
            more = ""
    cures = {
        "not_writable": "Make the folder writable, or choose another --out folder.",
        "too_many_files": "Let the process open more files (ulimit -n 4096).",
    }
    cure = cures.get(code, "Free some space, or choose another --out folder.")
    return FinishError(f"{path} could not be written: {why}{more}. {cure}", code)
