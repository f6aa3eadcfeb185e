"""Nets that know faces, built from a checkpoint's tensors; the packages are the user's."""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finishkit.environment import net_engine
from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.models.precision import GATE_DB, psnr_db, test_picture

SPANDREL = 'pip install "finishkit[models]"'
EXTRA = "pip install spandrel_extra_arches"

FIDELITY = 0.8
"""CodeFormer's w: 1 follows the picture given, 0 the code book's idea of a face."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "gfpgan-clean": {"return_rgb": False, "randomize_noise": False},
    "codeformer": {"weight": FIDELITY},
}
"""What a net is called with, by its architecture."""

Picture = NDArray[np.float32]
Net = Callable[[Picture], Picture]


def require_face_net(card: ModelCard) -> None:
    """Make sure that the package which holds a net's architecture is installed.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.

    Raises
    ------
    FinishError
        Code ``models_missing``, with the command that installs it.
    """
    _architecture(card)


def load_face_net(card: ModelCard, tensors: Mapping[str, Any]) -> Net:
    """Return a face net ready to run.

    spandrel's own call is not used: for GFPGAN it leaves out the scaling to [-1, 1] the net was
    trained with, and draws new noise at every call, which flickers.

    Parameters
    ----------
    card : ModelCard
        One of the ``faces`` nets.
    tensors : Mapping of str to torch.Tensor
        Its weights.

    Returns
    -------
    net : callable
        (512, 512, 3) float32 R'G'B' in [0, 1] to the same; the same answer at every call. Computed
        in the short number format that the machine computes in, if any, and if the answer to a
        test picture comes within :data:`finishkit.models.precision.GATE_DB` of float32's.

    Raises
    ------
    FinishError
        ``models_missing``, and ``weights_changed`` when the tensors are not those of this net.
    """
    import torch

    from finishkit.models.memory import keep_large_blocks
    from finishkit.models.net_torch import beat_by_layer

    build = _architecture(card)
    try:
        model = build(dict(tensors))
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        raise FinishError(
            f"The weights of {card.name} do not fit its net ({type(error).__name__}: "
            f"{str(error)[:200]}). Put the right {card.source} there and import it again.",
            "weights_changed",
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    keep_large_blocks()
    beat_by_layer()
    model = model.eval().requires_grad_(False).float().to(device)
    options = OPTIONS.get(card.arch, {})
    return _in_short_format(functools.partial(_answer, model, options, device), device)


def _answer(
    model: Any, options: Mapping[str, Any], device: str, picture: Picture, short: str = "float32"
) -> Picture:
    import torch

    x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None] * 2 - 1
    # Autocast, not the weights: what decides the style stays in float32.
    cast = torch.autocast(device, getattr(torch, short), enabled=short != "float32")
    with torch.inference_mode(), cast:
        y = model(x.to(device), **options)
    y = y[0] if isinstance(y, tuple) else y
    face = (y[0].float().cpu().numpy().transpose(1, 2, 0) + 1) / 2
    return np.clip(np.ascontiguousarray(face), 0, 1).astype(np.float32)


def _in_short_format(answer: Callable[..., Picture], device: str) -> Net:
    """Return the net in the machine's short format, or in float32 where that strays or is none."""
    short = net_engine()[1]
    if short == "float32" or (device, short) == ("cpu", "float16"):
        return answer

    @functools.cache
    def settled(side_px: int) -> str:
        picture = test_picture(side_px)[0]
        near_db = psnr_db(answer(picture, short=short), answer(picture))
        return short if near_db >= GATE_DB else "float32"

    return lambda picture: answer(picture, short=settled(picture.shape[0]))


def _architecture(card: ModelCard) -> Callable[[dict[str, Any]], Any]:
    if card.arch == "gfpgan-clean":
        net = _imported("spandrel.architectures.GFPGAN", card, SPANDREL).GFPGAN
        return lambda tensors: _gfpgan(net, tensors)
    if card.arch == "codeformer":
        inside = "spandrel_extra_arches.architectures.CodeFormer"
        arch = _imported(inside, card, EXTRA).CodeFormerArch
        return lambda tensors: arch().load(tensors).model
    if card.arch not in ("restoreformer", "restoreformer-pp"):
        raise FinishError(f"{card.name} is not a net that restores faces.", "wrong_model")
    parts = _imported("spandrel.architectures.RestoreFormer", card, SPANDREL)
    if card.arch == "restoreformer":
        return lambda tensors: parts.RestoreFormerArch().load(tensors).model
    decoders = _imported(
        "spandrel.architectures.RestoreFormer.__arch.restoreformer_arch", card, SPANDREL
    )
    return lambda tensors: _restoreformer_pp(parts, decoders, tensors)


def _restoreformer_pp(parts: Any, decoders: Any, tensors: dict[str, Any]) -> Any:
    """Build RestoreFormer++: its decoder also looks back at twice the width, with four heads.

    spandrel reads only the first RestoreFormer, whose parts are the same. The checkpoint is one of
    a training run: the net lies under ``vqvae.``, beside the losses it was trained with.
    """
    prefix = "vqvae."
    own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    own = own or tensors
    width = own["encoder.conv_in.weight"].shape[0]
    model = parts.RestoreFormer(ch=width, head_size=4, **_code_book(own))
    model.decoder = decoders.MultiHeadDecoderTransformer(
        ch=width,
        out_ch=3,
        ch_mult=(1, 2, 2, 4, 4, 8),
        attn_resolutions=(16, 32),
        z_channels=own["quant_conv.weight"].shape[1],
        head_size=4,
    )
    model.load_state_dict(own, strict=True)

    def looks_back(_: Any, given: tuple[Any, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
        return given[0], {**given[1], "block_4_atten": given[1]["block_4"]}

    model.decoder.register_forward_pre_hook(looks_back)
    return model


def _code_book(tensors: dict[str, Any]) -> dict[str, int]:
    entries, width = tensors["quantize.embedding.weight"].shape
    return {
        "n_embed": entries,
        "embed_dim": width,
        "z_channels": tensors["quant_conv.weight"].shape[1],
    }


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
        return importlib.import_module(name)
    except ImportError as error:
        more = " It is for non-commercial use." if package == "spandrel_extra_arches" else ""
        raise FinishError(
            f"{card.name} needs the package {package} ({error}). Run: {install}.{more} Or set "
            'faces.engine = "detail".',
            "models_missing",
        ) from error
