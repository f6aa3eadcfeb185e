"""All of it on one machine with a GPU, offline, in less than eight minutes.

    python bench/gpu.py [--device cuda] [--out runs/gpu] [--minutes 8] [--tiny] [--anyway]

Writes ``gpu.json``: the schema of ``bench.json``, and under ``gpu`` the card and its driver, the
peak of its memory, a sweep over batch sizes in half precision, the kernels the net spends its time
in, what follows the net on the device against the host, and which of NVENC and NVDEC open. Needs
the repository and its environment, nothing else; the field's packages are compared with where they
are installed. What the time does not allow is left out, and named. ``--device cpu --tiny`` tries
the code where there is no GPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from bench import quiet
from bench.clips import stack
from bench.plot import plot
from bench.rows import Workplace
from bench.run import bench

BATCHES = (1, 2, 4, 8, 16)
MODELS = ("realesr-animevideov3", "realesrgan-x4plus")
TOP = 10
GROUPS = ("B2", "B4", "B5", "B1", "B6", "B3")
"""What a GPU changes most first."""


def card(device: str) -> dict[str, Any]:
    """Return the name, memory and driver of the card, and torch's own versions."""
    import torch

    found: dict[str, Any] = {"name": "", "torch": torch.__version__, "cuda": torch.version.cuda}
    if device != "cuda":
        return found
    seen = torch.cuda.get_device_properties(0)
    found.update(name=seen.name, memory_bytes=seen.total_memory, count=torch.cuda.device_count())
    found["capability"] = f"{seen.major}.{seen.minor}"
    found["cudnn"] = torch.backends.cudnn.version()
    query = ["nvidia-smi", "--query-gpu=driver_version,power.limit", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        found["driver"] = told.stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        found["driver"] = f"not told: {error}"
    return found


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def sweep(device: str, tiny: bool) -> list[dict[str, Any]]:
    """Time the bare net at growing batches, inputs and outputs left on the device."""
    import torch

    from finishkit.models import CARDS, load

    dtype = torch.float16 if device == "cuda" else torch.float32
    size, runs = ((24, 16), 1) if tiny else ((960, 540), 5)
    found: list[dict[str, Any]] = []
    for model in MODELS[:1] if tiny else MODELS:
        net = load(CARDS[model], device, dtype)
        for batch in BATCHES[:2] if tiny else BATCHES:
            entry: dict[str, Any] = {"model": model, "batch": batch}
            found.append(entry)
            try:
                x = torch.rand(batch, 3, *size, device=device, dtype=dtype)
                x = x.contiguous(memory_format=torch.channels_last)
                times = []
                with torch.inference_mode():
                    for _ in range(runs + 2):  # two for the choice of kernels
                        _wait(device)
                        begun = time.perf_counter()
                        net(x)
                        _wait(device)
                        times.append(time.perf_counter() - begun)
                entry["frame_s"] = min(times[2:]) / batch
                if device == "cuda":
                    entry["vram_peak_bytes"] = torch.cuda.max_memory_allocated()
            except RuntimeError as error:
                entry["failed"] = str(error)[:200]
                break
            finally:
                if device == "cuda":
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
    return found


def kernels(device: str, tiny: bool) -> dict[str, list[dict[str, Any]]]:
    """Return, a model, the kernels its time goes to: name, calls, milliseconds, share."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from finishkit.models import CARDS
    from finishkit.models.engine import Upscaler

    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    size = (16, 24) if tiny else (540, 960)
    found: dict[str, list[dict[str, Any]]] = {}
    for model in MODELS[:1] if tiny else MODELS:
        engine = Upscaler(CARDS[model], device=device, runtime="torch")  # type: ignore[arg-type]
        pictures = stack(size, 1 if tiny else 4)
        engine.from_codes(pictures)
        with profile(activities=kinds) as seen, torch.inference_mode():
            engine.from_codes(pictures)
            _wait(device)

        def own_us(event: Any) -> float:
            name = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
            return float(getattr(event, name))

        events = sorted(seen.key_averages(), key=own_us, reverse=True)
        whole = sum(map(own_us, events)) or 1.0
        found[model] = [
            {
                "name": e.key[:120],
                "calls": e.count,
                "ms": round(own_us(e) / 1e3, 4),
                "share": round(own_us(e) / whole, 4),
            }
            for e in events[:TOP]
        ]
    return found


def finishing(device: str, tiny: bool) -> dict[str, Any]:
    """Time a chunk from the net to the encoder's planes: kept on the device, and on the host.

    Both ask the same net, and both hand out 4:2:0; whether the pictures agree is told first.
    """
    import torch

    from finishkit.engines.device_pass import differences, finished_on_device
    from finishkit.frames import Frames
    from finishkit.frames.convert import packed_420
    from finishkit.stages.gate import Gate
    from finishkit.stages.grade import Grade
    from finishkit.stages.grain import Grain
    from finishkit.stages.lut import build_lut
    from finishkit.stages.match import Match
    from finishkit.stages.upscale import Upscale

    size, chunks = ((36, 64), 2) if tiny else ((540, 960), 6)
    lut = build_lut(lambda rgb: rgb**1.1)
    filters = (
        Upscale(
            model=MODELS[0],
            strength=1.0,
            tile_px=0,
            out_px=(4 * size[0], 4 * size[1]),
            fit="crop",
        ),
        Grade(tables=lut[None], match=Match()),
        Grain(shot="bench", sigma_codes=1.0, strength=1.0),
    )

    def given(chunk: int, count: int) -> Any:
        pictures = stack(size, chunk).astype(np.float32) / np.float32(255)
        return (Frames(data=pictures, pts_s=np.arange(chunk) / 24) for _ in range(count))

    def there(chunk: int, count: int) -> None:
        frames = given(chunk, count)
        for _ in finished_on_device(
            frames, filters, 1, shot="bench", notes={}, gate=Gate(), device=device
        ):
            pass

    def here(chunk: int, count: int) -> None:
        gate, frames = Gate(), given(chunk, count)
        for number, apply in enumerate(filters, start=1):
            frames = apply(frames, {})
            frames = gate.watch_out(frames) if number == 1 else frames
        for done in frames:
            for picture in done.data:
                packed_420(picture)

    worst, mean = differences(device)
    found: dict[str, Any] = {"worst_codes": worst, "mean_codes": mean}
    ways = [("host", here, 1)]
    ways += [(f"device, {n} at once", there, n) for n in BATCHES[: 2 if tiny else 4]]
    for name, run, chunk in ways:
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        run(chunk, 1)  # weights, kernels, tables
        begun = time.perf_counter()
        run(chunk, chunks)
        entry = {"frame_s": (time.perf_counter() - begun) / (chunk * chunks)}
        if device == "cuda":
            entry["vram_peak_bytes"] = torch.cuda.max_memory_allocated()
        found[name] = entry
    return found


def codecs() -> dict[str, dict[str, Any]]:
    """Return which of the card's encoders and decoders open, each tried."""
    from finishkit.frames.encoders import HARDWARE_DECODERS, HARDWARE_ENCODERS, tried

    trials = tried(*HARDWARE_ENCODERS, *HARDWARE_DECODERS)
    return {name: {"opens": t.opens, "why": t.why} for name, t in trials.items()}


def _within(what: str, call: Callable[[], Any], until: float, out: dict[str, Any]) -> None:
    """Call something if there is time, and keep what it gives, or why it gave nothing."""
    if time.monotonic() > until:
        out.setdefault("left_out", []).append(what)
        return
    begun = time.monotonic()
    try:
        out[what] = call()
    except Exception as error:  # one part that fails must not take the others with it
        out[what] = {"failed": f"{type(error).__name__}: {error}"[:500]}
    out.setdefault("took_s", {})[what] = round(time.monotonic() - begun, 1)
    print(f"{what}: {out['took_s'][what]} s", flush=True)


def main() -> None:
    """Measure, and write after every part what is known so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--groups", nargs="*", default=list(GROUPS))
    parser.add_argument("--peers", default="")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--anyway", action="store_true")
    asked = parser.parse_args()
    quiet.require_quiet(asked.anyway)
    # A tenth is kept back: the part under way when time is up must end too.
    until = time.monotonic() + 54 * asked.minutes
    asked.out.mkdir(parents=True, exist_ok=True)
    gpu: dict[str, Any] = {}
    _within("card", lambda: card(asked.device), until, gpu)
    _within("codecs", codecs, until, gpu)
    _within("batches", lambda: sweep(asked.device, asked.tiny), until, gpu)
    _within("kernels", lambda: kernels(asked.device, asked.tiny), until, gpu)
    _within("finishing", lambda: finishing(asked.device, asked.tiny), until, gpu)
    gpu["name"] = gpu["card"].get("name", "")
    record: dict[str, Any] = {}
    _write({"gpu": gpu}, asked.out)
    for group in asked.groups:
        with tempfile.TemporaryDirectory(prefix="gpu") as folder:
            at = Workplace(
                folder=Path(folder),
                peers=asked.peers,
                repeats=asked.repeats,
                tiny=asked.tiny,
                device=asked.device,
            )
            done: dict[str, Any] = {}
            run = (lambda g, a: lambda: bench([g], a, asked.out, True))(group, at)
            _within(group, run, until, done)
        if group in done and "rows" in done[group]:
            rows = record.get("rows", []) + done[group].pop("rows")
            record = {**done[group], "rows": rows, "anyway": asked.anyway}
        else:
            gpu.setdefault("not_measured", {})[group] = done.get(group, "no time left")
        _write({**record, "gpu": gpu}, asked.out)
    if record:
        plot(asked.out / "gpu.json", asked.out / "gpu.png")
    print(f"Written to {asked.out / 'gpu.json'}")


def _write(record: dict[str, Any], out: Path) -> None:
    part = out / ".gpu.json.part"
    part.write_text(json.dumps(record, indent=1, default=_plain))
    part.replace(out / "gpu.json")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} is no JSON")


if __name__ == "__main__":
    main()
