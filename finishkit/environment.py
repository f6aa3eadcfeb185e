"""What this machine is: the versions that decide the numbers, and who owns the GPU."""

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path


def environment() -> dict[str, str]:
    """Return the versions that decide the numbers, for the report and for every cache key."""
    names = ("finishkit", "av", "numpy", "opencv-python", "scipy", "dlib-bin", "torch")
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in names:
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
