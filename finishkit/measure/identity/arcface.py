"""An ArcFace-class recogniser from a file of the user's, behind dlib's detector or YuNet."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity.align import cut_chip
from finishkit.measure.identity.faces import Face, FaceDetector, FaceLimits
from finishkit.measure.identity.graph import Graph
from finishkit.measure.identity.licences import licence_of
from finishkit.measure.identity.network import Network

ARCFACE_LIMITS: Final = FaceLimits(regenerate=0.60, spread=0.45, margin=0.15)
"""In 1 - cosine, calibrated with a MobileFaceNet trained with ArcFace (the weakest of its class).

Centres of shots, 639 pairs of different people and 27 of one (real and generated): the same face
is at most 0.38 apart where a person sees the same face, different faces at least 0.68, but for
four pairs of women that four generators made from one prompt (0.38 to 0.59). In between lie the
likenesses that were not met: of one man asked of six generators the three that a person takes for
him at 0.22, 0.33 and 0.38, the doubtful ones at 0.53, the one that is somebody else at 0.63. 0.60
is insightface's own default, cosine 0.40. Spread: p95 within 26 clips 0.31, largest 0.33, of a
head that turns 0.41. Of single faces, 101 pairs of one person and 889 of two: same 0.39 at most,
different 0.64 at least.
A profile among frontal faces reaches a spread of 0.57 by its pose alone."""


def cosine_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return 1 - cosine of two vectors of any length.

    Parameters
    ----------
    a, b : ndarray, shape (d,), dtype float64
        Embeddings.

    Returns
    -------
    distance : float
        In [0, 2]; 1 when one of them is zero.
    """
    a, b = np.asarray(a), np.asarray(b)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(1 - a @ b / lengths, 0, 2)) if lengths else 1.0


def unit_mean(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of vectors, of unit length.

    Parameters
    ----------
    vectors : ndarray, shape (n, d), dtype float64
        A face's and its mirror's, as the net gives them.

    Returns
    -------
    mean : ndarray, shape (d,), dtype float64
    """
    total = vectors.sum(axis=0)
    return total / max(float(np.linalg.norm(total)), np.finfo(np.float64).tiny)


class ArcFaceBackend:
    """A recogniser's file and a detector.

    Parameters
    ----------
    graph : Graph
        Of the recogniser's file.
    detector : FaceDetector
        dlib's, whose five points have no mouth, or YuNet.

    Raises
    ------
    FinishError
        ``bad_model`` when the file is no recogniser.
    """

    limits: FaceLimits = ARCFACE_LIMITS

    def __init__(self, graph: Graph, detector: FaceDetector) -> None:
        self._network = Network(graph)
        self._detector = detector
        known = licence_of(graph)
        self.name = f"arcface:{graph.path.stem}@{graph.sha256[:12]}+{detector.name}"
        self.licence = f"{known.licence}; {detector.licence}"
        self.commercial = known.commercial and detector.commercial

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Return the faces of a picture, largest first; see the detector.

        Parameters
        ----------
        image : ndarray, shape (h, w, 3), dtype uint8
            R'G'B', full range.

        Returns
        -------
        faces : tuple of Face
        """
        return self._detector.detect(image)

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
            Of unit length; d is 128 or 512.
        """
        chip = cut_chip(image, face, self._network.side_px)
        return unit_mean(self._network.embed(np.stack([chip, chip[:, ::-1]])))

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return 1 - cosine; see :func:`cosine_distance` and :data:`ARCFACE_LIMITS`.

        Parameters
        ----------
        a, b : ndarray, shape (d,), dtype float64
            Embeddings, or means of embeddings.

        Returns
        -------
        distance : float
        """
        return cosine_distance(a, b)
