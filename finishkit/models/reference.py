"""Real-ESRGAN as its own package runs it: what finishkit's engine is compared with."""

import functools
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from finishkit.brought import require_same_net
from finishkit.errors import FinishError
from finishkit.models.cards import ModelCard
from finishkit.models.own import card_of
from finishkit.models.reference_packages import Watched, package, silence

PURPOSE: Final = 'upscale.engine = "reference"'
INSTEAD: Final = 'set upscale.engine = "finishkit"'

_BUILT: Final[dict[str, tuple[str, str, dict[str, int | str]]]] = {
    "srvgg-16": ("realesrgan.archs.srvgg_arch", "SRVGGNetCompact", {"num_conv": 16}),
    "srvgg-32": ("realesrgan.archs.srvgg_arch", "SRVGGNetCompact", {"num_conv": 32}),
    "rrdb-23": ("basicsr.archs.rrdbnet_arch", "RRDBNet", {"num_block": 23}),
    "rrdb-6": ("basicsr.archs.rrdbnet_arch", "RRDBNet", {"num_block": 6}),
}
"""Module, class and depth of each net; the packages' defaults are the published widths, x4."""


def require_reference(card: ModelCard) -> None:
    """Make sure that the reference engine can run a net.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.

    Raises
    ------
    FinishError
        ``wrong_model`` for a net its package does not know; ``models_missing``.
    """
    _architecture(card)
    package("realesrgan.utils", PURPOSE, INSTEAD)


def _architecture(card: ModelCard) -> Any:
    if card.arch not in _BUILT:
        raise FinishError(
            f"{PURPOSE} runs the nets of Real-ESRGAN, of which {card.name} is none. Choose another"
            f" upscale.model, or {INSTEAD}.",
            "wrong_model",
        )
    module, name, depth = _BUILT[card.arch]
    net = getattr(package(module, PURPOSE, INSTEAD), name)
    common = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 64}
    return functools.partial(net, **common, **depth)


class ReferenceUpscaler:
    """``RealESRGANer`` behind the protocol of :class:`finishkit.models.engine.Upscaler`.

    Parameters
    ----------
    card : ModelCard
        One of the nets its package knows.
    tile_px : int
        Its ``tile``; 0, its default, is the whole picture. Its tiles overlap by its own default of
        10 px, less than the nets see: seams are part of what it is compared for.
    device : {'auto', 'cpu', 'cuda'}
        ``auto``: a GPU when there is one, and float16 on it, as the package's script does.

    Raises
    ------
    FinishError
        As :func:`require_reference`, and when the weights are missing.

    Notes
    -----
    ``RealESRGANer.enhance`` guesses the bit depth from the brightest value, so that a dark 16-bit
    picture is taken for an 8-bit one, and rounds to what it guessed; its three steps, which
    ``enhance`` is made of, are called instead. Where it catches an error and pastes the tile before
    instead of the one that failed, the error is raised here.
    """

    def __init__(
        self,
        card: ModelCard,
        tile_px: int = 0,
        device: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        require_reference(card)
        import torch

        from finishkit.models.weights import tensors_of_card

        self.card = card
        self.tile_px = tile_px
        utils = package("realesrgan.utils", PURPOSE, INSTEAD)
        silence(utils)
        on_gpu = device != "cpu" and torch.cuda.is_available()
        # It wants a path and unpickles what lies there: a file of ours, of verified tensors.
        with tempfile.TemporaryDirectory(prefix="finishkit.") as folder:
            path = Path(folder) / "weights.pth"
            torch.save({"params": tensors_of_card(card)}, path)
            self._engine: Any = utils.RealESRGANer(
                scale=card.scale,
                model_path=str(path),
                model=_architecture(card)(),
                tile=tile_px,
                pre_pad=0,
                half=on_gpu,
                device=torch.device("cuda" if on_gpu else "cpu"),
            )
        self._watched = Watched(self._engine.model)
        self._engine.model = self._watched

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge pictures, one after the other, as the package does.

        Parameters
        ----------
        pictures : ndarray, shape (n, h, w, 3), dtype float32
            R'G'B' in [0, 1].

        Returns
        -------
        enlarged : ndarray, shape (n, scale h, scale w, 3), dtype float32
            In [0, 1].

        Raises
        ------
        FinishError
            Code ``out_of_memory``: it does not try again with less.
        """
        n, h, w, _ = pictures.shape
        scale = self.card.scale
        out = np.empty((n, h * scale, w * scale, 3), np.float32)
        for picture, into in zip(pictures, out, strict=True):
            into[:] = self._enlarged(picture)
        return out

    def _enlarged(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        try:
            with torch.no_grad():
                self._engine.pre_process(picture)
                (self._engine.tile_process if self.tile_px else self._engine.process)()
                answer = self._engine.post_process()
            self._watched.require_success()
        except Exception as error:
            # Of the net's failure all else follows: a tile that is not there, or an old one.
            failure = self._watched.forgotten() or error
            if not _out_of_memory(failure):
                raise failure from None
            raise FinishError(
                "Memory ran out in RealESRGANer, which does not try again with less. Set"
                f" upscale.tile_px to {max(64, (self.tile_px or 512) // 2)}, or {INSTEAD}.",
                "out_of_memory",
            ) from failure
        planes = answer[0].float().clamp_(0, 1).cpu().numpy()
        return planes.transpose(1, 2, 0)


def _out_of_memory(error: BaseException) -> bool:
    from finishkit.models.memory import is_out_of_memory

    return is_out_of_memory(error)


@functools.cache
def reference_upscaler(model: str, tile_px: int = 0, sha256: str = "") -> ReferenceUpscaler:
    """Return this process's reference engine for a net: loaded at first use, then kept.

    Parameters
    ----------
    model : str
        A net of :func:`finishkit.models.own.card_of`.
    tile_px : int
        Tile side at the source's size; 0: the whole picture.
    sha256 : str
        As of :func:`finishkit.models.shared.upscaler`.

    Raises
    ------
    FinishError
        As :class:`ReferenceUpscaler`.
    """
    require_same_net(model, sha256)
    return ReferenceUpscaler(card_of(model), tile_px)
