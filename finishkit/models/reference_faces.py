"""GFPGAN as its own package runs it: what finishkit's face engines are compared with."""

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.models.cards import CARDS, ModelCard
from finishkit.models.checkpoints import load_checkpoint, ready_checkpoint
from finishkit.models.reference_packages import Watched, package, silence

PURPOSE: Final = 'faces.engine = "reference"'
INSTEAD: Final = 'set faces.engine = "detail"'

HELPERS: Final = (CARDS["facexlib-retinaface"], CARDS["facexlib-parsenet"])
"""What ``GFPGANer`` loads besides its net, and would fetch into the folder one works in."""


def require_gfpganer(card: ModelCard) -> None:
    """Make sure that GFPGANer's package and all the weights it loads are there.

    Parameters
    ----------
    card : ModelCard
        GFPGAN's.

    Raises
    ------
    FinishError
        ``models_missing``; ``weights_missing``, with the file to bring; ``weights_changed``.
    """
    package("gfpgan.utils", PURPOSE, INSTEAD)
    for needed in (card, *HELPERS):
        ready_checkpoint(needed)


def load_gfpganer(card: ModelCard) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return ``GFPGANer`` on aligned faces.

    It takes and gives 8-bit pictures, as it always does. It draws new noise for each face: the
    generator is set to one place first, so that a face looks the same at every call.

    Parameters
    ----------
    card : ModelCard
        GFPGAN's.

    Returns
    -------
    restore : callable
        (512, 512, 3) float32 R'G'B' in [0, 1] to the same. Raises what GFPGANer swallows: it would
        give back the blurred face instead.

    Raises
    ------
    FinishError
        As :func:`require_gfpganer`, and ``weights_changed`` when the tensors do not fit.
    """
    require_gfpganer(card)
    import torch

    utils = package("gfpgan.utils", PURPOSE, INSTEAD)
    silence(utils)
    with tempfile.TemporaryDirectory(prefix="finishkit.") as name:
        folder = Path(name)
        # Files of ours, of verified tensors: it unpickles what it is pointed to.
        torch.save({"params_ema": load_checkpoint(card)}, folder / card.source)
        for helper in HELPERS:
            torch.save(load_checkpoint(helper), folder / helper.source)
        try:
            with _kept_home(utils, folder):
                engine = utils.GFPGANer(str(folder / card.source), upscale=1)
        except RuntimeError as error:
            raise FinishError(
                f"The weights of {card.name} do not fit GFPGANer ({str(error)[:200]}). Put the"
                f" right {card.source} there and import it again.",
                "weights_changed",
            ) from error
    watched = Watched(engine.gfpgan)
    engine.gfpgan = watched

    def restore(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        codes = np.ascontiguousarray(np.rint(picture[..., ::-1] * 255).astype(np.uint8))
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            watched.forgotten()
            faces = engine.enhance(codes, has_aligned=True, paste_back=False)[1]
        watched.require_success()
        return faces[0][..., ::-1].astype(np.float32) / 255

    return restore


@contextmanager
def _kept_home(utils: Any, folder: Path) -> Iterator[None]:
    """While GFPGANer is made, its helper looks for its weights in a folder of ours, only there."""
    misc = package("facexlib.utils.misc", PURPOSE, INSTEAD)
    helper, fetch = utils.FaceRestoreHelper, misc.download_url_to_file

    def refuse(url: str, *_: Any, **__: Any) -> None:
        raise FinishError(
            f"facexlib wants to fetch {url.rpartition('/')[2]}, which finishkit does not know."
            " Install facexlib 0.3.0.",
            "weights_missing",
        )

    @functools.wraps(helper)
    def local(*given: Any, **more: Any) -> Any:
        return helper(*given, **{**more, "model_rootpath": str(folder)})

    utils.FaceRestoreHelper, misc.download_url_to_file = local, refuse
    try:
        yield
    finally:
        utils.FaceRestoreHelper, misc.download_url_to_file = helper, fetch
