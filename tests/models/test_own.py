"""Nets of the user's own: taken in by spandrel, pinned by their digest, refused with a reason."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from pydantic import ValidationError
from typer.testing import CliRunner

from finishkit.brought import own_folder, own_names, upscaler_names
from finishkit.cli_models import models_app
from finishkit.errors import FinishError
from finishkit.models import CARDS, load
from finishkit.models.cards import require_licence
from finishkit.models.engine import Upscaler
from finishkit.models.own import HALO_PX, add, all_cards, card_of
from finishkit.models.precision import psnr_db
from finishkit.models.shared import upscaler
from finishkit.models.stock import verify_stock
from finishkit.settings import UpscaleSettings
from finishkit.stages.nets import nets_in
from finishkit.stages.upscale import UpscaleStage
from finishkit.template import Draft, Look, load_template


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path / "cache"))
    upscaler.cache_clear()
    return tmp_path


def compact(seed: int = 1) -> dict[str, torch.Tensor]:
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(seed)
    return Compact(num_feat=8, num_conv=2, upscale=2).state_dict()


def rrdb() -> dict[str, torch.Tensor]:
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(1)
    return ESRGAN(num_filters=8, num_blocks=1, scale=4).state_dict()


def dat() -> dict[str, torch.Tensor]:
    from spandrel.architectures.DAT import DAT

    torch.manual_seed(1)
    return DAT(
        img_size=16, embed_dim=32, split_size=[2, 4], depth=[1], num_heads=[2], expansion_factor=2,
        upscale=2, upsampler="pixelshuffledirect",
    ).state_dict()  # fmt: skip


def saved(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    kept = {name: t.contiguous() for name, t in tensors.items()}
    safetensors.torch.save_file(kept, path)
    return path


def brought(folder: Path, name: str = "mine", seed: int = 1) -> Path:
    file = saved(folder / f"{name}.safetensors", compact(seed))
    add(file, name, licence="MIT, says its author")
    return file


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize(("make", "scale"), [(compact, 2), (rrdb, 4), (dat, 2)])
def test_a_net_spandrel_knows_enlarges_frames_of_any_size(folder: Path, make, scale: int) -> None:
    card = add(saved(folder / "a.safetensors", make()), "a", licence="CC0", commercial="yes")
    assert (card.scale, card.arch, card.halo_px) == (scale, "spandrel", HALO_PX)
    pictures = np.random.default_rng(0).random((2, 19, 23, 3), np.float32)
    out = Upscaler(card_of("a"), device="cpu", dtype="float32")(pictures)
    assert out.shape == (2, 19 * scale, 23 * scale, 3)
    assert 0 <= out.min() <= out.max() <= 1
    assert out.std() > 0.01


def test_its_answer_is_that_of_spandrel_itself(folder: Path) -> None:
    from spandrel import ModelLoader

    brought(folder)
    picture = np.random.default_rng(0).random((1, 24, 20, 3), np.float32)
    model = ModelLoader().load_from_state_dict(compact())
    want = model(torch.from_numpy(picture).permute(0, 3, 1, 2))
    got = Upscaler(card_of("mine"), device="cpu", dtype="float32")(picture)
    assert psnr_db(got, want.permute(0, 2, 3, 1).numpy()) > 100


def test_a_pickle_is_opened_in_the_child_alone(folder: Path) -> None:
    torch.save({"params_ema": compact(), "iter": 5}, folder / "mine.pth")
    card = add(folder / "mine.pth", "mine", licence="MIT")
    kept = safetensors.torch.load_file(own_folder() / "mine.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in compact().items())
    assert card == card_of("mine")
    assert [p.name for p in (own_folder().parent).iterdir()] == ["own"], "no part is left"


def test_it_is_listed_verified_and_named_in_templates(folder: Path) -> None:
    with pytest.raises(ValidationError, match="there is no net of this name here") as caught:
        UpscaleSettings(model="mine")
    assert all(name in str(caught.value) for name in (*upscaler_names(), "models add"))
    brought(folder)
    assert own_names() == ("mine",)
    assert UpscaleSettings(model="mine").model == "mine"
    assert all_cards()[-1].name == "mine"
    assert [h.state for h in verify_stock() if h.name == "mine"] == ["good"]
    path = own_folder() / "mine.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert [h.state for h in verify_stock() if h.name == "mine"] == ["wrong"]
    with pytest.raises(FinishError, match="does not hold the weights") as harmed:
        load(card_of("mine"))
    assert harmed.value.code == "weights_changed"


def test_a_locked_template_pins_the_file_not_the_name(folder: Path) -> None:
    brought(folder)
    draft = Draft()
    draft.set("upscale.model", "mine")
    template = draft.lock()
    pinned = template.upscale.model_sha256
    assert pinned == card_of("mine").sha256
    path = template.save(folder / "look.toml")
    assert load_template(path).sha256 == template.sha256
    UpscaleStage().fit([], template.upscale, out_size_px=(64, 64))

    brought(folder, seed=2)
    assert card_of("mine").sha256 != pinned
    assert draft.lock().sha256 != template.sha256, "what is made with it is made anew"
    for refused in (
        lambda: load_template(path),
        lambda: UpscaleStage().fit([], template.upscale, out_size_px=(64, 64)),
        lambda: upscaler("mine", 0, pinned),
    ):
        with pytest.raises(FinishError, match="not the one the template was locked with") as caught:
            refused()
        assert caught.value.code == "weights_changed"
    assert Draft().lock().upscale.model_sha256 == "", "finishkit's own are pinned by their cards"


def test_another_net_under_a_name_is_loaded_anew_in_a_running_session(folder: Path) -> None:
    brought(folder)
    first = upscaler("mine", 0, card_of("mine").sha256)
    brought(folder, seed=2)
    assert upscaler("mine", 0, card_of("mine").sha256) is not first


def test_what_the_user_says_of_its_licence_decides(folder: Path) -> None:
    file = saved(folder / "a.safetensors", compact())
    for commercial in ("unclear", "no", "yes"):
        add(file, "mine", licence="somebody's", commercial=commercial)
        look = Look(upscale=UpscaleSettings(model="mine"), licence="commercial")
        (card,) = nets_in(look)
        if commercial == "yes":
            require_licence(card, "commercial")
            continue
        with pytest.raises(FinishError, match="somebody's") as caught:
            require_licence(card, "commercial")
        assert caught.value.code == "licence"


def gray() -> dict[str, torch.Tensor]:
    from spandrel.architectures.Compact import Compact

    return Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2).state_dict()


def unscaled() -> dict[str, torch.Tensor]:
    from spandrel.architectures.Compact import Compact

    return Compact(num_feat=8, num_conv=2, upscale=1).state_dict()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: {"a": torch.ones(3)}, "spandrel knows no net"),
        (lambda: {**compact(), "b": torch.ones(0)}, "empty"),
        (gray, "planes"),
        (unscaled, "a net for Restoration"),
    ],
)
def test_what_does_not_enlarge_frames_is_refused_with_the_reason(
    folder: Path, make, why: str
) -> None:
    with pytest.raises(FinishError, match=why) as caught:
        add(saved(folder / "a.safetensors", make()), "mine", licence="MIT")
    assert caught.value.code == "wrong_model"
    assert own_names() == ()


@pytest.mark.parametrize("name", ["", "../x", "a b", ".x", "lanczos", "Lanczos", *CARDS, "x" * 61])
def test_a_name_that_cannot_be_one_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(FinishError) as caught:
        add(folder / "a.safetensors", name, licence="MIT")
    assert caught.value.code == "bad_name"


@pytest.mark.parametrize(
    "harm",
    [
        {"source": "../../etc/passwd.safetensors"},
        {"scale": 1000},
        {"name": "other"},
        {"task": "faces"},
        {"arch": "srvgg-16"},
        {"surprise": 1},
        {"sha256": "no digest"},
    ],
)
def test_a_card_that_was_harmed_is_refused(folder: Path, harm: dict[str, object]) -> None:
    brought(folder)
    path = own_folder() / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **harm}))
    with pytest.raises(FinishError, match=r"mine\.json is not the card") as caught:
        card_of("mine")
    assert caught.value.code == "bad_card"
    path.write_text("[" * 10_000)
    with pytest.raises(FinishError) as caught:
        card_of("mine")
    assert caught.value.code == "bad_card"


def test_the_command_says_what_was_made_of_it(folder: Path) -> None:
    file = saved(folder / "a.safetensors", compact())
    given = ["add", str(file), "--name", "mine", "--licence", "CC BY 4.0, its author"]
    ran = CliRunner().invoke(models_app, [*given, "--commercial", "yes", "--domain", "Faces."])
    assert ran.exit_code == 0, ran.output
    assert all(word in ran.output for word in ("x2", "Faces.", "64 px", "CC BY 4.0", "yes"))
    listed = CliRunner().invoke(models_app, ["list"])
    assert "mine" in listed.output
    assert "CC BY 4.0, its author" in listed.output
    assert card_of("mine").commercial == "yes"
