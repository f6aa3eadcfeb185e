"""The packages of the field behind our protocol: the same pixels, nothing fetched, nothing hidden.

Those marked ``reference`` run where the extra of that name is installed, or is asked for by
FINISHKIT_REQUIRE=reference.
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from finishkit.errors import FinishError
from finishkit.models import CARDS
from finishkit.models.engine import Upscaler
from finishkit.models.precision import psnr_db
from finishkit.models.reference import ReferenceUpscaler, require_reference
from finishkit.models.reference_packages import Watched, package
from finishkit.settings import FacesSettings, UpscaleSettings
from finishkit.stages import upscale
from finishkit.stages.faces import FacesStage

FAST = CARDS["realesr-animevideov3"]
reference = pytest.mark.reference


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    from skimage import data

    whole = data.astronaut().astype(np.float32) / 255
    return np.stack((whole[0:96, 150:230], whole[96:192, 190:270] * np.float32(0.003)))


@reference
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime"])
def test_our_pixels_are_those_of_realesrganer(name: str, portraits: np.ndarray) -> None:
    """The second frame is dark enough for its own script to misread the depth."""
    frames = portraits if name == FAST.name else portraits[:, 50:74, 20:40]
    theirs = ReferenceUpscaler(CARDS[name], device="cpu")(frames)
    ours = Upscaler(CARDS[name], device="cpu", dtype="float32")(frames)
    assert theirs.shape == ours.shape
    assert theirs[0].std() > 0.02
    assert psnr_db(ours, theirs) >= 70
    assert psnr_db(ours[1], theirs[1]) >= 70


@reference
def test_its_script_gives_the_same_codes(portraits: np.ndarray) -> None:
    engine = ReferenceUpscaler(FAST, device="cpu")
    codes = np.rint(portraits[0] * 255).astype(np.uint8)
    script = engine._engine.enhance(codes[..., ::-1])[0][..., ::-1]
    ours = engine((codes.astype(np.float32) / 255)[None])[0]
    assert np.abs(np.rint(ours * 255) - script).max() <= 1


@reference
def test_a_tile_it_would_paste_over_is_an_error(
    portraits: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = ReferenceUpscaler(FAST, tile_px=40, device="cpu")
    whole = engine(portraits[:1])
    assert whole.std() > 0.05
    net = engine._watched._net

    def running_out_at(tile: int) -> Callable[[torch.Tensor], torch.Tensor]:
        calls = itertools.count(1)

        def runs_out(x: torch.Tensor) -> torch.Tensor:
            if next(calls) == tile:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return net(x)

        return runs_out

    for tile in (1, 3):
        engine._watched._net = running_out_at(tile)
        with pytest.raises(FinishError, match=r"upscale\.tile_px") as caught:
            engine(portraits[:1])
        assert caught.value.code == "out_of_memory"
    engine._watched._net = net
    np.testing.assert_array_equal(engine(portraits[:1]), whole, "it goes on as if nothing was")
    assert capfd.readouterr().out == "", "not a word on the terminal"


@reference
def test_the_stage_runs_it(portraits: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = UpscaleSettings(engine="reference", strength=1)
    ours = upscale.Upscale(model=FAST.name, strength=1.0, tile_px=0, out_px=(320, 384), fit="crop")
    theirs = upscale.Upscale(
        model=settings.model, strength=1.0, tile_px=0, out_px=(320, 384), fit="crop",
        engine=settings.engine,
    )  # fmt: skip
    window = portraits[0]
    a = ours._netted(window, (320, 384), None, 1.0)
    b = theirs._netted(window, (320, 384), None, 1.0)
    assert psnr_db(a, b) >= 50


@reference
def test_gfpgans_net_is_that_of_spandrel_on_equal_weights() -> None:
    """Narrow nets, the same random weights: the code is compared, not what it was taught."""
    from spandrel.architectures.GFPGAN import GFPGAN

    arch = package("gfpgan.archs.gfpganv1_clean_arch", "the test", "install it")
    torch.manual_seed(1)
    sizes = {"out_size": 128, "narrow": 1 / 8, "num_style_feat": 64}
    fixed = {"decoder_load_path": None, "fix_decoder": False, "num_mlp": 8, "input_is_latent": True,
             "different_w": True, "sft_half": True, "channel_multiplier": 2}  # fmt: skip
    ours = GFPGAN(**sizes, **fixed).eval()
    theirs = arch.GFPGANv1Clean(**sizes, **fixed).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.inference_mode():
        a = ours(x, return_rgb=False, randomize_noise=False)[0]
        b = theirs(x, return_rgb=False, randomize_noise=False)[0]
    assert a.std() > 1e-3
    assert float((a - b).abs().max()) <= 1e-4


@reference
def test_gfpganer_fetches_nothing_and_names_what_to_bring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FinishError, match="finishkit models pull gfpgan") as caught:
        FacesStage().fit([], FacesSettings(engine="reference"))
    assert caught.value.code == "weights_missing"
    assert list(tmp_path.iterdir()) == []


def test_nets_its_package_does_not_know_are_refused() -> None:
    card = FAST.model_copy(update={"arch": "spandrel", "name": "mine"})
    with pytest.raises(FinishError, match='engine = "finishkit"') as caught:
        require_reference(card)
    assert caught.value.code == "wrong_model"


def test_a_newer_python_or_an_absent_package_is_said_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(FinishError, match="no-build-isolation basicsr") as caught:
        package("basicsr_that_is_not_there", "A test", "do without")
    assert caught.value.code == "models_missing"
    assert "Or do without." in str(caught.value)
    monkeypatch.setattr(
        sys, "version_info", type("V", (tuple,), {"major": 3, "minor": 13})((3, 13))
    )
    with pytest.raises(FinishError, match=r"Python 3\.13") as caught:
        package("basicsr", "A test", "do without")
    assert caught.value.code == "models_missing"


def test_a_failure_that_is_caught_on_the_way_is_not_lost() -> None:
    def fails(_: int) -> None:
        raise RuntimeError("a tile")

    watched = Watched(fails)
    with pytest.raises(RuntimeError):
        watched(1)
    with pytest.raises(RuntimeError, match="a tile"):
        watched.require_success()
    watched.require_success()
