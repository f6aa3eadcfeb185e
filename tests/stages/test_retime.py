import hashlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from finishkit.errors import FinishError
from finishkit.frames import Frames, join_shots, master_encoding, read_frames, write_frames
from finishkit.settings import InterpolateSettings
from finishkit.stages.conform import Conform, conformed_count, nominal_rate
from finishkit.stages.interpolate import Cadence, InterpolateStage
from finishkit.stages.motion_flow import Gap, Shown
from finishkit.stages.retime import Timing, retimed_count
from finishkit.stages.rife import RifeInterpolator
from tests import synth
from tests.stages.test_interpolate import BACK, dup_ratio, moving, psnr, repeat

FILM = Fraction(24_000, 1001)
RATES = [8, 12, 16, FILM, 24, 25, Fraction(30_000, 1001), 30, 50]
SMALL = np.s_[:64, :48]


def timing(source, rate, count, mode="auto"):
    source, rate = Fraction(source), Fraction(rate)
    probe = synth.probed(48, 64, count).replace(rate_fps=source)
    frames = retimed_count(probe, rate)
    return Timing(source_fps=source, rate_fps=rate, frame_count=frames, mode=mode)


def retimed(pictures, source, rate, chunk=5, *, strength=1.0, mode="auto", repeats=False):
    when = timing(source, rate, len(pictures), mode)
    cadence = Cadence(strength=strength, confidence_min=0.7, repeats=repeats, timing=when)
    times = np.array([float(Fraction(i) / Fraction(source)) for i in range(len(pictures))])

    def chunks() -> Iterator[Frames]:
        for i in range(0, len(pictures), chunk):
            yield Frames(data=pictures[i : i + chunk].copy(), pts_s=times[i : i + chunk])

    notes = {}
    out = list(cadence(chunks(), notes))
    given = np.concatenate([c.pts_s for c in out])
    np.testing.assert_allclose(given, np.arange(when.frame_count) / float(rate), atol=1e-9)
    return np.concatenate([c.data for c in out]), notes


def pan(at, step=1.5):
    """The world of ``moving`` without its walker, at any moment."""
    shift = np.float32([[1, 0, -at * step], [0, 1, 0]])
    return cv2.warpAffine(BACK, shift, (128, 192), flags=cv2.INTER_LINEAR)


@pytest.mark.parametrize(("source", "rate"), list(itertools.permutations(RATES, 2)))
def test_counts_are_the_duration_and_no_frame_is_far_from_its_moment(source, rate):
    for count in (1, 2, 7, 48, 121):
        for mode in ("auto", "exact", "nearest"):
            when = timing(source, rate, count, mode)
            span = Fraction(count) / Fraction(source)
            assert abs(when.frame_count / Fraction(rate) - span) <= Fraction(1, 2) / Fraction(
                rate
            ) or (when.frame_count == 1)
            shown = np.array([when.source_s(i) for i in range(when.frame_count)])
            due = np.array([float(i / Fraction(rate)) for i in range(when.frame_count)])
            assert (np.diff(shown) > 0).all()
            assert np.abs(shown - due).max() <= 0.5 / float(source) + 1e-9


def test_near_rates_are_eased_and_leave_most_frames_alone():
    for source, rate in ((24, 25), (25, 24)):
        when = timing(source, rate, 100)
        at = np.array([when.source_s(i) for i in range(when.frame_count)]) * source
        steps = np.diff(at)
        assert steps.min() > 0.79
        assert steps.max() < 1.21
        assert (np.abs(at - at.round()) < 1e-6).mean() >= 0.8
    film = timing(FILM, 24, 120)
    at = np.array([film.source_s(i) for i in range(film.frame_count)]) * float(FILM)
    np.testing.assert_allclose(at, np.arange(film.frame_count), atol=1e-6)


