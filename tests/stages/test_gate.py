import numpy as np
import pytest
from pydantic import ValidationError

from finishkit.frames import Frames
from finishkit.stages.gate import Gate, GateLimits, GateResult, NoteLimit


def clip(frames=20, height=96, width=54):
    rng = np.random.default_rng(0)
    world = rng.random((height // 4, (width + 90) // 4 + 1, 3)).astype(np.float32)
    world = np.kron(world, np.ones((4, 4, 1), np.float32)) * 0.6 + 0.2
    return np.stack([world[:, 3 * i : 3 * i + width] for i in range(frames)])


def chunks(pictures, size=6, start=0.0, rate=24):
    times = start + np.arange(len(pictures)) / rate
    for i in range(0, len(pictures), size):
        yield Frames(data=pictures[i : i + size].copy(), pts_s=times[i : i + size])


def judged(before, after, limits=None, start=0.0):
    gate = Gate()
    seen = [c.data for c in gate.watch_in(chunks(before))]
    np.testing.assert_array_equal(np.concatenate(seen), before)
    for _ in gate.watch_out(chunks(after, size=7, start=start)):
        pass
    return {r.name: r for r in gate.verdict(limits)}


def failed(results):
    return {name for name, result in results.items() if not result.passed}


def test_untouched_frames_pass_every_check():
    results = judged(clip(), clip())
    assert set(results) == {"frames", "finite", "times", "black", "frozen", "flicker", "colour"}
    assert failed(results) == set()
    assert results["flicker"].before == results["flicker"].after


def test_mild_sharpening_and_noise_pass():
    noise = np.random.default_rng(1).normal(0, 0.02, clip().shape).astype(np.float32)
    assert failed(judged(clip(), np.clip(clip() + noise, 0, 1))) == set()


def test_enlarged_frames_pass():
    large = clip().repeat(3, axis=1).repeat(3, axis=2)
    assert failed(judged(clip(), large)) == set()


def test_lost_frame_is_caught():
    results = judged(clip(), clip()[:-1])
    assert failed(results) == {"frames"}
    assert (results["frames"].before, results["frames"].after) == (20, 19)
    assert "20 frames went in, 19 came out" in results["frames"].text


def test_moved_times_are_caught():
    results = judged(clip(), clip(), start=0.01)
    assert failed(results) == {"times"}
    assert results["times"].after == pytest.approx(0.01)


def test_one_bad_value_anywhere_is_caught():
    for value in (np.nan, np.inf):
        after = clip()
        after[7, 33, 21, 1] = value
        results = judged(clip(), after)
        assert failed(results) == {"finite"}
        assert results["finite"].after == 1


def test_black_frame_is_caught():
    after = clip()
    after[5] = 0
    results = judged(clip(), after)
    assert "black" in failed(results)
    assert results["black"].after == 1


def test_black_frames_that_were_black_pass():
    fade = clip() * np.linspace(0, 1, 20, dtype=np.float32)[:, None, None, None]
    assert failed(judged(fade, fade)) == set()


def test_frozen_frame_is_caught():
    after = clip()
    after[9] = after[8]
    results = judged(clip(), after)
    assert "frozen" in failed(results)
    assert results["frozen"].after == 1


def test_steadier_light_is_not_taken_for_a_freeze():
    still = np.repeat(clip(1), 20, axis=0)
    swing = 1 + 0.05 * np.random.default_rng(2).normal(size=(20, 1, 1, 1))
    flickering = np.clip(still * swing, 0, 1).astype(np.float32)
    results = judged(flickering, still)
    assert failed(results) == set()
    assert results["flicker"].after < 0.1 * results["flicker"].before


def test_new_flicker_is_caught():
    swing = 1 + 0.02 * np.random.default_rng(3).normal(size=(20, 1, 1, 1))
    still = np.repeat(clip(1), 20, axis=0)
    results = judged(still, np.clip(still * swing, 0, 1).astype(np.float32))
    assert failed(results) == {"flicker"}
    # 2 % of gain at mid grey is about 1 L*.
    assert 0.4 < results["flicker"].after < 2


def test_shift_of_colour_is_caught_unless_that_is_the_stage():
    warm = np.clip(clip() * np.float32([1.08, 1, 0.9]), 0, 1)
    results = judged(clip(), warm)
    assert failed(results) == {"colour"}
    assert results["colour"].after > 4
    assert failed(judged(clip(), warm, GateLimits(colour_de=None))) == set()
    assert failed(judged(clip(), warm, GateLimits(colour_de=30.0))) == set()


def test_uint8_and_float32_read_the_same():
    codes = np.round(clip() * 255).astype(np.uint8)
    gate = Gate()
    for _ in gate.watch_in(chunks(codes)):
        pass
    for _ in gate.watch_out(chunks(codes.astype(np.float32) / 255)):
        pass
    before, after = gate.readings
    np.testing.assert_allclose(before.mean, after.mean, atol=0.004)
    np.testing.assert_allclose(before.lab, after.lab, atol=0.5)


@pytest.mark.parametrize("frames", [1, 2])
def test_shortest_shots(frames):
    assert failed(judged(clip(frames), clip(frames))) == set()


def test_no_frames_at_all():
    results = {r.name: r for r in Gate().verdict()}
    assert failed(results) == set()
    assert "colour" not in results


def test_results_are_frozen_and_strict():
    result = judged(clip(3), clip(3))["flicker"]
    with pytest.raises(ValidationError):
        result.passed = False
    with pytest.raises(ValidationError):
        GateResult.model_validate({**result.model_dump(), "more": 1})


def test_what_a_stage_notes_of_itself_is_held_to_its_bound():
    bound = NoteLimit(
        note="faces.identity_shift", name="identity", limit=0.12, text="Faces moved by {value}."
    )
    gate = Gate()
    for _ in gate.watch_out(gate.watch_in(chunks(clip()))):
        pass
    limits = GateLimits(noted=(bound,))
    within = {r.name: r for r in gate.verdict(limits, {"faces.identity_shift": 0.11})}
    beyond = {r.name: r for r in gate.verdict(limits, {"faces.identity_shift": 0.131})}
    assert failed(within) == set()
    assert failed(beyond) == {"identity"}
    assert (beyond["identity"].after, beyond["identity"].limit) == (0.131, 0.12)
    assert beyond["identity"].text == "Faces moved by 0.13."
    assert "identity" not in {r.name for r in gate.verdict(limits, {})}, "no faces, no judgement"


def test_a_stage_that_retimes_is_compared_by_time():
    slow, fast = clip()[::2], clip()
    gate = Gate()
    for _ in gate.watch_in(chunks(slow, rate=12)):
        pass
    for _ in gate.watch_out(chunks(fast)):
        pass
    assert failed({r.name: r for r in gate.verdict(GateLimits())}) == {"frames"}
    assert failed({r.name: r for r in gate.verdict(GateLimits(retimes=True))}) == set()
    dark = Gate()
    for _ in dark.watch_in(chunks(slow, rate=12)):
        pass
    for _ in dark.watch_out(
        chunks(fast * (np.arange(20) != 7).astype(np.float32)[:, None, None, None])
    ):
        pass
    results = {r.name: r for r in dark.verdict(GateLimits(retimes=True))}
    assert {"black"} <= failed(results) <= {"black", "flicker", "colour"}


def test_a_stage_that_moves_things_is_judged_by_the_whole_picture():
    half = np.zeros((20, 96, 54, 3), np.float32) + 0.3
    half[:, :, :27] = 0.6
    moved = half[:, :, ::-1].copy()
    assert "colour" in failed(judged(half, moved))
    assert "colour" not in failed(judged(half, moved, GateLimits(moves=True)))
    brighter = np.clip(moved + 0.1, 0, 1).astype(np.float32)
    assert "colour" in failed(judged(half, brighter, GateLimits(moves=True)))
