"""Which encoders and hardware decoders really open here: each is tried, none is assumed.

The PyAV wheel names NVENC and NVDEC on every machine; whether they open depends on the driver, and
on a chip that data-centre cards lack.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

import av
import av.error
import av.logging
import numpy as np
from av.video.codeccontext import VideoCodecContext

from finishkit.frames.logs import listening
from finishkit.frames.scheduling import scheduled_as_before

PIXEL_FORMATS: Final = {
    "libx264": "yuv420p",
    "libx265": "yuv420p10le",
    "libsvtav1": "yuv420p10le",
    "h264_nvenc": "yuv420p",
    "hevc_nvenc": "p010le",
    "av1_nvenc": "p010le",
}
"""Encoder to what it is given, and is tried with: a card may take 8 bits and refuse 10."""

HARDWARE_ENCODERS: Final = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
SOFTWARE_ENCODERS: Final = ("libx264", "libx265", "libsvtav1")
HARDWARE_DECODERS: Final = ("h264_cuvid", "hevc_cuvid", "av1_cuvid")
_MADE_BY: Final = {"h264_cuvid": "libx264", "hevc_cuvid": "libx265", "av1_cuvid": "libsvtav1"}
"""Decoder to the encoder of what it is tried on."""

_SIDE_PX = 256
"""NVENC refuses pictures below about 145 pixels a side."""
_FRAMES = 4
_PATIENCE_S = 60.0
"""A driver that does not answer for so long counts as one that does not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of trying one encoder or decoder.

    Attributes
    ----------
    name : str
        As FFmpeg calls it.
    opens : bool
        A few small frames went in, and came out.
    why : str
        What the library said where they did not; empty where they did.
    """

    name: str
    opens: bool
    why: str = ""


def tried(*names: str) -> dict[str, Trial]:
    """Try encoders and decoders on a few small frames, once a process.

    They are tried in a child, because a driver that does not fit may end the whole process.

    Parameters
    ----------
    *names : str
        Of :data:`SOFTWARE_ENCODERS`, :data:`HARDWARE_ENCODERS` or :data:`HARDWARE_DECODERS`.

    Returns
    -------
    trials : dict of str to Trial
        In the order asked for.
    """
    found = _known()
    while waiting := [name for name in names if name not in found]:
        lines, ending = _child(waiting)
        for name, line in zip(waiting, lines, strict=False):
            found[name] = Trial(**json.loads(line))
        if len(lines) < len(waiting):
            # The one it was at is to blame; those after it get a child of their own.
            broke = waiting[len(lines)]
            found[broke] = Trial(name=broke, opens=False, why=ending)
    return {name: found[name] for name in names}


@functools.cache
def _known() -> dict[str, Trial]:
    """Return what this process has tried so far, to be added to."""
    return {}


def _child(names: Sequence[str]) -> tuple[list[str], str]:
    """Try names in a process of their own; return its lines and how it ended."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; from finishkit.frames.encoders import"
        f" tell_trials; tell_trials({list(names)!r})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # SVT-AV1 introduces itself there
        text=True,
    )
    try:
        told, _ = child.communicate(timeout=_PATIENCE_S)
        ending = f"the process that tried it ended with {child.returncode}"
    except subprocess.TimeoutExpired:
        child.kill()
        told, _ = child.communicate()
        ending = f"it did not answer within {_PATIENCE_S:.0f} s"
    return [line for line in told.splitlines() if line.startswith("{")], ending


def tell_trials(names: Sequence[str]) -> None:
    """Try names here and print a line of JSON for each; what the child of :func:`tried` runs.

    Parameters
    ----------
    names : sequence of str
        As for :func:`tried`.
    """
    for name in names:
        why = _why_not(name)
        line = json.dumps({"name": name, "opens": not why, "why": why})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # told before the next one, which may end the process


def _why_not(name: str) -> str:
    """Encode (and decode) a few frames; return what the library said when it could not."""
    if name not in av.codecs_available:
        return "not in this build of FFmpeg"
    with listening() as logs:
        try:
            packets, encoder = _encoded(_MADE_BY.get(name, name))
            count = len(packets)
            if name in _MADE_BY:
                count = _decoded_count(name, packets, encoder)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # The first complaint names the cause ("Cannot load libcuda.so.1"), the last its echo.
            said = next((text.strip() for _, _, text in logs if text.strip()), "")
            return said or str(error)
    return "" if count == _FRAMES else f"{count} of {_FRAMES} frames came out"


@scheduled_as_before()
def _encoded(name: str) -> tuple[list[Any], VideoCodecContext]:
    pixel_format = PIXEL_FORMATS[name]
    encoder = cast(VideoCodecContext, av.CodecContext.create(name, "w"))
    encoder.width = encoder.height = _SIDE_PX
    encoder.pix_fmt = pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 24), Fraction(24)
    if name == "libx265":
        encoder.options = {"x265-params": "log-level=none"}
    packets: list[Any] = []
    for index in range(_FRAMES):
        grey = np.full((_SIDE_PX * 3 // 2, _SIDE_PX), 64 + 32 * index, np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
        frame = frame.reformat(format=pixel_format, threads=1)
        frame.pts, frame.time_base = index, Fraction(1, 24)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return packets, encoder


def _decoded_count(name: str, packets: Sequence[Any], encoder: VideoCodecContext) -> int:
    decoder = cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    decoder.width = decoder.height = _SIDE_PX
    count = sum(len(decoder.decode(packet)) for packet in packets)
    return count + len(decoder.decode(None))
