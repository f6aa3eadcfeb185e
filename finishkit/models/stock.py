"""What of the weights is here, read again to the last byte."""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finishkit import untrusted
from finishkit.brought import own_folder, own_names
from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.models.cards import CARDS, ModelCard
from finishkit.models.checkpoints import checkpoint_path, load_checkpoint
from finishkit.models.own import card_of, own_tensors
from finishkit.models.rife import FILE as RIFE
from finishkit.models.weights import (
    INSTALL,
    MAX_BYTES,
    decoded_path,
    find,
    read_verified,
    verify_decoded,
)
from finishkit.onnxfile import require_plain

State = Literal["good", "wrong", "missing", "part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One file of a net.

    Attributes
    ----------
    name : str
        Of the net.
    state : {'good', 'wrong', 'missing', 'part'}
        ``part``: a fetch that was cut off.
    text : str
        Its path, or what is wrong and what to do.
    """

    name: str
    state: State
    text: str


def is_here(card: ModelCard) -> bool:
    """Say whether a net could be loaded, without reading it.

    Parameters
    ----------
    card : ModelCard
        Any net.
    """
    if card.checkpoint and checkpoint_path(card).is_file():
        return True
    try:
        find(card)
    except FinishError:
        return False
    return True


def verify_stock() -> tuple[Held, ...]:
    """Read every byte of the weights that are here and compare it with what is pinned.

    Returns
    -------
    held : tuple of Held
        One for each file that is here, and one for each net of which nothing is.
    """
    found = [one for card in CARDS.values() for one in _of_card(card)]
    return (*found, *(_own(name) for name in own_names()), *_onnx_files())


def _own(name: str) -> Held:
    try:
        card = card_of(name)
    except FinishError as error:
        return Held(name=name, state="wrong", text=str(error))
    return _checked(name, own_folder() / f"{name}.safetensors", lambda: own_tensors(card))


def _of_card(card: ModelCard) -> list[Held]:
    made = checkpoint_path(card) if card.checkpoint else decoded_path(card)
    held = []
    try:
        source = find(card)
        held.append(_checked(card.name, source, lambda: _read(source, card)))
    except FinishError as error:
        if not made.is_file():
            held.append(Held(name=card.name, state="missing", text=str(error)))
    if made.is_file():
        if importlib.util.find_spec("safetensors") is None:
            text = f"{made} cannot be read without safetensors. Run: {INSTALL}"
            held.append(Held(name=card.name, state="wrong", text=text))
        else:
            check = load_checkpoint if card.checkpoint else verify_decoded
            held.append(_checked(card.name, made, lambda: check(card)))
    part = models_dir() / f"{card.source}.part"
    if part.is_file():
        text = (
            f"{part}: {part.stat().st_size} of {card.size_bytes} bytes. Run: finishkit models pull"
            f" {card.name}"
        )
        held.append(Held(name=card.name, state="part", text=text))
    return held


def _read(source: Path, card: ModelCard) -> None:
    """Read a source whole; one whose digest nobody publishes is good when it can be read."""
    if card.source_sha256:
        read_verified(source, card.source_sha256)
        return
    try:
        untrusted.read_bytes(source, MAX_BYTES)
    except (OSError, untrusted.TooLargeError) as error:
        raise FinishError(f"{source} cannot be read: {error}", "weights_missing") from error


def _checked(name: str, path: Path, check: Callable[[], object]) -> Held:
    try:
        check()
    except FinishError as error:
        return Held(name=name, state="wrong", text=str(error))
    return Held(name=name, state="good", text=str(path))


def _onnx_files() -> list[Held]:
    """Return the face models and the RIFE net of the user's: unpinned, so looked through."""
    folder = models_dir()
    paths = [p for p in (folder / RIFE, *sorted((folder / "faces").rglob("*.onnx"))) if p.is_file()]
    return [_plain(path) for path in paths]


def _plain(path: Path) -> Held:
    try:
        content = untrusted.read_bytes(path, MAX_BYTES)
        require_plain(content, path)
    except FinishError as error:
        return Held(name=path.name, state="wrong", text=str(error))
    except (OSError, untrusted.TooLargeError) as error:
        return Held(name=path.name, state="wrong", text=f"{path} cannot be read: {error}")
    digest = hashlib.sha256(content).hexdigest()
    return Held(name=path.name, state="good", text=f"{path} (sha256 {digest[:12]}...)")
