"""Sound: carried over untouched where the container takes it, cut to the picture where joined."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from finishkit.frames.probe import opened

AUDIO_RATE_HZ = 48_000
AUDIO_BIT_RATE = 192_000
MP4_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "libopus", "alac"})
"""Sound an MP4 takes as it is; anything else (PCM, Vorbis) is encoded to AAC."""

_FRAME_SAMPLES = 1024
_CHANNELS = 2


def has_sound(path: Path) -> bool:
    """Return whether a clip has a sound track.

    Parameters
    ----------
    path : Path
        The clip.
    """
    with opened(path) as container:
        return bool(container.streams.audio)


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
    if not source.streams.audio:
        return None
    track = source.streams.audio[0]
    if track.codec_context.name not in MP4_CODECS:
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
    with opened(path) as container:
        if not container.streams.audio:
            return
        resampler = AudioResampler("fltp", "stereo", AUDIO_RATE_HZ)
        video_start = _start_s(container)
        lead: int | None = None
        for frame in container.decode(container.streams.audio[0]):
            if lead is None:
                # Sound that starts after the picture keeps its place; earlier sound is cut.
                lead = round(((frame.time or 0.0) - video_start) * AUDIO_RATE_HZ)
                if lead > 0:
                    yield np.zeros((_CHANNELS, lead), np.float32)
            for block in resampler.resample(frame):
                samples = cast(NDArray[np.float32], block.to_ndarray())
                if lead < 0:
                    drop = min(-lead, samples.shape[1])
                    samples, lead = samples[:, drop:], lead + drop
                yield samples
        for block in resampler.resample(None):
            yield cast(NDArray[np.float32], block.to_ndarray())


def _start_s(container: InputContainer) -> float:
    """When the picture begins; 0 without one."""
    if not container.streams.video:
        return 0.0
    stream = container.streams.video[0]
    return float((stream.start_time or 0) * (stream.time_base or 0))
