"""Can it be trusted: every clip is decoded once, in a process of its own, before it is believed."""

import hashlib
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from finishkit.checker import Answer, Beat, Checker, Limits, serve
from finishkit.errors import FinishError
from finishkit.frames import Probe, decode_report, decoder_versions, probe
from finishkit.frames.check import Declared, DecodeReport, SoundReport, declared, sound_report
from finishkit.frames.probe import MAX_PIXELS, require_safe_decoder
from finishkit.kept import keep, kept
from finishkit.refusals import CODES, REASONS
from finishkit.shots import Episode, Shot, ShotId
from finishkit.store import digest
from finishkit.values import Value

__all__ = ["CODES", "Index", "Ingest", "check_clip", "indices", "ingest"]

VERSION = 2
"""Raised whenever a clip may be judged otherwise: it is part of the cache key."""

MAX_BYTES = 8 * 2**30
MAX_DURATION_S = 600.0
MAX_FRAMES = 600 * 120
MAX_STREAMS = 64
"""A clip has two or three tracks; an index can promise thousands, each with its own buffers."""
PASSING = frozenset({"timeout", "killed", "changed", "no_access"})
"""What may be the machine's fault or the moment's: never kept."""

PIXELS_PER_S, BYTES_PER_S = 15e6, 25e6
"""What the slowest codec (FFV1, one thread) and a slow disk give, at the least: only for the time
a check may take, see :class:`finishkit.checker.Limits`."""
LENGTH_SLACK_S = 0.25
"""Sound and pictures of one take end together: within 0.1 s in 40 of 41 real clips."""


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
        Empty for a good clip; otherwise a key of :data:`finishkit.refusals.REASONS` and a sentence
        with the cure.
    note : str
        What a person should know of a good clip: its sound is damaged, or has another length.
    """

    shot: str
    ok: bool
    probe: Probe | None = None
    sha256: str = ""
    code: str = ""
    text: str = ""
    note: str = ""


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

    Raises
    ------
    FinishError
        ``old_decoder``: FFmpeg itself is not safe to open files with.
    """
    require_safe_decoder()
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

    pool = ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0)))
    try:
        waiting = {pool.submit(check, shot): shot for shot in episode}
        for done, future in enumerate(as_completed(waiting), start=1):
            shot = waiting[future]
            found[shot.id] = future.result()
            if progress:
                progress(done, total, shot.id)
    finally:
        # Whoever pauses has the clips under way finished, and no other begun.
        pool.shutdown(cancel_futures=True)
        for checker in checkers:
            checker.close()
    return {shot.id: found[shot.id] for shot in episode}


class Index(Value):
    """What a clip says of its pictures, before it is checked.

    Attributes
    ----------
    width_px, height_px : int
        As stored.
    frame_count : int
    rate_fps : Fraction
    """

    width_px: int
    height_px: int
    frame_count: int
    rate_fps: Fraction


def indices(episode: Episode) -> dict[ShotId, Index]:
    """Read the index of every clip, in a limited process: to reckon with, before it is checked.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.

    Returns
    -------
    found : dict of ShotId to Index
        Without the clips that cannot be opened, or promise more than a shot can be.
    """
    require_safe_decoder()
    found: dict[ShotId, Index] = {}
    with Checker() as checker:
        for shot in episode:
            try:
                _require_clip(shot.path.absolute())
                told = checker.check(shot.path.absolute(), "index")
                found[shot.id] = Index.model_validate(told["index"])
            except (FinishError, ValidationError, LookupError, TypeError):
                continue  # it will be refused when it is checked
    return found


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
    try:
        _require_clip(path)
        sha256 = _sha256(path) if cache_dir else ""
    except FinishError as error:
        return _told(shot, Ingest(shot=shot.id, ok=False, code=error.code))
    place = cache_dir and cache_dir / f"{_key(sha256, checker.limits)}.json"
    data = kept(place) if place else None
    if data is not None:
        try:
            return _told(shot, Ingest.model_validate_json(data))
        except ValidationError:
            pass  # of another version: it is checked again
    found = _understood(checker.check(path))
    if sha256 and found.sha256 and found.sha256 != sha256:
        found = Ingest(shot="", ok=False, code="changed")
    if place and found.code not in PASSING:
        keep(place, found.model_dump_json().encode())
    return _told(shot, found)


