"""What an ONNX file says of itself, read without running it and without the ``onnx`` package.

Only the protobuf fields named below are looked at; everything else is stepped over, so that a
file of 250 MB costs as little as one of 4.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finishkit.errors import FinishError

# Field numbers of onnx.proto3, stable by protobuf's rules.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_NAME, _NODE_ATTRIBUTE = 3, 5
_FUNCTION_NODE = 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
_VALUE_NAME, _VALUE_TYPE = 1, 2
_FIRST_NODES: Final = 8
CHIP_PX: Final = 112
"""Side of an ArcFace-class net's input, or of a whole part of it."""
_DEPTH: Final = 16


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
        return channels == 3 and height == width >= CHIP_PX and height % CHIP_PX == 0

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
        keeps weights in other files, which could be any file of this machine.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FinishError(
            f"The face model {path} cannot be read ({error.strerror}). Put the file there, or name"
            " another with --faces.",
            "backend_missing",
        ) from error
    try:
        graph = _one(memoryview(data), _MODEL_GRAPH)
        external = _external(memoryview(data))
        nodes = _all(graph, _GRAPH_NODE)
        weights = {_text(_one(w, _TENSOR_NAME)) for w in _all(graph, _GRAPH_INITIALIZER)}
        values = _all(graph, _GRAPH_INPUT)
        found = Graph(
            path=path,
            sha256=hashlib.sha256(data).hexdigest(),
            data=data,
            inputs=tuple(_shape(v) for v in values if _text(_one(v, _VALUE_NAME)) not in weights),
            outputs=tuple(_shape(v) for v in _all(graph, _GRAPH_OUTPUT)),
            normalises=_normalises([_text(_one(n, _NODE_NAME)) for n in nodes[:_FIRST_NODES]]),
        )
    except (IndexError, ValueError, RecursionError) as error:
        raise FinishError(
            f"{path} is no ONNX file ({error}). Download it again; a file of a few hundred bytes is"
            " a pointer of Git LFS and not the model.",
            "bad_model",
        ) from error
    if external:
        raise FinishError(
            f"{path} keeps its weights {external!r} in another file, which finishkit does not open."
            " Get the model as one file.",
            "bad_model",
        )
    return found


def _normalises(first_nodes: list[str]) -> bool:
    """Say as insightface's ArcFaceONNX does whether mean and scale are the graph's own."""
    takes_off = any(name.startswith(("Sub", "_minus")) for name in first_nodes)
    return takes_off and any(name.startswith(("Mul", "_mul")) for name in first_nodes)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field numbers with their value, or, of text and messages, their bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if not number or at + size > len(message):
            raise ValueError(f"a field ends behind the file's end at byte {at}")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(f"a number without end at byte {at}")


def _all(message: memoryview, number: int) -> list[memoryview]:
    return [v for n, v in _fields(message) if n == number and isinstance(v, memoryview)]


def _one(message: memoryview, number: int) -> memoryview:
    found = _all(message, number)
    # protobuf would merge a message given twice; what is written once needs no merging.
    if len(found) > 1 or (not found and number == _MODEL_GRAPH):
        raise ValueError(f"{len(found)} times field {number}")
    return found[0] if found else memoryview(b"")


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")


def _shape(value: memoryview) -> tuple[int, ...]:
    # ValueInfo.type -> TypeProto.tensor_type -> Tensor.shape -> TensorShape.dim -> dim_value
    dims = _all(_one(_one(_one(value, _VALUE_TYPE), 1), 2), 1)
    sizes = [next((v for n, v in _fields(dim) if n == 1 and isinstance(v, int)), 0) for dim in dims]
    # A size of -1 is written by some converters for a free one.
    return tuple(size if size < 2**31 else 0 for size in sizes)


def _external(model: memoryview) -> str:
    """Return the name of a tensor that lies in another file; empty when there is none."""
    graph = _one(model, _MODEL_GRAPH)
    for function in _all(model, _MODEL_FUNCTIONS):
        for node in _all(function, _FUNCTION_NODE):
            if name := _external_of_node(node, 0):
                return name
    return _external_of_graph(graph, 0)


def _external_of_graph(graph: memoryview, depth: int) -> str:
    if depth > _DEPTH:
        raise ValueError("graphs nested too deep")
    tensors = _all(graph, _GRAPH_INITIALIZER)
    for sparse in _all(graph, _GRAPH_SPARSE):
        tensors += [*_all(sparse, 1), *_all(sparse, 2)]
    for tensor in tensors:
        if name := _external_tensor(tensor):
            return name
    for node in _all(graph, _GRAPH_NODE):
        if name := _external_of_node(node, depth):
            return name
    return ""


def _external_of_node(node: memoryview, depth: int) -> str:
    for attribute in _all(node, _NODE_ATTRIBUTE):
        tensors = [*_all(attribute, _ATTRIBUTE_TENSOR), *_all(attribute, _ATTRIBUTE_TENSORS)]
        for sparse in (*_all(attribute, _ATTRIBUTE_SPARSE), *_all(attribute, _ATTRIBUTE_SPARSES)):
            tensors += [*_all(sparse, 1), *_all(sparse, 2)]
        for tensor in tensors:
            if name := _external_tensor(tensor):
                return name
        for graph in (*_all(attribute, _ATTRIBUTE_GRAPH), *_all(attribute, _ATTRIBUTE_GRAPHS)):
            if name := _external_of_graph(graph, depth + 1):
                return name
    return ""


def _external_tensor(tensor: memoryview) -> str:
    elsewhere = any(
        number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value == 1)
        for number, value in _fields(tensor)
    )
    return (_text(_one(tensor, _TENSOR_NAME)) or "unnamed") if elsewhere else ""
