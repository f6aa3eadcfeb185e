"""OpenVINO's graph of a net is that net: same pixels, any shape, one thread or two."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit import environment
from finishkit.errors import FinishError
from finishkit.models import CARDS, engine
from finishkit.models.engine import Upscaler
from finishkit.models.precision import psnr_db

torch = pytest.importorskip("torch")
needs_openvino = pytest.mark.skipif(
    environment.environment()["openvino"] == "not installed", reason="without the extra cpu"
)
FAST = CARDS["realesr-animevideov3"]
Picture = NDArray[np.float32]


def portrait(h: int, w: int) -> Picture:
    from skimage import data

    return data.astronaut()[20 : 20 + h, 180 : 180 + w].astype(np.float32)[None] / 255


@needs_openvino
@pytest.mark.parametrize("name", ["realesr-animevideov3", "realesrgan-x4plus-anime"])
def test_it_is_the_same_net(name: str) -> None:
    ours = Upscaler(CARDS[name], device="cpu", dtype="float32")
    theirs = Upscaler(CARDS[name], device="cpu", dtype="float32", runtime="openvino")
    for picture in (portrait(24, 30), np.concatenate([portrait(16, 20)] * 2)):
        got, wanted = theirs(picture), ours(picture)
        assert got.dtype == np.float32
        assert got.shape == wanted.shape
        assert psnr_db(got, wanted) >= 90
    codes = np.rint(255 * portrait(24, 30)).astype(np.uint8)
    assert np.abs(theirs.from_codes(codes).astype(int) - ours.from_codes(codes)).max() <= 1


@needs_openvino
def test_threads_do_not_change_a_pixel() -> None:
    from finishkit.models.net_openvino import OpenVinoNet

    picture = portrait(64, 48)
    one, two = (OpenVinoNet(FAST, "float32", threads)(picture) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


@needs_openvino
def test_an_answer_is_not_overwritten_by_the_next_and_few_shapes_are_kept() -> None:
    from finishkit.models import net_openvino

    net = net_openvino.OpenVinoNet(FAST, "float32", 1)
    given = portrait(16, 16)
    given.flags.writeable = False
    first = net(given)
    kept = first.copy()
    for side in (18, 16, 20, 22):
        net(portrait(side, side) * np.float32(0.5))
    np.testing.assert_array_equal(first, kept)
    assert len(net._compiled) == net_openvino.KEPT_SHAPES


@needs_openvino
def test_what_ran_out_of_memory_gives_its_own_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole picture does not fit: half a tile does, and every pixel is there."""
    from finishkit.models import net_openvino

    picture = portrait(80, 44)
    own = Upscaler(FAST, device="cpu", dtype="float32", runtime="openvino")
    wanted = own(picture)
    net = own._net
    assert isinstance(net, net_openvino.OpenVinoNet)
    finish = net_openvino._finish
    kept: list[int] = []

    def small_memory(request) -> None:
        kept.append(len(net._compiled))
        if request.get_input_tensor().shape[1] > 79:
            raise RuntimeError("Exception from infer_request.cpp:224: std::bad_alloc")
        finish(request)

    net._compiled.clear()
    monkeypatch.setattr(net_openvino, "_finish", small_memory)
    np.testing.assert_allclose(own(picture), wanted, atol=1e-5)
    assert kept[:2] == [1, 1], "the graph that did not fit was dropped before the next"
    assert own._tile_px == 40


@needs_openvino
def test_tiles_are_exact_here_too() -> None:
    picture = portrait(70, 62)
    whole = Upscaler(FAST, device="cpu", dtype="float32", runtime="openvino")
    tiles = Upscaler(FAST, device="cpu", dtype="float32", runtime="openvino", tile_px=24)
    np.testing.assert_allclose(tiles(picture), whole(picture), atol=1e-5)


@needs_openvino
def test_no_telemetry_is_loaded_with_it() -> None:
    import subprocess

    code = (
        "import sys; from finishkit.models.net_openvino import openvino; openvino();"
        "print(sorted(n for n in sys.modules if 'openvino_telemetry' in n),"
        " 'openvino.tools.ovc' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert told.stdout.split() == ["[]", "True"], "ovc, which sends it, is loaded without it"


@needs_openvino
def test_a_net_at_work_beats_and_one_that_stands_still_does_not(monkeypatch) -> None:
    from finishkit.models import net_openvino

    beats: list[float] = []
    monkeypatch.setattr(net_openvino, "beat", lambda: beats.append(1))
    spent = iter([0.0, 0.2, 0.2, 0.2, 0.2])
    monkeypatch.setattr(net_openvino.time, "process_time", lambda: next(spent))

    class Request:
        """Three looks: the first after 0.2 s of work, the others after none."""

        looks = 0

        def set_input_tensor(self, tensor: object) -> None: ...
        def set_output_tensor(self, tensor: object) -> None: ...
        def start_async(self) -> None: ...
        def wait(self) -> None: ...

        def wait_for(self, _ms: int) -> bool:
            self.looks += 1
            return self.looks > 3

    net = net_openvino.OpenVinoNet(FAST, "float32", 1)
    monkeypatch.setattr(net, "_request", lambda *_: Request())
    net(portrait(16, 16))
    assert len(beats) == 1


def test_what_runs_the_nets_is_in_every_cache_key(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.net_engine.cache_clear()
    monkeypatch.setattr(environment, "_has_gpu", lambda: False)
    told = environment.environment()["upscaling"].split()
    assert told[0] in ("openvino", "torch")
    assert told[1] in ("float32", "bfloat16")
    environment.net_engine.cache_clear()
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(environment, "_computes_bfloat16", lambda: True)
    assert environment.environment()["upscaling"] == "torch bfloat16"
    environment.net_engine.cache_clear()
    monkeypatch.setattr(environment, "_has_gpu", lambda: True)
    assert environment.environment()["upscaling"] == "cuda float16"
    environment.net_engine.cache_clear()


def test_the_choice_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Upscaler(FAST, device="cpu")
    assert [own.runtime, str(own.dtype).removeprefix("torch.")] == list(environment.net_engine())


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine._net.cache_clear()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(FinishError, match=r"finishkit\[cpu\]"):
        Upscaler(FAST, device="cpu", dtype="float32", runtime="openvino")
    engine._net.cache_clear()
