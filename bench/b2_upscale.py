"""B2: enlarge frames by four with the same weights, against RealESRGANer, stock and tuned."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.b5_video import same_files
from bench.clips import clip, stack
from bench.rows import OURS, Row, Workplace, same_pictures
from bench.sides import TUNED, Spec
from finishkit.environment import net_engine

INSTALL = 'pip install "finishkit[reference]" (Python < 3.13)'
CRF, PRESET = 23, "medium"  # what ffmpeg takes where nothing is said, as in the peer's script
FAST, PHOTO = "realesr-animevideov3", "realesrgan-x4plus"


def rows(at: Workplace) -> list[Row]:
    """Return the rows: the fast net at two sizes, the photographic one at a small size."""
    on_gpu = at.device == "cuda"
    # The bar on a CPU was set against a RealESRGANer whose allocator alone is told better.
    fast = {"stock": 6.0, "tuned": 3.0} if on_gpu else {"stock": 4.0, "allocator": 2.2}
    photo = {"stock": 2.5 if on_gpu else 2.0}
    if at.tiny:
        return [_row(at, "B2.srvgg_540x960", FAST, (36, 64), 1, fast), _script(at, (36, 64), 2)]
    frames = 8 if on_gpu else 1
    photo_size = (540, 960) if on_gpu else (135, 240)
    script = [] if on_gpu else [_script(at, (270, 480), 16)]
    return [
        _row(at, "B2.srvgg_540x960", FAST, (540, 960), frames, fast),
        _row(at, "B2.srvgg_270x480", FAST, (270, 480), 4 * frames if on_gpu else 2, {}, True),
        _row(at, f"B2.rrdb_{photo_size[0]}x{photo_size[1]}", PHOTO, photo_size, 1, photo),
        *script,
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
    peers = {"stock": peer(False, {}), "allocator": peer(False, TUNED), "tuned": peer(True, TUNED)}
    if at.device == "cuda":
        del peers["allocator"]
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


def _script(at: Workplace, size: tuple[int, int], count: int) -> Row:
    """Clip in, clip out, with the same encoder at the same settings."""
    master = (4 * size[0], 4 * size[1])
    given = {
        "clip": str(clip(at.folder / "b2_script.mp4", size, count)),
        "weights": str(at.folder / "b2_script.pth"),
        "model": FAST,
        "size_px": master,
        "crf": CRF,
        "preset": PRESET,
    }
    peer = Spec(module="bench.peers.script", given=given, units=count, peer=True, install=INSTALL)
    return Row(
        name="B2.script",
        title=f"{FAST}: a clip of {size[0]}x{size[1]} into one of {master[0]}x{master[1]}",
        unit="frame",
        sides={
            OURS: Spec(module="bench.ours.script", given=given, units=count),
            "realesrgan script": peer,
        },
        floors={"realesrgan script": 3.0},
        parameters={"model": FAST, "frames": count, "crf": CRF, "preset": PRESET},
        compare=same_files,
        notes=(
            "Decode, net, encode. Ours also gives the light and colour of the source back, which"
            " the net moves, and reads and writes in BT.709 as tagged; the peer's pipes take what"
            " ffmpeg takes for untagged R'G'B'."
        ),
    )
