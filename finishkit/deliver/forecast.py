"""What a delivery would take: a few frames of one shot are encoded, and the rest is reckoned."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from finishkit.deliver.codecs import Choice, jobs_at_once
from finishkit.deliver.episode import shots_to_encode
from finishkit.deliver.finished import FinishedEpisode, FinishedShot, finished_episode
from finishkit.engines import open_engine
from finishkit.frames import Encoding, decode_report
from finishkit.frames.signalled import signalled
from finishkit.frames.transcode import encode_again
from finishkit.values import Value

SAMPLE_FRAMES = 24
"""Half a group: fewer would time the encoder's start, more would be waited for."""
QUICKER, SLOWER = 0.8, 1.5
"""Pictures of other shots, and other work on the machine, move the time by so much."""
_CHECKING_DECODES = 2
"""A shot's file is read back beside its source."""


class Forecast(Value):
    """What delivering an episode would take.

    Attributes
    ----------
    episode, codec, encoder : str
    crf, jobs : int
    shots : tuple of str
        All of them, in cut order.
    to_encode : tuple of str
        Those that do not stand from an earlier run.
    frame_count, to_encode_frames : int
        Of both.
    duration_s : float
        Of the file.
    sample_shot : str
        The shot that was timed; empty when nothing is left to encode.
    sample_frames : int
    frame_s : float
        Seconds that a frame of it took, encoded and read back.
    low_s, high_s : float
    file_bytes : int
        Of the joined file; as much again lies between, until it is cleaned.
    free_bytes : int
    left_out : tuple of (str, str)
    """

    episode: str
    codec: str
    encoder: str
    crf: int
    jobs: int
    shots: tuple[str, ...]
    to_encode: tuple[str, ...]
    frame_count: int
    to_encode_frames: int
    duration_s: float
    sample_shot: str = ""
    sample_frames: int = 0
    frame_s: float = 0.0
    low_s: float = 0.0
    high_s: float = 0.0
    file_bytes: int = 0
    free_bytes: int = 0
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleJob:
    """A few frames to encode for the time they take.

    Attributes
    ----------
    shot : str
    source : Path
    frames : int
    rate_fps : Fraction
    encoding : Encoding
    """

    shot: str
    source: Path
    frames: int
    rate_fps: Fraction
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a frame of a sample took.

    Attributes
    ----------
    frames : int
    encode_s, encode_cpu_s : float
        By the clock, and of all processors together.
    decode_s : float
        To read it back.
    bytes : int
        Of its pictures.
    """

    frames: int
    encode_s: float
    encode_cpu_s: float
    decode_s: float
    bytes: float


def forecast(folder: Path, choice: Choice, *, jobs: int | None = None) -> Forecast:
    """Say what delivering an episode would take; nothing is written to its folder.

    Parameters
    ----------
    folder : Path
        The episode's output folder.
    choice : Choice
        How it would be encoded.
    jobs : int, optional
        Shots side by side.

    Returns
    -------
    forecast : Forecast

    Raises
    ------
    FinishError
        As for :func:`finishkit.deliver.episode.deliver_episode`.
    """
    episode = finished_episode(folder)
    todo = shots_to_encode(episode, choice)
    told = Forecast(
        episode=episode.name,
        codec=choice.codec,
        encoder=choice.encoder,
        crf=choice.crf,
        jobs=jobs_at_once(choice, jobs),
        shots=tuple(shot.shot for shot in episode.shots),
        to_encode=tuple(shot.shot for shot in todo),
        frame_count=episode.frame_count,
        to_encode_frames=sum(shot.frame_count for shot in todo),
        duration_s=episode.duration_s,
        free_bytes=shutil.disk_usage(folder).free,
        left_out=episode.left_out,
    )
    return _reckoned(told, episode, todo, choice) if todo else told


def time_sample(job: SampleJob) -> Sample:
    """Encode a few frames into a folder that is gone afterwards, and read them back.

    Parameters
    ----------
    job : SampleJob
        Of which shot.
    """
    os.environ.setdefault("SVT_LOG", "1")
    with tempfile.TemporaryDirectory(prefix="finishkit-") as folder:
        part = Path(folder) / "sample.mp4"
        clock, cpu = time.monotonic(), time.process_time()
        count = encode_again(
            part,
            job.source,
            rate_fps=job.rate_fps,
            encoding=job.encoding,
            most_frames=job.frames,
        )
        encode_s, cpu_s = time.monotonic() - clock, time.process_time() - cpu
        clock = time.monotonic()
        decode_report(part)
        decode_s = time.monotonic() - clock
        size = signalled(part).picture_bytes
    return Sample(
        frames=count,
        encode_s=encode_s / count,
        encode_cpu_s=cpu_s / count,
        decode_s=decode_s / count,
        bytes=size / count,
    )


def _reckoned(
    told: Forecast, episode: FinishedEpisode, todo: list[FinishedShot], choice: Choice
) -> Forecast:
    # The shot whose frames take the middle number of bytes stands for all.
    shot = sorted(todo, key=lambda s: s.bytes / s.frame_count)[len(todo) // 2]
    sample = _sampled(
        SampleJob(
            shot=shot.shot,
            source=shot.path,
            frames=min(SAMPLE_FRAMES, shot.frame_count),
            rate_fps=episode.rate_fps,
            encoding=choice.encoding(episode.rate_fps),
        )
    )
    checking_s = _CHECKING_DECODES * sample.decode_s
    frame_s = sample.encode_s + checking_s
    abreast = min(told.jobs, len(todo))
    cores = len(os.sched_getaffinity(0))
    # Side by side until the processors are all taken.
    encoding_s = told.to_encode_frames * max(
        frame_s / abreast, (sample.encode_cpu_s + checking_s) / cores
    )
    whole_s = encoding_s + told.frame_count * sample.decode_s
    return told.replace(
        sample_shot=shot.shot,
        sample_frames=sample.frames,
        frame_s=round(frame_s, 4),
        low_s=round(QUICKER * whole_s, 1),
        high_s=round(SLOWER * whole_s, 1),
        # Equal bits a frame is a guess: a shot that moves more takes more.
        file_bytes=round(sample.bytes * told.frame_count),
    )


def _sampled(job: SampleJob) -> Sample:
    engine = open_engine("local", 1)
    try:
        ((_, sample),) = engine.map(time_sample, [job])
    finally:
        engine.close()
    if isinstance(sample, Exception):
        raise sample
    return sample
