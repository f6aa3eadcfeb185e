"""What gives a face definition: the face itself, or a net of the user's that knows faces."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.models import CARDS, ModelCard
from finishkit.models.checkpoints import (
    checkpoint_sha256,
    load_checkpoint,
    ready_checkpoint,
)
from finishkit.models.face_nets import load_face_net, require_face_net
from finishkit.models.reference_faces import HELPERS, load_gfpganer, require_gfpganer
from finishkit.stages import face_crop
from finishkit.stages.face_crop import Picture, Protect
from finishkit.stages.face_detail import definition, softness

EngineName = Literal[
    "detail", "gfpgan", "restoreformer", "restoreformer-pp", "codeformer", "reference"
]

NET_SIDE_PX = 512
"""Side of the crop every face net was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Engine:
    """How a crop becomes what is to be added to it.

    Attributes
    ----------
    need : callable
        An aligned crop to how much it lacks; asked once a track.
    restore : callable
        (side, side, 3) float32 in [0, 1], and the need, to a residual (side, side, 1 or 3).
    """

    need: Callable[[Picture], float]
    restore: Callable[[Picture, float], Picture]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine needs.

    Attributes
    ----------
    card : ModelCard or None
        Its net; None for the engine that has none.
    own_package : bool
        Runs the package the net was published in, whole, not the net alone.
    """

    card: ModelCard | None
    own_package: bool = False

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """All nets it loads, for the licence's sake."""
        helpers = HELPERS if self.own_package else ()
        return () if self.card is None else (self.card, *helpers)

    @property
    def unpinned_sha256(self) -> str:
        """Digest of the weights that were brought, where none is published; else empty."""
        if self.card is None or self.card.source_sha256:
            return ""
        return checkpoint_sha256(self.card)

    def require(self) -> None:
        """Make sure that weights and packages are there, converting the weights once.

        Raises
        ------
        FinishError
            Codes ``weights_missing``, ``weights_changed`` and ``models_missing``.
        """
        if self.card is None:
            return
        if self.own_package:
            require_gfpganer(self.card)
            return
        ready_checkpoint(self.card)
        require_face_net(self.card)


ENGINES: Mapping[EngineName, EngineInfo] = {
    "detail": EngineInfo(card=None),
    "gfpgan": EngineInfo(card=CARDS["gfpgan-v1.4"]),
    "restoreformer": EngineInfo(card=CARDS["restoreformer"]),
    "restoreformer-pp": EngineInfo(card=CARDS["restoreformer-pp"]),
    "codeformer": EngineInfo(card=CARDS["codeformer-v0.1.0"]),
    "reference": EngineInfo(card=CARDS["gfpgan-v1.4"], own_package=True),
}
"""``detail`` gives back what blur took, out of the face itself: no net, no licence, nothing drawn.
The others know what faces look like and draw what they expect; ``reference`` is ``GFPGANer`` of
GFPGAN's own package on the aligned crops, to compare with."""


def restorer(engine: EngineName, protect: Protect) -> Engine:
    """Return what computes a crop's residual.

    Parameters
    ----------
    engine : str
        As in the template.
    protect : {'off', 'on', 'strong'}
        How far eyes and mouth are kept from an engine that invents.

    Returns
    -------
    engine : Engine

    Raises
    ------
    FinishError
        When weights or packages are missing.
    """
    info = ENGINES[engine]
    if info.card is None:
        return Engine(need=softness, restore=definition)
    net = _net(info.card, info.own_package)
    return Engine(need=lambda _: 1.0, restore=lambda crop, _: _invented(crop, net, protect))


@functools.cache
def _net(card: ModelCard, own_package: bool) -> Callable[[NDArray[Any]], NDArray[Any]]:
    if own_package:
        return load_gfpganer(card)
    return load_face_net(card, load_checkpoint(card))


def _invented(
    crop: Picture, net: Callable[[NDArray[Any]], NDArray[Any]], protect: Protect
) -> Picture:
    side_px = crop.shape[0]
    large = cv2.resize(crop, (NET_SIDE_PX, NET_SIDE_PX), interpolation=cv2.INTER_CUBIC)
    answer = net(np.clip(large, 0, 1).astype(np.float32))
    way = cv2.INTER_AREA if side_px <= NET_SIDE_PX else cv2.INTER_LANCZOS4
    face = np.clip(cv2.resize(answer, (side_px, side_px), interpolation=way), 0, 1)
    residual = face_crop.locked(face.astype(np.float32) - crop)
    return residual * face_crop.trusted(side_px, protect)[..., None]
