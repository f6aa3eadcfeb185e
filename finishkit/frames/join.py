"""Joining encoded shots into one file: pictures copied, sound in sync to a frame."""

import contextlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from finishkit.errors import FinishError, write_error
from finishkit.frames.probe import opened, rate_hz
from finishkit.frames.sound import AUDIO_RATE_HZ, SoundWriter, has_sound
from finishkit.frames.write import HEVC_TAG, muxer_options


def join_shots(
    path: Path, shots: Sequence[Path], sounds: Sequence[Path | None], *, rate_fps: Fraction
) -> int:
    """Join encoded shots without encoding their pictures again.

    Parameters
    ----------
    path : Path
        Written directly: callers hand in a temporary name, see :class:`finishkit.store.Store`.
    shots : sequence of Path
        Encoded alike: same size, rate, codec settings.
    sounds : sequence of (Path or None)
        The clip whose first sound track belongs to each shot; ``None`` or a clip without sound
        gives silence. Each is cut or filled with silence to its shot's exact length, so that
        no shot moves the sound of the next one.
    rate_fps : Fraction
        Of every shot.

    Returns
    -------
    frame_count : int

    Raises
    ------
    FinishError
        ``not_alike`` when the shots were not encoded alike; ``write_failed``.
    """
    with_sound = any(s is not None and has_sound(s) for s in sounds)
    try:
        with _new_mp4(path) as out:
            sound = _Fitted(out, sounds) if with_sound else None
            return _joined(out, shots, rate_fps, sound)
    except (av.error.FFmpegError, OSError) as error:
        raise write_error(path, error) from error


def join_under_track(
    path: Path, shots: Sequence[Path], track_from: Path, *, rate_fps: Fraction
) -> int:
    """Join encoded shots under a sound track that fits them already, copied packet by packet.

    Parameters
    ----------
    path : Path
        Written directly, see :func:`join_shots`.
    shots : sequence of Path
        Encoded alike.
    track_from : Path
        A file of the same shots in the same order, with or without sound: the master.
    rate_fps : Fraction
        Of every shot.

    Returns
    -------
    frame_count : int

    Raises
    ------
    FinishError
        As for :func:`join_shots`.
    """
    try:
        with opened(track_from) as source, _new_mp4(path) as out:
            sound = _Copied(out, source) if rate_hz(source) else None
            return _joined(out, shots, rate_fps, sound)
    except (av.error.FFmpegError, OSError) as error:
        raise write_error(path, error) from error


class _Sound(Protocol):
    def follow(self, shot: int, end_s: Fraction) -> None:
        """Write the sound of a shot, which ends then."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


class _Fitted:
    """Sound of each shot's own clip, cut or filled to its length, encoded once."""

    def __init__(self, out: OutputContainer, sounds: Sequence[Path | None]) -> None:
        self._writer, self._sounds = SoundWriter(out), sounds

    def follow(self, shot: int, end_s: Fraction) -> None:
        self._writer.fill(self._sounds[shot], until=round(end_s * AUDIO_RATE_HZ))

    def close(self) -> None:
        self._writer.close()


class _Copied:
    """One track that is there already; its packets are written beside their pictures."""

    def __init__(self, out: OutputContainer, source: InputContainer) -> None:
        track = source.streams.audio[0]
        self._out, self._target = out, out.add_stream_from_template(track)
        self._packets = source.demux(track)
        self._tick = track.time_base or Fraction(1)
        self._next: Packet | None = next(self._packets, None)

    def follow(self, shot: int, end_s: Fraction) -> None:  # noqa: ARG002 (one track for all)
        while self._next is not None:
            packet = self._next
            if packet.dts is not None:
                if packet.dts * self._tick >= end_s:
                    return
                packet.stream = self._target
                self._out.mux(packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        self.follow(0, Fraction(10**9))


@contextlib.contextmanager
def _new_mp4(path: Path) -> Iterator[OutputContainer]:
    with av.open(str(path.absolute()), "w", format="mp4", options=muxer_options("mp4")) as out:
        yield out


def _joined(
    out: OutputContainer, shots: Sequence[Path], rate_fps: Fraction, sound: _Sound | None
) -> int:
    with opened(shots[0]) as container:
        first = container.streams.video[0]
        # AV1's decoder has no encoder of its name, which PyAV would look for.
        opaque = first.codec.canonical_name == "av1"
        picture = out.add_stream_from_template(first, opaque=opaque)
        if first.codec.canonical_name == "hevc":
            picture.codec_context.codec_tag = HEVC_TAG
        head = bytes(first.codec_context.extradata or b"")
        total, last_dts = 0, -(2**62)
        for number, shot in enumerate(shots):
            count, last_dts = _copy_pictures(out, picture, shot, total, rate_fps, head, last_dts)
            total += count
            if sound is not None:
                sound.follow(number, total / rate_fps)
        if sound is not None:
            sound.close()
    return total


def _copy_pictures(
    out: OutputContainer,
    picture: VideoStream,
    shot: Path,
    start: int,
    rate_fps: Fraction,
    head: bytes,
    last_dts: int,
) -> tuple[int, int]:
    with opened(shot) as container:
        stream = container.streams.video[0]
        if bytes(stream.codec_context.extradata or b"") != head:
            raise FinishError(
                f"{shot.name} was encoded with other settings than the first shot. Finish it again"
                " with the same template (--redo).",
                "not_alike",
            )
        count = 0
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            shift = round(start / rate_fps / (stream.time_base or Fraction(1)))
            packet.pts = (packet.pts or 0) + shift
            # A shot is decoded ahead by its own reordering: none at all when it has one picture,
            # and then the next shot would begin before it ends.
            packet.dts = last_dts = max(packet.dts + shift, last_dts + 1)
            packet.stream = picture
            out.mux(packet)
            count += 1
    return count, last_dts
