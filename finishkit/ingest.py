"""Can it be trusted: every clip is decoded once, in a process of its own, before it is believed."""

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pydantic import ValidationError

from finishkit.checker import MEMORY_BYTES, TIMEOUT_S, Answer, Checker, serve
from finishkit.errors import FinishError
from finishkit.frames import Probe, decoder_versions, probe
from finishkit.frames.check import decode_report
from finishkit.shots import Episode, Shot, ShotId
from finishkit.store import digest, sha256_file, write_bytes
from finishkit.values import Value

VERSION = 1
"""Raised whenever a clip may be judged otherwise: it is part of the cache key."""

CODES = {
    "missing": "The file is not there",
    "not_a_file": "It is a folder, a pipe or a link to nowhere, not a clip",
    "empty": "The file holds no bytes",
    "too_large": "The file or its pictures are larger than a shot can be",
    "unreadable": "It is not a video file, or its index is missing",
    "no_video": "It holds no picture track",
    "no_frames": "Not one picture could be decoded",
    "undecodable": "Decoding breaks off",
    "truncated": "It holds fewer pictures than it promises",
    "damaged": "The decoder met errors in the picture data",
    "bad_times": "The pictures are not in order of time",
    "hdr": "HDR (PQ or HLG) needs a decision about tone mapping; only SDR is finished",
    "timeout": "Checking it took too long",
    "killed": "The checking process died: the file is dangerous to decode",
    "changed": "The file changed while it was read",
}
"""Why a clip is set aside: reason code to sentence."""

MAX_BYTES = 8 * 2**30
MAX_PIXELS = 4320 * 7680
MAX_DURATION_S = 600.0
PASSING = frozenset({"timeout", "killed", "changed"})
"""What may be the machine's fault or the moment's: never kept."""


class Ingest(Value):
    """What is known of a clip before anything is done with it.

    Attributes
    ----------
    shot : str
    ok : bool
    probe : Probe or None
        With counted frames; ``None`` when the clip could not be opened.
    sha256 : str
        Of the source's bytes; empty when unreadable.
    code, text : str
        Empty for a good clip; otherwise a key of :data:`CODES` and a sentence with the cure.
    """

    shot: str
    ok: bool
    probe: Probe | None = None
    sha256: str = ""
    code: str = ""
    text: str = ""


def ingest(
    episode: Episode,
    *,
    jobs: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    cache_dir: Path | None = None,
) -> dict[ShotId, Ingest]:
    """Check every clip of an episode, side by side, each in its own limited process.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    jobs : int, optional
        Clips at a time; the number of processors by default.
    progress : callable, optional
        Called with (done, total, shot).
    cache_dir : Path, optional
        Folder that keeps what was found, by the clip's content: bytes that were decoded once with
        this decoder under these limits are not decoded again.

    Returns
    -------
    results : dict of ShotId to Ingest
        In cut order.
    """
    found: dict[ShotId, Ingest] = {}
    total = len(episode)
    if progress:
        progress(0, total, "")
    own = threading.local()
    checkers: list[Checker] = []

    def check(shot: Shot) -> Ingest:
        if not hasattr(own, "checker"):
            own.checker = Checker()
            checkers.append(own.checker)
        return check_clip(shot, own.checker, cache_dir)

    try:
        with ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
            waiting = {pool.submit(check, shot): shot for shot in episode}
            for done, future in enumerate(as_completed(waiting), start=1):
                shot = waiting[future]
                found[shot.id] = future.result()
                if progress:
                    progress(done, total, shot.id)
    finally:
        for checker in checkers:
            checker.close()
    return {shot.id: found[shot.id] for shot in episode}


