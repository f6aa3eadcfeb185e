"""A recogniser net from an ONNX file: run by OpenCV, or by onnxruntime where OpenCV cannot."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.measure.identity.graph import Graph

MEAN: Final = 127.5
"""Taken off, and divided by, unless the graph does so itself: insightface's ``ArcFaceONNX``."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Network:
    """An ArcFace-class net.

    Parameters
    ----------
    graph : Graph
        Of its file.

    Attributes
    ----------
    side_px : int
        Side of the chips it takes.

    Raises
    ------
    FinishError
        ``bad_model`` when the file takes anything but square chips of a multiple of 112 px.
    """

    def __init__(self, graph: Graph) -> None:
        if not graph.recognises:
            told = " and ".join("x".join(map(str, s)) or "nothing" for s in graph.inputs)
            raise FinishError(
                f"{graph.path} is no ArcFace-class recogniser: it takes {told or 'nothing'} (0:"
                f" free) and gives {len(graph.outputs)} outputs, where Nx3x112x112 and one are"
                " expected. Name the recogniser's file (of a pack: w600k_r50.onnx or"
                " glintr100.onnx).",
                "bad_model",
            )
        self.side_px = graph.inputs[0][2]
        self._one_by_one = graph.inputs[0][0] == 1
        self._graph = graph
        self._run: Run | None = None

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the vectors of chips.

        Parameters
        ----------
        chips : ndarray, shape (n, side_px, side_px, 3), dtype uint8
            R'G'B', upright on the template.

        Returns
        -------
        vectors : ndarray, shape (n, d), dtype float64
            As the net gives them: not of unit length.

        Raises
        ------
        FinishError
            ``bad_model`` when the net cannot be run or gives no numbers.
        """
        batch = chips.astype(np.float32).transpose(0, 3, 1, 2)
        if not self._graph.normalises:
            batch = (batch - np.float32(MEAN)) / np.float32(MEAN)
        if self._run is None:
            self._run = _runner(self._graph)
        parts = [batch[i : i + 1] for i in range(len(batch))] if self._one_by_one else [batch]
        out = [self._run(np.ascontiguousarray(part)) for part in parts]
        vectors = np.concatenate([o.reshape(len(p), -1) for o, p in zip(out, parts, strict=True)])
        if not np.isfinite(vectors).all():
            raise FinishError(
                f"{self._graph.path} gives vectors that are no numbers. Download it again.",
                "bad_model",
            )
        return vectors.astype(np.float64)


def _runner(graph: Graph) -> Run:
    # OpenCV first, since it is there anyway: it agrees with onnxruntime to 1.3e-6 of the longest
    # component (MobileFaceNet) and 1.5e-5 (ResNet-100), in half the time and in the same time.
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(graph.data, np.uint8))  # type: ignore[call-overload]
        run = _by_opencv(net)
        shape = graph.inputs[0]
        run(np.zeros((1, *shape[1:]), np.float32))
        return run
    except cv2.error as error:
        if importlib.util.find_spec("onnxruntime") is None:
            raise FinishError(
                f"OpenCV cannot run {graph.path} ({error.err or error}). Run: pip install"
                " onnxruntime",
                "bad_model",
            ) from error
        return _by_onnxruntime(graph)


def _by_opencv(net: Any) -> Run:
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        net.setInput(batch)
        return net.forward().copy()  # the array is the net's own and overwritten by the next

    return run


def _by_onnxruntime(graph: Graph) -> Run:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    # Shots run side by side in processes: threads within one would only wait for each other.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = runtime.InferenceSession(graph.data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class of its errors
        raise FinishError(
            f"Neither OpenCV nor onnxruntime can run {graph.path} ({error}). Download it again.",
            "bad_model",
        ) from error
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]
