"""``finishkit models pull``: weights fetched from where they are published, and never believed.

The only part of finishkit that reaches the network, and only when a person asks for it. What comes
is written beside its place, may be cut off and taken up again at any time, and gets its name only
when every byte of it has the digest that the card pins.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import io
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.models.addresses import MIRROR, GivenUpError, addresses, opener, shown_url
from finishkit.models.cards import ModelCard
from finishkit.untrusted import parse_json, shown

STALL_S: Final = 30.0
"""A server that sends no byte for this long is given up."""
TRIES: Final = 4
"""The first and three more, for an address that brings no byte further."""
_MOST_TRIES: Final = 50
_CHUNK_BYTES: Final = 1 << 16
_DRIP_STALLS: Final = 10
"""A server that brings less than a piece in this many stalls is given up too."""
_AGENT: Final = "finishkit (models pull)"
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that another try may change."""

Seen = Callable[[int, int], None]
"""Told after every piece: bytes that are here, bytes of the whole."""


class _PassingError(Exception):
    """A try failed; another may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a server.

    Attributes
    ----------
    stall_s : float
        For the next byte.
    pause_s : float
        After the first failure; doubled after each that follows.
    tries : int
        Without a further byte.
    """

    stall_s: float = STALL_S
    pause_s: float = 1.0
    tries: int = TRIES


def pull(
    card: ModelCard, *, mirror: str | None = None, seen: Seen | None = None,
    patience: Patience | None = None,
) -> Path:  # fmt: skip
    """Fetch a card's published file.

    Parameters
    ----------
    card : ModelCard
        One with ``urls``.
    mirror : str, optional
        See :func:`addresses`; by default what :data:`MIRROR` says.
    seen : callable, optional
        Told of the progress.
    patience : Patience, optional
        How long to wait.

    Returns
    -------
    path : Path
        The whole file in :func:`finishkit.environment.models_dir`, with the pinned digest.

    Raises
    ------
    FinishError
        ``pull_failed``, with what became of every address; ``weights_changed`` when what came is
        another file; ``disk_full``; ``busy`` when another pull of it is running; and as
        :func:`addresses`. A part that may be whole one day stays for the next call.
    """
    urls = addresses(card, os.environ.get(MIRROR, "") if mirror is None else mirror)
    target = models_dir() / card.source
    if _is(target, card):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target, card) as part:
        failed: list[FinishError] = []
        for url in urls:
            try:
                _Pull(card, url, part, seen or _unseen, patience or Patience()).fetch()
                _name(part, target)
                return target
            except FinishError as error:
                failed.append(error)
                if error.code == "disk_full":
                    raise
    raise FinishError("\n".join(str(e) for e in failed), failed[-1].code)


def _unseen(here: int, whole: int) -> None:
    del here, whole


def _is(path: Path, card: ModelCard) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == card.source_sha256
    except OSError:
        return False


