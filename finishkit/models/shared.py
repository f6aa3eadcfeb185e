"""The engines of this process: a net is loaded once, whichever stage asks first."""

import functools
from typing import TYPE_CHECKING

from finishkit.brought import require_same_net
from finishkit.environment import gpu_room_bytes, render_jobs
from finishkit.errors import FinishError
from finishkit.models.own import card_of

if TYPE_CHECKING:
    from finishkit.models.engine import Upscaler


@functools.cache
def upscaler(
    model: str,
    tile_px: int = 0,
    sha256: str = "",
    gpu_memory_gb: float = 0.0,
    on_device: str = "",
) -> "Upscaler":
    """Return this process's engine for a net: loaded at first use, then kept.

    Parameters
    ----------
    model : str
        A net of :func:`finishkit.models.own.card_of`.
    tile_px : int
        Tile side at the source's size; 0 chooses by memory.
    sha256 : str
        Of a net of the user's, as the template or the fit has it: another is refused.
    gpu_memory_gb : float
        The template's bound for all processes that render side by side; this one takes its share.
    on_device : str
        Where pictures are kept between the net and what follows it, ``cuda``: torch runs it there.
        Empty: they come back to the host, whatever runs it.

    Returns
    -------
    engine : Upscaler

    Raises
    ------
    FinishError
        When torch or the weights are missing, or the net is another.
    """
    require_same_net(model, sha256)
    try:
        from finishkit.models.engine import Upscaler
    except ImportError as error:
        raise FinishError(
            f"{model} needs torch, which cannot be imported here ({error}). Run: pip install "
            '"finishkit[models]", or set upscale.model = "lanczos" and faces.strength = 0.',
            "models_missing",
        ) from error
    jobs = render_jobs(gpu_memory_gb)
    share_bytes = gpu_room_bytes(gpu_memory_gb) // jobs if jobs else 0
    card = card_of(model)
    if on_device:
        return Upscaler(
            card,
            device=on_device,  # type: ignore[arg-type]
            tile_px=tile_px,
            runtime="torch",
            gpu_bytes=share_bytes,
        )
    return Upscaler(card, tile_px=tile_px, gpu_bytes=share_bytes)
