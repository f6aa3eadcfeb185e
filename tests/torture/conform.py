"""G8: frame count, order, sync and colour through a real run with a look that changes nothing.

Every cell is a clip whose frames bear their number, with patches of known colour and a click at
every twelfth frame. What comes out is read by arithmetic of this file, not by finishkit's.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.template import Draft, Template
from tests.torture import corpus
from tests.torture.outcome import Outcome, Say

WIDTH_PX, HEIGHT_PX = 256, 448
LEVELS, CONTAINER_S = 2.0, 0.001
APART_S = 0.1
KINDS = {
    "plain": {}, "vfr": {"vfr": True}, "offset": {"start_s": 0.5},
    "odd": {"pixels": "yuv444p", "width": 127, "height": 223},
    "ten_bit": {"pixels": "yuv420p10le"}, "one_frame": {"count": 1},
    "rotated_90": {"rotation": 90}, "rotated_180": {"rotation": 180},
    "rotated_270": {"rotation": 270},
}  # fmt: skip
OTHERS = ("h264_fragmented", "h264_mkv", "hevc", "vp9", "prores", "ffv1")
_KR_KB = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}


def cells() -> list[corpus.Base]:
    """Return the whole matrix: nine kinds in six colours, and six other files."""
    found = [
        replace(
            corpus.BASES["h264"], name=f"{kind}_{matrix or 'untagged'}_{'pc' if full else 'tv'}",
            matrix=matrix, full=full, options={"g": "12", "crf": "4"}, **changed,
        )
        for kind, changed in KINDS.items()
        for matrix in ("bt709", "bt601", "")
        for full in (False, True)
    ]  # fmt: skip
    return found + [corpus.BASES[name] for name in OTHERS]


def neutral() -> Template:
    """Return a look that enlarges twofold and does nothing else."""
    draft = Draft.from_genre("baseline")
    for stage in ("faces", "deflicker", "stabilise", "interpolate", "sharpen", "grain", "grade"):
        draft.set(f"{stage}.strength", 0.0)
    for name, value in {
        "upscale.model": "lanczos", "grade.matching": "off", "master.width_px": WIDTH_PX,
        "master.height_px": HEIGHT_PX, "master.fit": "pad", "master.crf": 4,
        "master.preset": "veryfast", "master.rate_fps": "24", "grain.denoise": 0.0,
    }.items():  # fmt: skip
        draft.set(name, value)
    return draft.lock()


def pictures(path: Path, matrix: str, full: bool) -> tuple[list[np.ndarray], list[float]]:
    """Return the frames of a clip as R'G'B' of 0 to 255 by this file's arithmetic, and times."""
    found, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = [_samples(frame, i) for i in range(3)]
            found.append(_rgb(planes, matrix, full, frame.format.components[0].bits))
            times.append(float(frame.time))
    return found, times


def _samples(frame: Any, index: int) -> np.ndarray:
    plane = frame.planes[index]
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(float)
    return np.repeat(
        np.repeat(rows, round(frame.height / plane.height), 0), round(frame.width / plane.width), 1
    )[: frame.height, : frame.width]


def _rgb(planes: list[np.ndarray], matrix: str, full: bool, bits: int) -> np.ndarray:
    red, blue = _KR_KB[matrix]
    luma, first, second = (plane / 2 ** (bits - 8) for plane in planes)
    if full:
        luma, first, second = luma / 255, (first - 128) / 255, (second - 128) / 255
    else:
        luma, first, second = (luma - 16) / 219, (first - 128) / 224, (second - 128) / 224
    r = luma + 2 * (1 - red) * second
    b = luma + 2 * (1 - blue) * first
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.dstack([r, g, b]) * 255, 0, 255)


def patches(picture: np.ndarray) -> np.ndarray:
    """Return the mean colour of each patch: its middle, whatever the size."""
    height, width = picture.shape[:2]
    rows = slice(round(height * (1 - 22 / 224)), round(height * (1 - 10 / 224)))
    step = width / len(corpus.PATCHES) * (126 / 128)
    middles = [(i + 0.5) * step for i in range(len(corpus.PATCHES))]
    return np.array([
        picture[rows, round(x - step / 5) : round(x + step / 5)].mean((0, 1)) for x in middles
    ])  # fmt: skip


def stored(picture: np.ndarray, base: corpus.Base) -> np.ndarray:
    """Return a finished picture as the source stored it: without the padding, turned back."""
    height, width = picture.shape[:2]
    shape = (base.height, base.width)
    shown = shape[::-1] if base.rotation in (90, 270) else shape
    scale = min(height / shown[0], width / shown[1])
    tall, wide = round(shown[0] * scale), round(shown[1] * scale)
    top, left = (height - tall) // 2, (width - wide) // 2
    return np.rot90(picture[top : top + tall, left : left + wide], base.rotation // 90)


def click_times(path: Path) -> list[float]:
    """Return when clicks begin, after the first picture."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        zero = float(first.time or 0)
    samples: list[np.ndarray] = []
    start: float | None = None
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        resampler = av.AudioResampler("fltp", "mono", 48000)
        for frame in container.decode(audio=0):
            start = float(frame.time) if start is None else start
            # Where a track leaves a gap there is silence.
            due = round((float(frame.time) - start) * 48000) - sum(map(len, samples))
            if due > 240:
                samples.append(np.zeros(due, np.float32))
            samples += [block.to_ndarray()[0] for block in resampler.resample(frame)]
    sound = np.abs(np.concatenate(samples))
    loud = np.flatnonzero(sound > 0.2)
    begins = loud[np.flatnonzero(np.diff(loud, prepend=-48000) > APART_S * 48000)]
    return [float(start + at / 48000 - zero) for at in begins]


