"""A face, what a backend must offer, and what its distances mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

MIN_FACE_PX: Final = 64
"""Side of the box, in pixels of the file, below which an embedding says nothing: a face softened
to a quarter already shifts by 0.21 (dlib)."""
MAX_TURN: Final = 0.35
_BASE_OF_NOSE: Final = 0.43
"""Where the nose meets the lip, on the way from its tip to the middle of the mouth: on the mean
face of dlib's 68 landmarks, seen from the front."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One face in one picture.

    Attributes
    ----------
    box : tuple of float
        Left, top, right, bottom in pixels of the picture searched; may reach over its edge.
    landmarks : ndarray, shape (5, 2), dtype float64
        x, y of the points that ``points`` names. Left and right are the picture's.
    score : float
        The detector's confidence; dlib's is unbounded, above 0 for a detection; of the others in
        [0, 1].
    points : {'corners', 'centres'}
        ``corners``, of dlib: outer and inner corner of the right eye, outer and inner corner of
        the left eye, base of the nose. ``centres``, of YuNet and SCRFD: centre of the left eye,
        centre of the right eye, tip of the nose, left and right corner of the mouth.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float
    points: Literal["corners", "centres"] = "corners"

    @property
    def side_px(self) -> float:
        """Shorter side of the box."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def eyes(self) -> NDArray[np.float64]:
        """Centres of the left and the right eye of the picture, shape (2, 2)."""
        if self.points == "centres":
            return self.landmarks[:2]
        return np.array([self.landmarks[2:4].mean(axis=0), self.landmarks[0:2].mean(axis=0)])

    @property
    def nose_base(self) -> NDArray[np.float64]:
        """Where the nose meets the lip, shape (2,); from tip and mouth where only they are known.

        The tip stands out of the face: of a head turned a little it moves twice as far.
        """
        if self.points == "corners":
            return self.landmarks[4]
        tip, mouth = self.landmarks[2], self.landmarks[3:5].mean(axis=0)
        return tip + _BASE_OF_NOSE * (mouth - tip)

    @property
    def turn(self) -> float:
        """How far the head is turned: the nose's offset along the eye line, in eye distances."""
        left, right = self.eyes
        line = right - left
        length = float(np.linalg.norm(line))
        if not length:
            return 0.0
        return float((self.nose_base - (right + left) / 2) @ line / length**2)


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


class FaceDetector(Protocol):
    """What finds faces.

    Attributes
    ----------
    name : str
        With the digest of its file where it has one; part of every cache key.
    licence : str
    commercial : bool
        Whether the licence clearly allows work that is sold.
    """

    @property
    def name(self) -> str:
        """Name, with the digest of its weights where they are a file of the user's."""
        ...

    @property
    def licence(self) -> str:
        """Licence of the weights, in words."""
        ...

    @property
    def commercial(self) -> bool:
        """Whether the licence clearly allows work that is sold."""
        ...

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Return the faces of a picture, largest first."""
        ...


class FaceBackend(FaceDetector, Protocol):
    """A detector and an embedding that belong together.

    Attributes
    ----------
    name : str
        With the digests of the weights; part of every cache key and of every report.
    limits : FaceLimits
    """

    @property
    def limits(self) -> FaceLimits:
        """Distances that mean something in this backend's space."""
        ...

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        """Return the embedding of one face of that picture."""
        ...

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return how far apart two embeddings are, >= 0."""
        ...


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
        # A mirrored face alone shifts dlib's embedding by 0.185: averaging both halves that bias.
        for picture in (image, np.ascontiguousarray(image[:, ::-1])):
            faces = backend.detect(picture)
            if faces:
                vectors.append(backend.embed(picture, faces[0]))
    return np.mean(vectors, axis=0) if vectors else None
