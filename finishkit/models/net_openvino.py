"""A net run by OpenVINO on the CPU: its graph is written from the weights, format by format."""

import sys
import time
from collections import OrderedDict
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finishkit.models.cards import ModelCard
from finishkit.models.tiling import Out, Pictures
from finishkit.models.weights import load
from finishkit.working import beat

KEPT_SHAPES = 2
"""Compiled graphs kept: each holds the activations of its shape, 1 GB for an RRDB net."""

POLL_MS = 250
"""How often a graph at work is looked at, for the beat."""

LEAK = 0.2
"""Slope of the RRDB nets' rectifiers below zero, as in :mod:`finishkit.models.nets`."""

Node = Any
Tensors = dict[str, NDArray[np.float32]]


def openvino() -> ModuleType:
    """Import OpenVINO without its telemetry.

    At its import, and at conversions, the package reports to Google Analytics unless the user has
    forbidden it. It goes without where ``openvino_telemetry`` is missing.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        When the package is not installed.
    """
    name = "openvino_telemetry"
    kept = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # "not there", by Python's own rule
    try:
        import openvino as module
        from openvino import opset13 as _  # noqa: F401
    finally:
        if kept is None:
            del sys.modules[name]
        else:
            sys.modules[name] = kept
    return module


def knows(card: ModelCard) -> bool:
    """Tell whether a net can be written here: not every net the user brings."""
    return card.arch.partition("-")[0] in _BODIES


class OpenVinoNet:
    """A net of :data:`finishkit.models.nets.NETS`, compiled for each shape of pictures it meets.

    Parameters
    ----------
    card : ModelCard
        One of the ``upscale`` nets.
    precision : str
        ``float32`` or ``bfloat16``: what the net computes in.
    threads : int
        CPU threads.

    Raises
    ------
    ImportError
        When OpenVINO is not installed.
    """

    def __init__(self, card: ModelCard, precision: str, threads: int) -> None:
        ov = openvino()
        self._ov = ov
        self._card = card
        self._tensors: Tensors = {
            name: tensor.numpy() for name, tensor in load(card).state_dict().items()
        }
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Several workers share a machine: pinned, all would sit on its first cores.
            "ENABLE_CPU_PINNING": False,
        }
        self._core = ov.Core()
        self._compiled: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def __call__(self, pictures: Pictures, out: Out = "float32") -> Pictures:
        """Enlarge pictures, see :class:`finishkit.models.engine.Net`."""
        whole = np.ascontiguousarray(pictures)
        if not whole.flags.writeable:  # OpenVINO shares no read-only memory
            whole = whole.copy()
        n, h, w, c = whole.shape
        scale = self._card.scale
        enlarged = np.empty((n, h * scale, w * scale, c), np.dtype(out))
        try:
            request = self._request(whole.shape, whole.dtype.name, out)
            request.set_input_tensor(self._ov.Tensor(whole, shared_memory=True))
            request.set_output_tensor(self._ov.Tensor(enlarged, shared_memory=True))
            _finish(request)
        except BaseException:
            # Memory may have run out: what comes next needs it. Dropped, a request is waited for.
            self._compiled.clear()
            raise
        return enlarged

    def _request(self, shape: tuple[int, ...], given: str, out: Out) -> Any:
        key = (shape, given, out)
        if key not in self._compiled:
            while len(self._compiled) >= KEPT_SHAPES:
                self._compiled.popitem(last=False)
            graph = _graph(self._ov, self._card.arch, self._tensors, shape, given, out)
            compiled = self._core.compile_model(graph, "CPU", self._options)
            self._compiled[key] = compiled.create_infer_request()
        self._compiled.move_to_end(key)
        return self._compiled[key]


def _finish(request: Any) -> None:
    """Run a request to its end, beating as long as the processor works on it.

    A frame of an RRDB net takes minutes and tells nothing on the way. That the processor works on
    it does: a process that hangs spends no time.
    """
    request.start_async()
    spent_s = time.process_time()
    while not request.wait_for(POLL_MS):
        if time.process_time() > spent_s + POLL_MS / 10_000:
            spent_s = time.process_time()
            beat()
    request.wait()  # raises what went wrong