def _expected_numbers(base: corpus.Base, rate: Fraction = Fraction(24)) -> list[list[int]]:
    """Return the numbers that each frame of the result may bear."""
    if not base.vfr:
        return [[i] for i in range(base.count)]
    # Each tick shows the frame whose time is nearest to it, or, in a gap, the one before.
    times = np.array(corpus.times_ms(base)) / 1000 - base.start_s
    ticks = round((times[-1] + 1 / 24) * rate)
    return [
        [int(np.flatnonzero(times <= tick / rate + 0.5 / rate + 1e-4).max())]
        for tick in map(Fraction, range(ticks))
    ]


def _cell(base: corpus.Base, source: Path, result: Path) -> Iterator[str]:
    matrix = base.matrix or "bt601"
    full = base.full or base.pixels.startswith("yuvj")
    before, _ = pictures(source, matrix, full)
    after, times = pictures(result, "bt709", False)
    numbers = [corpus.number(stored(picture, base)) for picture in after]
    due = _expected_numbers(base)
    if len(numbers) != len(due) or any(n not in d for n, d in zip(numbers, due, strict=True)):
        yield f"frames {numbers} where {[d[0] for d in due]} were due"
    if any(abs(at - times[0] - i / 24) > CONTAINER_S for i, at in enumerate(times)):
        yield f"times {np.round(times, 4).tolist()}"
    # What sounds before the first picture is cut.
    clicks = [at for at in click_times(source) if at > -CONTAINER_S]
    heard = click_times(result)
    if base.count > 1 and len(clicks) != len(heard):
        yield f"clicks at {heard} where {clicks} were due"
    elif any(abs(a - b) > CONTAINER_S for a, b in zip(clicks, heard, strict=False)):
        apart = max(abs(a - b) for a, b in zip(clicks, heard, strict=False))
        yield f"sound and picture {1000 * apart:.2f} ms apart"
    off = np.abs(patches(stored(after[0], base)) - patches(before[0])).max()
    if off > LEVELS:
        yield f"a patch {off:.1f} levels off"


def _master(bases: list[corpus.Base], folder: Path, root: Path) -> Iterator[str]:
    numbers, heard, due = [], click_times(folder / "master.mp4"), []
    at = 0
    for base in bases:
        after, _ = pictures(folder / "shots" / f"{base.name}.mp4", "bt709", False)
        source = root / f"{base.name}{base.suffix}"
        due += [at / 24 + click for click in click_times(source)
                if -0.01 < click < len(after) / 24]  # fmt: skip
        at += len(after)
        numbers += [picture.astype(np.uint8) for picture in after]
    # A shot of one frame is over before its click is: the next one's is heard as the same.
    due = [d for i, d in enumerate(due) if i == 0 or d - due[i - 1] > APART_S]
    whole, times = pictures(folder / "master.mp4", "bt709", False)
    if len(whole) != len(numbers):
        yield f"the master has {len(whole)} frames, its shots {len(numbers)}"
    elif any(not np.array_equal(a.astype(np.uint8), b)
             for a, b in zip(whole, numbers, strict=True)):  # fmt: skip
        yield "the master's pictures are not those of its shots"
    if any(abs(at - i / 24) > CONTAINER_S for i, at in enumerate(times)):
        yield "the master's pictures are not evenly spaced"
    # A click at the very end of a shot may be cut: those that are heard must be where they belong.
    late = [t for t in heard if min((abs(t - d) for d in due), default=9) > 0.5 / 24]
    if late or len(heard) < 0.95 * len(due):
        yield f"the master has {len(heard)} clicks of {len(due)}, misplaced: {np.round(late, 3)}"


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Finish ``count`` cells of the matrix as the shots of one episode."""
    matrix = cells()
    chosen = matrix[: len(OTHERS)] if count < 1 else random.Random(seed).sample(
        matrix, min(count, len(matrix)))  # fmt: skip
    root = folder / "ep"
    root.mkdir()
    rows = ["shot,file,scene"]
    for base in chosen:
        corpus.write(base, root / f"{base.name}{base.suffix}")
        rows.append(f"{base.name},{base.name}{base.suffix},1")
    (root / "shots.csv").write_text("\n".join(rows) + "\n")
    done = finish_episode(open_episode(root), neutral(), folder / "out", jobs=1)
    failures = [f"{q.shot}: set aside: {q.text}" for q in done.report.quarantined]
    good = [base for base in chosen if (done.folder / "shots" / f"{base.name}.mp4").exists()]
    for number, base in enumerate(good, start=1):
        result = done.folder / "shots" / f"{base.name}.mp4"
        failures += [
            f"{base.name}: {said}"
            for said in _cell(base, root / f"{base.name}{base.suffix}", result)
        ]
        say(f"{number} of {len(good)}: {base.name}, {len(failures)} failures")
    failures += _master(good, done.folder, root)
    return Outcome(
        suite="conform",
        promises=("G8",),
        trials=len(chosen),
        failures=tuple(failures),
        figures={"levels": LEVELS, "container_ms": 1000 * CONTAINER_S},
    )
