"""The corpus of broken clips: case ``seed:index`` is the same bytes on every machine with these
encoders. ``python -m tests.torture.corpus SEED:INDEX -o FILE`` writes one.
"""

import argparse
import json
import random
import struct
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from finishkit.frames.scheduling import scheduled_as_before
from tests.torture.mutators import ALL, PAYLOAD, boxes, elements

WIDTH_PX, HEIGHT_PX, COUNT, RATE_FPS = 128, 224, 24, 24
PATCHES = np.array(
    [(200, 30, 30), (30, 160, 60), (40, 60, 190), (205, 160, 130), (128, 128, 128), (235, 235, 225)]
)
"""Colours of the row at the bottom: saturated, skin, grey, white."""
SHELF = Path(__file__).with_name("shelf.json")
"""Every case that ever failed, for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A whole clip, and how it is made."""

    name: str
    suffix: str = ".mp4"
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"g": "12", "preset": "veryfast"})
    mux: dict[str, str] = field(default_factory=dict)
    width: int = WIDTH_PX
    height: int = HEIGHT_PX
    count: int = COUNT
    sound: str = "aac"
    picture: bool = True
    vfr: bool = False
    start_s: float = 0.0
    rotation: int = 0
    matrix: str = ""
    full: bool = False


_X265 = {"x265-params": "log-level=none:keyint=12:pools=none:frame-threads=1"}
_VP9 = {"deadline": "realtime", "cpu-used": "8", "g": "12"}
BASES = {
    base.name: base
    for base in (
        Base(name="h264"),
        Base(name="h264_faststart", mux={"movflags": "+faststart"}),
        Base(name="h264_fragmented", mux={"movflags": "+frag_keyframe+empty_moov"}),
        Base(name="h264_mkv", suffix=".mkv"),
        Base(name="hevc", codec="libx265", options=_X265),
        Base(name="hevc_10", codec="libx265", pixels="yuv420p10le", options=_X265),
        Base(name="vp9", suffix=".webm", codec="libvpx-vp9", options=_VP9, sound="libopus"),
        Base(name="av1", codec="libsvtav1", options={"preset": "12", "g": "12",
             "svtav1-params": "lp=1"}),
        Base(name="prores", suffix=".mov", codec="prores_ks", pixels="yuv422p10le", options={},
             sound="pcm_s16le"),
        Base(name="mjpeg", suffix=".mov", codec="mjpeg", pixels="yuvj420p", options={"qscale": "3"},
             sound="pcm_s16le"),
        Base(name="mjpeg_mkv", suffix=".mkv", codec="mjpeg", pixels="yuvj420p", options={}),
        Base(name="ffv1", suffix=".mkv", codec="ffv1", options={"level": "3", "slicecrc": "1",
             "slices": "4", "g": "1"}),
        Base(name="ten_bit", pixels="yuv420p10le"),
        Base(name="odd", pixels="yuv444p", width=127, height=223),
        Base(name="vfr", vfr=True, sound=""),
        Base(name="one_frame", count=1, sound=""),
        Base(name="silent", sound=""),
        Base(name="sound_only", picture=False),
        Base(name="offset", start_s=0.5),
        *(Base(name=f"rotated_{turn}", rotation=turn, sound="") for turn in (90, 180, 270)),
        *(
            Base(name=f"{matrix or 'untagged'}_{'pc' if full else 'tv'}", matrix=matrix, full=full,
                 sound="")
            for matrix in ("bt709", "bt601", "")
            for full in (False, True)
        ),
    )
}  # fmt: skip
MORE = {
    base.name: base
    for base in (
        Base(name="hevc_hash", codec="libx265",
             options={"x265-params": _X265["x265-params"] + ":hash=1"}),
        Base(name="vp8", suffix=".webm", codec="libvpx", options=_VP9, sound="libopus"),
    )
}  # fmt: skip
"""Clips that some suites ask for by name: another one in ``BASES`` would change every case."""

_MATRICES = {"bt709": 1, "bt601": 6, "": 2}


