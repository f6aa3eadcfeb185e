"""Faces: finding them, and how far one is from another.

Three backends behind one protocol. dlib works offline and is the default: it finds blatant swaps
and cannot tell similar faces apart (facts 10), which is why every distance goes out with the
cast's own separability. An ArcFace-class recogniser, from a file of the user's or in a pack of
insightface, tells nearly all of them apart.
"""

import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity.arcface import ArcFaceBackend
from finishkit.measure.identity.choose import (
    AUTO,
    Choice,
    backend_choices,
    choose_backend,
    faces_dir,
    load_backend,
)
from finishkit.measure.identity.dlib import DETECT_SHORT_PX, DlibBackend
from finishkit.measure.identity.faces import (
    MAX_TURN,
    MIN_FACE_PX,
    Face,
    FaceBackend,
    FaceDetector,
    FaceLimits,
    is_usable,
    reference_embedding,
)
from finishkit.measure.identity.pack import InsightFaceBackend
from finishkit.measure.identity.yunet import YuNetDetector

__all__ = [
    "AUTO",
    "DETECT_SHORT_PX",
    "MAX_TURN",
    "MIN_FACE_PX",
    "ArcFaceBackend",
    "Choice",
    "DlibBackend",
    "Face",
    "FaceBackend",
    "FaceDetector",
    "FaceLimits",
    "InsightFaceBackend",
    "YuNetDetector",
    "backend_choices",
    "choose_backend",
    "detect_faces",
    "distance",
    "embed",
    "faces_dir",
    "is_usable",
    "load_backend",
    "reference_embedding",
]


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
