"""GFPGAN, from the package of that name: the reference to compare with, brought by the user."""

import functools
import importlib
import io
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.models import CARDS, find
from finishkit.models.weights import read_verified

CARD = CARDS["gfpgan-v1.4"]
SIDE_PX = 512
INSTALL = 'pip install "finishkit[reference]"'
_MOVED = "torchvision.transforms.functional_tensor"


def _architecture() -> type[Any]:
    """Import GFPGAN's net; basicsr below it asks for a module torchvision has moved."""
    functional: Any = importlib.import_module("torchvision.transforms.functional")
    stand_in = ModuleType(_MOVED)
    stand_in.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
    added = sys.modules.setdefault(_MOVED, stand_in) is stand_in
    try:
        return importlib.import_module("gfpgan.archs.gfpganv1_clean_arch").GFPGANv1Clean
    finally:
        if added:
            del sys.modules[_MOVED]


@functools.cache
def restorer() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return GFPGAN v1.4 as a function on aligned crops; loaded at first use, then kept.

    The net is the package's own. Its ``GFPGANer`` is not used: making one downloads a detector
    and a parser into the current folder, and it hides failures by returning the crop as it was.
    The alignment is the same FFHQ template, the rest is finishkit's.

    Returns
    -------
    restore : callable
        (side, side, 3) float32 R'G'B' in [0, 1] to what is to be added to it, same shape.

    Raises
    ------
    FinishError
        Code ``weights_missing`` or ``weights_changed``, and ``models_missing`` when the package
        is not installed. Nothing is downloaded.
    """
    content = read_verified(find(CARD), CARD.source_sha256)
    try:
        import torch

        net = _architecture()(
            out_size=SIDE_PX,
            num_style_feat=512,
            channel_multiplier=2,
            decoder_load_path=None,
            fix_decoder=False,
            num_mlp=8,
            input_is_latent=True,
            different_w=True,
            narrow=1,
            sft_half=True,
        )
    except ImportError as error:
        raise FinishError(
            f'faces.engine = "reference" needs the package gfpgan ({error}). Run (Python below '
            f'3.13): {INSTALL}, or set faces.engine = "detail".',
            "models_missing",
        ) from error
    # The published file is a pickle: the digest is pinned, and only tensors are let through.
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    net.load_state_dict(state["params_ema"], strict=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = net.eval().requires_grad_(False).to(device)

    def restore(crop: NDArray[np.float32]) -> NDArray[np.float32]:
        side_px = crop.shape[0]
        large = cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        x = torch.from_numpy(np.ascontiguousarray(large.transpose(2, 0, 1)))[None] * 2 - 1
        with torch.inference_mode():
            y = net(x.to(device), return_rgb=False, randomize_noise=False)[0]
        face = (y[0].float().cpu().numpy().transpose(1, 2, 0) + 1) / 2
        way = cv2.INTER_AREA if side_px <= SIDE_PX else cv2.INTER_LANCZOS4
        face = cv2.resize(np.ascontiguousarray(face), (side_px, side_px), interpolation=way)
        return np.clip(face, 0, 1).astype(np.float32) - crop

    return restore
