"""YuNet, by OpenCV: a small detector that finds small and turned faces, and gives five points."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.measure.identity.faces import Face
from finishkit.measure.identity.graph import Graph
from finishkit.measure.identity.licences import licence_of

SCORE_MIN: Final = 0.7
"""Unmeasured here: OpenCV's sample uses 0.9, the net's authors evaluate from 0.02 up; a false face
costs more than a missed one, which is only unknown."""
NMS_IOU: Final = 0.3
SEARCH_LONG_PX: Final = 640
"""Pictures are searched at this long side at most; the net finds faces of 10 px and up."""
_STRIDE_PX: Final = 32


class YuNetDetector:
    """OpenCV's ``FaceDetectorYN``.

    Parameters
    ----------
    graph : Graph
        Of the model file; for OpenCV 5 ``face_detection_yunet_2026may.onnx``.

    Raises
    ------
    FinishError
        ``bad_model`` when it is another net.
    """

    def __init__(self, graph: Graph) -> None:
        if not graph.is_yunet:
            raise FinishError(
                f"{graph.path} is no YuNet detector: it has {len(graph.outputs)} outputs, not 12."
                " Get face_detection_yunet_2026may.onnx from the OpenCV Zoo.",
                "bad_model",
            )
        known = licence_of(graph)
        self.name = f"yunet@{graph.sha256[:12]}"
        self.licence, self.commercial = known.licence, known.commercial
        self._graph = graph
        self._net: cv2.FaceDetectorYN | None = None

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
        height, width = image.shape[:2]
        scale = min(1.0, SEARCH_LONG_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        # Files with a fixed input size take any multiple of their largest stride.
        pad_w, pad_h = (-side % _STRIDE_PX for side in size)
        small = cv2.copyMakeBorder(small, 0, pad_h, 0, pad_w, cv2.BORDER_CONSTANT)
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        try:
            rows = self._detector(bgr.shape[1], bgr.shape[0]).detect(bgr)[1]
        except cv2.error as error:
            raise FinishError(
                f"OpenCV cannot run {self._graph.path} ({error.err or error}). For OpenCV 5 get"
                " face_detection_yunet_2026may.onnx from the OpenCV Zoo.",
                "bad_model",
            ) from error
        if rows is None:
            return ()
        back = np.array([width / size[0], height / size[1]])
        faces = [_face(row.astype(np.float64), back) for row in rows]
        return tuple(sorted(faces, key=lambda face: -face.side_px))

    def _detector(self, width: int, height: int) -> cv2.FaceDetectorYN:
        if self._net is None:
            level = cv2.utils.logging.getLogLevel()
            # OpenCV 5 warns of every net that its new engine has no targets to choose from.
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
            try:
                self._net = cv2.FaceDetectorYN.create(
                    "onnx",
                    np.frombuffer(self._graph.data, np.uint8),
                    np.zeros(0, np.uint8),
                    (width, height),
                    SCORE_MIN,
                    NMS_IOU,
                )
            finally:
                cv2.utils.logging.setLogLevel(level)
        self._net.setInputSize((width, height))
        return self._net


def _face(row: NDArray[np.float64], back: NDArray[np.float64]) -> Face:
    # Box as x, y, width, height; eye at the left of the picture first (the person's right).
    corner, extent = row[0:2] * back, row[2:4] * back
    return Face(
        box=(*map(float, corner), *map(float, corner + extent)),  # type: ignore[arg-type]
        landmarks=row[4:14].reshape(5, 2) * back,
        score=float(row[14]),
        points="centres",
    )
