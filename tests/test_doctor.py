"""What doctor says of face backends: which, under which licence, what is better and how."""

import pytest

from finishkit.doctor import examine
from tests import face_nets


@pytest.fixture
def faces_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("FINISHKIT_FACES", raising=False)
    folder = tmp_path / "models" / "faces"
    folder.mkdir(parents=True)
    return folder


def faces():
    return {f.what: f for f in examine() if f.what.startswith("faces")}


def test_alone_dlib_is_named_with_what_is_better(faces_folder):
    said = faces()
    assert said["faces"].state == "ok"
    assert said["faces"].text.startswith("dlib; ")
    assert said["faces"].text.endswith("commercial use: yes")
    assert "AuraFace" in said["faces, sold"].text
    assert "YuNet" in said["faces, sold"].text
    assert str(faces_folder) in said["faces, sold"].cure
    assert "non-commercial" in said["faces, private"].text
    assert str(faces_folder / "buffalo_l") in said["faces, private"].cure


def test_a_model_that_may_not_be_sold_is_said_to_be_refused(faces_folder):
    face_nets.make_recogniser(faces_folder / "mine.onnx")
    said = faces()
    assert said["faces"].text.startswith("arcface:mine@")
    assert said["faces"].text.endswith("commercial use: no")
    assert "faces, private" not in said


def test_a_model_that_may_be_sold_leaves_nothing_to_say(faces_folder):
    face_nets.make_recogniser(faces_folder / "mine.onnx")
    (faces_folder / "mine.toml").write_text('licence = "Apache-2.0"\ncommercial = true\n')
    said = faces()
    assert list(said) == ["faces"]
    assert said["faces"].text.endswith("commercial use: yes")


def test_a_broken_model_is_named(faces_folder):
    (faces_folder / "broken.onnx").write_bytes(b"no model")
    said = faces()
    assert said["faces"].state == "missing"
    assert "broken.onnx" in said["faces"].text
