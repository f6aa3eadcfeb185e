"""The end of the render pass on a device: the host's pictures, every frame, whatever runs out."""

from fractions import Fraction

import numpy as np
import pytest

from finishkit.engines import device_pass, step
from finishkit.engines.device_pass import differences, finished_on_device, first_on_device
from finishkit.engines.step import StepJob, execute_step
from finishkit.errors import FinishError
from finishkit.frames import MEZZANINE, Frames, master_encoding, read_frames, write_frames
from finishkit.frames.convert import packed_420
from finishkit.models import CARDS, precision, shared
from finishkit.models.engine import Upscaler
from finishkit.shots import ShotId
from finishkit.stages import device_twins, upscale
from finishkit.stages.gate import Gate
from finishkit.stages.grade import Grade
from finishkit.stages.grain import Clean, Grain
from finishkit.stages.lut import build_lut
from finishkit.stages.match import Match
from finishkit.stages.ramp import KNOTS, Ramp
from finishkit.stages.upscale import Upscale

torch = pytest.importorskip("torch")
NET = "realesr-animevideov3"
COUNT = 5


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    return request.param


@pytest.fixture
def same_net(monkeypatch, device):
    """One net in float32 for both ways, so that only what surrounds it is compared."""
    here = Upscaler(CARDS[NET], device="cpu", dtype="float32")
    there = here if device == "cpu" else Upscaler(CARDS[NET], device="cuda", dtype="float32")
    monkeypatch.setattr(upscale, "upscaler", lambda *_: here)
    monkeypatch.setattr(device_twins, "upscaler", lambda *_: there)
    return there


def frames(chunk=2, h=64, w=40, n=COUNT):
    """A photograph that moves, and its light with it."""
    from skimage import data

    whole = data.astronaut()[20:200, 140:300].astype(np.float32) / 255
    pictures = np.stack([whole[i : i + h, 2 * i : 2 * i + w] * (1 - 0.02 * i) for i in range(n)])
    pts_s = np.arange(n) / 24
    for at in range(0, n, chunk):
        part = slice(at, at + chunk)
        yield Frames(data=pictures[part].copy(), pts_s=pts_s[part])


def enlarge(out_px=(160, 256), **more):
    settings = {"model": NET, "strength": 1.0, "tile_px": 0, "fit": "crop", **more}
    return Upscale(out_px=out_px, **settings)


def table(power=1.1):
    return build_lut(lambda rgb: np.clip(rgb**power * np.array([1.02, 1, 0.96], np.float32), 0, 1))


def graded():
    return Grade(tables=table()[None], match=Match())


def ramped():
    tables = np.stack([table(1 + 0.02 * i) for i in range(KNOTS)])
    ramp = Ramp(end=(0.0, 0.0, 0.1), duration_s=COUNT / 24, before_de=3.0, residual_de=1.0)
    return Grade(tables=tables, match=Match(), ramp=ramp)


def grained():
    return Grain(shot="s1", sigma_codes=2.0, strength=1.0)


def both(filters, device, watched=1, chunk=2, **size):
    """Return planes by host and by device, notes of both, and gates of both."""
    notes, gates, sides = ({}, {}), (Gate(), Gate()), []
    given = frames(chunk, **size)
    for gate in gates:
        list(gate.watch_in(frames(chunk, **size)))
    for number, apply in enumerate(filters, start=1):
        given = apply(given, notes[0])
        if number == watched:
            given = gates[0].watch_out(given)
    sides.append(np.concatenate([[packed_420(p) for p in c.data] for c in given]))
    coded = list(
        finished_on_device(
            frames(chunk, **size),
            filters,
            watched,
            shot="s1",
            notes=notes[1],
            gate=gates[1],
            device=device,
        )
    )
    np.testing.assert_allclose(np.concatenate([c.pts_s for c in coded]), np.arange(COUNT) / 24)
    sides.append(np.concatenate([c.data for c in coded]))
    return sides, notes, gates


