"""Nets that can be named in a template: those finishkit knows, and those the user has brought."""

import json
import re
from pathlib import Path
from typing import Any, Final

from finishkit import untrusted
from finishkit.environment import models_dir
from finishkit.errors import FinishError

LANCZOS: Final = "lanczos"
"""The name of a plain enlargement, which is no net."""

SHIPPED: Final = (
    "realesr-animevideov3",
    "realesr-general-x4v3",
    "realesr-general-wdn-x4v3",
    "realesrgan-x4plus",
    "realesrgan-x4plus-anime",
)
"""Nets that enlarge, of :data:`finishkit.models.CARDS`."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
"""What a net of the user's may be called: it becomes a file name."""

CARD_BYTES: Final = 1 << 16
"""The most a card holds; finishkit's own take a thousand bytes."""


def own_folder() -> Path:
    """Return the folder of the nets that the user has brought; it is not created."""
    return models_dir() / "own"


def own_names() -> tuple[str, ...]:
    """Return the names of the nets that the user has brought, in order."""
    stems = (path.stem for path in own_folder().glob("*.json"))
    return tuple(sorted(stem for stem in stems if NAME.fullmatch(stem)))


def upscaler_names() -> tuple[str, ...]:
    """Return what ``upscale.model`` may be here: nets finishkit knows, the user's, ``lanczos``."""
    return (*SHIPPED, *own_names(), LANCZOS)


def known_upscaler(name: str) -> str:
    """Return a name that ``upscale.model`` may be.

    Parameters
    ----------
    name : str
        As in a template.

    Raises
    ------
    ValueError
        With all the names there are, and how to bring a net.
    """
    if name in SHIPPED or name == LANCZOS or name in own_names():
        return name
    raise ValueError(
        f"there is no net of this name here; there are: {', '.join(upscaler_names())}. Bring one"
        " of your own with: finishkit models add FILE --name NAME --licence LICENCE"
    )


def own_values(name: str) -> dict[str, Any]:
    """Read what the user's card of a net says, unchecked.

    Parameters
    ----------
    name : str
        One of :func:`own_names`.

    Raises
    ------
    FinishError
        Code ``bad_card`` when the card cannot be read.
    """
    path = own_folder() / f"{name}.json"
    try:
        values = untrusted.parse_json(untrusted.read_bytes(path, CARD_BYTES))
        if not isinstance(values, dict) or not isinstance(values.get("sha256"), str):
            raise ValueError("it is no card")
    except (OSError, ValueError) as error:
        raise FinishError(
            f"{path} cannot be read as the card of a net ({untrusted.shown(str(error))}). Delete"
            f" it and add the net again: finishkit models add FILE --name {name}",
            "bad_card",
        ) from error
    return values


def own_sha256(name: str) -> str:
    """Return the digest of a net of the user's; empty for any other name.

    Parameters
    ----------
    name : str
        As ``upscale.model``.

    Raises
    ------
    FinishError
        As :func:`own_values`.
    """
    return own_values(name)["sha256"] if name in own_names() else ""


def require_same_net(name: str, sha256: str) -> None:
    """Refuse another net under the name of the one a template was locked with.

    Parameters
    ----------
    name : str
        As ``upscale.model``.
    sha256 : str
        As ``upscale.model_sha256``; empty pins nothing.

    Raises
    ------
    FinishError
        Code ``weights_changed``.
    """
    if sha256 and own_sha256(name) != sha256:
        raise FinishError(
            f"The net {name} that was added here is not the one the template was locked with (its"
            f" sha256 is {own_sha256(name)[:12] or 'none'}..., not {sha256[:12]}...). Add the old"
            " file again under this name, or lock the template anew.",
            "weights_changed",
        )


def write_card(name: str, values: dict[str, Any]) -> Path:
    """Write a card of the user's.

    Parameters
    ----------
    name : str
        Of the net.
    values : dict
        As of ``ModelCard.model_dump(mode="json")``.
    """
    path = own_folder() / f"{name}.json"
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    return path
