"""RIFE, as an ONNX file that the user brings or pulls: found, verified, run by onnxruntime.

Neither RIFE's code nor its weights are part of finishkit. Any version does that is exported with
the inputs ``img0`` and ``img1`` (1, 3, h, w) and ``timestep``, and one picture as output.
"""

import functools
import hashlib
import importlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.models.cards import CARDS, ModelCard
from finishkit.models.weights import read_verified
from finishkit.onnxfile import require_plain

FILE: Final = "rife.onnx"
"""An export of the user's."""
PULLED: Final = CARDS["rife-4.9"]
"""An export that is published; ``finishkit models pull`` fetches it."""
SIDES: Final = 64
"""RIFE halves its input up to six times: both sides are filled up to a multiple of this."""
INPUTS: Final = {"img0", "img1", "timestep"}


def rife_card(sha256: str) -> ModelCard:
    """Return what is known of the file with this digest.

    Parameters
    ----------
    sha256 : str
        Of the file, as the template's ``interpolate.rife_sha256`` pins it.
    """
    if sha256 == PULLED.source_sha256:
        return PULLED
    return ModelCard(
        name="rife",
        task="interpolate",
        arch="onnx",
        scale=1,
        halo_px=0,
        source=FILE,
        source_sha256=sha256,
        sha256=sha256,
        size_bytes=0,
        licence="Practical-RIFE, code and weights: MIT.",
        commercial="yes",
        commercial_reason="MIT.",
        input_domain="Two neighbouring frames of any picture, and the share of time between them.",
    )


def verified_rife(sha256: str) -> Path:
    """Return the file, when it is there and the template's.

    Parameters
    ----------
    sha256 : str
        Digest the template pins; empty when it pins none yet.

    Raises
    ------
    FinishError
        ``weights_missing`` with the commands that put it there; ``weights_changed`` when it is
        another file than the template's.
    """
    path = _path(sha256)
    if not path.is_file():
        raise FinishError(
            f'interpolate.engine = "rife" needs a RIFE net as an ONNX file, and {path} is not '
            f"there. finishkit models pull {PULLED.name} fetches one whose publisher states no "
            f"licence; set interpolate.rife_sha256 to {PULLED.source_sha256}. Or export one "
            "(Practical-RIFE, MIT; inputs img0, img1, timestep), then run: mkdir -p "
            f"'{path.parent}' && cp YOUR_RIFE.onnx '{models_dir() / FILE}' && sha256sum "
            f"'{models_dir() / FILE}', and set interpolate.rife_sha256 to the sum. Or set "
            'interpolate.engine = "dis".',
            "weights_missing",
        )
    if not sha256:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        raise FinishError(
            f"The template does not say which RIFE net it means. For {path}, set "
            f'interpolate.rife_sha256 = "{found}".',
            "weights_missing",
        )
    _content(path, sha256)
    return path


def _path(sha256: str) -> Path:
    """Return where the net with this digest lies: the one that was pulled, or the user's."""
    pulled = models_dir() / PULLED.source
    own = models_dir() / FILE
    wants_pulled = sha256 == PULLED.source_sha256 or (not sha256 and not own.is_file())
    return pulled if wants_pulled and pulled.is_file() else own


def _content(path: Path, sha256: str) -> bytes:
    """Return the template's net, looked through: these bytes are what is run."""
    content = read_verified(path, sha256)
    require_plain(content, path)
    return content


@functools.cache
def _session(path: Path, sha256: str) -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise FinishError(
            f'interpolate.engine = "rife" needs onnxruntime, which cannot be imported ({error}). '
            'Run: pip install onnxruntime, or set interpolate.engine = "dis".',
            "models_missing",
        ) from error
    options = runtime.SessionOptions()
    # One thread: shots run side by side, and every machine then adds in one order.
    options.intra_op_num_threads = 1
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [p for p in wanted if p in runtime.get_available_providers()]
    try:
        # From the verified bytes, not from the path: it cannot change in between, and weights that
        # lie in a second, unverified file are not found.
        session = runtime.InferenceSession(_content(path, sha256), options, providers)
    except FinishError:
        raise
    except Exception as error:  # onnxruntime's own exceptions have no common public base
        raise FinishError(
            f"{path} cannot be run by onnxruntime: {error}. Export the net again, in one file.",
            "weights_changed",
        ) from error
    names = {i.name for i in session.get_inputs()}
    if names != INPUTS:
        raise FinishError(
            f"{path} takes {', '.join(sorted(names))} where img0, img1 and timestep are due. "
            "Export RIFE with these inputs.",
            "weights_changed",
        )
    return session


def rife_between(
    sha256: str, start: NDArray[np.float32], end: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Return the picture ``share`` of the way between two.

    Parameters
    ----------
    sha256 : str
        Of the net's file.
    start, end : ndarray, shape (h, w, 3), dtype float32, in [0, 1]
        R'G'B'.
    share : float
        0 to 1.

    Returns
    -------
    picture : ndarray, shape (h, w, 3), dtype float32, in [0, 1]

    Raises
    ------
    FinishError
        As :func:`verified_rife`; ``models_missing`` without onnxruntime; ``weights_changed`` when
        the file is no such net.
    """
    session = _session(_path(sha256), sha256)
    height, width = start.shape[:2]
    below, right = -height % SIDES, -width % SIDES

    def planes(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        filled = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(filled.transpose(2, 0, 1)[None])

    # Exports differ: one number, a 1x1 plane, or a plane of the picture's size.
    shape = next(i.shape for i in session.get_inputs() if i.name == "timestep")
    whole = len(shape) == 4 and shape[2:] != [1, 1]
    size = (1, 1, height + below, width + right) if whole else (1,) * len(shape)
    out = session.run(
        None,
        {
            "img0": planes(start),
            "img1": planes(end),
            "timestep": np.full(size, share, np.float32),
        },
    )[0]
    return np.clip(out[0].transpose(1, 2, 0)[:height, :width], 0, 1).astype(np.float32)
