"""G13: files that promise the monstrous. Told in seconds, and never in the batch's own memory."""

import os
import random
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import psutil

from finishkit.checker import Checker
from finishkit.errors import FinishError
from finishkit.ingest import check_clip, indices
from finishkit.luts import digest
from finishkit.measure.reference import reference_bytes, reference_picture
from finishkit.shots import Episode, Shot, ShotId, open_episode
from finishkit.stages.lut import read_cube
from finishkit.template import load_template
from tests.torture import corpus
from tests.torture.mutators import boxes
from tests.torture.outcome import Outcome, Say

RSS_BYTES = 200 * 2**20
LIMIT_S = 20.0
"""Each takes a second on a quiet machine."""


def _box(data: bytes, kind: bytes) -> int:
    return next(start for found, start, _ in boxes(data) if found == kind)


def _put(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + struct.pack(f">{len(values)}I", *values) + data[at + 4 * len(values) :]


def huge_jpeg(rng: random.Random, path: Path) -> None:
    """Write a Motion JPEG whose pictures say that they are up to 65,500 pixels wide."""
    data = bytearray(corpus.clip("mjpeg"))
    width, height = rng.choice(((65500, 65500), (16384, 16384), (7680, 7680), (65500, 600)))
    at = -1
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at + 1)) >= 0:
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    if rng.random() < 0.5:
        entry = _box(bytes(data), b"stsd") + 16
        data[entry + 32 : entry + 36] = struct.pack(">HH", width, height)
    path.with_suffix(".mov").write_bytes(data)


def black_8k(rng: random.Random, path: Path) -> None:
    """Write a true H.264 clip of 8192x8192 black pixels: a few kilobytes."""
    if os.fork() == 0:  # encoding takes more memory than the suite may show
        _encode_black(path.with_suffix(".mp4"), rng.choice((8192, 8704)))
        os._exit(0)
    os.wait()


def _encode_black(path: Path, side: int) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame.from_ndarray(
            np.full((side * 3 // 2, side), 128, np.uint8), format="yuv420p"
        )
        for index in range(2):
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def many_samples(rng: random.Random, path: Path) -> None:
    """Write an index that promises two thousand million pictures of one size."""
    data = corpus.clip("silent")
    size = _box(data, b"stsz")
    count = rng.choice((2**31 - 1, 2**31, 2**32 - 1, 10**6))
    data = _put(data, size + 12, rng.choice((0, 1, 1000)), count)
    stts = _box(data, b"stts")
    if rng.random() < 0.7:
        data = _put(data, stts + 12, 1, count)
    path.with_suffix(".mp4").write_bytes(data)


def long_clip(rng: random.Random, path: Path) -> None:
    """Write a clip each of whose pictures is shown for days."""
    data = corpus.clip("silent")
    stts = _box(data, b"stts")
    data = _put(data, stts + 20, rng.choice((2**31 - 1, 10**7, 2**32 - 1)))
    path.with_suffix(".mp4").write_bytes(data)


def many_tracks(rng: random.Random, path: Path) -> None:
    """Write a clip of hundreds of sound tracks."""
    with av.open(str(path.with_suffix(".mkv")), "w") as out:
        picture = out.add_stream("libx264", rate=24)
        picture.width, picture.height, picture.pix_fmt = 128, 224, "yuv420p"
        for _ in range(rng.choice((100, 400))):
            out.add_stream("pcm_s16le", rate=48000)
        for index in range(2):
            frame = av.VideoFrame.from_ndarray(corpus.picture(index), format="rgb24")
            frame.pts = index
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))


CLIPS = (huge_jpeg, many_samples, long_clip, many_tracks, black_8k)
ACCEPTED = {"too_large", "truncated", "undecodable", "unreadable", "bad_times", "no_frames",
            "damaged"}  # fmt: skip
"""What such a clip may be called: also what its decoder says when it may have no more memory."""


def _clip(make: Callable[[random.Random, Path], None], rng: random.Random, folder: Path) -> str:
    make(rng, folder / "a")
    path = next(folder.glob("a.*"))
    shot = Shot(id=ShotId("a"), path=path, scene="1")
    with Checker() as checker:
        found = check_clip(shot, checker)
    said = indices(Episode(name="ep", root=folder, shots=(shot,)))
    if any(one.width_px * one.height_px * one.frame_count > 10**13 for one in said.values()):
        return f"the index is believed: {said}"
    return "" if found.code in ACCEPTED else f"{found.code or 'taken'}: {found.text}"