def _graph(
    ov: ModuleType, arch: str, tensors: Tensors, shape: tuple[int, ...], given: str, out: Out
) -> Any:
    """Write a net's graph, pictures to pictures: (n, h, w, 3) in [0, 1], or codes, both ways."""
    ops = ov.opset13
    pictures = ops.parameter(list(shape), np.dtype(given))
    x = ops.transpose(pictures, np.array([0, 3, 1, 2]))
    if given == "uint8":
        x = ops.divide(ops.convert(x, "f32"), np.float32(255))
    y = ops.clamp(_BODIES[arch.partition("-")[0]](_Layers(ops, tensors), x), 0.0, 1.0)
    if out == "uint8":
        y = ops.convert(ops.round(ops.multiply(y, np.float32(255)), "half_to_even"), "u8")
    enlarged = ops.transpose(y, np.array([0, 2, 3, 1]))
    return ov.Model([ops.result(enlarged)], [pictures], arch)


class _Layers:
    """The layers both nets are made of, by the names of their tensors."""

    def __init__(self, ops: Any, tensors: Tensors) -> None:
        self.ops = ops
        self.tensors = tensors

    def conv(self, x: Node, name: str) -> Node:
        """Return a 3x3 convolution with its bias."""
        one, weight = [1, 1], self.tensors[f"{name}.weight"]
        y = self.ops.convolution(x, self.ops.constant(weight), one, one, one, one)
        return self.ops.add(y, self.tensors[f"{name}.bias"].reshape(1, -1, 1, 1))

    def leaky(self, x: Node) -> Node:
        return self.ops.prelu(x, np.array([LEAK], np.float32))

    def nearest(self, x: Node, times: int) -> Node:
        """Repeat every pixel, both ways."""
        return self.ops.interpolate(
            x,
            np.array([times, times], np.float32),
            "nearest",
            "scales",
            axes=np.array([2, 3]),
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def short_cut(self, x: Node, deep: Node) -> Node:
        return self.ops.add(x, self.ops.multiply(deep, np.float32(0.2)))


def _srvgg(layers: _Layers, x: Node) -> Node:
    """Return :class:`finishkit.models.nets.SRVGGNetCompact`."""
    convs = sorted(
        int(name.split(".")[1])
        for name, tensor in layers.tensors.items()
        if name.endswith("weight") and tensor.ndim == 4
    )
    y = x
    for index in convs[:-1]:
        y = layers.conv(y, f"body.{index}")
        y = layers.ops.prelu(y, layers.tensors[f"body.{index + 1}.weight"])
    y = layers.conv(y, f"body.{convs[-1]}")
    scale = round((layers.tensors[f"body.{convs[-1]}.bias"].size / 3) ** 0.5)
    enlarged = layers.ops.depth_to_space(y, "depth_first", scale)
    return layers.ops.add(enlarged, layers.nearest(x, scale))


def _rrdb(layers: _Layers, x: Node) -> Node:
    """Return :class:`finishkit.models.nets.RRDBNet`."""
    first = layers.conv(x, "conv_first")
    blocks = 1 + max(int(n.split(".")[1]) for n in layers.tensors if n.startswith("body."))
    deep = first
    for block in range(blocks):
        into = deep
        for rdb in ("rdb1", "rdb2", "rdb3"):
            seen = [into]
            for i in range(1, 5):
                wide = seen[0] if i == 1 else layers.ops.concat(seen, 1)
                seen.append(layers.leaky(layers.conv(wide, f"body.{block}.{rdb}.conv{i}")))
            wide = layers.ops.concat(seen, 1)
            into = layers.short_cut(into, layers.conv(wide, f"body.{block}.{rdb}.conv5"))
        deep = layers.short_cut(deep, into)
    deep = layers.ops.add(first, layers.conv(deep, "conv_body"))
    for name in ("conv_up1", "conv_up2"):
        deep = layers.leaky(layers.conv(layers.nearest(deep, 2), name))
    return layers.conv(layers.leaky(layers.conv(deep, "conv_hr")), "conv_last")


_BODIES = {"srvgg": _srvgg, "rrdb": _rrdb}
