"""Face nets of a few kilobytes, whose answers can be worked out by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BLOCK = 28


def _tensor(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def _save(path, nodes, inputs, outputs, weights):
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def make_recogniser(path, *, side=112, batch="N", normalises=False):
    """A net that gives the mean of each colour in blocks of 28 px: 48 numbers of 112 px."""
    shape = [batch, 3, side, side]
    value = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)
    out = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [batch, 3 * (side // BLOCK) ** 2])
    nodes, weights, at = [], [], "data"
    if normalises:
        nodes = [
            helper.make_node("Sub", ["data", "mean"], ["a"], name="_minusscalar0"),
            helper.make_node("Mul", ["a", "scale"], ["b"], name="_mulscalar0"),
        ]
        weights = [_tensor("mean", np.float32(127.5)), _tensor("scale", np.float32(1 / 128))]
        at = "b"
    pool = {"kernel_shape": [BLOCK, BLOCK], "strides": [BLOCK, BLOCK]}
    nodes += [
        helper.make_node("AveragePool", [at], ["p"], name="pool", **pool),
        helper.make_node("Flatten", ["p"], ["fc1"], name="flat"),
    ]
    return _save(path, nodes, [value], [out], weights)


def _cells(name, stride, scores, constants, nodes, weights):
    """Add a convolution a cell of a stride: brightness where ``scores``, else constants."""
    count = len(constants)
    kernel = np.zeros((count, 3, stride, stride), np.float32)
    for channel in scores:
        kernel[channel] = 1 / (3 * stride * stride)
    weights += [_tensor(f"{name}w", kernel), _tensor(f"{name}b", np.float32(constants))]
    at = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
    nodes += [
        helper.make_node("Conv", ["input", f"{name}w", f"{name}b"], [f"{name}c"], **at),
        helper.make_node("Transpose", [f"{name}c"], [f"{name}t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [f"{name}t", f"{name}s"], [name]),
    ]


YUNET_BOX = (0.5, 0.5, np.log(4), np.log(3))
YUNET_POINTS = (-0.5, 0, 1.5, 0, 0.5, 0.7, -0.3, 1.5, 1.3, 1.5)


def make_yunet(path):
    """A net that finds every bright cell of 32 px, with a box of 4 x 3 cells around it."""
    nodes, weights, outputs = [], [], []
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            name = f"{kind}_{stride}"
            if kind in ("cls", "obj"):
                # Values 0 to 255 come in; the clip makes 1 of bright cells, 0 at other strides.
                seen = 0 if stride == 32 else -1e6
                _cells(f"{name}raw", stride, [0], [seen], nodes, weights)
                limits = [_tensor(f"{name}lo", np.float32(0)), _tensor(f"{name}hi", np.float32(1))]
                weights += limits
                clip = [f"{name}raw", f"{name}lo", f"{name}hi"]
                nodes.append(helper.make_node("Clip", clip, [name]))
                name_reshape = f"{name}raw"
            else:
                constants = YUNET_BOX if kind == "bbox" else YUNET_POINTS
                _cells(name, stride, [], constants, nodes, weights)
                name_reshape = name
            weights.append(_tensor(f"{name_reshape}s", np.int64([1, -1, width])))
            shape = [1, None, width]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, None, None])
    return _save(path, nodes, [value], outputs, weights)


SCRFD_BOX = (1, 2, 3, 4)
SCRFD_POINTS = (-0.5, 0, 0.5, 0, 0, 0.5, -0.4, 1, 0.4, 1)


def make_scrfd(path):
    """An insightface detector that finds every bright cell of 32 px; of two anchors the first."""
    nodes, weights, outputs = [], [], []
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in (8, 16, 32):
            name = f"{kind}_{stride}"
            constants = {
                "score": (0 if stride == 32 else -9, -9),
                "bbox": SCRFD_BOX * 2,
                "kps": SCRFD_POINTS * 2,
            }[kind]
            _cells(name, stride, [0] if kind == "score" else [], constants, nodes, weights)
            weights.append(_tensor(f"{name}s", np.int64([-1, width])))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]))
    value = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])
    return _save(path, nodes, [value], outputs, weights)