def _cube(rng: random.Random, folder: Path) -> str:
    path = folder / "a.cube"
    size = rng.choice((256, 10**9, 66))
    rows = 1_200_000 if rng.random() < 0.5 else 100
    path.write_text(f"LUT_3D_SIZE {size}\n" + "0.123456789012345 0.2 0.30000\n" * rows)
    _ = digest(str(path)) if rows < 10**6 else ""
    return _refused(lambda: read_cube(path), "bad_lut", "lut_missing")


def _table(rng: random.Random, folder: Path) -> str:
    (folder / "a.mp4").write_bytes(corpus.clip("silent"))
    text = rng.choice((
        f"shot,file\na,{'x' * 200_000}\n", "shot,file\n" + "a,a.mp4\n" * 1_000_000,
        f'shot,file,note\na,a.mp4,"{"y" * 140_000}"\n', "shot,file," + "c," * 1_000_000 + "\n",
    ))  # fmt: skip
    (folder / "shots.csv").write_text(text)
    return _refused(lambda: open_episode(folder))


def _toml(rng: random.Random, folder: Path) -> str:
    path = folder / "t.toml"
    path.write_text(rng.choice((
        "a = " + "[" * 30_000 + "]" * 30_000, "a." * 30_000 + "b = 1", "x = 1\n" * 1_000_000,
        "a = {" + "b = {" * 5_000 + "}" * 5_001,
    )))  # fmt: skip
    return _refused(lambda: load_template(path))


def png(width: int, height: int) -> bytes:
    """Return a PNG of one bit a pixel, all white: small, whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(1)
    row = b"\0" + b"\xff" * min((width + 7) // 8, 20_000)
    pixels = b"".join(packer.compress(row) for _ in range(min(height, 31_000))) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels)
            + chunk(b"IEND", b""))  # fmt: skip


def _picture(rng: random.Random, folder: Path) -> str:
    path = folder / "face.png"
    path.write_bytes(png(*rng.choice(((30_000, 30_000), (13_000, 13_000), (100_000, 9_000),
                                      (2**31 - 1, 2**31 - 1)))))  # fmt: skip
    return _refused(lambda: reference_picture(path, reference_bytes(path)), "bad_reference")


def _refused(act: Callable[[], object], *codes: str) -> str:
    try:
        act()
    except FinishError as error:
        return "" if not codes or error.code in codes else f"{error.code}: {error}"
    return "taken for good"


KINDS: dict[str, Callable[[random.Random, Path], str]] = {
    **{make.__name__: lambda rng, to, make=make: _clip(make, rng, to) for make in CLIPS},
    "cube": _cube,
    "table": _table,
    "toml": _toml,
    "picture": _picture,
}


class _Peak:
    """The most memory that this process alone held while something ran."""

    def __enter__(self) -> "_Peak":
        self._own = psutil.Process()
        self._start = self.bytes = self._own.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.bytes -= self._start

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, self._own.memory_info().rss)


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Set off ``count`` bombs, of each kind in turn."""
    failures: list[str] = []
    most, slowest = 0, 0.0
    for index in range(count):
        rng = random.Random(f"{seed}:{index}")
        kind = tuple(KINDS)[index % len(KINDS)]
        with tempfile.TemporaryDirectory(dir=folder) as own:
            started = time.monotonic()
            with _Peak() as peak:
                try:
                    wrong = KINDS[kind](rng, Path(own))
                except Exception as error:
                    wrong = f"{type(error).__name__}: {error}"
            took = time.monotonic() - started
        most, slowest = max(most, peak.bytes), max(slowest, took)
        if wrong:
            failures.append(f"{seed}:{index} ({kind}): {wrong}")
        if peak.bytes > RSS_BYTES:
            failures.append(f"{seed}:{index} ({kind}): {peak.bytes >> 20} MiB more memory")
        if took > LIMIT_S:
            failures.append(f"{seed}:{index} ({kind}): {took:.0f} s")
        say(f"{index + 1} of {count}: {kind}, {took:.1f} s, {peak.bytes >> 20} MiB")
    return Outcome(
        suite="bombs",
        promises=("G13",),
        trials=count,
        failures=tuple(failures),
        figures={"most_growth_mib": most >> 20, "slowest_s": round(slowest, 1)},
    )
