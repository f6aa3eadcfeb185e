"""Can it be trusted: every clip is decoded once, in a process of its own, before it is believed."""

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.frames import Probe, probe
from finishkit.frames.check import decode_report
from finishkit.processes import die_with_parent
from finishkit.shots import Episode, Shot, ShotId
from finishkit.values import Value

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
MEMORY_BYTES = 4 * 2**30
"""Address space of the checking process."""
TIMEOUT_S = 120.0


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

    Returns
    -------
    results : dict of ShotId to Ingest
        In cut order.
    """
    found: dict[ShotId, Ingest] = {}
    total = len(episode)
    if progress:
        progress(0, total, "")
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        waiting = {pool.submit(check_clip, shot): shot for shot in episode}
        for done, future in enumerate(as_completed(waiting), start=1):
            shot = waiting[future]
            found[shot.id] = future.result()
            if progress:
                progress(done, total, shot.id)
    return {shot.id: found[shot.id] for shot in episode}


def check_clip(shot: Shot) -> Ingest:
    """Check one clip in a child process with limits on memory and time.

    Parameters
    ----------
    shot : Shot
        Its path may lead anywhere: nothing is taken for granted.

    Returns
    -------
    result : Ingest
        Never raises for a bad file: a bad file is a result.
    """
    path = shot.path.absolute()
    code = _before_opening(path)
    if code:
        return _refused(shot, code)
    try:
        child = subprocess.run(
            [sys.executable, "-m", "finishkit.ingest", str(path)],
            capture_output=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
            env={k: v for k, v in os.environ.items() if not k.casefold().endswith("_proxy")},
        )
    except subprocess.TimeoutExpired:
        return _refused(shot, "timeout")
    try:
        answer = json.loads(child.stdout)
        return Ingest.model_validate({**answer, "shot": shot.id, "text": ""}).replace(
            text=_sentence(shot, answer["code"], answer.get("text", "")) if answer["code"] else ""
        )
    except (ValueError, KeyError):
        return _refused(shot, "killed")


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


def _refused(shot: Shot, code: str) -> Ingest:
    return Ingest(shot=shot.id, ok=False, code=code, text=_sentence(shot, code, ""))


def _sentence(shot: Shot, code: str, detail: str) -> str:
    cure = {
        "missing": "Check the name in shots.csv",
        "hdr": "Deliver the shot in SDR, BT.709",
        "too_large": "Give the shot alone, at most 10 minutes and 4320x7680",
    }.get(code, "Export or generate the shot again")
    more = f" ({detail})" if detail else ""
    return f"{shot.path.name}: {CODES[code]}{more}. {cure}."


def _check(path: Path) -> dict[str, object]:
    """Run inside the child: open, decode everything, compare with what was promised."""
    from finishkit.store import sha256_file

    answer: dict[str, object] = {"ok": False, "code": "", "text": ""}

    def refuse(code: str, text: str = "") -> dict[str, object]:
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


def _limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_S), int(TIMEOUT_S)))


if __name__ == "__main__":
    die_with_parent()
    _limit_resources()
    sys.stdout.write(json.dumps(_check(Path(sys.argv[1]))))
