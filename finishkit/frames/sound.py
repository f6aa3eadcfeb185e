"""Sound: carried over untouched where the container takes it, cut to the picture where joined."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from finishkit.frames.probe import opened, rate_hz

AUDIO_RATE_HZ = 48_000
AUDIO_BIT_RATE = 192_000
MP4_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "libopus", "alac"})
"""Sound an MP4 takes as it is; anything else (PCM, Vorbis) is encoded to AAC."""

_FRAME_SAMPLES = 1024
_CHANNELS = 2
_GAP_S = 0.005
"""Of jitter in the times of sound nothing is heard; a lost packet lacks 20 ms or more."""


def has_sound(path: Path) -> bool:
    """Return whether a clip has a sound track that can be decoded.

    Parameters
    ----------
    path : Path
        The clip.
    """
    with opened(path) as container:
        return rate_hz(container) > 0


def carry_sound(
    out: OutputContainer, source: InputContainer, path: Path
) -> Callable[[float], None] | None:
    """Prepare a clip's sound for another file.

    Parameters
    ----------
    out : OutputContainer
        Gets its sound stream now, before anything is written to it.
    source : InputContainer
        The opened clip; stays open until the sound is written.
    path : Path
        The clip, to read it once more where its sound must be encoded.

    Returns
    -------
    write : callable or None
        Call it once with the picture's length in seconds; ``None`` without sound.
    """
    if not rate_hz(source):
        return None
    track = source.streams.audio[0]
    if track.codec_context.name not in MP4_CODECS or not _without_gaps(path):
        writer = SoundWriter(out)

        def encode(length_s: float) -> None:
            writer.fill(path, until=round(length_s * AUDIO_RATE_HZ))
            writer.close()

        return encode
    target = out.add_stream_from_template(track)

    def copy(_: float) -> None:
        # The written picture starts at zero; the sound keeps its distance from it.
        start = round(_start_s(source) / (track.time_base or Fraction(1)))
        for packet in source.demux(track):
            if packet.dts is not None:
                packet.pts = (packet.pts or 0) - start
                packet.dts = packet.dts - start
                packet.stream = target
                out.mux(packet)

    return copy


class SoundWriter:
    """One AAC track, filled clip by clip, each to an exact sample.

    Parameters
    ----------
    out : OutputContainer
    """

    def __init__(self, out: OutputContainer) -> None:
        self._out = out
        self._stream = cast(AudioStream, out.add_stream("aac", rate=AUDIO_RATE_HZ))
        self._stream.codec_context.layout = "stereo"
        self._stream.codec_context.bit_rate = AUDIO_BIT_RATE
        self._rest = np.zeros((_CHANNELS, 0), np.float32)
        self._written = 0

    def fill(self, source: Path | None, *, until: int) -> None:
        """Add a clip's sound, cut or filled with silence so that the track ends at ``until``.

        Parameters
        ----------
        source : Path or None
            ``None`` is silence.
        until : int
            Samples since the start of the track. Counted from there and not from the clip, so
            that rounding never adds up over an episode.
        """
        wanted = until - self._written - self._rest.shape[1]
        self._rest = np.concatenate([self._rest, _exactly(source, wanted)], axis=1)
        while self._rest.shape[1] >= _FRAME_SAMPLES:
            self._encode(self._rest[:, :_FRAME_SAMPLES])
            self._rest = self._rest[:, _FRAME_SAMPLES:]

    def close(self) -> None:
        """Write what is left."""
        if self._rest.shape[1]:
            self._encode(self._rest)
        self._out.mux(self._stream.encode(None))

    def _encode(self, samples: NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout="stereo"
        )
        frame.sample_rate = AUDIO_RATE_HZ
        frame.pts = self._written
        frame.time_base = Fraction(1, AUDIO_RATE_HZ)
        self._out.mux(self._stream.encode(frame))
        self._written += samples.shape[1]


def _exactly(path: Path | None, count: int) -> NDArray[np.float32]:
    """Return exactly ``count`` stereo samples of a clip's sound, silence where there is none."""
    taken = np.zeros((_CHANNELS, count), np.float32)
    filled = 0
    for block in _samples(path) if path is not None else ():
        fits = block[:, : count - filled]
        taken[:, filled : filled + fits.shape[1]] = fits
        filled += fits.shape[1]
        if filled >= count:
            break
    return taken