CHAINS = {
    "a net": lambda: (enlarge(),),
    "all of it": lambda: (enlarge(), graded(), grained()),
    "a grade that changes": lambda: (enlarge(), ramped(), grained()),
    "half a net": lambda: (enlarge(strength=0.5), graded()),
    "half the detail": lambda: (enlarge(input_scale=0.5), grained()),
    "another shape, cut": lambda: (enlarge(out_px=(160, 200)), graded()),
    "another shape, padded": lambda: (enlarge(out_px=(160, 200), fit="pad"), graded()),
    "an odd factor": lambda: (enlarge(out_px=(102, 170)), graded()),
    "nothing to enlarge": lambda: (enlarge(out_px=(40, 64)), graded()),
    "smaller": lambda: (enlarge(out_px=(30, 46)), graded()),
    "tiles": lambda: (enlarge(tile_px=24), graded()),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_device_gives_the_hosts_pictures(chain, device, same_net):
    same_net._tile_px = 24 if chain == "tiles" else 0
    (host, there), notes, gates = both(CHAINS[chain](), device)
    off = np.abs(host.astype(int) - there)
    assert off.max() <= device_pass.MOST_CODES
    assert off.mean() < device_pass.MEAN_CODES
    assert host.std() > 20, "there is something to see"
    # Grain is read from rounded codes: one that rounds the other way is seen.
    assert notes[1] == pytest.approx(notes[0], rel=0.03, abs=1e-3)
    (_, seen), (_, seen_there) = (g.readings for g in gates)
    np.testing.assert_allclose(seen_there.lab, seen.lab, atol=0.05)
    np.testing.assert_allclose(seen_there.change, seen.change, atol=0.1)
    np.testing.assert_array_equal(seen_there.pts_s, seen.pts_s)


@pytest.mark.parametrize("chunk", [1, 3, 5])
def test_pictures_do_not_depend_on_the_chunk(chunk, device, same_net):
    filters = (enlarge(), ramped(), grained())
    two, _, _ = both(filters, device)
    other, _, _ = both(filters, device, chunk=chunk)
    assert np.abs(two[1].astype(int) - other[1]).max() <= 1


def test_memory_that_runs_out_costs_time_and_nothing_else(device, same_net, monkeypatch):
    filters = (enlarge(), graded(), grained())
    wanted, _, _ = both(filters, device, chunk=4)
    counts = []
    planes = device_pass.to_420

    def little(data):
        counts.append(len(data))
        if len(data) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return planes(data)

    monkeypatch.setattr(device_pass, "to_420", little)
    got, _, _ = both(filters, device, chunk=4)
    assert np.abs(got[1].astype(int) - wanted[1]).max() <= 1
    assert counts == [4, 2, 1, 1, 1, 1, 1], "what fitted is remembered"


def test_a_frame_that_does_not_fit_is_told(device, same_net, monkeypatch):
    def none(_data):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(device_pass, "to_420", none)
    with pytest.raises(FinishError, match="does not hold one frame") as caught:
        both((enlarge(),), device)
    assert caught.value.code == "out_of_memory"


def test_other_errors_are_told_as_they_are(device, same_net, monkeypatch):
    def broken(_data):
        raise RuntimeError("an illegal memory access")

    monkeypatch.setattr(device_pass, "to_420", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        both((enlarge(),), device)


def test_what_is_no_number_is_told_although_a_table_would_hide_it(device, same_net, monkeypatch):
    class Broken:
        def on_device(self, given):
            n, _, h, w = given.shape
            out = torch.full((n, 3, 4 * h, 4 * w), 0.5, device=given.device)
            out[-1, 0, 0, 0] = float("nan")
            return out

    monkeypatch.setattr(device_twins, "upscaler", lambda *_: Broken())
    with pytest.raises(FinishError, match="s1: a stage gave pictures that are no numbers"):
        list(
            finished_on_device(
                frames(), (enlarge(), graded()), 1, shot="s1", notes={}, gate=Gate(), device=device
            )
        )


def test_a_gate_that_has_seen_enough_is_shown_nothing(device, same_net):
    gate = Gate()
    more = {"shot": "s1", "notes": {}, "gate": gate, "device": device}
    coded = list(finished_on_device(frames(), (enlarge(),), 0, **more))
    assert sum(map(len, coded)) == COUNT
    assert len(gate.readings[1].pts_s) == 0


def test_where_frames_stay_on_the_device():
    class Unknown:
        def __call__(self, frames, notes):
            return frames

    clean = Clean(noise_codes=1.0, share=0.5)
    assert first_on_device((clean, enlarge(), graded(), grained())) == 1
    assert first_on_device((enlarge(strength=0.0), graded())) is None
    assert first_on_device((enlarge(model="lanczos"), graded())) is None
    assert first_on_device((enlarge(engine="reference"), graded())) is None
    assert first_on_device((enlarge(), Unknown())) is None
    assert first_on_device((clean,)) is None


def test_the_device_is_compared_with_the_host_before_it_is_used(device, monkeypatch):
    worst, mean = differences(device)
    assert worst <= device_pass.MOST_CODES
    assert mean <= device_pass.MEAN_CODES
    monkeypatch.setattr(device_pass, "differences", lambda _: (3.0, 0.01))
    why = device_pass.why_not_here.__wrapped__(device)
    assert why == "pictures differ by up to 3 codes, 0.010 on average"

    def failing(_device):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(device_pass, "differences", failing)
    assert "no kernel image" in device_pass.why_not_here.__wrapped__(device)


def job(folder, name):
    return StepJob(
        shot=ShotId("s1"),
        source=folder / "source.mkv",
        matrix=None,
        part=folder / f"{name}.mp4",
        before=None,
        filters=(Clean(noise_codes=2.0, share=0.5), enlarge(), graded(), grained()),
        frame_count=COUNT,
        rate_fps=Fraction(24),
        encoding=master_encoding(4, "ultrafast", 1),
        audio_from=None,
        chunk=2,
        gated=2,
    )


def decoded(path):
    return np.concatenate([c.as_float() for c in read_frames(path)])


def test_a_whole_step_is_the_same_either_way(tmp_path, same_net, device, monkeypatch):
    write_frames(tmp_path / "source.mkv", frames(), rate_fps=Fraction(24), encoding=MEZZANINE)
    host = execute_step(job(tmp_path, "host"))
    monkeypatch.setattr(step, "device_of_nets", lambda: device)
    there = execute_step(job(tmp_path, "there"))
    one, other = decoded(tmp_path / "host.mp4"), decoded(tmp_path / "there.mp4")
    assert precision.psnr_db(one, other) > 50
    assert there.notes["upscale.on_device"] == 1
    assert "upscale.on_device" not in host.notes
    assert [g.name for g in there.gates] == [g.name for g in host.gates]
    for a, b in zip(there.gates, host.gates, strict=True):
        assert (a.passed, a.after) == (b.passed, pytest.approx(b.after, abs=0.1))


def test_a_device_that_disagrees_is_not_used(tmp_path, same_net, device, monkeypatch):
    write_frames(tmp_path / "source.mkv", frames(), rate_fps=Fraction(24), encoding=MEZZANINE)
    monkeypatch.setattr(step, "device_of_nets", lambda: device)
    monkeypatch.setattr(device_pass, "why_not_here", lambda _: "pictures differ")
    assert "upscale.on_device" not in execute_step(job(tmp_path, "host")).notes


def test_the_nets_of_a_process_are_kept_by_where_they_run(device):
    there = shared.upscaler(NET, 0, "", 0.0, device)
    assert (there.device, there.runtime) == (device, "torch")
    assert shared.upscaler(NET, 0, "", 0.0, device) is there