def picture(index: int, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> np.ndarray:
    """Return frame ``index``: its number as eight blocks on top, patches below, texture between."""
    texture = np.random.default_rng(1).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3))
    texture = np.kron(texture, np.ones((4, 4, 1), int))[:height, :width]
    rows, columns = np.mgrid[0:height, 0:width]
    moving = np.stack([columns * 2 + index * 5, rows + index * 3, columns + rows + index * 4], -1)
    out = ((moving % 256) * 3 + texture) // 4
    for bit in range(8):
        out[:24, bit * width // 8 : (bit + 1) * width // 8] = 235 * (index >> bit & 1) + 10
    for place, colour in enumerate(PATCHES):
        step = width // len(PATCHES)
        out[-32:, place * step : (place + 1) * step] = colour
    return out.astype(np.uint8)


def number(frame: np.ndarray) -> int:
    """Read the number of a frame, in whatever size it is shown."""
    height, width = frame.shape[:2]
    rows = slice(
        height * 6 // HEIGHT_PX, max(height * 18 // HEIGHT_PX, height * 6 // HEIGHT_PX + 1)
    )
    blocks = [
        frame[rows, (4 * bit + 1) * width // 32 : (4 * bit + 3) * width // 32].mean() > 128
        for bit in range(8)
    ]
    return sum(1 << bit for bit, white in enumerate(blocks) if white)


def times_ms(base: Base) -> list[int]:
    """Return when each frame of a clip is shown."""
    jitter = (lambda i: i // 5 * 125) if base.vfr else (lambda _: 0)
    return [round(1000 * (base.start_s + i / RATE_FPS)) + jitter(i) for i in range(base.count)]


@scheduled_as_before()
def write(base: Base, path: Path) -> Path:
    """Make a clip."""
    mux = {"fflags": "+bitexact", **base.mux}
    with av.open(str(path), "w", options=mux) as out:
        stream: Any = _picture_stream(out, base) if base.picture else None
        sound: Any = _sound_stream(out, base) if base.sound else None
        if stream is not None:
            for index, at in enumerate(times_ms(base)):
                out.mux(stream.encode(_frame(base, index, at)))
            out.mux(stream.encode(None))
        if sound is not None:
            _write_sound(out, sound, base)
    if base.rotation:
        path.write_bytes(rotated(path.read_bytes(), base.rotation))
    return path


def _picture_stream(out: Any, base: Base) -> Any:
    stream = out.add_stream(base.codec, rate=RATE_FPS, options=dict(base.options))
    stream.width, stream.height, stream.pix_fmt = base.width, base.height, base.pixels
    context = stream.codec_context
    context.thread_count = 1
    context.time_base = Fraction(1, 1000)
    code = _MATRICES[base.matrix]
    context.colorspace, context.color_primaries, context.color_trc = code, code, code
    context.color_range = 2 if base.full or base.pixels.startswith("yuvj") else 1
    return stream


def _frame(base: Base, index: int, at_ms: int) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(picture(index, base.width, base.height), format="rgb24")
    full = 2 if base.full or base.pixels.startswith("yuvj") else 1
    # Untagged clips of this size are BT.601: so says the rule for untagged files.
    matrix = 1 if base.matrix == "bt709" else 5
    frame = rgb.reformat(
        format=base.pixels, dst_colorspace=matrix, src_color_range=2, dst_color_range=full
    )
    frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
    return frame


def _sound_stream(out: Any, base: Base) -> Any:
    stream = out.add_stream(base.sound, rate=48000)
    stream.codec_context.layout = "mono"
    return stream


def clicks(count: int) -> np.ndarray:
    """Return the sound of so many frames: a click at every twelfth."""
    samples = np.zeros(round(count * 48000 / RATE_FPS), np.float32)
    for frame in range(0, count, 12):
        at = round(frame * 48000 / RATE_FPS)
        tone = 0.7 * np.sin(np.arange(480) * 0.3)
        samples[at : at + 480] = tone[: len(samples) - at]
    return samples


def _write_sound(out: Any, stream: Any, base: Base) -> None:
    samples = clicks(base.count)
    size = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    for at in range(0, len(samples), size):
        part = np.zeros(size, np.float32)
        part[: len(samples) - at] = samples[at : at + size]
        data = part[None] if kind.startswith("flt") else (part[None] * 32767).astype(np.int16)
        block = av.AudioFrame.from_ndarray(data, format=kind, layout="mono")
        block.sample_rate, block.time_base = 48000, Fraction(1, 48000)
        block.pts = at + round(base.start_s * 48000)
        out.mux(stream.encode(block))
    out.mux(stream.encode(None))


def rotated(data: bytes, turn: int) -> bytes:
    """Return an MP4 whose players turn the picture clockwise by ``turn`` degrees."""
    one = 1 << 16
    cosine, sine = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[turn]
    matrix = struct.pack(">9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)
    start = next(start for kind, start, _ in boxes(data) if kind == b"tkhd")
    return data[: start + 48] + matrix + data[start + 84 :]


@cache
def clip(name: str) -> bytes:
    """Return the bytes of a base."""
    with tempfile.TemporaryDirectory() as folder:
        return write(named(name), Path(folder) / f"a{named(name).suffix}").read_bytes()


def named(name: str) -> Base:
    """Return how a clip is made."""
    return BASES.get(name) or MORE[name]


def with_broken_sound(data: bytes) -> bytes:
    """Return a Matroska clip whose sound packets are noise after the first three."""
    rng = random.Random("sound")
    out, seen = bytearray(data), 0
    for kind, at, length, end in elements(data):
        body = at + length
        # A SimpleBlock of the second track; its header is four bytes.
        if kind == 0xA3 and data[body] == 0x82:
            seen += 1
            if seen > 3:
                out[body + 4 : end] = rng.randbytes(end - body - 4)
    return bytes(out)


_TEXTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    "m3u8_http": "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile good_0.mp4\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>'
    "http://127.0.0.1:9/</BaseURL></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "html": "<!doctype html><script>fetch('http://127.0.0.1:9')</script>",
    "nothing": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One broken clip: bytes, and the recipe that makes them again."""

    id: str
    base: str
    edits: tuple[str, ...]
    suffix: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.id} ({self.base}: {', '.join(self.edits)})"


def case(seed: int, index: int, *, bases: tuple[str, ...] = (), payload: bool = False) -> Case:
    """Return a case; the same for the same numbers.

    ``bases`` and ``payload`` narrow the choice down to some clips, and to their pictures' data.
    """
    rng = random.Random(f"{seed}:{index}")
    base = named(rng.choice(bases or tuple(BASES)))
    mutators = PAYLOAD if payload else ALL
    suffix = base.suffix
    if not payload and rng.random() < 0.06:
        kind = rng.choice(tuple(_TEXTS))
        suffix = rng.choice((".mp4", ".mkv", ".mov", ".webm"))
        data, edits = _TEXTS[kind].encode(), (f"text_{kind}",)
    elif not payload and rng.random() < 0.04:
        other = clip(rng.choice(tuple(BASES)))
        data, edits = clip(base.name), ("splice",)
        at = rng.randrange(len(data))
        data = data[:at] + other[rng.randrange(len(other)) :]
    else:
        data, edits = clip(base.name), ()
        for _ in range(1 if payload or rng.random() < 0.8 else 2):
            name = rng.choice(tuple(mutators))
            data, edits = mutators[name](data, rng), (*edits, name)
            if len(data) < 16:
                break
        if not payload and rng.random() < 0.05:
            suffix = rng.choice((".mp4", ".mkv", ".mov", ".webm"))
            edits = (*edits, "ending")
    return Case(id=f"{seed}:{index}", base=base.name, edits=edits, suffix=suffix, data=data)


def lying(path: Path) -> Case:
    """Return a file from a collection as a case."""
    return Case(
        id=path.name, base="a file", edits=(), suffix=path.suffix or ".mp4", data=path.read_bytes()
    )


def shelf() -> list[Case]:
    """Return every case that ever failed."""
    return [case(*map(int, one["case"].split(":"))) for one in json.loads(SHELF.read_text())]


def main() -> None:
    """Write one case."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.corpus", description=__doc__)
    parser.add_argument("case", metavar="SEED:INDEX")
    parser.add_argument("-o", dest="file", type=Path, required=True)
    asked = parser.parse_args()
    made = case(*map(int, asked.case.split(":")))
    asked.file.write_bytes(made.data)
    print(f"{made}: {len(made.data)} bytes, usually {made.suffix}")  # noqa: T201


if __name__ == "__main__":
    main()
