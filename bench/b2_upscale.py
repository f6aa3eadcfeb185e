"""B2: enlarge frames by four with the same weights, against RealESRGANer, stock and tuned."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.clips import stack
from bench.rows import OURS, Row, Workplace, same_pictures
from bench.sides import TUNED, Spec
from finishkit.environment import net_engine

INSTALL = 'pip install "finishkit[reference]" (Python < 3.13)'
FAST, PHOTO = "realesr-animevideov3", "realesrgan-x4plus"


def rows(at: Workplace) -> list[Row]:
    """Return the rows: the fast net at two sizes, the photographic one at a small size."""
    on_gpu = at.device == "cuda"
    # The bar on a CPU was set against a RealESRGANer whose allocator alone is told better.
    fast = {"stock": 6.0, "tuned": 3.0} if on_gpu else {"stock": 4.0, "allocator": 2.2}
    photo = {"stock": 2.5 if on_gpu else 2.0}
    if at.tiny:
        return [_row(at, "B2.srvgg_540x960", FAST, (36, 64), 1, fast)]
    frames = 8 if on_gpu else 1
    photo_size = (540, 960) if on_gpu else (135, 240)
    return [
        _row(at, "B2.srvgg_540x960", FAST, (540, 960), frames, fast),
        _row(at, "B2.srvgg_270x480", FAST, (270, 480), 4 * frames if on_gpu else 2, {}, True),
        _row(at, f"B2.rrdb_{photo_size[0]}x{photo_size[1]}", PHOTO, photo_size, 1, photo),
    ]


def _ours(at: Workplace, given: dict[str, Any], count: int, also_torch: bool) -> dict[str, Spec]:
    module = "bench.ours.upscale"
    found = {OURS: Spec(module=module, given=given, units=count)}
    if also_torch and net_engine()[0] == "openvino" and at.device == "cpu":
        given = {**given, "runtime": "torch"}
        found["finishkit with torch"] = Spec(module=module, given=given, units=count)
    if at.device == "cuda" or at.tiny:
        # A machine with a GPU and no network has torch and not always the field's packages.
        found["its steps in plain torch"] = Spec(
            module="bench.peers.plain_torch", given=given, units=count
        )
    return found


def _row(
    at: Workplace,
    name: str,
    model: str,
    size: tuple[int, int],
    count: int,
    floors: dict[str, float],
    also_torch: bool = False,
) -> Row:
    pictures = at.folder / f"{name}.npy"
    np.save(pictures, stack(size, count))
    weights = str(at.folder / f"{name}.pth")
    given = {"pictures": str(pictures), "model": model, "device": at.device, "weights": weights}

    def peer(tuned: bool, env: Mapping[str, str]) -> Spec:
        return Spec(
            module="bench.peers.upscale",
            given={**given, "tuned": tuned},
            units=count,
            env=env,
            peer=True,
            install=INSTALL,
        )

    width, height = size
    peers = {"stock": peer(False, {}), "tuned": peer(True, TUNED)}
    if at.device == "cpu":
        peers["allocator"] = peer(False, TUNED)
    return Row(
        name=name,
        title=f"{model}: {width}x{height} to {4 * width}x{4 * height}, nothing encoded",
        unit="frame",
        sides={**_ours(at, given, count, also_torch), **peers},
        floors=floors,
        parameters={"model": model, "width_px": width, "height_px": height, "frames": count},
        compare=same_pictures,
        notes=(
            "Peer: RealESRGANer.enhance, the same weights, untiled. Allocator: glibc told to keep"
            " large blocks. Tuned: that, channels_last, cudnn.benchmark, bfloat16 where the"
            " processor computes in it. Plain torch, where it is told: the same net and the steps"
            " of that package, written down anew: a frame at a time, float32 up and down, rounded"
            " on the host."
        ),
    )
