"""ONNX files of strangers: looked through in the protobuf before any runtime sees them.

A net may name tensors in other files, which a runtime then opens (CVE-2022-25882, CVE-2024-27318,
CVE-2026-34447), operators of libraries it loads, or functions of its own. None of it is needed to
run a net that is one file, and all of it is refused, wherever it hides. Only the protobuf fields
named below are looked at; the rest is stepped over, so that 250 MB cost as little as 4.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from finishkit import untrusted
from finishkit.errors import FinishError

MAX_BYTES: Final = 2**30
"""The largest recogniser that people use has 261 MB; protobuf itself ends at 2 GiB."""
MAX_FIELDS: Final = 300_000
"""Protobuf fields looked at; ResNet-100 has some ten thousand."""
MAX_DEPTH: Final = 16
DOMAINS: Final = frozenset({"", "ai.onnx"})
"""The standard operators. Others are a library's, or a runtime's private ones."""
ENDLESS: Final = frozenset({"Loop", "Scan"})
"""Operators that repeat a graph as often as a number in the file says."""

# Field numbers of onnx.proto3, stable by protobuf's rules.
MODEL_GRAPH: Final = 7
_MODEL_OPSETS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 8, 20, 25
_OPSET_DOMAIN = 1
GRAPH_NODE: Final = 1
GRAPH_INITIALIZER: Final = 5
_GRAPH_SPARSE = 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSES = (5, 10), (6, 11), (22, 23)
_TENSOR_DIMS, TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 8, 13, 14


class RefusedError(ValueError):
    """The file is ONNX and asks for what is not given to it."""


class Walk:
    """Reads protobuf fields, and counts them.

    Parameters
    ----------
    most : int
        Fields, over all messages; a file made of empty fields would take minutes.
    """

    def __init__(self, most: int = MAX_FIELDS) -> None:
        self._left = most

    def fields(self, message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Yield field numbers with their value, or, of text and messages, their bytes.

        Parameters
        ----------
        message : memoryview
            Its bytes.

        Raises
        ------
        ValueError, IndexError
            When it is no protobuf, or a parser in C could read other fields in it than this one.
        """
        at = 0
        while at < len(message):
            self._left -= 1
            if self._left < 0:
                raise RefusedError("has more fields than a net needs")
            key, at = _varint(message, at)
            # protobuf cuts a longer key to 32 bits, and so sees another field than we would.
            if key >= 2**32 or key < 8:
                raise ValueError(f"field key {key} at byte {at}")
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
            if at + size > len(message):
                raise ValueError(f"a field ends behind the file's end at byte {at}")
            yield number, message[at : at + size]
            at += size

    def all(self, message: memoryview, *numbers: int) -> list[memoryview]:
        """Return the messages and texts in fields of these numbers."""
        found = self.fields(message)
        return [v for n, v in found if n in numbers and isinstance(v, memoryview)]

    def one(self, message: memoryview, number: int) -> memoryview:
        """Return the one message or text in a field; of none an empty one.

        Raises
        ------
        ValueError
            When it is given twice: protobuf would merge the two.
        """
        found = self.all(message, number)
        if len(found) > 1:
            raise ValueError(f"{len(found)} times field {number}")
        return found[0] if found else memoryview(b"")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            if value >= 2**64:
                break
            return value, at
        shift += 7
    raise ValueError(f"a number without end at byte {at}")


def text(value: memoryview) -> str:
    """Return a field's text."""
    return bytes(value).decode("utf-8", "replace")


def read_onnx(path: Path) -> bytes:
    """Read an ONNX file once, and refuse what must not be run.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    content : bytes
        What was looked through: give these to the runtime, not the path.

    Raises
    ------
    OSError
        When it cannot be read.
    FinishError
        ``bad_model``; see :func:`require_plain`.
    """
    try:
        content = untrusted.read_bytes(path, MAX_BYTES)
    except untrusted.TooLargeError as error:
        raise FinishError(
            f"{path} is larger than a net can be ({MAX_BYTES // 2**20} MiB). Name another file.",
            "bad_model",
        ) from error
    require_plain(content, path)
    return content


