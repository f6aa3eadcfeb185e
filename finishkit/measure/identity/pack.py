"""A model pack of insightface, from a folder on this machine: insightface downloads nothing."""

import contextlib
import functools
import importlib
import importlib.util
import io
import tempfile
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.measure.identity.align import cut_chip
from finishkit.measure.identity.arcface import ARCFACE_LIMITS, cosine_distance, unit_mean
from finishkit.measure.identity.faces import Face, FaceLimits
from finishkit.measure.identity.graph import Graph, read_graph
from finishkit.measure.identity.licences import licence_of

MODULES: Final = ("detection", "recognition")
PROVIDERS: Final = ("CPUExecutionProvider",)
"""Shots are measured side by side in processes, and the numbers shall not depend on the machine."""
SEARCH_PX: Final = (640, 640)
SCORE_MIN: Final = 0.5
"""insightface's own default."""


def has_insightface() -> bool:
    """Say whether insightface and onnxruntime are installed."""
    return all(importlib.util.find_spec(name) for name in ("insightface", "onnxruntime"))


class InsightFaceBackend:
    """SCRFD and an ArcFace recogniser, run by ``insightface.app.FaceAnalysis``.

    Parameters
    ----------
    folder : Path
        Of the unpacked pack, such as ``buffalo_l`` with det_10g.onnx and w600k_r50.onnx.

    Raises
    ------
    FinishError
        ``backend_missing`` when the folder, one of its two models or the package is missing: all
        of it before insightface is asked, which would fetch what it does not find; ``bad_model``
        when a file keeps its weights elsewhere.
    """

    limits: FaceLimits = ARCFACE_LIMITS

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        detector, recogniser = pack_files(folder)
        self._graphs: tuple[Graph, ...] = (detector, recogniser)
        if not has_insightface():
            raise FinishError(
                f"The pack {folder} needs the package insightface. Run: pip install"
                ' "finishkit[insightface]"',
                "backend_missing",
            )
        parts = [licence_of(recogniser), licence_of(detector)]
        digests = "+".join(graph.sha256[:12] for graph in (recogniser, detector))
        self.name = f"insightface:{folder.name}@{digests}"
        self.licence = "; ".join(dict.fromkeys(part.licence for part in parts))
        self.commercial = all(part.commercial for part in parts)

    @functools.cached_property
    def _models(self) -> dict[str, Any]:
        runtime = importlib.import_module("onnxruntime")
        analysis = importlib.import_module("insightface.app").FaceAnalysis
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            with (
                # It takes only a folder, and loads all that lies there: a new one, closed to
                # others, with the very bytes that were looked through and hashed.
                tempfile.TemporaryDirectory(prefix="finishkit-") as copied,
                contextlib.redirect_stdout(io.StringIO()),  # it prints what it loads
            ):
                for graph in self._graphs:
                    (Path(copied) / graph.path.name).write_bytes(graph.data)
                app = analysis(
                    # An existing absolute folder: joined to any root it stays itself, and what
                    # exists is not downloaded (insightface.utils.storage.download).
                    name=copied,
                    root=str(Path(copied).parent),
                    allowed_modules=list(MODULES),
                    providers=list(PROVIDERS),
                    sess_options=options,
                )
                app.prepare(ctx_id=-1, det_thresh=SCORE_MIN, det_size=SEARCH_PX)
            models = {name: app.models[name] for name in MODULES}
            self._graphs = ()  # hundreds of megabytes, which the sessions hold now
            return models
        except Exception as error:  # assertions, key errors and onnxruntime's own
            raise FinishError(
                f"insightface cannot load the pack {self._folder}"
                f" ({type(error).__name__}: {error}). Unpack it again.",
                "bad_model",
            ) from error

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Return the faces of a picture, largest first.

        Parameters
        ----------
        image : ndarray, shape (h, w, 3), dtype uint8
            R'G'B', full range.

        Returns
        -------
        faces : tuple of Face
            With ``centres``, in pixels of ``image``.
        """
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        boxes, points = self._models["detection"].detect(bgr)
        if points is None:
            return ()
        faces = [
            Face(
                box=tuple(map(float, row[:4])),  # type: ignore[arg-type]
                landmarks=np.asarray(five, np.float64),
                score=float(row[4]),
                points="centres",
            )
            for row, five in zip(boxes, points, strict=True)
        ]
        return tuple(sorted(faces, key=lambda face: -face.side_px))

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        """Return the embedding of one face, averaged with its mirror's.

        Parameters
        ----------
        image : ndarray, shape (h, w, 3), dtype uint8
            The picture in which ``face`` was found.
        face : Face
            One of those found in ``image``.

        Returns
        -------
        embedding : ndarray, shape (d,), dtype float64
            Of unit length.
        """
        recogniser = self._models["recognition"]
        chip = cut_chip(image, face, int(recogniser.input_size[0]))[..., ::-1]
        pair = [np.ascontiguousarray(chip), np.ascontiguousarray(chip[:, ::-1])]
        # One by one: some packs fix the batch at 1.
        vectors = [np.asarray(recogniser.get_feat(one), np.float64).ravel() for one in pair]
        return unit_mean(np.stack(vectors))

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return 1 - cosine, as for any ArcFace-class net.

        Parameters
        ----------
        a, b : ndarray, shape (d,), dtype float64
            Embeddings, or means of embeddings.

        Returns
        -------
        distance : float
        """
        return cosine_distance(a, b)


def pack_files(folder: Path) -> tuple[Graph, Graph]:
    """Return the detector and the recogniser of a pack.

    Parameters
    ----------
    folder : Path
        Of the unpacked pack.

    Returns
    -------
    detector, recogniser : Graph
        The first of each by name, as insightface takes them.

    Raises
    ------
    FinishError
        ``backend_missing`` or ``bad_model``; see :class:`InsightFaceBackend`.
    """
    graphs = [read_graph(path) for path in sorted(folder.glob("*.onnx"))]
    detector = next((g for g in graphs if g.is_scrfd), None)
    recogniser = next((g for g in graphs if g.recognises), None)
    if detector is None or recogniser is None:
        lacks = " and ".join(
            what
            for what, found in (
                ("a detector with landmarks (det_10g.onnx)", detector),
                ("a recogniser (w600k_r50.onnx)", recogniser),
            )
            if found is None
        )
        raise FinishError(
            f"The insightface pack {folder} lacks {lacks}, and finishkit does not download it."
            " Unpack buffalo_l.zip into that folder, or name another with --faces"
            " insightface:FOLDER.",
            "backend_missing",
        )
    return detector, recogniser
