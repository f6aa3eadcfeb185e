"""Nets of the user's own: any single-image super-resolution checkpoint that spandrel can read."""

import importlib
import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import ValidationError

from finishkit import untrusted
from finishkit.brought import LANCZOS, NAME, own_folder, own_names, own_values, write_card
from finishkit.errors import FinishError
from finishkit.models.cards import CARDS, ModelCard
from finishkit.models.checkpoints import keep, sealed, tensors_of

if TYPE_CHECKING:
    import torch

HALO_PX: Final = 64
"""Context round a tile of a net whose field is unknown: twice what keeps the tiles of the RRDB
nets, whose field is unbounded too, invisible (64 dB, measured)."""

SPANDREL: Final = 'pip install "finishkit[models]"'

Commercial = Literal["yes", "no", "unclear"]


def card_of(name: str) -> ModelCard:
    """Return a net's card: one finishkit ships, or one of the user's.

    Parameters
    ----------
    name : str
        As in a template.

    Raises
    ------
    FinishError
        ``no_such_model`` with the names there are, ``bad_card`` for a card that was harmed.
    """
    if name in CARDS:
        return CARDS[name]
    if name not in own_names():
        there = ", ".join((*CARDS, *own_names()))
        raise FinishError(f"There is no net {name!r} here. There are: {there}.", "no_such_model")
    try:
        card = ModelCard.model_validate(own_values(name))
    except ValidationError as error:
        raise _bad_card(name, str(error.errors()[0]["msg"])) from error
    fits = (
        card.name == name
        and (card.task, card.arch) == ("upscale", "spandrel")
        and card.source == f"own/{name}.safetensors"
        and 1 < card.scale <= 16
        and card.halo_px == HALO_PX
        and len(card.sha256) == len(card.source_sha256) == 64
        and not card.urls
    )
    if not fits:
        raise _bad_card(name, "it is not what models add has written")
    return card


def _bad_card(name: str, why: str) -> FinishError:
    return FinishError(
        f"{own_folder() / name}.json is not the card of a net ({untrusted.shown(why)}). Delete it"
        f" and add the net again: finishkit models add FILE --name {name}",
        "bad_card",
    )


def all_cards() -> tuple[ModelCard, ...]:
    """Return the cards finishkit ships, then the user's.

    Raises
    ------
    FinishError
        As :func:`card_of`.
    """
    return (*CARDS.values(), *(card_of(name) for name in own_names()))


def add(
    file: Path, name: str, *, licence: str, commercial: Commercial = "unclear", domain: str = ""
) -> ModelCard:
    """Take in a checkpoint of the user's: convert it once, and write its card.

    Parameters
    ----------
    file : Path
        ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors``.
    name : str
        What templates call it.
    licence : str
        What its licence says, in a sentence: the user's word.
    commercial : {'yes', 'no', 'unclear'}
        Whether its pictures may be sold: the user's word.
    domain : str
        What it was trained on.

    Returns
    -------
    card : ModelCard

    Raises
    ------
    FinishError
        ``bad_name``; ``weights_missing``; ``weights_changed`` for what cannot be converted;
        ``wrong_model`` for what is no super-resolution net of three colours; ``models_missing``.
    """
    _require_name(name)
    if not licence.strip():
        raise FinishError(
            f"Say what the licence of {name} is: --licence 'CC BY-NC 4.0, from its author'.",
            "usage",
        )
    content, digest = sealed(file, name)
    tensors = tensors_of(content)
    descriptor = _described(tensors, file)
    card = ModelCard(
        name=name,
        task="upscale",
        arch="spandrel",
        scale=descriptor.scale,
        halo_px=HALO_PX,
        source=f"own/{name}.safetensors",
        source_sha256=digest,
        sha256=_sha256(tensors),
        size_bytes=len(content),
        licence=" ".join(licence.split())[:1000],
        commercial=commercial,
        commercial_reason=f"So says whoever added it: {' '.join(licence.split())[:200]}",
        input_domain=" ".join(domain.split())[:1000]
        or f"Unknown: {descriptor.architecture.name}, x{descriptor.scale}.",
    )
    keep(own_folder() / f"{name}.safetensors", content)
    write_card(name, card.model_dump(mode="json"))
    return card


def _require_name(name: str) -> None:
    taken = {known.casefold() for known in (*CARDS, LANCZOS)}
    if not NAME.fullmatch(name) or name.casefold() in taken:
        raise FinishError(
            f"{untrusted.shown(name)!r} cannot be a net's name: letters, digits, dot, dash and"
            " underscore, 60 at most, and none of finishkit's own. Choose another --name.",
            "bad_name",
        )


