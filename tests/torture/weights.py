"""G15: weights are numbers: no pickle runs, no net names another file, what is hashed is loaded."""

import contextlib
import hashlib
import io
import os
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from finishkit.errors import FinishError
from finishkit.measure.identity.dlib import FILES, DlibBackend
from finishkit.measure.identity.graph import read_graph
from finishkit.measure.identity.network import Network
from finishkit.models import CARDS, checkpoints
from finishkit.models.cards import ModelCard
from finishkit.models.checkpoints import checkpoint_path, import_checkpoint, load_checkpoint
from finishkit.onnxfile import DOMAINS, ENDLESS
from tests import face_nets
from tests.torture.children import CANARY, run_cases
from tests.torture.outcome import Outcome, Say

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".npy", ".safetensors")


class Trap:
    """Unpickling it calls what it was given."""

    def __init__(self, call: Callable[..., Any], *given: Any) -> None:
        self.made = (call, given)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.made


def _traps(canary: str) -> tuple[Any, ...]:
    import torch

    touch = f"open({canary!r}, 'w')"
    return (
        Trap(os.system, f"touch '{canary}'"), Trap(open, canary, "w"), Trap(eval, touch),
        Trap(exec, touch), Trap(os.mkdir, canary), Trap(os.putenv, "x", "y"),
        Trap(torch.load, canary), Trap(torch.hub.load, canary, "x"), Trap(torch.save, 1, canary),
        Trap(pickle.loads, pickle.dumps(Trap(os.mkdir, canary))), Trap(os.symlink, "/", canary),
    )  # fmt: skip


def _pickled(rng: random.Random, folder: Path) -> bytes:
    """Return a checkpoint with a trap in it, in one of the containers that people use."""
    import torch

    trap = rng.choice(_traps(str(folder / CANARY)))
    tensors = {"a": torch.ones(4), "b": torch.ones(2, 2)}
    held = rng.choice((trap, {"params_ema": {**tensors, "c": trap}}, {"params": trap}, [trap], {
        **tensors, "epoch": trap}))  # fmt: skip
    protocol = rng.choice((0, 2, 4, 5))
    kind = rng.randrange(6)
    if kind == 0:
        return pickle.dumps(held, protocol)
    if kind == 1:
        array = np.empty(1, object)
        array[0] = trap
        with io.BytesIO() as out:
            np.save(out, array, allow_pickle=True)
            return out.getvalue()
    with io.BytesIO() as out:
        if kind == 2:
            torch.save(held, out, _use_new_zipfile_serialization=False)
        elif kind == 3:
            with tarfile.open(fileobj=out, mode="w") as archive:
                for name in ("pickle", "storages", "tensors", "sys_info"):
                    data = pickle.dumps(held, 2)
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        elif kind == 4:
            squeezed = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            with zipfile.ZipFile(out, "w", squeezed) as archive:
                archive.writestr("archive/data.pkl", pickle.dumps(held, protocol))
                archive.writestr("archive/version", "3\n")
                archive.writestr("archive/../../" + CANARY, "x")
                archive.writestr("archive/constants.pkl", pickle.dumps(held, protocol))
        else:
            torch.save(held, out, pickle_protocol=max(2, protocol))
        return out.getvalue()


def _pinned(content: bytes, name: str = "gfpgan-v1.4") -> ModelCard:
    digest = hashlib.sha256(content).hexdigest()
    return CARDS[name].model_copy(update={"source_sha256": digest})


def _refused(act: Callable[[], object], *codes: str) -> str:
    """Return nothing when ``act`` is refused as it should be, else what came of it."""
    try:
        found = act()
    except FinishError as error:
        return "" if error.code in codes else f"{error.code}: {error}"
    return f"it came through as {type(found).__name__}"


def checkpoint(rng: random.Random, folder: Path) -> str:
    content = _pickled(rng, folder)
    source = folder / f"weights{rng.choice(SUFFIXES)}"
    source.write_bytes(content)
    card = _pinned(content)
    told = _refused(lambda: import_checkpoint(card, source), "weights_changed")
    left = sorted(p.name for p in checkpoint_path(card).parent.rglob("*"))
    return told or (f"left behind {left}" if left else "")


def _good(folder: Path) -> tuple[ModelCard, Path]:
    """Convert an honest checkpoint once for all cases."""
    import torch

    source = folder.parent / "honest.pth"
    if not source.exists():
        torch.save({"params_ema": {"a": torch.arange(6.0), "b": torch.ones(2, 3)}}, source)
    return _pinned(source.read_bytes()), source


def warm_up(folder: Path) -> None:
    with _own_cache(folder / "ready"):
        card, source = _good(folder / "ready")
        if not checkpoint_path(card).exists():
            import_checkpoint(card, source)


@contextlib.contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    os.environ["FINISHKIT_CACHE"] = str(folder)
    yield


def _converted(folder: Path) -> tuple[ModelCard, Path]:
    card, _ = _good(folder)
    path = checkpoint_path(card)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder.parent / "ready" / "models" / path.name).read_bytes())
    return card, path


