"""Joining finished shots into one master: pictures copied, sound in sync to a frame."""

import contextlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from finishkit.errors import FinishError, write_error
from finishkit.frames.probe import opened
from finishkit.frames.sound import AUDIO_RATE_HZ, SoundWriter, has_sound


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
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(
                av.open(str(path.absolute()), "w", format="mp4", options=options)
            )
            first = stack.enter_context(opened(shots[0])).streams.video[0]
            picture = out.add_stream_from_template(first)
            head = bytes(first.codec_context.extradata or b"")
            with_sound = any(s is not None and has_sound(s) for s in sounds)
            sound = SoundWriter(out) if with_sound else None
            total, last_dts = 0, -(2**62)
            for shot, source in zip(shots, sounds, strict=True):
                count, last_dts = _copy_pictures(
                    out, picture, shot, total, rate_fps, head, last_dts
                )
                total += count
                if sound is not None:
                    sound.fill(source, until=round(total * AUDIO_RATE_HZ / rate_fps))
            if sound is not None:
                sound.close()
    except (av.error.FFmpegError, OSError) as error:
        raise write_error(path, error) from error
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
