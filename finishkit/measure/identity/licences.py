"""Under which licence a face model of the user's stands: known by its digest, or said beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.measure.identity.graph import Graph
from finishkit.tomls import complaint, read_toml
from finishkit.values import Value

Use = Literal["any", "commercial"]

_INSIGHTFACE: Final = (
    "insightface model pack: non-commercial research only (its README), whatever the code's MIT"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A published face model.

    Attributes
    ----------
    name : str
        What people call it.
    licence : str
        What its publisher says.
    commercial : bool
        Whether that clearly allows work that is sold.
    """

    name: str
    licence: str
    commercial: bool


KNOWN: Final = {
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43": KnownFile(
        name="buffalo_l (w600k_r50.onnx)", licence=_INSIGHTFACE, commercial=False
    ),
    "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf": KnownFile(
        name="antelopev2 (glintr100.onnx)", licence=_INSIGHTFACE, commercial=False
    ),
    "a7933ea5330113b01c9b60351d8f4c33003f145d8470ac5f0e52ee2effe25c60": KnownFile(
        name="AuraFace v1 (glintr100.onnx)",
        licence="AuraFace v1: Apache-2.0 (its publisher, fal)",
        commercial=True,
    ),
    "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f": KnownFile(
        name="buffalo_s (w600k_mbf.onnx)", licence=_INSIGHTFACE, commercial=False
    ),
    # AuraFace's own pack carries this very file: its recogniser is free, its detector is not.
    "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91": KnownFile(
        name="SCRFD 10g (det_10g.onnx)", licence=_INSIGHTFACE, commercial=False
    ),
    "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0": KnownFile(
        name="YuNet 2026may", licence="YuNet: MIT (OpenCV Zoo)", commercial=True
    ),
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": KnownFile(
        name="YuNet 2023mar", licence="YuNet: MIT (OpenCV Zoo)", commercial=True
    ),
}
"""Published files by their sha256, as several independent projects pin them; best recognisers
first."""


class Sidecar(Value):
    """``NAME.toml`` beside ``NAME.onnx``: what the user knows of the file's licence.

    Attributes
    ----------
    licence : str
        In words, such as ``Apache-2.0``.
    commercial : bool
        Whether it allows work that is sold.
    """

    licence: str
    commercial: bool


def licence_of(graph: Graph) -> KnownFile:
    """Return the licence of a model file.

    Parameters
    ----------
    graph : Graph
        Of the file.

    Returns
    -------
    known : KnownFile
        From the table, else from the sidecar, else unstated: which is not commercial.

    Raises
    ------
    FinishError
        ``bad_sidecar`` when the sidecar cannot be understood.
    """
    if graph.sha256 in KNOWN:
        return KNOWN[graph.sha256]
    sidecar = graph.path.with_suffix(".toml")
    if sidecar.is_file():
        told = _read_sidecar(sidecar)
        return KnownFile(
            name=graph.path.name,
            licence=f"{told.licence} ({sidecar.name})",
            commercial=told.commercial,
        )
    return KnownFile(
        name=graph.path.name,
        licence=f"licence not stated (write licence and commercial into {sidecar.name} beside it)",
        commercial=False,
    )


def _read_sidecar(path: Path) -> Sidecar:
    codes = dict.fromkeys(("missing", "large", "broken"), "bad_sidecar")
    try:
        file = read_toml(path, what="sidecar", **codes)
        try:
            return Sidecar.model_validate(file.table)
        except ValidationError as error:
            told = complaint(file, error, Sidecar, tuple(Sidecar.model_fields))
            raise FinishError(told, "bad_sidecar") from error
    except FinishError as error:
        raise FinishError(
            f'{path} cannot be understood ({error}). It needs two lines: licence = "Apache-2.0" and'
            " commercial = true.",
            "bad_sidecar",
        ) from error