def tensors(rng: random.Random, folder: Path) -> str:
    """Change the converted file: its bytes, its header, or all of it for a pickle."""
    card, path = _converted(folder)
    data = bytearray(path.read_bytes())
    kind = rng.randrange(8)
    if kind == 0:
        data = bytearray(_pickled(rng, folder))
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    elif kind == 2:
        data[:8] = struct.pack("<Q", rng.choice((0, 2**63, len(data), 10**8, 2**64 - 1)))
    elif kind == 3:
        data[-1 - rng.randrange(40)] ^= 1 << rng.randrange(8)
    elif kind == 4:
        header = rng.choice((
            b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,24]}}',
            b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,999999]}}',
            b'{"a":{"dtype":"F32","shape":[6],"data_offsets":[24,0]}}', b"[" * 60_000, b"{}",
            b'{"a":{"dtype":"X","shape":[6],"data_offsets":[0,24]}}',
            b'{"__metadata__":[1],"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}',
        ))  # fmt: skip
        data = bytearray(struct.pack("<Q", len(header)) + header + bytes(24))
    elif kind == 5:
        data += b"more"
    elif kind == 6:
        data = bytearray()
    else:
        at = data.index(b"source_sha256") + 20
        data[at] ^= 1
    path.write_bytes(bytes(data))
    return _refused(lambda: load_checkpoint(card), "weights_changed")


def another(rng: random.Random, folder: Path) -> str:
    """Bring another file under the right name: cut, flipped, longer, or something else."""
    card, source = _good(folder)
    data = bytearray(source.read_bytes())
    kind = rng.randrange(4)
    if kind == 0:
        del data[rng.randrange(len(data)) :]
    elif kind == 1:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data += b"\0"
    else:
        data = bytearray(_pickled(rng, folder))
    place = folder / f"weights{rng.choice(SUFFIXES)}"
    place.write_bytes(bytes(data))
    return _refused(lambda: import_checkpoint(card, place), "weights_changed")


def swapped(rng: random.Random, folder: Path) -> str:
    """Swap a file after it was looked at; what was looked at is what must be used."""
    if rng.random() < 0.4:
        card, source = _good(folder)
        place = folder / "GFPGANv1.4.pth"
        place.write_bytes(source.read_bytes())
        real = checkpoints._unpickled

        def late(*given: Any) -> None:
            place.write_bytes(_pickled(rng, folder))
            real(*given)

        checkpoints._unpickled = late  # type: ignore[assignment]
        try:
            import_checkpoint(card, place)
        finally:
            checkpoints._unpickled = real
        found = load_checkpoint(card)
        return "" if found["a"].tolist() == [0, 1, 2, 3, 4, 5] else "other tensors came out"
    if rng.random() < 0.5:
        path = face_nets.make_recogniser(folder / "a.onnx")
        graph = read_graph(path)
        path.write_bytes(b"something else")
        chips = np.full((1, 112, 112, 3), 200, np.uint8)
        return "" if np.allclose(Network(graph).embed(chips), 72.5 / 127.5, atol=1e-5) else "other"
    real_folder = DlibBackend()._points_file.parent
    for name in FILES:
        (folder / name).symlink_to(real_folder / name)
    backend = DlibBackend(folder)
    name = rng.choice(list(FILES))
    data = bytearray((real_folder / name).read_bytes())
    data[rng.randrange(len(data))] ^= 1
    (folder / name).unlink()
    (folder / name).write_bytes(bytes(data))
    held = "_points" if name.startswith("shape") else "_network"
    return _refused(lambda: getattr(backend, held), "weights_changed")


def _outside(name: str = "w", **more: Any) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], **more)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def _node(**attributes: Any) -> Any:
    return helper.make_node("Constant", [], ["late"], **attributes)


