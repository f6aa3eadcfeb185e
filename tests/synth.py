"""Small clips with known truth, made from a seed."""

import csv
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from finishkit.frames import Frames, Probe, master_encoding, write_frames

WIDTH_PX, HEIGHT_PX = 144, 256


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """Return a coloured picture with detail at every scale, float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    out = np.full((height, width, 3), 0.45, np.float32)
    for octave in range(1, 7):
        cells = 2**octave
        noise = rng.normal(size=(cells * 2, cells, 3)).astype(np.float32)
        out += 0.22 / octave * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(out, 0.02, 0.98)


def panning(
    seed: int = 0,
    count: int = 12,
    height: int = HEIGHT_PX,
    width: int = WIDTH_PX,
    step: float = 1.5,
) -> np.ndarray:
    """Return a smooth pan over a texture: (count, height, width, 3) float32."""
    big = texture(seed, height + 40, width + 40 + int(step * count))
    frames = []
    for i in range(count):
        shift = np.array([[1, 0, -20 - i * step], [0, 1, -20 - 0.4 * i]], np.float32)
        frames.append(cv2.warpAffine(big, shift, (width, height), flags=cv2.INTER_CUBIC))
    return np.clip(np.stack(frames), 0, 1)


def chunks(data: np.ndarray, size: int = 5, rate: float = 24.0):
    """Yield frames in chunks of ``size``."""
    for i in range(0, len(data), size):
        part = data[i : i + size].copy()
        yield Frames(data=part, pts_s=np.arange(i, i + len(part)) / rate)


def write_clip(path: Path, data: np.ndarray, *, rate: int = 24, sound: bool = True) -> Path:
    """Write a clip, with a click at every twelfth frame when it has sound."""
    silent = path.with_name(f"silent_{path.name}") if sound else path
    encoding = master_encoding(14, "veryfast", 1)
    write_frames(silent, chunks(data), rate_fps=Fraction(rate), encoding=encoding)
    if sound:
        _add_clicks(silent, path, len(data), rate)
        silent.unlink()
    return path


def _add_clicks(source: Path, target: Path, count: int, rate: int) -> None:
    samples = np.zeros(round(count * 48000 / rate), np.float32)
    for frame in range(0, count, 12):
        at = round(frame * 48000 / rate)
        tone = 0.7 * np.sin(np.arange(480) * 0.3)
        samples[at : at + 480] = tone[: len(samples) - at]
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        picture = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("aac", rate=48000)
        sound.codec_context.layout = "mono"
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                new.mux(packet)
        for at in range(0, len(samples), 1024):
            block = av.AudioFrame.from_ndarray(
                samples[None, at : at + 1024], format="fltp", layout="mono"
            )
            block.sample_rate, block.pts = 48000, at
            block.time_base = Fraction(1, 48000)
            new.mux(sound.encode(block))
        new.mux(sound.encode(None))


def make_episode(
    root: Path, shots: int = 4, count: int = 12, *, name: str = "ep01", scenes: int = 2
) -> Path:
    """Write a folder of small clips with a shot list; return it."""
    folder = root / name
    folder.mkdir(parents=True)
    with (folder / "shots.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["shot", "file", "scene", "characters", "prompt"])
        for i in range(shots):
            clip = f"shot_{i + 1:03d}.mp4"
            write_clip(folder / clip, panning(seed=i // 2, count=count, step=1.0 + 0.3 * i))
            table.writerow([clip[:-4], clip, f"scene {i * scenes // shots + 1}", "", f"prompt {i}"])
    return folder


def probed(width_px: int, height_px: int, frame_count: int) -> Probe:
    """Return what is known of an ordinary 24 fps clip."""
    return Probe(
        width_px=width_px,
        height_px=height_px,
        rate_fps=Fraction(24),
        frame_count=frame_count,
        duration_s=frame_count / 24,
        codec="h264",
        container="mp4",
        pixel_format="yuv420p",
        matrix="bt709",
        colour_tagged=True,
        full_range=False,
        transfer="sdr",
        rotation_deg=0,
    )