def require_plain(content: bytes, path: Path) -> None:
    """Refuse an ONNX file that needs anything but itself and the standard operators.

    Parameters
    ----------
    content : bytes
        The whole file.
    path : Path
        For the message.

    Raises
    ------
    FinishError
        ``bad_model``: no ONNX file; weights in other files, which could be any file of this
        machine; sparse weights; operators of other libraries; functions, training graphs or loops;
        a tensor that announces more than it carries.
    """
    try:
        _Look(Walk()).model(memoryview(content))
    except RefusedError as error:
        raise FinishError(
            f"{path} {error}, which finishkit does not run. Get the model as one file of standard"
            " ONNX operators.",
            "bad_model",
        ) from error
    except (IndexError, ValueError, RecursionError) as error:
        raise FinishError(
            f"{path} is no ONNX file ({error}). Download it again; a file of a few hundred bytes is"
            " a pointer of Git LFS and not the model.",
            "bad_model",
        ) from error


class _Look:
    """Looks through a model, message by message, each of them once."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk

    def model(self, model: memoryview) -> None:
        graph: memoryview | None = None
        for number, value in self._walk.fields(model):
            if not isinstance(value, memoryview):
                continue
            if number == MODEL_GRAPH:
                if graph is not None:
                    raise ValueError("two graphs")
                graph = value
            elif number == _MODEL_OPSETS:
                self._domain(text(self._walk.one(value, _OPSET_DOMAIN)), used=False)
            elif number == _MODEL_TRAINING:
                raise RefusedError("carries a training graph")
            elif number == _MODEL_FUNCTIONS:
                raise RefusedError("carries functions of its own")
        if graph is None:
            raise ValueError("no graph")
        self._graph(graph, 0)

    def _domain(self, name: str, *, used: bool = True) -> None:
        # Converters list domains they do not use; only a node makes a runtime look for one.
        if used and name not in DOMAINS:
            raise RefusedError(f"uses operators of {untrusted.shown(name)!r}")

    def _graph(self, graph: memoryview, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise RefusedError("nests graphs too deep")
        for number, value in self._walk.fields(graph):
            if not isinstance(value, memoryview):
                continue
            if number == GRAPH_INITIALIZER:
                self._tensor(value)
            elif number == _GRAPH_SPARSE:
                raise RefusedError("carries sparse weights")
            elif number == GRAPH_NODE:
                self._node(value, depth)

    def _node(self, node: memoryview, depth: int) -> None:
        for number, value in self._walk.fields(node):
            if not isinstance(value, memoryview):
                continue
            if number == _NODE_DOMAIN:
                self._domain(text(value))
            elif number == _NODE_OPERATOR and text(value) in ENDLESS:
                raise RefusedError(f"repeats a graph ({text(value)})")
            elif number == _NODE_ATTRIBUTE:
                self._attribute(value, depth)

    def _attribute(self, attribute: memoryview, depth: int) -> None:
        for number, value in self._walk.fields(attribute):
            if not isinstance(value, memoryview):
                continue
            if number in _ATTRIBUTE_TENSORS:
                self._tensor(value)
            elif number in _ATTRIBUTE_SPARSES:
                raise RefusedError("carries sparse weights")
            elif number in _ATTRIBUTE_GRAPHS:
                self._graph(value, depth + 1)

    def _tensor(self, tensor: memoryview) -> None:
        count, name, elsewhere = 1, "unnamed", False
        for number, value in self._walk.fields(tensor):
            if number == _TENSOR_DIMS:
                # One by one, or packed.
                for size in [value] if isinstance(value, int) else _packed(value):
                    count *= size
            elif number == TENSOR_NAME and isinstance(value, memoryview):
                name = untrusted.shown(text(value))
            # protobuf cuts the place's number to 32 bits.
            elif number == _TENSOR_EXTERNAL or (
                number == _TENSOR_LOCATION and isinstance(value, int) and value % 2**32
            ):
                elsewhere = True
        if elsewhere:
            raise RefusedError(f"keeps its weights {name!r} in another file")
        # The narrowest type packs two values a byte.
        if count > 2 * len(tensor):
            raise RefusedError(f"announces {count} weights in {name!r} and carries fewer")


def _packed(value: memoryview) -> list[int]:
    sizes, at = [], 0
    while at < len(value):
        size, at = _varint(value, at)
        sizes.append(size)
    return sizes