def check_clip(shot: Shot, checker: Checker | None = None, cache_dir: Path | None = None) -> Ingest:
    """Check one clip in a child process with limits on memory and time.

    Parameters
    ----------
    shot : Shot
        Its path may lead anywhere: nothing is taken for granted.
    checker : Checker, optional
        What starts the child; one for this clip alone by default.
    cache_dir : Path, optional
        As for :func:`ingest`.

    Returns
    -------
    result : Ingest
        Never raises for a bad file: a bad file is a result.
    """
    if checker is None:
        with Checker() as alone:
            return check_clip(shot, alone, cache_dir)
    path = shot.path.absolute()
    code = _before_opening(path)
    if code:
        return _told(shot, Ingest(shot=shot.id, ok=False, code=code))
    kept = cache_dir and _kept_at(path, cache_dir)
    if kept:
        try:
            return _told(shot, Ingest.model_validate_json(kept.read_bytes()))
        except (OSError, ValidationError):
            pass  # absent, or of another version: it is checked again
    found = _understood(checker.check(path))
    if kept and found.code not in PASSING:
        write_bytes(kept, found.model_dump_json().encode())
    return _told(shot, found)


def _kept_at(path: Path, cache_dir: Path) -> Path | None:
    limits = (MAX_BYTES, MAX_PIXELS, MAX_DURATION_S, MEMORY_BYTES, TIMEOUT_S)
    try:
        key = digest("ingest", VERSION, sha256_file(path), limits, decoder_versions())
    except OSError:
        return None
    return cache_dir / f"{key}.json"


def _understood(answer: Answer) -> Ingest:
    try:
        return Ingest.model_validate({"shot": "", "ok": False, **answer})
    except ValidationError:
        return Ingest(shot="", ok=False, code="killed")


def _told(shot: Shot, found: Ingest) -> Ingest:
    # Kept without names: the same bytes may be another shot tomorrow.
    text = _sentence(shot, found.code, found.text) if found.code else ""
    return found.replace(shot=shot.id, text=text)


def _before_opening(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "not_a_file"
    # A named pipe would hang for ever inside the reader, so this is asked before opening.
    if not stat.S_ISREG(status.st_mode):
        return "not_a_file"
    if status.st_size == 0:
        return "empty"
    return "too_large" if status.st_size > MAX_BYTES else ""


def _sentence(shot: Shot, code: str, detail: str) -> str:
    cure = {
        "missing": "Check the name in shots.csv",
        "hdr": "Deliver the shot in SDR, BT.709",
        "too_large": "Give the shot alone, at most 10 minutes and 4320x7680",
    }.get(code, "Export or generate the shot again")
    more = f" ({detail})" if detail else ""
    return f"{shot.path.name}: {CODES[code]}{more}. {cure}."


def _check(path: Path) -> Answer:
    """Run inside the child: open, decode everything, compare with what was promised."""
    answer: Answer = {"ok": False, "code": "", "text": ""}

    def refuse(code: str, text: str = "") -> Answer:
        return {**answer, "code": code, "text": text}

    before = sha256_file(path)
    answer["sha256"] = before
    try:
        declared = probe(path)
        if declared.width_px * declared.height_px > MAX_PIXELS:
            return refuse("too_large", f"{declared.width_px}x{declared.height_px}")
        if declared.duration_s > MAX_DURATION_S:
            return refuse("too_large", f"{declared.duration_s:.0f} s")
        if declared.transfer != "sdr":
            return refuse("hdr", declared.transfer.upper())
        found = decode_report(path)
    except FinishError as error:
        return refuse(error.code if error.code in CODES else "unreadable")
    counted = declared.replace(
        frame_count=found.frame_count,
        constant_rate=found.constant_rate,
        duration_s=round(found.duration_s, 6),
    )
    answer["probe"] = counted.model_dump(mode="json")
    if found.error:
        return refuse("undecodable", f"after {found.frame_count} pictures")
    if found.frame_count == 0:
        return refuse("no_frames")
    if found.declared_count and found.frame_count < found.declared_count:
        return refuse("truncated", f"{found.frame_count} of {found.declared_count}")
    if not found.increasing:
        return refuse("bad_times")
    if found.complaints:
        return refuse("damaged", f"{found.complaints} complaints")
    if sha256_file(path) != before:
        return refuse("changed")
    return {**answer, "ok": True}


if __name__ == "__main__":
    serve(_check)
