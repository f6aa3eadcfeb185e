"""Ways to break a clip: each takes its bytes and a source of chance, and returns other bytes."""

import random
import struct
from collections.abc import Callable, Iterator

Mutator = Callable[[bytes, random.Random], bytes]

_BOX_FOLDERS = {
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex", b"udta",
    b"dinf",
}  # fmt: skip
_FIELDS = {
    b"stsz", b"stco", b"stts", b"ctts", b"elst", b"avcC", b"hvcC", b"tkhd", b"mdhd", b"mvhd",
    b"stsc", b"stss", b"stsd", b"colr", b"trun", b"tfhd", b"tfdt", b"hdlr", b"mehd", b"sidx",
}  # fmt: skip
_EBML_FOLDERS = {
    0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1549A966, 0x1C53BB6B,
    0xBB, 0xB7, 0xA0, 0x114D9B74, 0x4DBB,
}  # fmt: skip
_EXTREMES = (0, 1, 2**31 - 1, 2**32 - 1, 2**16)


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of every box of an MP4, folders before what they hold."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        stop = end if size == 0 else start + size
        if size in range(1, 8) or stop > end:
            return
        yield kind, start, stop
        if kind in _BOX_FOLDERS:
            yield from boxes(data, start + 8, stop)
        start = stop


def elements(
    data: bytes, start: int = 0, end: int | None = None
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (id, place of its size, length of that, end) of every element of a Matroska file."""
    end = len(data) if end is None else end
    while start < end:
        id_length = 9 - data[start].bit_length()
        size_at = start + id_length
        if id_length > 4 or size_at >= end or data[size_at] == 0:
            return
        length = 9 - data[size_at].bit_length()
        size = int.from_bytes(data[size_at : size_at + length]) & ((1 << 7 * length) - 1)
        body = size_at + length
        unknown = size == (1 << 7 * length) - 1
        stop = end if unknown else min(end, body + size)
        kind = int.from_bytes(data[start:size_at])
        yield kind, size_at, length, stop
        if kind in _EBML_FOLDERS:
            yield from elements(data, body, stop)
        start = stop


def payload(data: bytes) -> tuple[int, int]:
    """Return where the pictures lie: the largest mdat, the clusters, or after the first eighth."""
    found = [(end - start, start + 8, end) for kind, start, end in boxes(data) if kind == b"mdat"]
    if found:
        _, start, end = max(found)
        return start, end
    clusters = [(at, end) for kind, at, _, end in elements(data) if kind == 0x1F43B675]
    if clusters:
        return clusters[0][0] + 8, max(end for _, end in clusters)
    return len(data) // 8, len(data)


def _flips(count: int) -> Mutator:
    def flip(data: bytes, rng: random.Random) -> bytes:
        out = bytearray(data)
        start, end = payload(data)
        for _ in range(count):
            out[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
        return bytes(out)

    return flip


def zero_block(data: bytes, rng: random.Random) -> bytes:
    """Overwrite a part of the pictures with zeros, as a lost disk block does."""
    start, end = payload(data)
    at = rng.randrange(start, end)
    length = min(rng.choice((64, 512, 4096)), end - at)
    return data[:at] + bytes(length) + data[at + length :]


def delete(data: bytes, rng: random.Random) -> bytes:
    """Lose some bytes of the pictures."""
    at = rng.randrange(*payload(data))
    return data[:at] + data[at + rng.choice((1, 100, 1000)) :]


def duplicate(data: bytes, rng: random.Random) -> bytes:
    """Write some bytes twice."""
    at = rng.randrange(*payload(data))
    return data[:at] + data[at : at + rng.choice((100, 1000))] + data[at:]


def swap(data: bytes, rng: random.Random) -> bytes:
    """Exchange two parts of the pictures."""
    start, end = payload(data)
    length = min(400, (end - start) // 3)
    first = rng.randrange(start, end - 2 * length)
    second = rng.randrange(first + length, end - length + 1)
    out = bytearray(data)
    out[first : first + length], out[second : second + length] = (
        out[second : second + length],
        out[first : first + length],
    )
    return bytes(out)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """Cut it off somewhere."""
    return data[: rng.randrange(1, len(data))]


def truncate_edge(data: bytes, rng: random.Random) -> bytes:
    """Cut it off where a box or an element ends: nothing is half there."""
    edges = {end for _, _, end in boxes(data)} | {end for *_, end in elements(data)}
    inner = sorted(edge for edge in edges if 0 < edge < len(data))
    return data[: rng.choice(inner)] if inner else truncate(data, rng)


def box_field(data: bytes, rng: random.Random) -> bytes:
    """Put an extreme number, or one more or less, into a table of the index."""
    found = [(s, e) for kind, s, e in boxes(data) if kind in _FIELDS and e - s >= 16]
    if not found:
        return box_size(data, rng)
    start, end = rng.choice(found)
    at = start + 8 + 4 * rng.randrange((end - start - 8) // 4)
    (value,) = struct.unpack_from(">I", data, at)
    new = rng.choice((*_EXTREMES, (value + 1) % 2**32, (value - 1) % 2**32))
    return data[:at] + struct.pack(">I", new) + data[at + 4 :]


def box_size(data: bytes, rng: random.Random) -> bytes:
    """Let a box lie about its length."""
    found = list(boxes(data))
    if not found:
        return _flips(5)(data, rng)
    _, start, end = rng.choice(found)
    size = rng.choice((0, 1, 7, 8, 2**31 - 1, 2**32 - 1, end - start + 1, end - start - 1))
    return data[:start] + struct.pack(">I", size) + data[start + 4 :]


def index_flips(data: bytes, rng: random.Random) -> bytes:
    """Flip bits outside of the pictures."""
    start, end = payload(data)
    outside = [i for i in range(len(data)) if not start <= i < end] or list(range(len(data)))
    out = bytearray(data)
    for _ in range(rng.choice((1, 3, 10))):
        out[rng.choice(outside)] ^= 1 << rng.randrange(8)
    return bytes(out)


def element_size(data: bytes, rng: random.Random) -> bytes:
    """Let an element of Matroska lie about its length."""
    found = list(elements(data))
    if len(found) < 3:
        return box_size(data, rng)
    _, at, length, _ = rng.choice(found)
    marker = 1 << 7 * length
    value = int.from_bytes(data[at : at + length]) - marker
    new = rng.choice((0, 1, marker - 1, marker - 2, max(0, value - 1), min(marker - 1, value + 1)))
    return data[:at] + (marker | new).to_bytes(length) + data[at + length :]


def junk(data: bytes, rng: random.Random) -> bytes:
    """Append what does not belong there."""
    return data + rng.randbytes(rng.choice((1, 100, 5000)))


def noise(data: bytes, rng: random.Random) -> bytes:
    """Keep the first bytes alone; the rest is noise."""
    kept = rng.choice((4, 12, 64, 400))
    return data[:kept] + rng.randbytes(min(len(data), 20_000))


PAYLOAD: dict[str, Mutator] = {
    "flip1": _flips(1), "flip5": _flips(5), "flip50": _flips(50), "zero": zero_block,
    "delete": delete, "duplicate": duplicate, "swap": swap,
}  # fmt: skip
"""Only the pictures' data; the index says what it said."""

ALL: dict[str, Mutator] = {
    **PAYLOAD, "truncate": truncate, "truncate_edge": truncate_edge, "box_field": box_field,
    "box_size": box_size, "index_flips": index_flips, "element_size": element_size, "junk": junk,
    "noise": noise,
}  # fmt: skip
