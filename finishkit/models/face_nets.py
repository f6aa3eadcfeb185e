"""Nets that know faces, built from a checkpoint's tensors; the packages are the user's."""

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard

SPANDREL = 'pip install "finishkit[models]"'
EXTRA = "pip install spandrel_extra_arches"
REFERENCE = 'pip install "finishkit[reference]"'

FIDELITY = 0.8
"""CodeFormer's w: 1 follows the picture given, 0 the code book's idea of a face."""

_MOVED = "torchvision.transforms.functional_tensor"

Net = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def require_face_net(card: ModelCard, *, own_package: bool = False) -> None:
    """Make sure that the package which holds a net's architecture is installed.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.
    own_package : bool
        Ask for the package the net was published in, not for spandrel.

    Raises
    ------
    FinishError
        Code ``models_missing``, with the command that installs it.
    """
    _architecture(card, own_package)


def load_face_net(card: ModelCard, tensors: Mapping[str, Any], *, own_package: bool = False) -> Net:
    """Return a face net ready to run.

    spandrel's own call is not used: for GFPGAN it leaves out the scaling to [-1, 1] the net was
    trained with, and draws new noise at every call, which flickers.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.
    tensors : Mapping of str to torch.Tensor
        Its weights.
    own_package : bool
        Use the package the net was published in, not spandrel.

    Returns
    -------
    net : callable
        (512, 512, 3) float32 R'G'B' in [0, 1] to the same; the same answer at every call.

    Raises
    ------
    FinishError
        ``models_missing``, and ``weights_changed`` when the tensors are not those of this net.
    """
    import torch

    build = _architecture(card, own_package)
    try:
        model = build(dict(tensors))
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        raise FinishError(
            f"The weights of {card.name} do not fit its net ({type(error).__name__}: "
            f"{str(error)[:200]}). Put the right {card.source} there and import it again.",
            "weights_changed",
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.eval().requires_grad_(False).float().to(device)
    options: dict[str, dict[str, Any]] = {
        "gfpgan-clean": {"return_rgb": False, "randomize_noise": False},
        "codeformer": {"weight": FIDELITY},
    }

    def net(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None] * 2 - 1
        with torch.inference_mode():
            y = model(x.to(device), **options.get(card.arch, {}))
        y = y[0] if isinstance(y, tuple) else y
        face = (y[0].float().cpu().numpy().transpose(1, 2, 0) + 1) / 2
        return np.clip(np.ascontiguousarray(face), 0, 1).astype(np.float32)

    return net


def _architecture(card: ModelCard, own_package: bool) -> Callable[[dict[str, Any]], Any]:
    if card.arch == "gfpgan-clean":
        if own_package:
            net = _imported("gfpgan.archs.gfpganv1_clean_arch", card, REFERENCE).GFPGANv1Clean
        else:
            net = _imported("spandrel.architectures.GFPGAN", card, SPANDREL).GFPGAN
        return lambda tensors: _gfpgan(net, tensors)
    if card.arch == "restoreformer":
        arch = _imported("spandrel.architectures.RestoreFormer", card, SPANDREL).RestoreFormerArch
    else:
        inside = "spandrel_extra_arches.architectures.CodeFormer"
        arch = _imported(inside, card, EXTRA).CodeFormerArch
    return lambda tensors: arch().load(tensors).model


def _gfpgan(net: Any, tensors: dict[str, Any]) -> Any:
    """Build GFPGAN at the width its tensors have: spandrel takes the published one for given."""
    narrow = tensors["final_conv.weight"].shape[0] / 256
    widest = tensors["stylegan_decoder.style_convs.6.modulated_conv.weight"].shape[1]
    style = tensors["stylegan_decoder.style_mlp.1.weight"].shape[0]
    model = net(
        out_size=2 ** (2 + len([n for n in tensors if n.startswith("toRGB.") and "weight" in n])),
        num_style_feat=style,
        channel_multiplier=round(widest / 256 / narrow),
        decoder_load_path=None,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=narrow,
        sft_half=True,
    )
    model.load_state_dict(tensors, strict=True)
    return model


def _imported(name: str, card: ModelCard, install: str) -> Any:
    package = name.partition(".")[0]
    try:
        return _with_moved(name) if package == "gfpgan" else importlib.import_module(name)
    except ImportError as error:
        more = " It is for non-commercial use." if package == "spandrel_extra_arches" else ""
        raise FinishError(
            f"{card.name} needs the package {package} ({error}). Run: {install}.{more} Or set "
            'faces.engine = "detail".',
            "models_missing",
        ) from error


def _with_moved(name: str) -> Any:
    """Import GFPGAN's package; basicsr below it asks for a module torchvision has moved."""
    functional: Any = importlib.import_module("torchvision.transforms.functional")
    stand_in = ModuleType(_MOVED)
    stand_in.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
    added = sys.modules.setdefault(_MOVED, stand_in) is stand_in
    try:
        return importlib.import_module(name)
    finally:
        if added:
            del sys.modules[_MOVED]
