"""Checkpoints the user brings: unpickled once, in a child process, then read as tensors.

A ``.pth`` file is a pickle. torch's restricted unpickler lets only tensors through; even so it runs
once, in a child with limits, and what the batch reads is the safetensors file it leaves behind.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.models.weights import find, tensors_sha256
from finishkit.processes import die_with_parent

TIMEOUT_S = 600
MEMORY_BYTES = 12 * 2**30
"""Address space of the converting child; torch alone maps several gigabytes."""

_KEYS = ("params_ema", "params", "state_dict")


def checkpoint_path(card: ModelCard) -> Path:
    """Return where the converted weights of a card lie, or would lie.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.

    Returns
    -------
    path : Path
    """
    return models_dir() / f"{card.name}.safetensors"


def import_checkpoint(card: ModelCard, source: Path) -> Path:
    """Convert a published checkpoint to safetensors, once.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.
    source : Path
        The ``.pth`` or ``.ckpt`` file.

    Returns
    -------
    path : Path
        The safetensors file.

    Raises
    ------
    FinishError
        ``weights_missing`` when there is no such file, ``weights_changed`` when it is not the
        published one (where its digest is known) or holds anything but tensors.
    """
    if not source.is_file():
        raise FinishError(f"There is no file {source} to import.", "weights_missing")
    digest = _sha256(source)
    if card.source_sha256 and digest != card.source_sha256:
        raise FinishError(
            f"{source} is not the file that was published as {card.source}: its sha256 is "
            f"{digest[:12]}..., not {card.source_sha256[:12]}.... Download it again.",
            "weights_changed",
        )
    path = checkpoint_path(card)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{card.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    # No proxy: nothing here may reach out.
    kept = {k: v for k, v in os.environ.items() if not k.casefold().endswith("_proxy")}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "finishkit.models.checkpoints", str(source), part, digest],
            env=kept,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if child.returncode:
            said = child.stderr.decode(errors="replace").strip().splitlines()
            raise FinishError(
                f"{source} cannot be converted ({said[-1] if said else 'it was ended'}). Download "
                f"{card.source} again from where it is published.",
                "weights_changed",
            )
        Path(part).replace(path)
    except subprocess.TimeoutExpired as error:
        raise FinishError(
            f"{source} was not converted within {TIMEOUT_S} s. Download it again.",
            "weights_changed",
        ) from error
    finally:
        Path(part).unlink(missing_ok=True)
    return path


def ready_checkpoint(card: ModelCard) -> Path:
    """Return a card's converted weights; convert the published file first where it lies beside.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.

    Returns
    -------
    path : Path

    Raises
    ------
    FinishError
        ``weights_missing``: what is missing, where to put it, the command, and the licence.
    """
    path = checkpoint_path(card)
    if path.is_file():
        return path
    try:
        source = find(card)
    except FinishError as error:
        raise FinishError(
            f"{error} Or run: finishkit models import {card.name} {card.source}",
            "weights_missing",
        ) from error
    return import_checkpoint(card, source)


def load_checkpoint(card: ModelCard) -> dict[str, Any]:
    """Return a card's tensors, verified; nothing is unpickled here.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.

    Returns
    -------
    tensors : dict of str to torch.Tensor

    Raises
    ------
    FinishError
        As :func:`ready_checkpoint`, and ``weights_changed`` when the tensors are not those that
        were converted.
    """
    import safetensors.torch

    path = ready_checkpoint(card)
    try:
        with safetensors.safe_open(path, "pt") as opened:
            told = opened.metadata() or {}
        tensors = safetensors.torch.load(path.read_bytes())
        digest = tensors_sha256({name: t.float().numpy() for name, t in tensors.items()})
    except (OSError, safetensors.SafetensorError, TypeError, KeyError, ValueError) as error:
        raise _changed(card, path, str(error)) from error
    if digest != told.get("tensors_sha256"):
        raise _changed(card, path, "its tensors are not those that were converted")
    if card.source_sha256 and told.get("source_sha256") != card.source_sha256:
        raise _changed(card, path, "it was not converted from the published file")
    return tensors


def _changed(card: ModelCard, path: Path, why: str) -> FinishError:
    return FinishError(
        f"{path} cannot be used: {why}. Delete it and run: finishkit models import {card.name} "
        f"{card.source}",
        "weights_changed",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(source: Path, part: Path, digest: str) -> None:
    """Unpickle, with tensors only let through, and write tensors; run in the child."""
    import safetensors.torch
    import torch

    content = torch.load(source, map_location="cpu", weights_only=True)
    for key in _KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(torch.is_tensor(t) for t in content.values()):
        raise ValueError("it holds no table of tensors")
    tensors = {str(name): t.detach().clone().contiguous() for name, t in content.items()}
    told = {
        "source_sha256": digest,
        "tensors_sha256": tensors_sha256({n: t.float().numpy() for n, t in tensors.items()}),
    }
    safetensors.torch.save_file(tensors, part, metadata=told)


def _main() -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT_S, TIMEOUT_S))
    source, part, digest = sys.argv[1:]
    _convert(Path(source), Path(part), digest)


if __name__ == "__main__":
    _main()
