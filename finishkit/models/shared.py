"""The engines of this process: a net is loaded once, whichever stage asks first."""

import functools
from typing import TYPE_CHECKING

from finishkit.errors import FinishError
from finishkit.models.cards import CARDS

if TYPE_CHECKING:
    from finishkit.models.engine import Upscaler


@functools.cache
def upscaler(model: str, tile_px: int = 0) -> "Upscaler":
    """Return this process's engine for a net: loaded at first use, then kept.

    Parameters
    ----------
    model : str
        A name of :data:`finishkit.models.CARDS`.
    tile_px : int
        Tile side at the source's size; 0 chooses by memory.

    Returns
    -------
    engine : Upscaler

    Raises
    ------
    FinishError
        When torch or the weights are missing.
    """
    try:
        from finishkit.models.engine import Upscaler
    except ImportError as error:
        raise FinishError(
            f"{model} needs torch, which cannot be imported here ({error}). Run: pip install "
            '"finishkit[models]", or set upscale.model = "lanczos" and faces.strength = 0.',
            "models_missing",
        ) from error
    return Upscaler(CARDS[model], tile_px=tile_px)