def _key(sha256: str, limits: Limits) -> str:
    ours = (MAX_BYTES, MAX_PIXELS, MAX_DURATION_S, MAX_FRAMES, MAX_STREAMS)
    return digest("ingest", VERSION, sha256, ours, limits, decoder_versions())


def _understood(answer: Answer) -> Ingest:
    try:
        found = Ingest.model_validate({"shot": "", "ok": False, **answer})
    except (ValidationError, TypeError):
        return Ingest(shot="", ok=False, code="killed")
    # A process that was taken over may say anything, but not that a bad clip has no reason.
    sound = found.ok != bool(found.code) and (not found.code or found.code in REASONS)
    return found if sound else Ingest(shot="", ok=False, code="killed")


def _told(shot: Shot, found: Ingest) -> Ingest:
    # Kept without names: the same bytes may be another shot tomorrow.
    if not found.code:
        note = f"{shot.path.name}: {found.note}" if found.note else ""
        return found.replace(shot=shot.id, note=note)
    sentence, cure = REASONS[found.code]
    more = f" ({found.text})" if found.text else ""
    return found.replace(shot=shot.id, text=f"{shot.path.name}: {sentence}{more}. {cure}.")


def _require_clip(path: Path) -> None:
    """Refuse what is no regular file, before anything is opened: a named pipe hangs its reader."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FinishError(f"{path} is not there.", "missing") from None
    except PermissionError as error:
        raise FinishError(f"{path} may not be read.", "no_access") from error
    except OSError as error:
        raise FinishError(f"{path} leads nowhere.", "not_a_file") from error
    _require_regular(path, status)


def _require_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FinishError(f"{path} is no file.", "not_a_file")
    if status.st_size == 0:
        raise FinishError(f"{path} is empty.", "empty")
    if status.st_size > MAX_BYTES:
        raise FinishError(f"{path} holds {status.st_size} bytes.", "too_large")


def _sha256(path: Path, beat: Beat | None = None) -> str:
    """Hash a file that may have become something else since it was looked at."""
    running = hashlib.sha256()
    try:
        # Not blocking: of a pipe put in its place the other end is not waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise FinishError(f"{path} is gone.", "missing") from None
    except OSError as error:
        raise FinishError(f"{path} cannot be opened: {error.strerror}.", "no_access") from error
    with os.fdopen(handle, "rb") as file:
        _require_regular(path, os.fstat(file.fileno()))
        try:
            while block := file.read(2**22):
                running.update(block)
                if beat:
                    beat(None)
        except OSError as error:
            raise FinishError(f"{path} cannot be read: {error.strerror}.", "no_access") from error
    return running.hexdigest()


def _check(path: Path, beat: Beat) -> Answer:
    """Run inside the child: open, decode everything, compare with what was promised."""
    answer: Answer = {"ok": False, "code": "", "text": ""}
    try:
        answer["sha256"] = _sha256(path, beat)
        promised = declared(path)
        _require_size(promised)
        beat(_expected_s(promised, path.stat().st_size))
        first = probe(path)
        if first.transfer != "sdr":
            raise FinishError(first.transfer.upper(), "hdr")
        found = decode_report(path, lambda: beat(None))
        sound = sound_report(path, lambda: beat(None))
        answer["probe"] = _counted(first, found, sound).model_dump(mode="json")
        _require_whole(found, promised, first, sound)
        if _sha256(path, beat) != answer["sha256"]:
            raise FinishError("", "changed")
    except FinishError as error:
        known = error.code in REASONS
        text = str(error) if known and not str(error).startswith(str(path)) else ""
        return {**answer, "code": error.code if known else "unreadable", "text": text}
    return {**answer, "ok": True, "note": _sound_note(found, sound)}


def _index(path: Path, beat: Beat) -> Answer:
    """Run inside the child: open, and believe what is not absurd."""
    promised = declared(path)
    beat(None)
    _require_size(promised)
    count = promised.frame_count or round(promised.duration_s * float(promised.rate_fps))
    index = Index(
        width_px=promised.width_px,
        height_px=promised.height_px,
        frame_count=count,
        rate_fps=promised.rate_fps,
    )
    return {"index": index.model_dump(mode="json")}


def _require_size(promised: Declared) -> None:
    """Refuse what is too much, before a single picture is decoded."""
    width, height = promised.width_px, promised.height_px
    excess = (
        f"{width}x{height}" if width * height > MAX_PIXELS
        else f"{promised.duration_s:.0f} s" if promised.duration_s > MAX_DURATION_S
        else f"{promised.frame_count} pictures" if promised.frame_count > MAX_FRAMES
        else f"{promised.stream_count} tracks" if promised.stream_count > MAX_STREAMS
        else ""
    )  # fmt: skip
    if excess:
        raise FinishError(excess, "too_large")


def _expected_s(promised: Declared, size_bytes: int) -> float:
    count = promised.frame_count or promised.duration_s * float(promised.rate_fps) or MAX_FRAMES
    pixels = (promised.width_px * promised.height_px or MAX_PIXELS) * min(count, MAX_FRAMES)
    return pixels / PIXELS_PER_S + 3 * size_bytes / BYTES_PER_S


def _counted(first: Probe, found: DecodeReport, sound: SoundReport | None) -> Probe:
    return first.replace(
        frame_count=found.frame_count,
        constant_rate=found.constant_rate,
        usual_step_s=round(found.usual_step_s, 6),
        duration_s=round(found.duration_s, 6),
        start_s=round(found.first_s, 6),
        sound_start_s=round(sound.start_s - found.first_s, 6) if sound else None,
        sound_duration_s=round(sound.duration_s, 6) if sound else 0.0,
    )


def _require_whole(
    found: DecodeReport, promised: Declared, first: Probe, sound: SoundReport | None
) -> None:
    if found.error:
        raise FinishError(f"after {found.frame_count} pictures", "undecodable")
    if found.frame_count == 0:
        raise FinishError("", "no_frames")
    if found.frame_count > MAX_FRAMES or found.duration_s > MAX_DURATION_S:
        raise FinishError(f"{found.frame_count} pictures, {found.duration_s:.0f} s", "too_large")
    if found.declared_count and found.frame_count < found.declared_count:
        raise FinishError(f"{found.frame_count} of {found.declared_count}", "truncated")
    # Matroska promises no count, but a length: of its longest track.
    end_s = max(found.first_s + found.duration_s, sound.start_s + sound.duration_s if sound else 0)
    if promised.duration_s - end_s > max(LENGTH_SLACK_S, 1.5 / first.rate_fps):
        raise FinishError(f"{end_s:.2f} s of {promised.duration_s:.2f} s", "truncated")
    if not found.increasing:
        raise FinishError("", "bad_times")
    if found.complaints:
        raise FinishError(f"{found.complaints} complaints", "damaged")


def _sound_note(found: DecodeReport, sound: SoundReport | None) -> str:
    if sound is None:
        return ""
    if sound.damaged:
        return (
            f"The sound is damaged ({sound.damaged} errors); the pictures are whole. Listen to the"
            " shot, or export it again."
        )
    apart = sound.start_s + sound.duration_s - found.first_s - found.duration_s
    if abs(apart) > LENGTH_SLACK_S:
        when = "after" if apart > 0 else "before"
        return f"The sound ends {abs(apart):.2f} s {when} the pictures. Look whether they fit."
    return ""


if __name__ == "__main__":
    serve({"clip": _check, "index": _index})