@pytest.mark.parametrize(("source", "rate"), [(12, 24), (16, 24), (8, 24), (24, 30), (30, 24)])
def test_every_tick_shows_its_moment(source, rate):
    speed = 36 / source
    world = np.stack([pan(i, speed) for i in range(source)])
    out, notes = retimed(world, source, rate)
    assert len(out) == rate
    assert notes["interpolate.nearest"] == 0
    inner = np.s_[20:-20, 20:-20]
    for tick in range(rate - max(2, rate // source + 1)):
        want = pan(tick * source / rate, speed)
        assert psnr(out[tick][inner], want[inner]) > 30, tick
        if tick * source % rate == 0:
            np.testing.assert_array_equal(out[tick], world[tick * source // rate])
    assert dup_ratio(out) == 0, "not even at the end"


def test_the_last_frame_ends_the_shot():
    out, _ = retimed(np.stack([pan(i, 3) for i in range(12)]), 12, 24)
    np.testing.assert_array_equal(out[-1], pan(11, 3))


def test_strength_zero_shows_the_nearest_frames():
    world = moving(12)
    out, notes = retimed(world, 12, 24, strength=0.0)
    np.testing.assert_array_equal(out, np.repeat(world, 2, axis=0))
    assert notes["interpolate.made"] == 0


def test_nearest_makes_nothing_but_what_repeats():
    world = moving(24)
    out, notes = retimed(world, 24, 25, mode="nearest")
    assert notes["interpolate.made"] == 0
    assert all(any(np.array_equal(o, w) for w in world) for o in out)
    out, notes = retimed(repeat(world, [9]), 24, 25, mode="nearest", repeats=True)
    assert notes["interpolate.repaired"] == 1


def test_repeats_and_another_rate_are_one_job():
    world = np.stack([pan(i, 2) for i in range(24)])
    held = repeat(world, [3, 7, 11, 15, 19])
    out, notes = retimed(held, 24, 30, repeats=True)
    assert notes["interpolate.repaired"] == 5
    inner = np.s_[20:-20, 20:-20]
    for tick in range(26):
        assert psnr(out[tick][inner], pan(tick * 0.8, 2)[inner]) > 30
    assert dup_ratio(out) == 0


def test_no_picture_is_made_across_a_cut():
    first, second = moving(8), np.ascontiguousarray(1 - moving(8)[:, ::-1])
    both = np.concatenate([first, second])
    out, notes = retimed(both, 12, 24)
    assert notes["interpolate.nearest"] == 1
    for frame, owner in ((15, both[7]), (16, both[8])):
        np.testing.assert_array_equal(out[frame], owner)
    # And the motion on either side takes nothing from beyond the cut.
    np.testing.assert_array_equal(out[:13], retimed(first, 12, 24)[0][:13])


def test_a_caption_stays_where_it_is():
    world = np.stack([pan(i, 4) for i in range(12)])
    world[:, 150:180, 30:100] = 0
    world[:, 158:172, 40:90] = 1
    out, _ = retimed(world, 12, 24)
    assert np.abs(out[1:20, 155:175, 36:94] - world[0, 155:175, 36:94]).max() < 0.03


def test_motion_follows_its_curve():
    """A camera that slows down and turns back: straight paths would cut the corner."""
    places = [20 + 10 * np.sin(i / 4) for i in range(24)]
    world = np.stack([pan(p, 2) for p in places])
    out, _ = retimed(world[::2], 12, 24)
    inner = np.s_[20:-20, 20:-20]
    true = np.mean([psnr(out[i][inner], world[i][inner]) for i in range(3, 20, 2)])
    straight = []
    for i in range(3, 20, 2):
        middle = pan((places[i - 1] + places[i + 1]) / 2, 2)
        straight.append(psnr(middle[inner], world[i][inner]))
    assert true > np.mean(straight) + 1


def test_chunks_change_no_bit():
    world = repeat(moving(20), [4, 9, 10, 19])
    whole = retimed(world, 16, 25, 20, repeats=True)[0]
    for chunk in (1, 6):
        np.testing.assert_array_equal(retimed(world, 16, 25, chunk, repeats=True)[0], whole)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shortest_shots(count):
    for source, rate in ((8, 24), (24, 8), (24, 25)):
        out, _ = retimed(moving(count), source, rate)
        assert len(out) == max(1, int(count * rate / source + 0.5))


def test_frames_ahead_are_bounded():
    taken = 0

    def endless():
        nonlocal taken
        world = moving(8)[:, *SMALL].copy()
        while True:
            yield Frames(data=world[taken % 8 : taken % 8 + 1].copy(), pts_s=np.array([taken / 12]))
            taken += 1

    when = Timing(source_fps=Fraction(12), rate_fps=Fraction(24), frame_count=10**6, mode="auto")
    for repeats in (False, True):
        taken = 0
        out = Cadence(strength=1, confidence_min=0.7, repeats=repeats, timing=when)(endless(), {})
        for _ in range(40):
            next(out)
        assert taken <= 20 + 20


def test_only_shots_of_another_rate_are_retimed(shot_input):
    shots = [shot_input("same"), shot_input("other"), shot_input("stutter", dup_ratio=0.2)]
    shots[1] = shot_input("other")
    probe = shots[1].probe.replace(rate_fps=Fraction(25), frame_count=50)
    object.__setattr__(shots[1], "probe", probe)
    for strength in (1.0, 0.0):
        settings = InterpolateSettings(strength=strength)
        found = InterpolateStage().fit(shots, settings, rate_fps=Fraction(24))
        assert found["same"] is None
        assert found["other"].timing.frame_count == 48
        assert not found["other"].repeats
        assert (found["stutter"] is not None) == (strength > 0)
    assert InterpolateStage().fit(shots, InterpolateSettings())["other"] is None


def test_uneven_times_become_even_and_lose_nothing():
    rng = np.random.default_rng(0)
    times = np.arange(30) / 24 + rng.uniform(-0.4, 0.4, 30) / 24
    times -= times[0]
    times = np.delete(times, [9, 10, 20])
    pictures = np.arange(27, dtype=np.float32)[:, None, None, None] / 27 + np.zeros((1, 4, 4, 3))
    probe = synth.probed(4, 4, 27).replace(
        constant_rate=False, duration_s=float(times[-1] + 1 / 24), rate_fps=Fraction(2160, 100)
    )
    rate = nominal_rate(probe)
    assert rate in (Fraction(24), FILM)
    count = conformed_count(probe, rate)
    chunks = [Frames(data=pictures.astype(np.float32), pts_s=times)]
    out = np.concatenate(
        [f.data for f in Conform(rate_fps=rate, frame_count=count)(iter(chunks), {})]
    )
    shown = np.unique(np.round(out[:, 0, 0, 0] * 27))
    assert len(shown) >= 26
    assert len(out) == count
    assert (np.diff(out[:, 0, 0, 0]) >= 0).all()


def test_even_times_keep_their_rate():
    probe = synth.probed(4, 4, 24).replace(rate_fps=Fraction(17))
    assert nominal_rate(probe) == 17


def rife_net(path: Path, extra: str = "timestep") -> str:
    """Write a net of RIFE's inputs that mixes the two pictures by time."""
    planes = [1, 3, "h", "w"]
    inputs = [
        helper.make_tensor_value_info("img0", TensorProto.FLOAT, planes),
        helper.make_tensor_value_info("img1", TensorProto.FLOAT, planes),
        helper.make_tensor_value_info(extra, TensorProto.FLOAT, [1, 1, 1, 1]),
    ]
    nodes = [
        helper.make_node("Sub", ["img1", "img0"], ["change"]),
        helper.make_node("Mul", ["change", extra], ["part"]),
        helper.make_node("Add", ["img0", "part"], ["out"]),
    ]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, planes)]
    graph = helper.make_graph(nodes, "mix", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def rife_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    return tmp_path / "models" / "rife.onnx"


def test_rife_makes_the_pictures_between(rife_file, shot_input):
    settings = InterpolateSettings(engine="rife", rife_sha256=rife_net(rife_file))
    cadence = InterpolateStage().fit([shot_input("a", dup_ratio=0.2)], settings)["a"]
    assert isinstance(cadence.engine, RifeInterpolator)
    world = moving(4)[:, :50, :70].copy()
    gap = Gap(Shown(world[0], 0.0), Shown(world[1], 0.25))
    out = cadence.engine.between(gap, 0.25, None, None)
    np.testing.assert_allclose(out, 0.75 * world[0] + 0.25 * world[1], atol=1e-5)


def test_rife_that_is_not_there_says_how_to_bring_it(rife_file, shot_input):
    shots = [shot_input("a", dup_ratio=0.2)]
    with pytest.raises(FinishError, match=r"cp YOUR_RIFE\.onnx") as missing:
        InterpolateStage().fit(shots, InterpolateSettings(engine="rife", rife_sha256="0" * 64))
    assert missing.value.code == "weights_missing"
    digest = rife_net(rife_file)
    with pytest.raises(FinishError, match=digest):
        InterpolateStage().fit(shots, InterpolateSettings(engine="rife"))
    with pytest.raises(FinishError) as other:
        InterpolateStage().fit(shots, InterpolateSettings(engine="rife", rife_sha256="0" * 64))
    assert other.value.code == "weights_changed"
    # Shots that need no picture need no net.
    settings = InterpolateSettings(engine="rife")
    assert InterpolateStage().fit([shot_input("b", dup_ratio=0.0)], settings) == {"b": None}


def test_a_net_with_other_inputs_is_refused(rife_file):
    digest = rife_net(rife_file, extra="time")
    world = moving(2)[:, *SMALL].copy()
    with pytest.raises(FinishError, match="img0, img1 and timestep"):
        RifeInterpolator.of(digest).between(
            Gap(Shown(world[0], 0), Shown(world[1], 1)), 0.5, None, None
        )


def clicks_s(path):
    """Return when sound sets in, by the times of its packets."""
    with av.open(str(path)) as container:
        blocks = [(f.time, f.to_ndarray()[0]) for f in container.decode(audio=0)]
    level = np.concatenate([np.abs(samples) for _, samples in blocks])
    times = np.concatenate([t + np.arange(len(samples)) / 48_000 for t, samples in blocks])
    loud = times[level > 0.3]
    return loud[np.diff(loud, prepend=-1) > 0.05]


def test_sound_stays_on_the_picture_through_another_rate(tmp_path):
    """12 and 25 fps in one 24 fps master: each flash with its click."""
    shots, sounds, due = [], [], []
    for name, rate in (("a", 12), ("b", 25), ("c", 12)):
        data = np.stack([pan(i, 24 / rate)[:128, :72] * 0.4 for i in range(2 * rate)])
        data[::12] = 1
        source = synth.write_clip(tmp_path / f"{name}.mp4", data, rate=rate, sound=True)
        pictures = np.concatenate([f.data for f in read_frames(source)])
        out, _ = retimed(pictures, rate, 24)
        part = tmp_path / f"{name}_out.mp4"
        encoding = master_encoding(12, "ultrafast", 1)
        write_frames(part, synth.chunks(out), rate_fps=Fraction(24), encoding=encoding)
        due += [2 * len(shots) + i / rate for i in range(0, 2 * rate, 12)]
        shots.append(part)
        sounds.append(source)
    master = tmp_path / "master.mp4"
    assert join_shots(master, shots, sounds, rate_fps=Fraction(24)) == 3 * 48
    frames = list(read_frames(master))
    light = np.concatenate([f.data.mean(axis=(1, 2, 3)) for f in frames])
    times = np.concatenate([f.pts_s for f in frames])
    flashes = times[(light > 0.7) & (np.concatenate([[0], light[:-1]]) < 0.7)]
    heard = clicks_s(master)
    assert len(flashes) == len(heard) == len(due)
    assert np.abs(flashes - heard).max() <= 1 / 24
    assert np.abs(heard - due).max() <= 1 / 24


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize("shot", ["012", "020"])
def test_planted_repeats_are_made_better_than_by_minterpolate(shot, footage):
    from bench.interpolate import VARIANTS, planted

    table, left = planted(shot, folder=footage)
    assert left <= 0.02
    assert all(table["ours"][0] >= table[v][0] for v in VARIANTS)


@pytest.mark.footage
@pytest.mark.slow
def test_dropped_frames_are_made_better_than_by_minterpolate(footage):
    from bench.interpolate import CLIPS, VARIANTS, clip, halved

    for path in CLIPS:
        table = halved(clip(footage / path, 25))
        assert all(table["ours"][0] >= table[v][0] for v in VARIANTS), path
        assert all(table["ours"][1] >= table[v][1] for v in VARIANTS), path
