"""Engines that invent: their real nets, small and with random weights made here."""

import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

from finishkit.errors import FinishError
from finishkit.models import CARDS
from finishkit.models.checkpoints import import_checkpoint
from finishkit.models.face_nets import load_face_net
from finishkit.settings import FacesSettings
from finishkit.stages import face_crop, face_engines
from finishkit.stages.face_engines import ENGINES, restorer
from finishkit.stages.faces import FacesStage


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    face_engines._net.cache_clear()
    return tmp_path


def gfpgan_tensors() -> dict[str, torch.Tensor]:
    from spandrel.architectures.GFPGAN import GFPGAN

    torch.manual_seed(1)
    return GFPGAN(out_size=128, narrow=1 / 32, num_style_feat=32).state_dict()


def restoreformer_tensors() -> dict[str, torch.Tensor]:
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(1)
    return RestoreFormer(
        n_embed=8, embed_dim=32, ch=32, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1, z_channels=32
    ).state_dict()


def restoreformer_pp_tensors() -> dict[str, torch.Tensor]:
    """As the checkpoint of a training run has it: the net under a name, losses beside it."""
    from spandrel.architectures.RestoreFormer.__arch import restoreformer_arch as parts

    torch.manual_seed(1)
    sizes = {"ch": 32, "z_channels": 32}
    model = parts.RestoreFormer(n_embed=8, embed_dim=32, head_size=4, **sizes)
    model.decoder = parts.MultiHeadDecoderTransformer(
        out_ch=3, ch_mult=(1, 2, 2, 4, 4, 8), attn_resolutions=(16, 32), head_size=4, **sizes
    )
    own = {f"vqvae.{name}": tensor for name, tensor in model.state_dict().items()}
    return {**own, "loss.perceptual.weight": torch.ones(3)}


def picture(side_px: int) -> np.ndarray:
    from skimage import data

    cut = data.astronaut()[20:220, 120:320].astype(np.float32) / 255
    return np.asarray(cv2.resize(cut, (side_px, side_px), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("name", "tensors"),
    [
        ("gfpgan-v1.4", gfpgan_tensors),
        ("restoreformer", restoreformer_tensors),
        ("restoreformer-pp", restoreformer_pp_tensors),
    ],
)
def test_a_net_takes_its_width_from_the_weights_and_answers_alike_each_time(name, tensors) -> None:
    net = load_face_net(CARDS[name], tensors())
    face = picture(128)
    first, again = net(face), net(face)
    assert first.shape == (128, 128, 3)
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - net(np.ascontiguousarray(face[:, ::-1]))).max() > 0


def test_weights_of_another_net_are_refused() -> None:
    with pytest.raises(FinishError, match="do not fit its net") as caught:
        load_face_net(CARDS["gfpgan-v1.4"], restoreformer_tensors())
    assert caught.value.code == "weights_changed"


def test_from_the_users_file_to_a_residual_that_keeps_light_and_skin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_engines, "NET_SIDE_PX", 128)
    file = tmp_path / "RestoreFormer.pth"
    torch.save({"params_ema": restoreformer_tensors()}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    card = CARDS["restoreformer"].model_copy(update={"source_sha256": digest})
    engines = {**face_engines.ENGINES, "restoreformer": face_engines.EngineInfo(card=card)}
    monkeypatch.setattr(face_engines, "ENGINES", engines)
    import_checkpoint(card, file)
    FacesStage().fit([], FacesSettings(engine="restoreformer"))
    crop = picture(160)
    added = {p: restorer("restoreformer", p).restore(crop, 1.0) for p in ("off", "strong")}
    assert added["off"].shape == (160, 160, 3)
    assert np.abs(added["off"]).max() > 0.01, "random weights draw something"
    inner = slice(40, 120)
    coarse = cv2.GaussianBlur(added["off"], (0, 0), 2 * face_crop.LOCKED * 160)[inner, inner]
    assert np.abs(coarse).mean() < 0.1 * np.abs(added["off"][inner, inner]).mean()
    at = (slice(int(0.44 * 160), int(0.5 * 160)), slice(int(0.34 * 160), int(0.42 * 160)))
    assert np.abs(added["strong"][at]).mean() < 0.35 * np.abs(added["off"][at]).mean()


def test_engines_without_weights_say_what_to_do() -> None:
    for engine in ("gfpgan", "restoreformer", "restoreformer-pp", "codeformer"):
        with pytest.raises(FinishError, match="finishkit models import") as caught:
            FacesStage().fit([], FacesSettings(engine=engine))
        assert caught.value.code == "weights_missing"
        (card,) = ENGINES[engine].cards
        assert card.source in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package", "inside"),
    [
        (
            "codeformer-v0.1.0",
            "spandrel_extra_arches",
            "spandrel_extra_arches.architectures.CodeFormer",
        ),
        ("gfpgan-v1.4", "spandrel", "spandrel.architectures.GFPGAN"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    name: str, package: str, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, inside, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FinishError, match="pip install") as caught:
        load_face_net(CARDS[name], {})
    assert caught.value.code == "models_missing"
    assert package in str(caught.value)


def test_weights_whose_digest_nobody_publishes_are_known_by_their_own(tmp_path: Path) -> None:
    card = CARDS["restoreformer-pp"]
    assert ENGINES["restoreformer"].unpinned_sha256 == ""
    found = []
    for value in (1.0, 2.0):
        file = tmp_path / "brought.safetensors"
        safetensors.torch.save_file({"vqvae.a": torch.tensor([value])}, file)
        import_checkpoint(card, file)
        found.append(ENGINES["restoreformer-pp"].unpinned_sha256)
    assert len(set(found)) == 2
    assert all(len(digest) == 64 for digest in found)


def test_the_default_needs_no_net() -> None:
    assert ENGINES["detail"].cards == ()
    assert FacesStage().fit([], FacesSettings()) == {}
