"""The cadence beside FFmpeg's ``minterpolate``: pictures against the true ones, and time.

``python -m bench.interpolate``, with ``FINISHKIT_FOOTAGE`` naming the real footage. Time is the
processor's, of the filter alone (frames in memory, one thread), ours and the peer's in turn.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage.metrics import structural_similarity

from finishkit.frames import Frames, read_frames
from finishkit.measure.motion import duplicate_flags
from finishkit.stages.interpolate import Cadence
from finishkit.stages.retime import Timing

CLIPS = (
    "ai_shots/acc_guitarist.mp4",
    "ai_shots/acc_tokyo.mp4",
    "ai_shots/tb_teacher4_pink.mp4",
    "episodes/ep01/s01e01_shot_006.mp4",
    "episodes/ep01/s01e01_shot_020.mp4",
)
"""Two wide shots, a person, a pan, a fast walk: 24 and 25 fps, taken as 24."""
PLANTS = {"012": tuple(range(3, 48, 4)), "020": tuple(range(17, 26))}
"""Frames of ``ep01_planted`` that repeat the one before."""
VARIANTS = (
    "mi_mode=mci",
    "mi_mode=mci:mc_mode=aobmc:vsbmc=1",
    "mi_mode=mci:mc_mode=aobmc:me_mode=bilat",
)
"""FFmpeg's defaults, and what its users add."""
REPEATS = 3
RATE = Fraction(24)
_CLOCK = Fraction(1, 24_000)

Pictures = np.ndarray


def footage() -> Path:
    """Return the folder of real footage."""
    return Path(os.environ["FINISHKIT_FOOTAGE"])


def clip(path: Path, count: int, short_px: int = 480) -> Pictures:
    """Return a clip's first frames, (n, h, w, 3) uint8, of even sides."""
    chunks = read_frames(path, dtype="uint8", short_side_px=short_px, indices=range(count))
    data = np.concatenate([c.data for c in chunks])
    return data[:, : data.shape[1] // 2 * 2, : data.shape[2] // 2 * 2]


def psnr(a: Pictures, b: Pictures) -> float:
    """Return the PSNR of two 8-bit pictures, dB."""
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


def ssim(a: Pictures, b: Pictures) -> float:
    """Return the SSIM of two 8-bit pictures, on luma."""
    grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (a, b)]
    return float(structural_similarity(*grey, data_range=255))


def ours(
    cadence: Cadence, pictures: Pictures, times: Sequence[Fraction]
) -> tuple[dict[int, Pictures], float]:
    """Return the frames by tick, and the processor's seconds."""
    chunks = [
        Frames(
            data=pictures[i : i + 8].astype(np.float32) / np.float32(255),
            pts_s=np.array([float(t) for t in times[i : i + 8]]),
        )
        for i in range(0, len(pictures), 8)
    ]
    made: list[Pictures] = []
    took, stream = 0.0, cadence(iter(chunks), {})
    while True:
        started = time.process_time()
        chunk = next(stream, None)
        took += time.process_time() - started
        if chunk is None:
            break
        made.append(chunk.as_uint8())
    return dict(enumerate(np.concatenate(made))), took


