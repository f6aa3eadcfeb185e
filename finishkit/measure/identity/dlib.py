"""dlib's faces: all that is needed comes from PyPI, and may be used commercially."""

import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit import untrusted
from finishkit.errors import FinishError
from finishkit.measure.identity.faces import Face, FaceLimits

DETECT_SHORT_PX: Final = (360, 540, 720)
"""Short sides searched in turn until a face is found: HOG's smallest face is 80 px, so these find
faces of 22, 15 and 11 % of the short side, in 14, 32 and 60 ms."""

FILES: Final = {
    "shape_predictor_5_face_landmarks.dat": (
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888"
    ),
    "dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    ),
}
"""The two files of face_recognition_models 0.3.0 that are used, and their sha256: dlib reads its
own binary format, in C++, and must be given no other bytes than these."""
MAX_BYTES: Final = 64 * 2**20


class DlibBackend:
    """dlib's HOG detector, 5-point landmarks and 128-d residual network.

    Faces of shots are embedded once, not with their mirror: that takes twice the time (90 ms a
    face) and separates single frames of generated people better (AUC 0.966 against 0.953, 115
    faces of 16), but whole shots no better (nearest to their own reference 15 of 16 against 16 of
    16 on a cast of ten). Other paddings of the chip than dlib's 0.25 (0.15, 0.35, 0.45) and
    enlarging small faces before embedding separated no better either.

    Parameters
    ----------
    folder : Path, optional
        Where the two weight files lie; by default in the ``face_recognition_models`` package.

    Raises
    ------
    FinishError
        ``backend_missing``; ``weights_changed``, when the first picture comes, for a file with
        other bytes than were pinned.
    """

    name: str = "dlib"
    licence: str = "detector and 5-point landmarks CC0, embedding network CC0; code Boost 1.0"
    commercial: bool = True
    # The 43 labelled faces of facts 4: no wrong alarm above 0.52, morphs of 65 % found at 0.96.
    limits: FaceLimits = FaceLimits(regenerate=0.52, spread=0.42, margin=0.07)

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or _dlib_weights()
        self._points_file, self._network_file = (folder / name for name in FILES)
        for file in (self._points_file, self._network_file):
            if not file.is_file():
                raise FinishError(
                    f"{file} is missing. Run: pip install face_recognition_models",
                    "backend_missing",
                )

    # Loaded when the first picture comes: distances and limits alone need no weights.
    @functools.cached_property
    def _dlib(self) -> Any:
        import dlib

        return dlib

    @functools.cached_property
    def _detector(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @functools.cached_property
    def _points(self) -> Any:
        with untrusted.private_file(_pinned(self._points_file)) as path:
            return self._dlib.shape_predictor(path)

    @functools.cached_property
    def _network(self) -> Any:
        with untrusted.private_file(_pinned(self._network_file)) as path:
            return self._dlib.face_recognition_model_v1(path)

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Return the faces of a picture, largest first.

        Parameters
        ----------
        image : ndarray, shape (h, w, 3), dtype uint8
            R'G'B', full range. Searched at a short side of 360 px (enlarged when smaller), and
            on a miss at 540 and 720.

        Returns
        -------
        faces : tuple of Face
            In pixels of ``image``. Empty says that nothing was found, not that nobody is there.
        """
        image = np.ascontiguousarray(image)
        height, width = image.shape[:2]
        for short_px in DETECT_SHORT_PX:
            scale = short_px / min(height, width)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            small = image if scale == 1 else cv2.resize(image, size, interpolation=way)
            boxes, scores, _ = self._detector.run(small, 0, 0.0)
            if len(boxes):
                found = [
                    self._face(image, box, 1 / scale, score)
                    for box, score in zip(boxes, scores, strict=True)
                ]
                return tuple(sorted(found, key=lambda face: -face.side_px))
        return ()

    def _face(self, image: NDArray[np.uint8], box: Any, scale: float, score: float) -> Face:
        edges = (box.left(), box.top(), box.right() + 1, box.bottom() + 1)
        left, top, right, bottom = (edge * scale for edge in edges)
        shape = self._points(image, self._rectangle((left, top, right, bottom)))
        points = np.array([(p.x, p.y) for p in shape.parts()], np.float64)
        return Face(box=(left, top, right, bottom), landmarks=points, score=float(score))

    def _rectangle(self, box: tuple[float, float, float, float]) -> Any:
        left, top, right, bottom = (round(edge) for edge in box)
        return self._dlib.rectangle(left, top, right - 1, bottom - 1)

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        """Return the 128-d embedding of one face.

        Parameters
        ----------
        image : ndarray, shape (h, w, 3), dtype uint8
            The picture in which ``face`` was found.
        face : Face
            One of those found in ``image``.

        Returns
        -------
        embedding : ndarray, shape (128,), dtype float64
            Not of unit length; its length says nothing about quality.
        """
        points = self._dlib.points()
        for x, y in face.landmarks:
            points.append(self._dlib.point(round(x), round(y)))
        shape = self._dlib.full_object_detection(self._rectangle(face.box), points)
        vector = self._network.compute_face_descriptor(np.ascontiguousarray(image), shape)
        return np.array(vector, np.float64)

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return the Euclidean distance of two embeddings.

        Parameters
        ----------
        a, b : ndarray, shape (128,), dtype float64
            Embeddings.

        Returns
        -------
        distance : float
            Same person: 0.34 mean, 0.52 at most; others: 0.86 mean, 0.45 at least (facts 4).
        """
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)))


def _pinned(path: Path) -> bytes:
    try:
        content = untrusted.read_bytes(path, MAX_BYTES)
    except (OSError, untrusted.TooLargeError) as error:
        raise FinishError(
            f"{path} cannot be read ({error}). Run: pip install --force-reinstall"
            " face_recognition_models",
            "backend_missing",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[path.name]:
        raise FinishError(
            f"{path} is not the file finishkit was tested with: its sha256 is {found[:12]}..., not"
            f" {FILES[path.name][:12]}.... Run: pip install --force-reinstall"
            " face_recognition_models==0.3.0",
            "weights_changed",
        )
    return content


def _dlib_weights() -> Path:
    # find_spec, not import: the package's own __init__ needs pkg_resources, gone from setuptools.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise FinishError(
            "The face weights are not installed. Run: pip install face_recognition_models",
            "backend_missing",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "models"