def _sha256(tensors: Mapping[str, Any]) -> str:
    from finishkit.models.weights import tensors_sha256

    return tensors_sha256({n: t.float().numpy() for n, t in tensors.items()})


def own_tensors(card: ModelCard) -> dict[str, Any]:
    """Return the tensors of a net of the user's, verified.

    Parameters
    ----------
    card : ModelCard
        Of :func:`card_of`.

    Raises
    ------
    FinishError
        ``weights_missing``, ``weights_changed``.
    """
    path = own_folder() / f"{card.name}.safetensors"
    try:
        tensors = tensors_of(untrusted.read_bytes(path, card.size_bytes))
        good = _sha256(tensors) == card.sha256
    except FileNotFoundError as error:
        raise FinishError(
            f"The weights of {card.name} are not at {path} any more. Add the net again: finishkit"
            f" models add FILE --name {card.name}",
            "weights_missing",
        ) from error
    except (OSError, ValueError, KeyError, TypeError):
        good, tensors = False, {}
    if not good:
        raise FinishError(
            f"{path} does not hold the weights that were added as {card.name}. Add the net again:"
            f" finishkit models add FILE --name {card.name}",
            "weights_changed",
        )
    return tensors


def own_net(card: ModelCard, tensors: Mapping[str, Any]) -> "torch.nn.Module":
    """Build a net of the user's from its tensors.

    Parameters
    ----------
    card : ModelCard
        Of :func:`card_of`.
    tensors : Mapping of str to torch.Tensor
        Of :func:`own_tensors`.

    Returns
    -------
    net : torch.nn.Module
        (n, 3, h, w) R'G'B' in [0, 1] to (n, 3, scale h, scale w), of any size: what the
        architecture cannot take is filled up and cut away again.

    Raises
    ------
    FinishError
        ``wrong_model``, ``models_missing``.
    """
    import torch

    descriptor = _described(tensors, own_folder() / f"{card.name}.safetensors")

    class OwnNet(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = descriptor.model

        def bearable(self, dtype: torch.dtype) -> torch.dtype:
            """Return a number format, or float32 where the architecture does not bear it."""
            short = {
                torch.float16: descriptor.supports_half,
                torch.bfloat16: descriptor.supports_bfloat16,
            }
            return dtype if short.get(dtype, True) else torch.float32

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            own = next(self.net.parameters()).dtype
            return descriptor(x.to(own)).to(x.dtype)

    return OwnNet()


def _described(tensors: Mapping[str, Any], file: Path) -> Any:
    """Return what spandrel makes of tensors, when that is a net which can enlarge frames."""
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
        from spandrel.__helpers.canonicalize import canonicalize_state_dict
    except ImportError as error:
        raise FinishError(
            f"A net of your own needs the package spandrel ({error}). Run: {SPANDREL}",
            "models_missing",
        ) from error
    _with_more_architectures()
    if any(t.numel() == 0 for t in tensors.values()):
        raise _wrong(file, "some of its tensors are empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ModelLoader().load_from_state_dict(canonicalize_state_dict(dict(tensors)))
    except UnsupportedModelError as error:
        raise _wrong(file, "spandrel knows no net with these tensors") from error
    except Exception as error:  # each architecture fails in its own way on strange tensors
        raise _wrong(file, f"{type(error).__name__}: {untrusted.shown(str(error))}") from error
    if not isinstance(found, ImageModelDescriptor) or found.purpose != "SR":
        purpose = getattr(found, "purpose", "another purpose")
        raise _wrong(file, f"{found.architecture.name} is a net for {purpose}, not for enlarging")
    colours = (found.input_channels, found.output_channels)
    if colours != (3, 3) or not 1 < found.scale <= 16:
        raise _wrong(
            file, f"it makes {colours[1]} planes of {colours[0]}, x{found.scale}; three of three,"
            " x2 or more, are due"
        )  # fmt: skip
    found.model.eval()
    return found


def _with_more_architectures() -> None:
    """Let spandrel know the nets whose code is not free, when the user has installed them."""
    if importlib.util.find_spec("spandrel_extra_arches") is not None:
        importlib.import_module("spandrel_extra_arches").install(ignore_duplicates=True)


def _wrong(file: Path, why: str) -> FinishError:
    return FinishError(
        f"{file} cannot be used: {why}. What can: the checkpoint of a net that enlarges single"
        " pictures of three colours by a whole number (ESRGAN, Compact, SPAN, DAT, HAT, ...).",
        "wrong_model",
    )