@contextlib.contextmanager
def _part(target: Path, card: ModelCard) -> Iterator[io.FileIO]:
    """Open the part beside a file's place, for this process alone."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    path = target.with_name(f"{target.name}.part")
    try:
        handle = os.open(path, flags, 0o644)
    except OSError as error:
        raise _write_failed(path, card, error) from error
    # Without a buffer: what a full disk did not take is not tried again when it is closed.
    with io.FileIO(handle, "r+") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = path.stat().st_ino == os.fstat(handle).st_ino
        except OSError:
            mine = False
        if not mine:  # or it was: the other one has just given it its name
            raise FinishError(
                f"Another process is fetching {card.name} into {path}. Wait for it.", "busy"
            )
        try:
            yield part
        finally:
            if not os.fstat(handle).st_size:
                path.unlink(missing_ok=True)
                _tag_file(target).unlink(missing_ok=True)


def _name(part: io.FileIO, target: Path) -> None:
    os.fsync(part.fileno())
    path = target.with_name(f"{target.name}.part")
    path.replace(target)
    _tag_file(target).unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tag_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.tag")


def _write_failed(path: Path, card: ModelCard, error: OSError) -> FinishError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FinishError(
            f"{path} cannot be written: {error.strerror}. {card.name} needs {card.size_bytes}"
            " bytes, and as much again to be converted. Make room, or point FINISHKIT_CACHE at"
            " another disk, and pull again: what is here is not fetched twice.",
            "disk_full",
        )
    return FinishError(
        f"{path} cannot be written: {error.strerror}. Point FINISHKIT_CACHE at another folder.",
        "write_failed",
    )


class _Pull:
    """One address, tried until it has brought the file or will not do."""

    def __init__(
        self, card: ModelCard, url: str, part: io.FileIO, seen: Seen, patience: Patience
    ) -> None:
        self._card, self._url, self._part = card, url, part
        self._seen, self._patience = seen, patience
        self._tags = _tag_file(models_dir() / card.source)

    def fetch(self) -> None:
        """Bring the part to its whole size and digest.

        Raises
        ------
        FinishError
        """
        self._require_room()
        idle = 0
        for _ in range(_MOST_TRIES):
            before = self._size()
            try:
                if before < self._card.size_bytes:
                    self._try(before)
                return self._require_digest()
            except GivenUpError as error:
                raise self._failed(str(error)) from error
            except _PassingError as error:
                idle = 0 if self._size() > before else idle + 1
                if idle >= self._patience.tries:
                    raise self._failed(str(error)) from error
                time.sleep(self._patience.pause_s * 2 ** max(0, idle - 1))
        raise self._failed(f"it broke off {_MOST_TRIES} times")

    def _size(self) -> int:
        return os.fstat(self._part.fileno()).st_size

    def _failed(self, why: str) -> FinishError:
        here = self._size()
        whole = self._card.size_bytes
        kept = f" {here} of {whole} bytes are kept for the next try." if here else ""
        return FinishError(
            f"{self._card.name} could not be fetched from {shown_url(self._url)}: {why}.{kept} Run"
            f" it again: finishkit models pull {self._card.name}. Or fetch {self._card.source} by"
            f" other means and run: finishkit models import {self._card.name} FILE",
            "pull_failed",
        )

    def _require_room(self) -> None:
        free = shutil.disk_usage(self._tags.parent).free
        if free < self._card.size_bytes - self._size():
            full = OSError(errno.ENOSPC, f"{free} bytes are free")
            raise _write_failed(self._tags.parent, self._card, full)

    def _start_again(self) -> None:
        self._part.truncate(0)
        self._tags.unlink(missing_ok=True)

    def _require_digest(self) -> None:
        self._part.seek(0)
        found = hashlib.file_digest(self._part, "sha256").hexdigest()
        if found == self._card.source_sha256:
            return
        self._start_again()
        raise FinishError(
            f"What came from {shown_url(self._url)} is not the published {self._card.source}: its"
            f" sha256 is {found[:12]}..., not {self._card.source_sha256[:12]}.... It was deleted."
            f" Run it again: finishkit models pull {self._card.name}",
            "weights_changed",
        )

    def _try(self, start: int) -> None:
        """Ask for what is missing, and append what comes."""
        tag = self._tag() if start else ""
        asked = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        if start:
            asked["Range"] = f"bytes={start}-"
            if tag:
                asked["If-Range"] = tag
        try:
            with opener(self._url).open(
                urllib.request.Request(self._url, headers=asked), timeout=self._patience.stall_s
            ) as answer:
                self._take(answer, self._begin(answer, start))
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error.code)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                why = f"its certificate is not valid ({shown(error.reason)})"
                raise GivenUpError(why) from error
            raise _PassingError(shown(str(error.reason))) from error
        except TimeoutError as error:
            raise _PassingError(f"no byte came for {self._patience.stall_s:g} s") from error
        except (http.client.HTTPException, OSError) as error:
            raise _PassingError(shown(str(error)) or type(error).__name__) from error

    def _refused(self, status: int) -> None:
        if status == 416:
            # It has no such range: the part is of another file.
            self._start_again()
            raise _PassingError("it has another file than the part that was here")
        kind = _PassingError if status in _PASSING else GivenUpError
        raise kind(f"the server answered {status}")

    def _begin(self, answer: Any, start: int) -> int:
        """Return where the answer goes on; begin again when it is not what was asked for."""
        size = self._card.size_bytes
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise GivenUpError("the server squeezed it, unasked")
        if answer.status == 206 and start:
            piece = answer.headers.get("Content-Range", "").strip()
            if piece != f"bytes {start}-{size - 1}/{size}":
                self._start_again()
                raise _PassingError("the server sent another piece than was asked for")
        elif answer.status == 200:
            # It knows no ranges, or has another file now (If-Range).
            start = 0
            self._start_again()
        else:
            raise GivenUpError(f"the server answered {answer.status}")
        length = answer.headers.get("Content-Length")
        if length is not None and length.strip() != str(size - start):
            raise GivenUpError(
                f"the server offers {shown(length)} bytes where {size - start} are due"
            )
        self._remember(answer.headers.get("ETag", ""))
        return start

    def _take(self, answer: Any, here: int) -> None:
        size = self._card.size_bytes
        self._part.seek(here)
        began, mark = time.monotonic(), here
        while piece := answer.read1(_CHUNK_BYTES):
            if time.monotonic() - began > _DRIP_STALLS * self._patience.stall_s:
                if here - mark < _CHUNK_BYTES:
                    raise _PassingError("it brings hardly any bytes")
                began, mark = time.monotonic(), here
            here += len(piece)
            if here > size:
                self._start_again()
                raise GivenUpError(f"the server sends more than the {size} bytes of the file")
            self._append(piece)
            self._seen(here, size)
        if here < size:
            raise _PassingError("it broke off")

    def _append(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._part.write(rest) or 0 :]
        except OSError as error:
            place = self._tags.with_suffix("")
            raise _write_failed(place, self._card, error) from error

    def _tag(self) -> str:
        try:
            told = parse_json(self._tags.read_bytes()[:4096])
            return told["tag"] if told["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _remember(self, tag: str) -> None:
        # A weak tag promises no equal bytes, and a long or strange one is none.
        strong = tag.startswith('"') and len(tag) < 200 and tag.isascii() and tag.isprintable()
        if not strong:
            self._tags.unlink(missing_ok=True)
            return
        try:
            self._tags.write_text(json.dumps({"url": self._url, "tag": tag}))
        except OSError as error:
            raise _write_failed(self._tags, self._card, error) from error
