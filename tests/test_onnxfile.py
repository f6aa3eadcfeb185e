"""What a runtime would be made to do is refused before it is asked; each attack by name."""

import random

import pytest

from finishkit.errors import FinishError
from finishkit.onnxfile import MAX_BYTES, read_onnx
from tests import face_nets
from tests.torture import weights


def test_every_attack_is_refused(tmp_path):
    # The 18 kinds are drawn at random: this many draws meet each of them.
    for index in range(120):
        folder = tmp_path / str(index)
        folder.mkdir()
        assert weights.onnx_attack(random.Random(index), folder) == "", index


def test_what_the_onnx_package_still_finds_was_refused(tmp_path):
    for index in range(150):
        folder = tmp_path / str(index)
        folder.mkdir()
        assert weights.onnx_mutant(random.Random(index), folder) == "", index


def test_good_nets_are_read_whole(tmp_path):
    for make in (face_nets.make_recogniser, face_nets.make_yunet, face_nets.make_scrfd):
        path = make(tmp_path / "a.onnx")
        assert read_onnx(path) == path.read_bytes()


def test_a_file_larger_than_any_net_is_not_read(tmp_path):
    with (tmp_path / "a.onnx").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FinishError, match="larger than a net") as caught:
        read_onnx(tmp_path / "a.onnx")
    assert caught.value.code == "bad_model"
