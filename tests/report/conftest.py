"""A small episode with known measurements, and a real browser."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from finishkit.frames import Frames, master_encoding, write_frames
from finishkit.measure import (
    METRICS,
    CastPair,
    CharacterIdentity,
    CharacterLook,
    Measurements,
    ShotMeasurement,
)
from finishkit.report import Gate, Report, ShotOutcome, build_report
from finishkit.shots import Character, Episode, Shot, ShotId
from finishkit.verdict import judge

CLEAN = {
    "eff_px": 400.0,
    "eff_r": 0.83,
    "wb_r": 0.1,
    "wb_b": -0.2,
    "ev": -1.0,
    "con": 6.3,
    "sat": 4.8,
    "id_dist": 0.2,
    "id_spread": 0.2,
    "flick_g": 0.05,
    "flick_l": 0.1,
    "flick_c": 0.1,
    "dup_ratio": 0.0,
    "fps_eff": 24.0,
    "shake_pct": 0.2,
    "noise_sigma": 1.0,
}
"""Shots of one scene, all alike: nothing may be flagged."""

SHOTS = tuple(f"ep_shot_{n:03}" for n in range(1, 9))
TORN = "ep_shot_009"
SIZE, FRAME_COUNT = (144, 256), 6


@dataclass(frozen=True)
class Made:
    """An episode, what was measured of it, and its files."""

    episode: Episode
    report: Report
    sources: Mapping[ShotId, Path]
    finished: Mapping[ShotId, Path]
    references: Mapping[str, tuple[Path, ...]]


def _clip(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    small = rng.integers(30, 220, (1, 16, 9, 3), dtype=np.uint8)
    picture = np.repeat(np.repeat(small, SIZE[1] // 16, axis=1), SIZE[0] // 9, axis=2)
    data = np.repeat(picture, FRAME_COUNT, axis=0)
    frames = Frames(data=data, pts_s=np.arange(FRAME_COUNT) / 24.0)
    write_frames(
        path, [frames], rate_fps=Fraction(24), encoding=master_encoding(18, "ultrafast", 1)
    )
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight small clips, their finished versions, and a reference picture."""
    root = tmp_path_factory.mktemp("clips")
    (root / "done").mkdir()
    for number, name in enumerate(SHOTS):
        _clip(root / f"{name}.mp4", number)
        _clip(root / "done" / f"{name}.mp4", 100 + number)
    (root / f"{TORN}.mp4").write_bytes(b"not a film")
    Image.new("RGB", (300, 400), (120, 90, 70)).save(root / "ADA.jpg")
    return root


def measured(shot: Shot, **changes: float | None) -> ShotMeasurement:
    """Measurement of one shot with a face, clean but for ``changes``."""
    values: dict[str, float | None] = {**CLEAN, **changes}
    faces = tuple(
        CharacterIdentity(
            character=name,
            id_dist=values["id_dist"],
            id_spread=values["id_spread"],
            n_faces=5 if values["id_dist"] is not None else 0,
            worst_frame=3,
            worst_box=(40.0, 60.0, 90.0, 120.0),
            embedding=(0.1, 0.2) if values["id_dist"] is not None else (),
        )
        for name in shot.characters
    )
    return ShotMeasurement(
        shot=shot.id,
        order=shot.order,
        scene=shot.scene,
        width_px=SIZE[0],
        height_px=SIZE[1],
        rate_fps=Fraction(24),
        frame_count=FRAME_COUNT,
        duration_s=2.0,
        values={m.name: values.get(m.name) for m in METRICS},
        eff_conf=90,
        identities=faces,
    )


Changes = Mapping[str, Mapping[str, float | None]]
Maker = Callable[..., Made]


@pytest.fixture(scope="session")
def make(clips: Path) -> Maker:
    """Build a report: ``make(raw={shot: {metric: value}}, finished={...}, words=...)``."""

    def build(
        raw: Changes | None = None,
        finished: Changes | None = None,
        words: str = "",
        torn: bool = False,
        separable: bool = True,
        outcomes: tuple[ShotOutcome, ...] = (),
        **extra: Any,
    ) -> Made:
        names = (*SHOTS, TORN) if torn else SHOTS
        character = "ADA" + words
        shots = tuple(
            Shot(
                id=ShotId(name),
                path=clips / f"{name}.mp4",
                scene=("kitchen" if order < 4 else "garden") + words,
                characters=(character,),
                order=order,
                notes={"prompt": "a woman at a table" + words, "seed": "17", "note" + words: words}
                if words
                else {"prompt": "a woman at a table", "seed": "17", "note": "-"},
            )
            for order, name in enumerate(names)
        )
        cast = (Character(name=character, reference_images=(clips / "ADA.jpg",)),)
        episode = Episode(name="ep" + words, root=clips, shots=shots, characters=cast)
        before = _all(episode, raw or {}, words, separable=separable)
        after = _all(episode, finished, words) if finished is not None else None
        if torn:
            outcomes = (
                *outcomes,
                ShotOutcome(
                    shot=TORN,
                    file=f"{TORN}.mp4{words}",
                    state="quarantined",
                    code="unreadable" + words,
                    text="It cannot be opened. Export it again." + words,
                    gates=(Gate(name="g" + words, passed=False, text="held" + words),),
                ),
            )
        report = build_report(
            episode=episode,
            raw=before,
            verdict=judge(before),
            finished=after,
            finished_verdict=judge(after, baseline=before) if after else None,
            template_name=("romance" + words) if after else None,
            template_sha256=("7f3a" + "0" * 60 + words) if after else None,
            outcomes=outcomes,
            environment={"python" + words: "3.11" + words},
            created="22 Nov 2026" + words,
            **extra,
        )
        files = {ShotId(n): clips / "done" / f"{n}.mp4" for n in SHOTS} if after else {}
        return Made(
            episode=episode,
            report=report,
            sources={s.id: s.path for s in shots},
            finished=files,
            references={c.name: c.reference_images for c in cast},
        )

    return build


def _all(
    episode: Episode, changes: Changes, words: str = "", *, separable: bool = True
) -> Measurements:
    shots = tuple(measured(s, **changes.get(s.id, {})) for s in episode if s.id != TORN)
    ada, ben, cat = episode.characters[0].name, "BEN" + words, "CAT" + words
    return Measurements(
        episode=episode.name,
        shots=shots,
        looks=(
            _look(
                ada,
                "pictures",
                n_shots=8,
                accepted=tuple(s.shot for s in shots if s.identities[0].n_faces),
                usual=0.2,
            ),
            _look(cat, "none", why="nobody has seen " + cat),
            _look(ben, "shots", n_shots=1),
        ),
        separability=(
            CastPair(first=ada, second=ben, distance=0.41, d_prime=2.0, separable=separable),
        ),
    )


def _look(character: str, source: Literal["pictures", "shots", "none"], **known: Any):
    return CharacterLook(
        character=character, source=source, limit=0.52, spread_limit=0.42, margin=0.07, **known
    )
