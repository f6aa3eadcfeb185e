import sys

import numpy as np
import onnx
import pytest

from finishkit.errors import FinishError
from finishkit.measure.identity import InsightFaceBackend, load_backend
from finishkit.measure.identity.align import cut_chip
from tests import face_nets


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "small_pack"
    folder.mkdir()
    face_nets.make_scrfd(folder / "det_small.onnx")
    face_nets.make_recogniser(folder / "w_small.onnx")
    return folder


@pytest.fixture
def no_download(monkeypatch):
    import insightface.utils.storage

    def refuse(*_args, **_kwargs):
        raise AssertionError("insightface wanted to download")

    monkeypatch.setattr(insightface.utils.storage, "download_file", refuse)


@pytest.fixture
def picture():
    image = np.random.default_rng(0).integers(0, 60, (640, 640, 3), np.uint8)
    image[320:352, 320:352] = 255
    return image


@pytest.mark.usefixtures("no_download")
def test_a_pack_is_run_by_insightface_itself(pack, picture):
    backend = InsightFaceBackend(pack)
    (found,) = backend.detect(picture)
    assert type(backend._models["detection"]).__module__.startswith("insightface.")
    assert sorted(backend._models) == ["detection", "recognition"]
    left, top, right, bottom = (32 * v for v in face_nets.SCRFD_BOX)
    assert found.box == (320 - left, 320 - top, 320 + right, 320 + bottom)
    want = 320 + 32 * np.array(face_nets.SCRFD_POINTS).reshape(5, 2)
    assert found.landmarks == pytest.approx(want, abs=1e-3)
    assert found.points == "centres"
    got = backend.embed(picture, found)
    chip = cut_chip(picture, found).reshape(4, 28, 4, 28, 3).mean(axis=(1, 3), dtype=float)
    want = (chip + chip[:, ::-1] - 255).transpose(2, 0, 1).ravel()
    assert got == pytest.approx(want / np.linalg.norm(want), abs=1e-4)


@pytest.mark.usefixtures("no_download")
def test_the_name_of_a_pack_holds_both_digests(pack):
    one = InsightFaceBackend(pack)
    assert one.name.startswith("insightface:small_pack@")
    face_nets.make_recogniser(pack / "w_small.onnx", normalises=True)
    assert InsightFaceBackend(pack).name != one.name
    assert not one.commercial
    assert "not stated" in one.licence


@pytest.mark.parametrize("gone", ["det_small.onnx", "w_small.onnx", None])
def test_what_is_missing_is_said_before_insightface_is_asked(pack, gone, monkeypatch):
    monkeypatch.setitem(sys.modules, "insightface.app", None)  # importing it would fail
    if gone:
        (pack / gone).unlink()
    folder = pack if gone else pack / "nowhere"
    with pytest.raises(FinishError, match="does not download") as caught:
        load_backend(f"insightface:{folder}")
    assert caught.value.code == "backend_missing"
    assert str(folder) in str(caught.value)
    lacking = {"det_small.onnx": "det_10g.onnx", "w_small.onnx": "w600k_r50.onnx"}
    assert lacking.get(gone, "det_10g.onnx") in str(caught.value)


def test_a_pack_without_the_package_says_what_to_install(pack, monkeypatch):
    import finishkit.measure.identity.pack as module

    monkeypatch.setattr(module, "has_insightface", lambda: False)
    with pytest.raises(FinishError, match=r"finishkit\[insightface\]"):
        InsightFaceBackend(pack)


@pytest.mark.usefixtures("no_download")
def test_a_pack_that_cannot_be_loaded_is_named(pack):
    model = onnx.load(pack / "det_small.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    (pack / "det_small.onnx").write_bytes(model.SerializeToString())
    backend = InsightFaceBackend(pack)
    with pytest.raises(FinishError, match="small_pack") as caught:
        backend.detect(np.zeros((64, 64, 3), np.uint8))
    assert caught.value.code == "bad_model"


@pytest.mark.usefixtures("no_download")
def test_what_is_swapped_after_the_check_is_not_what_runs(pack, picture):
    backend = InsightFaceBackend(pack)
    for file in pack.iterdir():
        file.write_bytes(b"something else")
    (pack / "more.onnx").write_bytes(b"what insightface would load too")
    (pack / "manifest.json").write_text("{")
    (found,) = backend.detect(picture)
    assert np.linalg.norm(backend.embed(picture, found)) == pytest.approx(1)
