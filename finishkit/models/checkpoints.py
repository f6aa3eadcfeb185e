"""Checkpoints the user brings: unpickled once, in a child process, then read as tensors.

A ``.pth`` file is a pickle. torch's restricted unpickler lets only tensors through; even so it runs
once, in a child with limits and without a network, and what the batch reads is the safetensors file
made of what it leaves behind.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from finishkit import untrusted
from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.models import convert
from finishkit.models.cards import ModelCard
from finishkit.models.weights import INSTALL, MAX_BYTES, find, tensors_sha256
from finishkit.untrusted import shown

_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""Of the environment, for the converting child: no proxies, no tokens, no home."""


def checkpoint_path(card: ModelCard) -> Path:
    """Return where the converted weights of a card lie, or would lie.

    Parameters
    ----------
    card : ModelCard
        One whose weights come as a checkpoint.

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
        One whose weights come as a checkpoint.
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
        published one or holds anything but tensors.
    """
    content, _ = sealed(source, card.name, card)
    path = checkpoint_path(card)
    keep(path, content)
    return path


def sealed(source: Path, name: str, card: ModelCard | None = None) -> tuple[bytes, str]:
    """Return a checkpoint as a safetensors file, and the digest of what it was made of.

    Parameters
    ----------
    source : Path
        ``.pth``, ``.pt`` or ``.ckpt``, which is unpickled in a child; or ``.safetensors``.
    name : str
        The net's.
    card : ModelCard, optional
        Whose published file it has to be.

    Returns
    -------
    content : bytes
        With the digests of source and tensors in its metadata.
    source_sha256 : str

    Raises
    ------
    FinishError
        As :func:`import_checkpoint`.

    Notes
    -----
    The file is read once: the bytes that were hashed are those the child is given. What it makes
    of them is checked before it gets its name.
    """
    try:
        content = untrusted.read_bytes(source, MAX_BYTES)
    except (OSError, untrusted.TooLargeError) as error:
        why = getattr(error, "strerror", None) or "it is too large"
        raise FinishError(
            f"There is no file {source} to import ({why}). Name the checkpoint.", "weights_missing"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if card is not None and card.source_sha256 and digest != card.source_sha256:
        raise FinishError(
            f"{source} is not the file that was published as {card.source}: its sha256 is "
            f"{digest[:12]}..., not {card.source_sha256[:12]}.... Download it again.",
            "weights_changed",
        )
    if source.suffix == ".safetensors":
        return _sealed(source, content, digest), digest
    models_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=models_dir()) as folder:
        part = Path(folder) / "part"
        _unpickled(source, content, part)
        del content
        try:
            made = untrusted.read_bytes(part, convert.FILE_BYTES)
        except (OSError, untrusted.TooLargeError) as error:
            raise _unusable(source, str(error)) from error
        return _sealed(source, made, digest), digest


def _unpickled(source: Path, content: bytes, part: Path) -> None:
    """Have the child write the tensors of a checkpoint."""
    try:
        child = subprocess.run(
            # -P: a torch.py in the folder one happens to work in is not imported.
            [sys.executable, "-P", convert.__file__, str(part)],
            input=content,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            cwd=part.parent,
            capture_output=True,
            timeout=convert.TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FinishError(
            f"{source} was not converted within {convert.TIMEOUT_S} s. Download it again.",
            "weights_changed",
        ) from error
    if child.returncode:
        said = child.stderr.decode(errors="replace").strip().splitlines()
        raise _unusable(source, said[-1] if said else "it was ended")


def _unusable(source: Path, why: str) -> FinishError:
    return FinishError(
        f"{source} cannot be converted ({shown(why)}). Download it again from where it is"
        " published.",
        "weights_changed",
    )


def _sealed(source: Path, made: bytes, digest: str) -> bytes:
    """Return what the child wrote as the file to keep, with digests; nothing of it is believed."""
    import safetensors
    import safetensors.torch
    import torch

    try:
        tensors = safetensors.torch.load(made)
        strange = [
            name
            for name, t in tensors.items()
            if t.is_complex() or not bool(torch.isfinite(t.float()).all())
        ]
        if strange or not tensors:
            raise ValueError(f"{shown(strange[0]) if strange else 'it'} holds no numbers")
        told = {"source_sha256": digest, "tensors_sha256": _digest(tensors)}
        return safetensors.torch.save(tensors, metadata=told)
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _unusable(source, str(error)) from error


def keep(path: Path, content: bytes) -> None:
    """Write weights whole or not at all.

    Parameters
    ----------
    path : Path
        Replaced when it is there.
    content : bytes
        The whole file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def tensors_of(content: bytes) -> dict[str, Any]:
    """Return the tensors of a safetensors file; nothing is unpickled.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    tensors : dict of str to torch.Tensor

    Raises
    ------
    ValueError
        When it is no such file.
    FinishError
        ``models_missing`` without safetensors.
    """
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise FinishError(
            f"Weights cannot be read without safetensors and torch ({error}). Run: {INSTALL}",
            "models_missing",
        ) from error
    try:
        return safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def _digest(tensors: dict[str, Any]) -> str:
    return tensors_sha256({name: t.float().numpy() for name, t in tensors.items()})


def ready_checkpoint(card: ModelCard) -> Path:
    """Return a card's converted weights; convert the published file first where it lies beside.

    Parameters
    ----------
    card : ModelCard
        One whose weights come as a checkpoint.

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


def checkpoint_sha256(card: ModelCard) -> str:
    """Return the digest of the tensors of a card's converted weights, as it was kept with them.

    Parameters
    ----------
    card : ModelCard
        One whose weights come as a checkpoint.

    Raises
    ------
    FinishError
        As :func:`load_checkpoint`.
    """
    return _digest(load_checkpoint(card))


def load_checkpoint(card: ModelCard) -> dict[str, Any]:
    """Return a card's tensors, verified; nothing is unpickled here.

    Parameters
    ----------
    card : ModelCard
        One whose weights come as a checkpoint.

    Returns
    -------
    tensors : dict of str to torch.Tensor

    Raises
    ------
    FinishError
        As :func:`ready_checkpoint`, and ``weights_changed`` when the tensors are not those that
        were converted.
    """
    import safetensors
    import safetensors.torch

    path = ready_checkpoint(card)
    try:
        content = untrusted.read_bytes(path, convert.FILE_BYTES)
        tensors = safetensors.torch.load(content)
        told = _metadata(content)
        digest = _digest(tensors)
    except (OSError, safetensors.SafetensorError, TypeError, KeyError, ValueError) as error:
        raise _changed(card, path, shown(str(error))) from error
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


def _metadata(content: bytes) -> dict[str, str]:
    """Return what a safetensors file says of itself, from the bytes its tensors are read from."""
    size = int.from_bytes(content[:8], "little")
    return untrusted.parse_json(content[8 : 8 + size]).get("__metadata__", {})
