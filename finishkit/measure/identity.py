"""Faces: finding them, and how far one is from another.

The backend that works offline is dlib's: detector, 5-point landmarks (CC0) and the 128-d network.
It finds blatant swaps and cannot tell similar faces apart (facts 10), which is why every distance
goes out with the cast's own separability.
"""

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError

DETECT_SHORT_PX: Final = (360, 540, 720)
"""Short sides searched in turn until a face is found: HOG's smallest face is 80 px, so these find
faces of 22, 15 and 11 % of the short side, in 14, 32 and 60 ms."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One face in one picture.

    Attributes
    ----------
    box : tuple of float
        Left, top, right, bottom in pixels of the picture searched; may reach over its edge.
    landmarks : ndarray, shape (5, 2), dtype float64
        x, y: outer and inner corner of the eye at the right of the picture, outer and inner
        corner of the eye at its left, base of the nose.
    score : float
        The detector's confidence; dlib's is unbounded, above 0 for a detection.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float

    @property
    def side_px(self) -> float:
        """Shorter side of the box."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def turn(self) -> float:
        """How far the head is turned: the nose's offset along the eye line, in eye distances."""
        right, left = self.landmarks[0:2].mean(axis=0), self.landmarks[2:4].mean(axis=0)
        line = right - left
        length = float(np.linalg.norm(line))
        if not length:
            return 0.0
        return float((self.landmarks[4] - (right + left) / 2) @ line / length**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceLimits:
    """Distances of one backend's space.

    Attributes
    ----------
    regenerate : float
        A shot further than this from its character shows somebody else.
    spread : float
        95th percentile to the shot's own centre above which the face drifts within the shot.
    margin : float
        Distances within this of ``regenerate`` are for a person to check.
    """

    regenerate: float
    spread: float
    margin: float


class FaceBackend(Protocol):
    """A detector and an embedding that belong together.

    Attributes
    ----------
    name : str
        As given to :func:`load_backend`; part of every cache key.
    licence : str
    limits : FaceLimits
    """

    @property
    def name(self) -> str:
        """Name by which it is loaded."""
        ...

    @property
    def licence(self) -> str:
        """Licence of the weights, in words."""
        ...

    @property
    def limits(self) -> FaceLimits:
        """Distances that mean something in this backend's space."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Return the faces of a picture, largest first."""
        ...

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        """Return the embedding of one face of that picture."""
        ...

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return how far apart two embeddings are, >= 0."""
        ...


MIN_FACE_PX: Final = 64
"""Side of the box, in pixels of the file, below which an embedding says nothing: a face softened
to a quarter already shifts by 0.21."""
MAX_TURN: Final = 0.35


def is_usable(face: Face, scale: float = 1.0) -> bool:
    """Say whether a face can be compared: large enough, and not turned away.

    Parameters
    ----------
    face : Face
        As detected.
    scale : float
        Pixels of the file a pixel of the picture searched.

    Returns
    -------
    usable : bool
        Side of at least 64 px, turned by at most 0.35 eye distances.
    """
    return face.side_px * scale >= MIN_FACE_PX and abs(face.turn) <= MAX_TURN


@functools.cache
def load_backend(name: str = "dlib") -> FaceBackend:
    """Load a face backend, once a process.

    Parameters
    ----------
    name : {'dlib'}
        Which one.

    Returns
    -------
    backend : FaceBackend

    Raises
    ------
    FinishError
        ``no_such_backend``, or ``backend_missing`` when its weights are not installed.
    """
    if name == "dlib":
        return DlibBackend()
    raise FinishError(f"There is no face backend {name!r}. There is: dlib.", "no_such_backend")


class DlibBackend:
    """dlib's HOG detector, 5-point landmarks and 128-d residual network.

    Parameters
    ----------
    folder : Path, optional
        Where the two weight files lie; by default in the ``face_recognition_models`` package.

    Raises
    ------
    FinishError
        ``backend_missing``.
    """

    name: str = "dlib"
    licence: str = "detector and 5-point landmarks CC0, embedding network CC0; code Boost 1.0"
    # The 43 labelled faces of facts 4: no wrong alarm above 0.52, morphs of 65 % found at 0.96.
    limits: FaceLimits = FaceLimits(regenerate=0.52, spread=0.42, margin=0.07)

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or _dlib_weights()
        self._points_file = folder / "shape_predictor_5_face_landmarks.dat"
        self._network_file = folder / "dlib_face_recognition_resnet_model_v1.dat"
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
        return self._dlib.shape_predictor(str(self._points_file))

    @functools.cached_property
    def _network(self) -> Any:
        return self._dlib.face_recognition_model_v1(str(self._network_file))

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


def _dlib_weights() -> Path:
    # find_spec, not import: the package's own __init__ needs pkg_resources, gone from setuptools.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise FinishError(
            "The face weights are not installed. Run: pip install face_recognition_models",
            "backend_missing",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "models"


def detect_faces(image: NDArray[np.uint8], backend: str = "dlib") -> tuple[Face, ...]:
    """Return the faces of a picture, largest first; see :meth:`DlibBackend.detect`.

    Parameters
    ----------
    image : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range.
    backend : str
        Name of a backend, see :func:`load_backend`.

    Returns
    -------
    faces : tuple of Face
    """
    return load_backend(backend).detect(image)


def embed(image: NDArray[np.uint8], face: Face, backend: str = "dlib") -> NDArray[np.float64]:
    """Return the embedding of one face of a picture; see :meth:`DlibBackend.embed`.

    Parameters
    ----------
    image : ndarray, shape (h, w, 3), dtype uint8
        The picture in which ``face`` was found.
    face : Face
        What to embed.
    backend : str
        Name of a backend, see :func:`load_backend`.

    Returns
    -------
    embedding : ndarray, shape (d,), dtype float64
    """
    return load_backend(backend).embed(image, face)


def distance(a: NDArray[np.float64], b: NDArray[np.float64], backend: str = "dlib") -> float:
    """Return how far apart two embeddings are; see :meth:`DlibBackend.distance`.

    Parameters
    ----------
    a, b : ndarray, shape (d,), dtype float64
        Embeddings of that backend.
    backend : str
        Name of a backend, see :func:`load_backend`.

    Returns
    -------
    distance : float
    """
    return load_backend(backend).distance(a, b)


def reference_embedding(
    images: Sequence[NDArray[np.uint8]], backend: FaceBackend
) -> NDArray[np.float64] | None:
    """Return what a character looks like: the mean over approved pictures and their mirrors.

    Parameters
    ----------
    images : sequence of ndarray, shape (h, w, 3), dtype uint8
        The largest face of each counts.
    backend : FaceBackend
        What finds and embeds them.

    Returns
    -------
    embedding : ndarray, shape (d,), dtype float64, or None
        None when no picture shows a face that can be found.
    """
    vectors: list[NDArray[np.float64]] = []
    for image in images:
        # A mirrored face alone shifts an embedding by 0.185: averaging both halves that bias.
        for picture in (image, np.ascontiguousarray(image[:, ::-1])):
            faces = backend.detect(picture)
            if faces:
                vectors.append(backend.embed(picture, faces[0]))
    return np.mean(vectors, axis=0) if vectors else None
