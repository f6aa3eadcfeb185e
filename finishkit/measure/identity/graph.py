"""What an ONNX file says of itself, read without running it and without the ``onnx`` package."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finishkit.errors import FinishError
from finishkit.onnxfile import (
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    TENSOR_NAME,
    Walk,
    read_onnx,
    text,
)

# Field numbers of onnx.proto3, stable by protobuf's rules.
_GRAPH_INPUT, _GRAPH_OUTPUT = 11, 12
_NODE_NAME = 3
_VALUE_NAME, _VALUE_TYPE = 1, 2
_FIRST_NODES: Final = 8
CHIP_PX: Final = 112
"""Side of an ArcFace-class net's input, or of a whole part of it."""
MAX_CHIP_PX: Final = 4 * CHIP_PX
"""A net that wants larger ones is another kind of net, or a way to fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """An ONNX file that may be run: it needs no other file.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the bytes that were read.
    data : bytes
        Those bytes: what is run is what was looked at.
    inputs, outputs : tuple of tuple of int
        Shapes, without inputs that are weights; 0 for a size that is free.
    normalises : bool
        The graph itself takes mean and scale off its input.
    """

    path: Path
    sha256: str
    data: bytes
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    normalises: bool

    @property
    def recognises(self) -> bool:
        """One upright chip in, one vector out: the signature of a recogniser."""
        if len(self.inputs) != 1 or len(self.inputs[0]) != 4 or len(self.outputs) != 1:
            return False
        _, channels, height, width = self.inputs[0]
        # Landmark nets of the same packs take 192 px and give one vector too.
        fits = CHIP_PX <= height <= MAX_CHIP_PX and height % CHIP_PX == 0
        return channels == 3 and height == width and fits

    @property
    def is_yunet(self) -> bool:
        """Class, objectness, box and points at three strides: the signature of YuNet."""
        return len(self.inputs) == 1 and len(self.outputs) == 12

    @property
    def is_scrfd(self) -> bool:
        """Score, box and points at three strides: an insightface detector with landmarks."""
        return len(self.inputs) == 1 and len(self.outputs) in (9, 15)


def read_graph(path: Path) -> Graph:
    """Read an ONNX file and refuse what must not be run.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    graph : Graph

    Raises
    ------
    FinishError
        ``backend_missing`` when there is no such file; ``bad_model`` when it is no ONNX file, or
        needs anything but itself: see :func:`finishkit.onnxfile.require_plain`.
    """
    try:
        data = read_onnx(path)
    except OSError as error:
        raise FinishError(
            f"The face model {path} cannot be read ({error.strerror}). Put the file there, or name"
            " another with --faces.",
            "backend_missing",
        ) from error
    walk = Walk()
    try:
        graph = walk.one(memoryview(data), MODEL_GRAPH)
        nodes = walk.all(graph, GRAPH_NODE)[:_FIRST_NODES]
        weights = {text(walk.one(w, TENSOR_NAME)) for w in walk.all(graph, GRAPH_INITIALIZER)}
        values = walk.all(graph, _GRAPH_INPUT)
        return Graph(
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            data=data,
            inputs=tuple(
                _shape(walk, v) for v in values if text(walk.one(v, _VALUE_NAME)) not in weights
            ),
            outputs=tuple(_shape(walk, v) for v in walk.all(graph, _GRAPH_OUTPUT)),
            normalises=_normalises([text(walk.one(n, _NODE_NAME)) for n in nodes]),
        )
    except (IndexError, ValueError) as error:
        raise FinishError(
            f"{path} is no ONNX file ({error}). Download it again.", "bad_model"
        ) from error


def _normalises(first_nodes: list[str]) -> bool:
    """Say as insightface's ArcFaceONNX does whether mean and scale are the graph's own."""
    takes_off = any(name.startswith(("Sub", "_minus")) for name in first_nodes)
    return takes_off and any(name.startswith(("Mul", "_mul")) for name in first_nodes)


def _shape(walk: Walk, value: memoryview) -> tuple[int, ...]:
    # ValueInfo.type -> TypeProto.tensor_type -> Tensor.shape -> TensorShape.dim -> dim_value
    dims = walk.all(walk.one(walk.one(walk.one(value, _VALUE_TYPE), 1), 2), 1)
    sizes = [
        next((v for n, v in walk.fields(dim) if n == 1 and isinstance(v, int)), 0) for dim in dims
    ]
    # A size of -1 is written by some converters for a free one.
    return tuple(size if size < 2**31 else 0 for size in sizes)