def minterpolate(
    pictures: Pictures, times: Sequence[Fraction], options: str
) -> tuple[dict[int, Pictures], float]:
    """Return FFmpeg's frames by tick, and the processor's seconds."""
    height, width = pictures.shape[1:3]
    graph = av.filter.Graph()
    source = graph.add(
        "buffer", f"video_size={width}x{height}:pix_fmt=yuv444p:time_base={_CLOCK}:pixel_aspect=1/1"
    )
    peer = graph.add("minterpolate", f"fps={RATE}:{options}")
    sink = graph.add("buffersink")
    source.link_to(peer)
    peer.link_to(sink)
    graph.configure()
    bt709 = {"src_colorspace": "ITU709", "dst_colorspace": "ITU709"}
    raw: list[av.VideoFrame] = []
    took = 0.0
    for i in range(len(pictures) + 1):
        frame = None
        if i < len(pictures):
            frame = av.VideoFrame.from_ndarray(pictures[i], format="rgb24")
            frame = frame.reformat(format="yuv444p", **bt709)
            frame.pts, frame.time_base = int(times[i] / _CLOCK), _CLOCK
        started = time.process_time()
        source.push(frame)
        while True:
            try:
                raw.append(sink.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                break
        took += time.process_time() - started
    made = {
        round((f.pts or 0) * (f.time_base or 0) * RATE): f.reformat(
            format="rgb24", **bt709
        ).to_ndarray()
        for f in raw
    }
    return made, took


Way = Callable[[], tuple[dict[int, Pictures], float]]


def in_turn(ways: dict[str, Way]) -> dict[str, tuple[dict[int, Pictures], float]]:
    """Run several ways in turn, and return each one's frames and median time."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    frames: dict[str, dict[int, Pictures]] = {}
    for _ in range(REPEATS):
        for name, way in ways.items():
            frames[name], took = way()
            times[name].append(took)
    return {name: (frames[name], statistics.median(times[name])) for name in ways}


def peers(pictures: Pictures, times: Sequence[Fraction]) -> dict[str, Way]:
    """Return the peer's variants as ways to run."""
    return {v: lambda v=v: minterpolate(pictures, times, v) for v in VARIANTS}


def halved(pictures: Pictures) -> dict[str, tuple[float, float, float]]:
    """Drop every second frame of 25 and make it anew: PSNR, SSIM and seconds by way."""
    kept = pictures[:25:2]
    times = [i / RATE for i in range(0, 25, 2)]
    timing = Timing(source_fps=RATE / 2, rate_fps=RATE, frame_count=25, mode="auto")
    cadence = Cadence(strength=1, confidence_min=0.7, repeats=False, timing=timing)
    found = in_turn({"ours": lambda: ours(cadence, kept, times), **peers(kept, times)})
    # minterpolate keeps its last frames to itself: judged is what all have given.
    wanted = [i for i in range(1, 25, 2) if all(i in frames for frames, _ in found.values())]
    blend = {i: np.mean(pictures[[i - 1, i + 1]], axis=0).round().astype(np.uint8) for i in wanted}
    found["repeat"] = ({i: pictures[i - 1] for i in wanted}, 0.0)
    found["blend"] = (blend, 0.0)
    return {name: (*judged(frames, pictures, wanted), s) for name, (frames, s) in found.items()}


def planted(shot: str, *, folder: Path) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Repair a shot with planted repeats: PSNR to the twin, SSIM, seconds; and what repeats stay.

    The peer is given the true frames only, since it does not look for repeats; ours all 48.
    """
    name = f"s01e01_shot_{shot}.mp4"
    held = clip(folder / "episodes/ep01_planted" / name, 48)
    twin = clip(folder / "episodes/ep01" / name, 48)
    true = [i for i in range(48) if i not in PLANTS[shot]]
    times = [i / RATE for i in range(48)]
    cadence = Cadence(strength=1, confidence_min=0.7)
    ways = {"ours": lambda: ours(cadence, held, times)}
    found = in_turn({**ways, **peers(held[true], [times[i] for i in true])})
    wanted = [i for i in PLANTS[shot] if all(i in frames for frames, _ in found.values())]
    repaired = np.stack([found["ours"][0][i] for i in range(48)])
    luma = np.stack([cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in repaired])
    found["repeat"] = ({i: held[i] for i in wanted}, 0.0)
    table = {way: (*judged(frames, twin, wanted), s) for way, (frames, s) in found.items()}
    return table, float(duplicate_flags(luma).mean())


def judged(
    frames: dict[int, Pictures], true: Pictures, wanted: Sequence[int]
) -> tuple[float, float]:
    """Return mean PSNR and SSIM of the made frames."""
    pairs = [(frames[i], true[i]) for i in wanted]
    return float(np.mean([psnr(*p) for p in pairs])), float(np.mean([ssim(*p) for p in pairs]))


def main() -> None:
    """Print the tables."""
    cv2.setNumThreads(1)
    folder = footage()
    for path in CLIPS:
        print(f"\n{path}, every second frame dropped")
        show(halved(clip(folder / path, 25)))
    for shot in PLANTS:
        table, left = planted(shot, folder=folder)
        print(f"\nep01_planted {shot}, repeats left: {left:.3f}")
        show(table)


def show(table: dict[str, tuple[float, float, float]]) -> None:
    """Print one table."""
    for name, (decibel, likeness, seconds) in table.items():
        took = f"{seconds:6.2f} s" if seconds else ""
        print(f"  {name:42s} {decibel:6.2f} dB  {likeness:.4f}  {took}")


if __name__ == "__main__":
    main()
