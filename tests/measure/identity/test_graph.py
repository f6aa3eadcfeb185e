import hashlib

import onnx
import pytest
from onnx import TensorProto, helper

from finishkit.errors import FinishError
from finishkit.measure.identity.graph import read_graph
from tests import face_nets


def test_what_a_file_says_of_itself(tmp_path):
    path = face_nets.make_recogniser(tmp_path / "a.onnx", normalises=True)
    graph = read_graph(path)
    assert graph.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert graph.inputs == ((0, 3, 112, 112),)
    assert graph.outputs == ((0, 48),)
    assert graph.normalises
    assert (graph.recognises, graph.is_yunet, graph.is_scrfd) == (True, False, False)


@pytest.mark.parametrize(
    ("make", "kind"),
    [("make_recogniser", "recognises"), ("make_yunet", "is_yunet"), ("make_scrfd", "is_scrfd")],
)
def test_each_kind_is_told_from_the_others(tmp_path, make, kind):
    graph = read_graph(getattr(face_nets, make)(tmp_path / "a.onnx"))
    kinds = ("recognises", "is_yunet", "is_scrfd")
    assert [name for name in kinds if getattr(graph, name)] == [kind]


def test_a_landmark_net_is_no_recogniser(tmp_path):
    graph = read_graph(face_nets.make_recogniser(tmp_path / "a.onnx", side=196))
    assert not graph.recognises
    assert read_graph(face_nets.make_recogniser(tmp_path / "b.onnx", side=224)).recognises


def test_weights_listed_as_inputs_are_not_inputs(tmp_path):
    model = onnx.load(face_nets.make_recogniser(tmp_path / "a.onnx", normalises=True))
    for weight in model.graph.initializer:
        value = helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        model.graph.input.insert(0, value)
    (tmp_path / "b.onnx").write_bytes(model.SerializeToString())
    assert read_graph(tmp_path / "b.onnx").inputs == ((0, 3, 112, 112),)


def test_weights_in_another_file_are_refused(tmp_path):
    path = face_nets.make_recogniser(tmp_path / "a.onnx", normalises=True)
    model = onnx.load(path)
    onnx.save(
        model, tmp_path / "b.onnx", save_as_external_data=True, size_threshold=0, location="b.bin"
    )
    with pytest.raises(FinishError, match=r"b\.onnx.*another file") as caught:
        read_graph(tmp_path / "b.onnx")
    assert caught.value.code == "bad_model"


def test_weights_in_another_file_are_found_in_nested_graphs_too(tmp_path):
    outside = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1])
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    nothing = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=outside)], "inner", [], [nothing]
    )
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph([branch], "outer", [condition], [nothing])
    (tmp_path / "a.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(FinishError, match="hidden"):
        read_graph(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        b"\x80\x04\x95pickle",
        b"\xff" * 64,
        b"\x3a\xff\xff\xff\xff\x0f",
    ],
)
def test_what_is_no_onnx_file_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(FinishError, match=r"model\.onnx is no ONNX file") as caught:
        read_graph(path)
    assert caught.value.code == "bad_model"


def test_any_truncation_is_refused_or_read_but_never_crashes(tmp_path):
    whole = face_nets.make_recogniser(tmp_path / "a.onnx", normalises=True).read_bytes()
    path = tmp_path / "cut.onnx"
    refused = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            read_graph(path)
        except FinishError:
            refused += 1
    assert refused > 0.9 * len(whole)


def test_a_missing_file_is_named_with_the_cure(tmp_path):
    with pytest.raises(FinishError, match=r"nowhere\.onnx.*--faces") as caught:
        read_graph(tmp_path / "nowhere.onnx")
    assert caught.value.code == "backend_missing"
