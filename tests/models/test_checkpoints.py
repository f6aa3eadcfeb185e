"""Checkpoints of the user's: converted once, elsewhere; what is read later is what was meant."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch

from finishkit.errors import FinishError
from finishkit.models import CARDS
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


def pinned(path: Path) -> ModelCard:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return CARDS["gfpgan-v1.4"].model_copy(update={"source_sha256": digest})


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
    card = CARDS["restoreformer"]  # no pinned digest: what was imported is what is kept
    path = import_checkpoint(card, saved(tmp_path / "RestoreFormer.pth", TENSORS))
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
