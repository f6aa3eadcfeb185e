"""Checkpoints of the user's: converted once, elsewhere; what is read later is what was meant."""

import hashlib
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from finishkit.errors import FinishError
from finishkit.models import CARDS, convert
from finishkit.models.cards import ModelCard
from finishkit.models.checkpoints import (
    checkpoint_path,
    import_checkpoint,
    load_checkpoint,
    ready_checkpoint,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def pinned(path: Path, name: str = "gfpgan-v1.4") -> ModelCard:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return CARDS[name].model_copy(update={"source_sha256": digest})


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.bias": torch.tensor([1, 2])}


def test_a_checkpoint_lying_there_is_converted_once_and_then_only_read(folder: Path) -> None:
    source = saved(folder / "GFPGANv1.4.pth", {"params_ema": TENSORS, "iter": 5})
    card = pinned(source)
    assert ready_checkpoint(card) == checkpoint_path(card)
    source.unlink()
    got = load_checkpoint(card)
    assert set(got) == set(TENSORS)
    assert all(torch.equal(got[name], TENSORS[name]) for name in TENSORS)
    assert [p.name for p in folder.iterdir()] == ["gfpgan-v1.4.safetensors"]


def test_nothing_but_tensors_comes_through(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return (open, (str(tmp_path / "opened"), "w"))

    source = folder / "GFPGANv1.4.pth"
    source.write_bytes(pickle.dumps({"params_ema": Trap()}))
    with pytest.raises(FinishError, match="cannot be converted") as caught:
        import_checkpoint(pinned(source), source)
    assert caught.value.code == "weights_changed"
    assert not (tmp_path / "opened").exists()
    assert [p.name for p in folder.iterdir()] == ["GFPGANv1.4.pth"], "no part file is left"


def test_another_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    source = saved(tmp_path / "other.pth", TENSORS)
    with pytest.raises(FinishError, match="not the file that was published"):
        import_checkpoint(CARDS["codeformer-v0.1.0"], source)
    with pytest.raises(FinishError, match="There is no file"):
        import_checkpoint(CARDS["codeformer-v0.1.0"], tmp_path / "nothing.pth")


def test_weights_that_were_changed_after_the_import_are_refused(tmp_path: Path) -> None:
    source = saved(tmp_path / "RestoreFormer.pth", TENSORS)
    card = pinned(source, "restoreformer")
    path = import_checkpoint(card, source)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(FinishError, match="not those that were converted") as caught:
        load_checkpoint(card)
    assert "finishkit models import restoreformer" in str(caught.value)


def test_missing_weights_name_the_place_the_command_and_the_licence(folder: Path) -> None:
    for name in ("gfpgan-v1.4", "restoreformer", "codeformer-v0.1.0"):
        with pytest.raises(FinishError) as caught:
            ready_checkpoint(CARDS[name])
        told = str(caught.value)
        assert caught.value.code == "weights_missing"
        assert str(folder) in told
        assert f"finishkit models import {name} {CARDS[name].source}" in told
        assert CARDS[name].licence in told


SHUT_IN = """
import socket, sys
from finishkit.models import convert
left = convert.leave_the_network()
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
    print("reached", left)
except OSError:
    print("cut off", left)
"""


def test_the_child_has_no_network_where_the_kernel_lets_it_leave() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        # As the script does it: before anything starts a second thread.
        code = SHUT_IN.replace("from finishkit.models import convert", "import convert")
        ran = subprocess.run(
            [sys.executable, "-c", code, str(server.getsockname()[1])],
            env={"PYTHONPATH": str(Path(convert.__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert ran.stdout.split() in (["cut", "off", "True"], ["reached", "False"])


def test_a_wire_trips_over_what_an_unpickled_thing_would_do(tmp_path: Path) -> None:
    code = (
        "import sys, convert\nsys.addaudithook(convert._refuse)\nimport os, socket, subprocess\n"
        "for act in (lambda: open(sys.argv[1], 'w'), lambda: os.system('true'), lambda: os.mkdir("
        "sys.argv[1]), lambda: subprocess.run(['true']), lambda: socket.getaddrinfo('x', 1)):\n"
        "    try:\n        act()\n    except PermissionError:\n        print('stopped')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "canary")],
        env={"PYTHONPATH": str(Path(convert.__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["stopped"] * 5
    assert not (tmp_path / "canary").exists()


def test_the_child_sees_no_secrets_and_no_strange_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('a stranger torch')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_TOKEN", "secret")
    seen: list[dict[str, str]] = []
    real = subprocess.run

    def run(*given: Any, **more: Any) -> Any:
        seen.append(more["env"])
        return real(*given, **more)

    monkeypatch.setattr(subprocess, "run", run)
    source = saved(tmp_path / "RestoreFormer.pth", TENSORS)
    import_checkpoint(pinned(source, "restoreformer"), source)
    (env,) = seen
    assert "SOME_TOKEN" not in env
    assert "HOME" not in env


@pytest.mark.parametrize(
    "content",
    [
        {"a": torch.ones(1).expand(10**9)},
        {"a": torch.tensor([float("nan")])},
        {"a": torch.ones(2), "b": "text"},
    ],
)
def test_what_the_child_makes_is_numbers_of_a_size_the_file_can_hold(
    tmp_path: Path, content: object
) -> None:
    source = saved(tmp_path / "RestoreFormer.pth", content)
    card = pinned(source, "restoreformer")
    with pytest.raises(FinishError, match="cannot be converted"):
        import_checkpoint(card, source)
    assert not checkpoint_path(card).exists()
