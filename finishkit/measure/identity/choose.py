"""Which face backend: as asked, by the environment, or the best that is there and allowed."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finishkit.environment import models_dir
from finishkit.errors import FinishError
from finishkit.measure.identity.arcface import ArcFaceBackend
from finishkit.measure.identity.dlib import DlibBackend
from finishkit.measure.identity.faces import FaceBackend, FaceDetector
from finishkit.measure.identity.graph import Graph, read_graph
from finishkit.measure.identity.licences import KNOWN, Use
from finishkit.measure.identity.pack import InsightFaceBackend, has_insightface
from finishkit.measure.identity.yunet import YuNetDetector

AUTO: Final = "auto"
VARIABLE: Final = "FINISHKIT_FACES"
"""Environment variable that stands for ``auto``."""
_ARCFACE, _PACK, _YUNET, _DLIB = "arcface:", "insightface:", ",yunet:", ",dlib"
WAYS: Final = "auto, dlib, arcface:FILE.onnx, arcface:FILE.onnx,yunet:FILE.onnx, insightface:FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A backend that could be used.

    Attributes
    ----------
    asked : str
        What to give to :func:`load_backend`; paths are absolute.
    name, licence : str
        Of the backend.
    commercial : bool
    """

    asked: str
    name: str
    licence: str
    commercial: bool


def faces_dir() -> Path:
    """Return the folder in which face models are looked for; it need not exist."""
    return models_dir() / "faces"


def choose_backend(asked: str = AUTO, *, licence: Use = "any") -> str:
    """Settle which face backend to use.

    Parameters
    ----------
    asked : str
        ``auto``, ``dlib``, ``arcface:FILE`` (with a YuNet file of the same folder where there is
        one, else dlib's detector), ``arcface:FILE,yunet:FILE`` or ``insightface:FOLDER``. ``auto``
        is what :data:`VARIABLE` says, else the first of :func:`backend_choices` that the licence
        allows.
    licence : {'any', 'commercial'}
        The template's. ``commercial`` asks for a licence that clearly allows it.

    Returns
    -------
    settled : str
        For :func:`load_backend`, in this process or another: never ``auto``.

    Raises
    ------
    FinishError
        ``no_such_backend``, ``licence`` when what was asked for by name is not allowed, and
        whatever loading it raises.
    """
    if asked == AUTO:
        asked = os.environ.get(VARIABLE, "").strip() or AUTO
    if asked == AUTO:
        allowed = (c for c in backend_choices() if licence == "any" or c.commercial)
        return next(allowed).asked  # dlib's licence always allows it
    settled = _settled(asked)
    backend = _load(settled)
    if licence == "commercial" and not backend.commercial:
        raise FinishError(
            f'The face backend {backend.name} is refused by licence = "commercial":'
            f" {backend.licence}. Use dlib, or AuraFace's recogniser (Apache-2.0) with YuNet (MIT),"
            " or, having settled the question yourself, write the licence beside the model (NAME"
            '.toml: licence, commercial) or set licence = "any".',
            "licence",
        )
    return settled


def backend_choices() -> tuple[Choice, ...]:
    """Return the backends that are there, best first: packs, recognisers, dlib.

    Looked for in :func:`faces_dir` and in its folders. Recognisers come in the order of
    :data:`~finishkit.measure.identity.licences.KNOWN`, then by name.

    Returns
    -------
    choices : tuple of Choice
        At least dlib.

    Raises
    ------
    FinishError
        ``bad_model`` when a file there cannot be used: left in silence it would not be missed.
    """
    folder = faces_dir()
    folders = [folder, *sorted(p for p in folder.glob("*") if p.is_dir())]
    files = {f: sorted(f.glob("*.onnx")) for f in folders}
    asked = []
    recognisers = []
    for inside, paths in files.items():
        graphs = [read_graph(path) for path in paths if not _is_yunet_name(path)]
        own = [graph for graph in graphs if graph.recognises]
        if inside != folder and own and any(g.is_scrfd for g in graphs) and has_insightface():
            asked.append(f"{_PACK}{inside}")
        recognisers += own
    detectors = [path for paths in files.values() for path in paths if _is_yunet_name(path)]
    finds = f"{_YUNET}{detectors[0]}" if detectors else _DLIB
    asked += [f"{_ARCFACE}{graph.path}{finds}" for graph in sorted(recognisers, key=_preference)]
    found = [(one, _load(one)) for one in (*asked, "dlib")]
    return tuple(
        Choice(asked=one, name=b.name, licence=b.licence, commercial=b.commercial)
        for one, b in found
    )


def _is_yunet_name(path: Path) -> bool:
    return "yunet" in path.name.lower()


def _preference(graph: Graph) -> tuple[int, str]:
    known = list(KNOWN)
    place = known.index(graph.sha256) if graph.sha256 in known else len(known)
    return place, graph.path.name


def _settled(asked: str) -> str:
    """Make paths absolute and name the detector."""
    if asked == "dlib":
        return asked
    if asked.startswith(_PACK):
        return f"{_PACK}{_absolute(asked.removeprefix(_PACK))}"
    if asked.startswith(_ARCFACE):
        file, yunet, detector = asked.removeprefix(_ARCFACE).partition(_YUNET)
        if yunet:
            return f"{_ARCFACE}{_absolute(file)}{_YUNET}{_absolute(detector)}"
        if file.endswith(_DLIB):
            return f"{_ARCFACE}{_absolute(file.removesuffix(_DLIB))}{_DLIB}"
        path = _absolute(file)
        beside = [p for p in sorted(path.parent.glob("*.onnx")) if _is_yunet_name(p)]
        return f"{_ARCFACE}{path}{_YUNET}{beside[0]}" if beside else f"{_ARCFACE}{path}{_DLIB}"
    raise FinishError(f"There is no face backend {asked!r}. There is: {WAYS}.", "no_such_backend")


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()


def load_backend(name: str = "dlib") -> FaceBackend:
    """Load a face backend, once a process.

    Parameters
    ----------
    name : str
        As for :func:`choose_backend`.

    Returns
    -------
    backend : FaceBackend
        Its nets are loaded when the first picture comes.

    Raises
    ------
    FinishError
        ``no_such_backend``; ``backend_missing`` when its weights or packages are not there;
        ``bad_model`` when a file is not what it should be.
    """
    return _load(choose_backend(name))


@functools.cache
def _load(settled: str) -> FaceBackend:
    if settled.startswith(_PACK):
        return InsightFaceBackend(Path(settled.removeprefix(_PACK)))
    if settled.startswith(_ARCFACE):
        file, yunet, detector = settled.removeprefix(_ARCFACE).partition(_YUNET)
        finds: FaceDetector = YuNetDetector(read_graph(Path(detector))) if yunet else _load("dlib")
        return ArcFaceBackend(read_graph(Path(file.removesuffix(_DLIB))), finds)
    return DlibBackend()