def _samples(path: Path) -> Iterator[NDArray[np.float32]]:
    """Yield a clip's sound from the time of its first picture on."""
    with opened(path) as container:
        if not rate_hz(container):
            return
        frames = _decoded(container)
        first = next(frames, None)
        if first is None:
            return
        # Sound that starts after the picture keeps its place; earlier sound is cut.
        early = round((_start_s(container) - (first.time or 0.0)) * AUDIO_RATE_HZ)
        yield from _silence(-early)
        for samples in _in_time(itertools.chain([first], frames)):
            drop = min(max(early, 0), samples.shape[1])
            early -= drop
            yield samples[:, drop:]


def _in_time(frames: Iterator[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    """Yield what frames hold, at our rate; a part that is lost is silent: nothing comes early."""
    resampler = AudioResampler("fltp", "stereo", AUDIO_RATE_HZ)
    due_s: float | None = None
    for frame in frames:
        at_s = frame.time if frame.time is not None else due_s or 0.0
        if due_s is not None and at_s - due_s > _GAP_S:
            yield from _silence(round((at_s - due_s) * AUDIO_RATE_HZ))
        due_s = at_s + frame.samples / frame.sample_rate
        try:
            blocks = resampler.resample(frame)
        except ValueError:
            # Damage, or a cut: from here on it has other channels or another rate.
            resampler = AudioResampler("fltp", "stereo", AUDIO_RATE_HZ)
            blocks = resampler.resample(frame)
        for block in blocks:
            yield cast(NDArray[np.float32], block.to_ndarray())
    for block in resampler.resample(None):
        yield cast(NDArray[np.float32], block.to_ndarray())


def _silence(count: int) -> Iterator[NDArray[np.float32]]:
    """Yield silence a second at a time: a damaged clock may ask for days of it."""
    for at in range(0, count, AUDIO_RATE_HZ):
        yield np.zeros((_CHANNELS, min(AUDIO_RATE_HZ, count - at)), np.float32)


def _decoded(container: InputContainer) -> Iterator[AudioFrame]:
    """Decode what can be decoded: of a damaged track the rest is still heard.

    That it is damaged was found out when the clip was checked, and stands in the report.
    """
    packets = container.demux(container.streams.audio[0])
    with contextlib.suppress(av.error.FFmpegError):
        for packet in packets:
            frames: list[AudioFrame] = []
            with contextlib.suppress(av.error.FFmpegError):
                frames = cast(list[AudioFrame], packet.decode())
            yield from frames


def _without_gaps(path: Path) -> bool:
    """Say whether a clip's sound can be copied packet by packet.

    A muxer takes packets in the order of time only, and players take an edit at the start for
    samples: in a track with a gap they would cut too much.
    """
    due: float | None = None
    try:
        with opened(path) as container:
            track = container.streams.audio[0]
            tick = float(track.time_base or 0)
            # Of the codec: the container's length of a packet hides the gap behind it.
            length_s = track.codec_context.frame_size / track.codec_context.sample_rate
            for packet in container.demux(track):
                if packet.dts is None:
                    continue
                at = packet.dts * tick
                if packet.pts is None or (due is not None and abs(at - due) > _GAP_S):
                    return False
                due = at + (length_s or (packet.duration or 0) * tick)
    except av.error.FFmpegError:
        return False
    return due is not None


def _start_s(container: InputContainer) -> float:
    """When the picture begins; 0 without one."""
    if not container.streams.video:
        return 0.0
    stream = container.streams.video[0]
    return float((stream.start_time or 0) * (stream.time_base or 0))
