"""A pass over the set: what fails its gate is tried weaker, then left alone, and that is kept."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from finishkit import fitting
from finishkit.engines.step import execute_step
from finishkit.frames import Frames
from finishkit.passes import gate_limits
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.template import Draft
from tests import synth


@dataclass(frozen=True, slots=True, kw_only=True)
class Tint:
    """A filter that turns everything red, as a stage that went wrong would."""

    strength: float

    def __call__(self, frames: Iterator[Frames], notes: dict[str, float]) -> Iterator[Frames]:
        notes["deflicker.tint"] = self.strength
        for chunk in frames:
            red = np.array([self.strength, 0, 0], np.float32)
            yield chunk.with_data(np.clip(chunk.as_float() + red, 0, 1).astype(np.float32))


class TintStage:
    name = "deflicker"
    version = 1

    def __init__(self, strengths: Mapping[str, float]) -> None:
        self.strengths = strengths

    def fit(self, shots, settings):
        share = settings.strength / 0.6
        return {
            s.id: Tint(strength=self.strengths[s.id] * share) if s.id in self.strengths else None
            for s in shots
        }


class InProcess:
    """An engine that works here: the filters above need not be importable elsewhere."""

    offers = frozenset()

    def __init__(self) -> None:
        self.made: list[str] = []

    def map(self, function, items, *, jobs=None, needs=None):
        for item in items:
            if function is execute_step:
                self.made.append(item.part.name)
            yield item, function(item)

    def close(self) -> None: ...


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = synth.make_episode(tmp_path, shots=3, count=12)
    ids = [s.id for s in open_episode(folder)]
    # Harmless; too much at full strength, not at half; too much at either.
    strengths = dict(zip(ids, (0.01, 0.03, 0.3), strict=True))
    stages = {**fitting.CONTENT_STAGES, "deflicker": TintStage(strengths)}
    monkeypatch.setattr(fitting, "CONTENT_STAGES", stages)
    draft = Draft()
    for path, value in {
        "master.width_px": 144, "master.height_px": 256, "upscale.model": "lanczos",
        "faces.strength": 0.0, "stabilise.strength": 0.0, "interpolate.strength": 0.0,
        "sharpen.strength": 0.0, "grain.strength": 0.0, "grade.strength": 0.0,
    }.items():  # fmt: skip
        draft.set(path, value)
    template = draft.lock()

    def finish():
        engine = InProcess()
        done = finish_episode(
            open_episode(folder), template, tmp_path / "out", jobs=1, engine=engine
        )
        return done, engine.made

    return ids, finish


@pytest.mark.slow
def test_harm_lowers_a_stage_and_then_leaves_it_out(run):
    (kept, lowered, left), finish = run
    done, _ = finish()
    assert done.exit_code == 0
    shots = {s.shot: s for s in done.report.shots}
    assert shots[kept].solved["deflicker.tint"] == pytest.approx(0.01)
    assert all(g.passed for g in shots[kept].gates)
    assert shots[lowered].solved["deflicker.tint"] == pytest.approx(0.015)
    assert shots[lowered].solved["deflicker.lowered_to"] == 0.5
    assert "deflicker.tint" not in shots[left].solved
    assert shots[left].solved["deflicker.bypassed"] == 1.0
    bad = [g for g in shots[left].gates if not g.passed]
    assert [g.name for g in bad] == ["deflicker: colour", "deflicker: colour"]
    assert all(g.after > g.limit == 2.0 for g in bad)
    page = (done.folder / "report.json").read_text()
    assert "deflicker: colour" in {
        g["name"] for s in json.loads(page)["shots"] for g in s["gates"] if not g["passed"]
    }


def test_the_second_run_tries_nothing_again_and_says_the_same(run):
    _, finish = run
    first, made = finish()
    assert len(made) == 3 + 2 + 3
    again, made_again = finish()
    assert made_again == []
    for a, b in zip(first.report.shots, again.report.shots, strict=True):
        assert a.solved == b.solved
        assert a.gates == b.gates


def test_the_limits_come_from_the_template():
    draft = Draft()
    draft.set("gates.colour_de", 1.5)
    draft.set("faces.max_identity_shift", 0.07)
    template = draft.lock()
    faces = gate_limits("faces", template)
    assert faces.colour_de == 1.5
    assert {n.note: n.limit for n in faces.noted} == {
        "faces.identity_shift": 0.07,
        "faces.flicker_ratio": 1.05,
    }
    assert gate_limits("interpolate", template).retimes
    assert not gate_limits("deflicker", template).retimes
