"""G7: how much damage of the pictures the check finds, a codec; how often it cries wolf.

The truth of a damaged file is what a decoder shows: its pictures and their times, compared with
those of the whole clip. A file that decodes to the same pictures is not damaged in effect.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import av.error
import av.logging
import numpy as np

from finishkit.checker import Checker
from finishkit.ingest import check_clip
from finishkit.shots import Shot, ShotId
from tests.torture import corpus
from tests.torture.outcome import Outcome, Say

CODECS: dict[str, tuple[str, ...]] = {
    "H.264": ("h264", "h264_faststart", "h264_fragmented", "h264_mkv", "ten_bit"),
    "HEVC": ("hevc", "hevc_10"),
    "HEVC with hashes": ("hevc_hash",),
    "VP9": ("vp9",),
    "VP8": ("vp8",),
    "AV1": ("av1",),
    "ProRes": ("prores",),
    "MJPEG": ("mjpeg", "mjpeg_mkv"),
    "FFV1": ("ffv1",),
}
LEAST = {"H.264": 0.95, "AV1": 0.95, "VP9": 0.95, "FFV1": 0.99}
"""Rates that are promised; those of the other codecs are published and nothing more."""
UNCOUNTED = {"VP8"}
"""A flipped bit can hide a picture, as encoders do on purpose; WebM promises no count that would
contradict it. Missed counts and times of every other codec break the promise."""
FALSE_ALARMS = 0.01
CLEAN = 1.5
"""Clean clips for one damaged clip of each codec: 300 to 200."""

Shown = list[tuple[str, float]]


def shown(path: Path) -> Shown:
    """Return what a plain decoder shows: a digest and a time for every picture, until it breaks."""
    found: Shown = []
    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                pixels = hashlib.md5(usedforsecurity=False)
                for plane in frame.planes:
                    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                    wide = plane.width * (2 if frame.format.components[0].bits > 8 else 1)
                    pixels.update(np.ascontiguousarray(rows[:, :wide]))
                found.append((pixels.hexdigest(), round(frame.time or 0.0, 4)))
    except (av.error.FFmpegError, IndexError, AttributeError, ValueError):
        pass  # it breaks: that is damage, and what came before is what is shown
    return found


def effect(truth: Shown, seen: Shown) -> str:
    """Say what is wrong with what is seen: '', 'count', 'times' or 'pictures'."""
    if len(seen) != len(truth):
        return "count"
    if any(abs(a[1] - b[1]) > 1e-3 for a, b in zip(truth, seen, strict=True)):
        return "times"
    return "pictures" if seen != truth else ""


def clean(seed: int, index: int) -> tuple[corpus.Base, str]:
    """Return a whole clip that no other case has, and how to name it."""
    rng = random.Random(f"{seed}:clean:{index}")
    base = corpus.BASES[rng.choice([n for n in corpus.BASES if n != "sound_only"])]
    options = dict(base.options)
    if base.codec == "libx264":
        options |= {"crf": str(rng.randrange(4, 45)), "g": str(rng.choice((1, 6, 12, 250))),
                    "preset": rng.choice(("ultrafast", "veryfast", "medium")),
                    "bf": str(rng.randrange(4))}  # fmt: skip
    elif base.codec == "libx265":
        options |= {"crf": str(rng.randrange(10, 45)), "preset": "ultrafast"}
    elif base.codec == "libvpx-vp9":
        options |= {"crf": str(rng.randrange(10, 55)), "b": "0"}
    elif base.codec == "libsvtav1":
        options |= {"crf": str(rng.randrange(20, 60))}
    width, height = (base.width, base.height) if base.name == "odd" else rng.choice(
        ((128, 224), (144, 256), (256, 128), (96, 160)))  # fmt: skip
    count = base.count if base.count == 1 else rng.randrange(2, 60)
    return replace(
        base, options=options, width=width, height=height, count=count
    ), f"{seed}:clean:{index} ({base.name} {width}x{height} {options})"


def _refused(path: Path, checker: Checker) -> str:
    return check_clip(Shot(id=ShotId("a"), path=path, scene="1"), checker).code


def _cases(seed: int, index: int, codec: str) -> corpus.Case:
    # One seed a codec, so that each has cases of its own.
    return corpus.case(seed * 100 + list(CODECS).index(codec), index, bases=CODECS[codec],
                       payload=True)  # fmt: skip


def _damaged(count: int, seed: int, folder: Path, checker: Checker, codec: str) -> Iterator[tuple]:
    truths = {}
    for name in CODECS[codec]:
        base = corpus.named(name)
        whole = folder / f"whole_{name}{base.suffix}"
        whole.write_bytes(corpus.clip(name))
        truths[name] = shown(whole)
    for index in range(count):
        one = _cases(seed, index, codec)
        path = folder / f"a{one.suffix}"
        path.write_bytes(one.data)
        yield one, effect(truths[one.base], shown(path)), _refused(path, checker)


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Damage ``count`` clips of every codec, and check 1.5 times as many whole ones."""
    failures: list[str] = []
    rates: dict[str, dict[str, float | int]] = {}
    with Checker() as checker:
        for codec in CODECS:
            tally: Counter[str] = Counter()
            for one, wrong, code in _damaged(count, seed, folder, checker, codec):
                tally[f"{wrong or 'harmless'}{' found' if code else ''}"] += 1
                if wrong in ("count", "times") and not code and codec not in UNCOUNTED:
                    failures.append(f"{one}: {codec} with wrong {wrong} is taken for good")
            harm = {w: tally[w] + tally[f"{w} found"] for w in ("count", "times", "pictures")}
            found = sum(tally[f"{w} found"] for w in harm)
            rate = found / max(1, sum(harm.values()))
            rates[codec] = {
                "files": count,
                "damaged": sum(harm.values()),
                "found": found,
                "rate": round(rate, 3),
                **{f"wrong_{w}": n for w, n in harm.items()},
                "count_or_times_missed": tally["count"] + tally["times"],
                "pictures_found": tally["pictures found"],
                "harmless": tally["harmless"] + tally["harmless found"],
                "harmless_refused": tally["harmless found"],
            }
            if count >= 100 and rate < LEAST.get(codec, 0):
                failures.append(f"{codec}: {rate:.1%} found, {LEAST[codec]:.0%} promised")
            say(f"{codec}: {rates[codec]}")
        total = round(CLEAN * count)
        alarms = []
        for index in range(total):
            base, name = clean(seed, index)
            path = corpus.write(base, folder / f"clean{base.suffix}")
            if code := _refused(path, checker):
                alarms.append(f"{name}: {code}")
        say(f"{len(alarms)} false alarms in {total}")
        if len(alarms) > FALSE_ALARMS * total:
            failures += [f"false alarm: {alarm}" for alarm in alarms]
    return Outcome(
        suite="damage",
        promises=("G7",),
        trials=count * len(CODECS) + total,
        failures=tuple(failures),
        figures={"codecs": rates, "clean": total, "false_alarms": len(alarms)},
    )
