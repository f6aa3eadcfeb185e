"""One shot's delivery file: what a worker process is given, and what it hands back."""

import os
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.frames import Encoding
from finishkit.frames.likeness import likeness
from finishkit.frames.signalled import BT709_LIMITED, Signalled, signalled
from finishkit.frames.transcode import encode_again
from finishkit.frames.write import HEVC_TAG
from finishkit.store import sha256_file

COMPARE_EVERY = 12
"""Frames from one comparison with the master to the next: eight in a shot of four seconds."""
_DEPTHS = {"yuv420p": "yuv420p", "yuv420p10le": "yuv420p10le", "p010le": "yuv420p10le"}
_TAGS = {"h264": "avc1", "hevc": HEVC_TAG, "av1": "av01"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotJob:
    """A finished shot to encode once more.

    Attributes
    ----------
    shot : str
    source : Path
        The finished shot.
    sha256 : str
        That it must have, before it is read and after.
    part : Path
        Temporary name to write to.
    frame_count : int
        Frames that must come out.
    rate_fps : Fraction
    codec : str
        ``h264``, ``hevc`` or ``av1``.
    encoding : Encoding
    """

    shot: str
    source: Path
    sha256: str
    part: Path
    frame_count: int
    rate_fps: Fraction
    codec: str
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotResult:
    """What came of it.

    Attributes
    ----------
    sha256 : str
        Of what was written and then read back.
    ssim_mean, ssim_least : float
        Against the finished shot, whose pictures are the master's.
    elapsed_s : float
    """

    sha256: str
    ssim_mean: float
    ssim_least: float
    elapsed_s: float


def encode_shot(job: ShotJob) -> ShotResult:
    """Encode a finished shot, read back what was written, and compare the two.

    Parameters
    ----------
    job : ShotJob
        What to read and how to write it.

    Returns
    -------
    result : ShotResult

    Raises
    ------
    FinishError
        ``changed`` when the shot is not what was finished; ``lost_frames``; ``wrong_signs`` when
        the file says something else of itself than was ordered; what reading and writing raise.
    """
    started = time.monotonic()
    # SVT-AV1 introduces itself on standard error, into the progress bar.
    os.environ.setdefault("SVT_LOG", "1")
    _require_finished(job)
    written = encode_again(job.part, job.source, rate_fps=job.rate_fps, encoding=job.encoding)
    # Again: what was overwritten while it was read gave pictures of two files.
    _require_finished(job)
    seen = likeness(job.part, job.source, every=COMPARE_EVERY)
    require_count(job.shot, job.frame_count, written, seen.frame_count)
    require_signs(job.part, job.codec, job.encoding, job.frame_count, job.rate_fps)
    return ShotResult(
        sha256=sha256_file(job.part),
        ssim_mean=seen.ssim_mean,
        ssim_least=seen.ssim_least,
        elapsed_s=time.monotonic() - started,
    )


def require_count(shot: str, due: int, *counts: int) -> None:
    """Refuse another number of frames than was ordered.

    Parameters
    ----------
    shot : str
        For the message.
    due : int
        As many as there must be.
    *counts : int
        As many as were found, however they were counted.
    """
    for count in counts:
        if count != due:
            raise FinishError(
                f"{shot}: {count} frames came out where {due} were due. This is a fault of"
                " finishkit; please report it with the run's environment.",
                "lost_frames",
            )


def require_signs(
    path: Path, codec: str, encoding: Encoding, frame_count: int, rate_fps: Fraction
) -> Signalled:
    """Refuse a file that does not say of itself what was ordered.

    Parameters
    ----------
    path : Path
        Written.
    codec : str
        ``h264``, ``hevc`` or ``av1``.
    encoding : Encoding
        As ordered.
    frame_count : int
        In the file.
    rate_fps : Fraction
        Of the file.

    Returns
    -------
    signs : Signalled

    Raises
    ------
    FinishError
        ``wrong_signs``, naming what differs.
    """
    signs = signalled(path)
    due_s = float(frame_count / rate_fps)
    pairs = {
        "codec": (signs.codec, codec),
        "tag": (signs.codec_tag, _TAGS[codec]),
        "pixels": (signs.pixel_format, _DEPTHS[encoding.pixel_format]),
        "colour": (signs.colour, BT709_LIMITED),
        "colour of the pictures": (signs.picture_colour, BT709_LIMITED),
        "frames": (signs.frame_count, frame_count),
        # To half a frame: containers count in ticks of their own.
        "length": (abs(signs.duration_s - due_s) < 0.5 / rate_fps, True),
    }
    wrong = [f"{what} {is_} instead of {due}" for what, (is_, due) in pairs.items() if is_ != due]
    if wrong:
        raise FinishError(
            f"{path.name} says of itself: {'; '.join(wrong)}. The encoder {encoding.codec} of this"
            " PyAV does not do what it is told; choose another --codec, or --hardware off.",
            "wrong_signs",
        )
    return signs


def _require_finished(job: ShotJob) -> None:
    try:
        same = sha256_file(job.source) == job.sha256
    except OSError:
        same = False
    if not same:
        raise FinishError(
            f"{job.source} is no longer what was finished: damaged, or changed since. Finish it"
            f" anew with --redo {job.shot}, then deliver again.",
            "changed",
        )
