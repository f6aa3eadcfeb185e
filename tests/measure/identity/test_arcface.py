import importlib

import cv2
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.measure.identity import ArcFaceBackend, Face, YuNetDetector, load_backend
from finishkit.measure.identity.align import TEMPLATE, cut_chip
from finishkit.measure.identity.arcface import cosine_distance
from finishkit.measure.identity.graph import read_graph
from finishkit.measure.identity.network import Network, _by_onnxruntime, _runner
from tests import face_nets


def blocks(chip):
    """What the test net gives: the mean of each colour in blocks of 28 px, from 4 x 4 of 112."""
    means = chip.reshape(4, 28, 4, 28, 3).mean(axis=(1, 3), dtype=np.float64)
    return means.transpose(2, 0, 1).ravel()


@pytest.fixture
def picture():
    rng = np.random.default_rng(2)
    return cv2.resize(rng.integers(0, 256, (20, 20, 3), np.uint8), (300, 300))


@pytest.fixture
def seen():
    return Face(box=(60, 40, 230, 260), landmarks=TEMPLATE * 2 + 40, score=1, points="centres")


class Finder:
    """A detector that finds what it was told."""

    name, licence, commercial = "finder", "none", True

    def __init__(self, *faces):
        self.faces = faces

    def detect(self, image):
        return self.faces


@pytest.mark.parametrize("batch", ["N", 1])
def test_colours_are_rgb_and_scaled_around_nothing(tmp_path, batch):
    net = Network(read_graph(face_nets.make_recogniser(tmp_path / "a.onnx", batch=batch)))
    chips = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    got = net.embed(chips)
    assert got == pytest.approx(np.stack([blocks(c) for c in chips]) / 127.5 - 1, abs=1e-5)


def test_a_net_that_normalises_itself_gets_plain_numbers(tmp_path):
    path = face_nets.make_recogniser(tmp_path / "a.onnx", normalises=True)
    chip = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), np.uint8)
    want = (blocks(chip[0]) - 127.5) / 128
    assert Network(read_graph(path)).embed(chip)[0] == pytest.approx(want, abs=1e-5)


def test_opencv_and_onnxruntime_agree(recogniser):
    graph = read_graph(recogniser)
    batch = np.random.default_rng(1).normal(size=(2, 3, 112, 112)).astype(np.float32)
    assert _by_onnxruntime(graph)(batch) == pytest.approx(_runner(graph)(batch), abs=1e-5)


def test_what_opencv_cannot_run_onnxruntime_does(recogniser, monkeypatch):
    def refuse(_data):
        raise cv2.error("no such layer")

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", refuse)
    chip = np.zeros((1, 112, 112, 3), np.uint8)
    assert Network(read_graph(recogniser)).embed(chip) == pytest.approx(-1)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(FinishError, match=r"small\.onnx.*pip install onnxruntime") as caught:
        Network(read_graph(recogniser)).embed(chip)
    assert caught.value.code == "bad_model"


def test_face_and_mirror_are_averaged_and_of_unit_length(recogniser, picture, seen):
    backend = ArcFaceBackend(read_graph(recogniser), Finder(seen))
    got = backend.embed(picture, seen)
    chip = cut_chip(picture, seen)
    want = blocks(chip) + blocks(chip[:, ::-1]) - 255
    assert np.linalg.norm(got) == pytest.approx(1)
    assert got == pytest.approx(want / np.linalg.norm(want), abs=1e-5)
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    points = seen.landmarks[[1, 0, 2, 4, 3]] * (-1, 1) + (picture.shape[1] - 1, 0)
    there = Face(box=seen.box, landmarks=points, score=1, points="centres")
    # The template is not quite symmetric, so neither are the chips: half a pixel.
    assert backend.distance(got, backend.embed(mirrored, there)) < 0.01


def test_the_distance_is_one_minus_cosine_of_any_lengths():
    a, b = np.array([3.0, 0.0]), np.array([0.0, 0.2])
    assert cosine_distance(a, 7 * a) == pytest.approx(0)
    assert cosine_distance(a, b) == pytest.approx(1)
    assert cosine_distance(a, -a) == pytest.approx(2)
    assert cosine_distance(a, 0 * a) == 1


@pytest.mark.parametrize("side", [96, 160, 192])
def test_another_input_than_112_is_refused_with_what_it_is(tmp_path, side):
    path = face_nets.make_recogniser(tmp_path / "other.onnx", side=side - side % 28)
    with pytest.raises(FinishError, match=r"other\.onnx is no ArcFace-class.*0x3x") as caught:
        Network(read_graph(path))
    assert caught.value.code == "bad_model"


def test_vectors_that_are_no_numbers_are_refused(recogniser):
    net = Network(read_graph(recogniser))
    net._run = lambda batch: np.full((len(batch), 48), np.nan, np.float32)
    with pytest.raises(FinishError, match=r"small\.onnx gives vectors that are no numbers"):
        net.embed(np.zeros((1, 112, 112, 3), np.uint8))


def test_yunet_finds_what_is_there_in_pixels_of_the_picture(tmp_path):
    detector = YuNetDetector(read_graph(face_nets.make_yunet(tmp_path / "yunet.onnx")))
    # 1280 px are searched at half size: the bright cell of 64 px is one of 32 px there. The
    # height is no multiple of 32, so rows are added below.
    picture = np.zeros((610, 1280, 3), np.uint8)
    picture[128:192, 192:256] = 255
    (found,) = detector.detect(picture)
    middle = np.array([224, 160])
    assert found.points == "centres"
    assert found.score == pytest.approx(1)
    assert np.array(found.box) == pytest.approx([96, 64, 352, 256], abs=0.5)
    want = middle + 64 * (np.array(face_nets.YUNET_POINTS).reshape(5, 2) - 0.5)
    assert found.landmarks == pytest.approx(want, abs=0.5)
    assert detector.detect(np.zeros_like(picture)) == ()
    picture[384:448, 896:960] = 255
    picture[384:448, 832:896] = 255  # its box overlaps the one beside it: one face
    assert len(detector.detect(picture)) == 2


def test_another_net_is_no_yunet(recogniser):
    with pytest.raises(FinishError, match=r"small\.onnx is no YuNet"):
        YuNetDetector(read_graph(recogniser))


def test_a_recogniser_behind_dlib_knows_a_face_again(recogniser, stills):
    backend = load_backend(f"arcface:{recogniser}")
    picture = np.ascontiguousarray(stills["astronaut"][:320, 60:420])
    (found,) = backend.detect(picture)
    own = backend.embed(picture, found)
    soft = cv2.GaussianBlur(picture, (0, 0), 2)
    assert backend.distance(own, backend.embed(soft, found)) < 0.01
    aside = Face(box=found.box, landmarks=found.landmarks + np.array([70, 90]), score=1)
    assert backend.distance(own, backend.embed(picture, aside)) > 0.3
