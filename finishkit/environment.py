"""What this machine is: the versions that decide the numbers, and who owns the GPU."""

import functools
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

_VERSIONS = (
    "finishkit", "av", "numpy", "opencv-python", "scipy", "dlib-bin", "torch", "openvino"
)  # fmt: skip

OF_ONE_MACHINE = frozenset({"upscaling"})
"""Facts of the environment that machines of one cluster may differ in: some have a GPU."""


def environment() -> dict[str, str]:
    """Return what decides the numbers, for the report and for every cache key.

    Versions, and under ``upscaling`` what runs the nets that enlarge (:func:`net_engine`): they
    differ between machines in the last digits of a pixel.
    """
    found = {"python": platform.python_version(), "machine": platform.machine()}
    found["upscaling"] = " ".join(net_engine())
    for name in _VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def models_dir() -> Path:
    """Return the folder of decoded and user-supplied weights.

    ``$FINISHKIT_CACHE/models``, else ``$XDG_CACHE_HOME/finishkit/models``, else
    ``~/.cache/finishkit/models``. It is not created.

    Returns
    -------
    folder : Path
    """
    own = os.environ.get("FINISHKIT_CACHE")
    if own:
        return Path(own).expanduser().resolve() / "models"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "finishkit" / "models"


@functools.cache
def net_engine() -> tuple[str, str]:
    """Return what runs the nets that enlarge here, and the number format they compute in.

    It follows from what the machine is and has installed, never from a measurement: a night's
    bytes must not depend on how busy a machine was when it began.

    Returns
    -------
    engine : {'cuda', 'openvino', 'torch'}
        OpenVINO, where it is installed, is the fastest on x86 CPUs with bfloat16 (facts 3c) and
        without (docs/performance.md).
    precision : {'float16', 'bfloat16', 'float32'}
        float16 on a GPU; bfloat16 where the CPU computes in it.
    """
    if _has_gpu():
        return "cuda", "float16"
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    installed = x86 and importlib.util.find_spec("openvino") is not None
    return (
        "openvino" if installed else "torch",
        "bfloat16" if _computes_bfloat16() else "float32",
    )


def _computes_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself, as the kernel lists its features."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in told.splitlines())
    features = next((v for k, _, v in lines if k.strip().lower() in ("flags", "features")), "")
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(features.split())


def _has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    import torch

    return bool(torch.cuda.is_available())


def render_jobs() -> int | None:
    """Return how many processes may render: one on a machine with a GPU, which it owns."""
    return 1 if _has_gpu() else None


def render_chunk() -> int:
    """Return how many frames of the master are held at a time: more only where they are batched."""
    return 2 if _has_gpu() else 1
