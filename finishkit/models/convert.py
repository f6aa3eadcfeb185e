"""The child that unpickles a checkpoint: started as a script, shut in before it reads a byte.

Standard input is the checkpoint, the one argument is the file to write. Only the standard library
is imported before the process has no network: a user namespace needs a process of one thread.
"""

import ctypes
import resource
import sys
from pathlib import Path
from typing import Any

TIMEOUT_S = 600
MEMORY_BYTES = 12 * 2**30
"""Address space; torch alone maps several gigabytes."""
FILE_BYTES = 4 * 2**30
MIN_TORCH = (2, 10)
"""``weights_only`` was got around before: CVE-2025-32434 (fixed in 2.6), CVE-2026-24747 (2.10)."""

_KEYS = ("params_ema", "params", "state_dict")
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_REFUSED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn",
            "os.fork", "ctypes.dlopen", "os.remove", "os.rename", "os.link", "os.symlink",
            "os.rmdir", "os.mkdir", "os.chmod", "os.truncate", "shutil.")  # fmt: skip


def leave_the_network() -> bool:
    """Move this process to a network namespace without any device, where the kernel lets it.

    Returns
    -------
    left : bool
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(f) == 0 for f in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT_S, TIMEOUT_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def _refuse(event: str, given: tuple[Any, ...]) -> None:
    # A trip wire, not the fence: what gets past torch's own unpickler is stopped at what it does.
    writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
    if writes or event.startswith(_REFUSED):
        raise PermissionError(f"it asked for {event}")


def _convert(content: bytes, part: str) -> None:
    """Unpickle, with tensors only let through, and write tensors."""
    import io
    import zipfile

    import safetensors.torch
    import torch

    if tuple(int(n) for n in torch.__version__.split(".")[:2]) < MIN_TORCH:
        least = ".".join(map(str, MIN_TORCH))
        raise ValueError(f"torch {torch.__version__} cannot do it safely, install {least} or later")
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # torch stores; what is squeezed could unpack to anything.
            if any(i.compress_type != zipfile.ZIP_STORED for i in archive.infolist()):
                raise ValueError("it is a compressed archive")
    sys.addaudithook(_refuse)
    found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for key in _KEYS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not found:
        raise ValueError("it holds no table of tensors")
    if not all(isinstance(n, str) and type(t) in (torch.Tensor, torch.nn.Parameter)
               and t.layout is torch.strided for n, t in found.items()):  # fmt: skip
        raise ValueError("it holds other things than named tensors")
    # A view of one number can announce terabytes.
    if sum(t.numel() * t.element_size() for t in found.values()) > len(content):
        raise ValueError("its tensors are larger than the file")
    tensors = {name: t.detach().clone().contiguous() for name, t in found.items()}
    safetensors.torch.save_file(tensors, part)


def main() -> None:
    """Convert; what is wrong is the last line of standard error."""
    leave_the_network()
    _limit()
    sys.dont_write_bytecode = True
    # Last: nothing of ours may stand in for the standard library or torch.
    sys.path.append(str(Path(__file__).parents[2]))
    from finishkit.processes import die_with_parent

    die_with_parent()
    _convert(sys.stdin.buffer.read(), sys.argv[1])


if __name__ == "__main__":
    main()