def _nested(node: Any, depth: int = 1) -> Any:
    value = helper.make_tensor_value_info("late", TensorProto.FLOAT, [1])
    for _ in range(depth):
        inner = helper.make_graph([node], "inner", [], [value])
        node = helper.make_node("If", ["late"], ["late"], then_branch=inner)
    return node


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def onnx_attack(rng: random.Random, folder: Path) -> str:
    """Hide what must not be run in a net that is otherwise a recogniser."""
    path = face_nets.make_recogniser(folder / "a.onnx", normalises=rng.random() < 0.5)
    model = onnx.load(path)
    graph = model.graph
    ones = numpy_helper.from_array(np.ones(1, np.float32), "w")
    sparse = onnx.SparseTensorProto(values=ones, indices=ones, dims=[1])
    stored = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    stored.external_data.add(key="location", value="b.bin")
    outside = _outside()
    raw: bytes | None = None
    kind = rng.randrange(18)
    if kind == 0:
        graph.initializer.append(outside)
    elif kind == 1:
        graph.initializer.append(stored)
    elif kind == 2:
        graph.node.append(_node(value=outside))
    elif kind == 3:
        graph.node.append(_nested(_node(value=outside), rng.randrange(1, 5)))
    elif kind == 4:
        node = _node(value=ones)
        node.attribute.add(name="many", type=onnx.AttributeProto.TENSORS).tensors.append(outside)
        graph.node.append(node)
    elif kind == 5:
        graph.sparse_initializer.append(sparse)
    elif kind == 6:
        graph.node.append(_node(sparse_value=sparse))
    elif kind == 7:
        node = helper.make_node("Sneaky", ["data"], ["late"])
        node.domain = rng.choice(("com.microsoft", "custom", "ai.onnx.contrib", "ai.onnx.ml", "\0"))
        graph.node.append(node)
    elif kind == 8:
        inner = [helper.make_node("Identity", ["x"], ["y"])]
        model.functions.append(helper.make_function("custom", "F", ["x"], ["y"], inner, []))
    elif kind == 9:
        model.training_info.add().algorithm.initializer.append(outside)
    elif kind == 10:
        graph.node.append(helper.make_node(rng.choice(sorted(ENDLESS)), ["data"], ["late"]))
    elif kind == 11:
        graph.initializer.append(TensorProto(
            name="w", data_type=TensorProto.FLOAT, raw_data=b"1234",
            dims=rng.choice(([2**40], [2**31, 2**31], [-1], [65_536, 65_536, 1]))))  # fmt: skip
    elif kind == 12:
        # A key that protobuf in C++ cuts to 32 bits: field 7, the graph, under another number.
        whole = model.SerializeToString()
        body = onnx.load_from_string(whole).graph
        body.initializer.append(outside)
        data = body.SerializeToString()
        raw = whole + _varint((7 << 3 | 2) + 2**35) + _varint(len(data)) + data
    elif kind == 13:
        raw = model.SerializeToString() * 2
    elif kind == 14:
        graph.node.append(_nested(_node(value=ones), 25))
    elif kind == 15:
        raw = rng.choice((b"", pickle.dumps(Trap(os.mkdir, str(folder / CANARY))), b"\x00" * 500,
                          b"version https://git-lfs.github.com/spec/v1\n"))  # fmt: skip
    elif kind == 16:
        raw = model.SerializeToString() + b"\xc8\x06\x01" * 400_000
    else:
        graph.input[0].type.tensor_type.shape.dim[2].dim_value = 112 * 10_000
        graph.input[0].type.tensor_type.shape.dim[3].dim_value = 112 * 10_000
    path.write_bytes(model.SerializeToString() if raw is None else raw)
    return _refused(lambda: Network(read_graph(path)), "bad_model")


def onnx_mutant(rng: random.Random, folder: Path) -> str:
    """Break bytes; whatever the onnx package still finds forbidden, we must have refused."""
    path = face_nets.make_recogniser(folder / "a.onnx", normalises=True)
    model = onnx.load(path)
    for add in rng.sample((
        lambda: model.graph.initializer.append(_outside()),
        lambda: model.graph.node.append(_nested(_node(value=_outside()))),
        lambda: setattr(model.graph.node[0], "domain", "custom"),
        lambda: model.graph.sparse_initializer.add(dims=[1]),
        lambda: None,
    ), rng.randrange(1, 3)):  # fmt: skip
        add()
    data = bytearray(model.SerializeToString())
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
    path.write_bytes(bytes(data))
    try:
        read_graph(path)
    except FinishError as error:
        return "" if error.code == "bad_model" else str(error)
    try:
        seen = onnx.ModelProto.FromString(bytes(data))
    except Exception:  # protobuf's errors have no common base; what it cannot read is not run
        return ""
    return _forbidden(seen)


def _forbidden(model: onnx.ModelProto) -> str:
    if model.functions or model.training_info:
        return "functions or training came through"
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        held = list(graph.initializer)
        if graph.sparse_initializer:
            return "sparse weights came through"
        for node in graph.node:
            if node.domain not in DOMAINS or node.op_type in ENDLESS:
                return f"{node.domain}.{node.op_type} came through"
            for attribute in node.attribute:
                held += [attribute.t, *attribute.tensors]
                graphs += [attribute.g, *attribute.graphs]
                if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                    return "sparse weights came through"
        if any(t.external_data or t.data_location == TensorProto.EXTERNAL for t in held):
            return "external weights came through"
    return ""


ORDER = (checkpoint, onnx_attack, tensors, another, onnx_attack, swapped, onnx_mutant, tensors,
         checkpoint, onnx_attack, onnx_mutant, another)  # fmt: skip


def case(seed: int, index: int, folder: Path) -> str:
    rng = random.Random(f"{seed}:{index}")
    attack = ORDER[index % len(ORDER)]
    with _own_cache(folder):
        broken = attack(rng, folder)
    return attack.__name__ + (f": {broken}" if broken else "")


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    tally = run_cases(
        "weights", count, seed, folder, limit_s=180, most_s=30, most_mb=500,
        allowed=("subprocess.Popen",), say=say,
    )  # fmt: skip
    return Outcome(
        suite="weights",
        promises=("G15",),
        trials=tally.trials,
        failures=tuple(tally.failures),
        figures={"kinds": dict(sorted(tally.kinds.items()))},
    )
