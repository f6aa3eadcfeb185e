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


def device_of_nets() -> str:
    """Return where frames stay between a net and the encoder: ``cuda``, or empty for the host."""
    return "cuda" if net_engine()[0] == "cuda" else ""


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


GPU_JOB_BYTES = 6 * 2**30
"""GPU memory for each process that renders: kernels and workspaces, and half of it for activations,
which for an RRDB net at 540x960 are 3 GB, and for a compact one with four frames at 2160x3840 and
what follows it 2 to 3 (computed; no GPU has been measured)."""

GPU_SHARE = 0.9
"""Of a GPU's memory; the desktop has the rest."""


def render_jobs(gpu_memory_gb: float = 0.0) -> int | None:
    """Return how many processes may render side by side.

    Everything but the net is the processor's work, and a process that decodes or encodes leaves the
    GPU idle: so as many as half the processors share it, if its memory allows.

    Parameters
    ----------
    gpu_memory_gb : float
        The template's bound, 0 for none.

    Returns
    -------
    jobs : int or None
        None without a GPU: a process a processor.
    """
    if not _has_gpu():
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min((cores or 2) // 2, gpu_room_bytes(gpu_memory_gb) // GPU_JOB_BYTES))


def gpu_room_bytes(gpu_memory_gb: float = 0.0) -> int:
    """Return how much of the GPU's memory all processes of a run may take together.

    Parameters
    ----------
    gpu_memory_gb : float
        The template's bound, 0 for none.
    """
    import torch

    room = GPU_SHARE * torch.cuda.mem_get_info()[1]
    return int(min(room, gpu_memory_gb * 1e9) if gpu_memory_gb else room)


GPU_BATCH = 4
"""Frames a net is given at once on a GPU: of a compact net's the largest reported gain comes with
the second, and the rest with the fourth (facts 1.1; no GPU has been measured)."""


def render_chunk(*, on_device: bool) -> int:
    """Return how many frames of the master are held at a time.

    Parameters
    ----------
    on_device : bool
        A net of finishkit's is asked, so that on a GPU they stay there. On the host, where one of
        2160x3840 is 100 MB and each filter holds one, it is one at a time.
    """
    return GPU_BATCH if on_device and _has_gpu() else 1
