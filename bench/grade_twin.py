"""The grade alone on an episode with planted faults, against its clean twin under one template.

    FINISHKIT_FOOTAGE=DATA python -m bench.grade_twin [--sheet OUT.png]

Both episodes are measured and graded by the product's own stage; nothing else is done to them. For
every shot: how far its grade vector lies from its twin's before and after, in dE00-equivalents, and
how far its skin does (median Delta E 2000 over faces found in the twin). ``--sheet`` writes a
contact sheet: planted, planted graded, twin graded.
"""

import argparse
import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from finishkit.frames import Frames, probe, read_frames
from finishkit.measure import Measurements, measure, sample_frames
from finishkit.measure.colour import colour_jump, grade_vector, linear_to_srgb
from finishkit.measure.identity import load_backend
from finishkit.measure.sampling import picks
from finishkit.measure.skin import skin_colour
from finishkit.settings import GradeSettings
from finishkit.shots import Episode, ShotId, open_episode
from finishkit.stages import ShotInput
from finishkit.stages.grade import Grade, GradeStage
from finishkit.verdict import judge
from finishkit.verdict.offsets import colour_offsets

COLOUR_FAULTS = ("exposure", "colour_shift", "saturation")

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One shot of the planted episode beside its twin."""

    shot: str
    fault: str
    before_de: float
    after_de: float
    skin_before: float | None
    skin_after: float | None


def graded(pictures: Pictures, grade: Grade | None) -> Pictures:
    """Send pictures through a shot's grade."""
    if grade is None:
        return pictures
    times = np.arange(len(pictures)) / 24
    chunk = Frames(data=pictures.copy(), pts_s=times)
    return np.concatenate([c.as_uint8() for c in grade(iter([chunk]), {})])


def frames_of(path: Path) -> Pictures:
    """Read the frames a shot's colour is measured on, at full size."""
    chosen = picks(probe(path).frame_count)
    read = read_frames(path, dtype="uint8", chunk=1, indices=chosen)
    return np.concatenate([chunk.as_uint8() for chunk in read])


def grades_of(
    episode: Episode, measurements: Measurements, settings: GradeSettings, hero: str
) -> Mapping[ShotId, Grade | None]:
    """Fit the grade as finishing does."""
    offsets = colour_offsets(measurements)
    inputs = [
        ShotInput(
            id=shot.id,
            scene=shot.scene,
            probe=probe(shot.path),
            measured=measurements[shot.id].values,
            samples=sample_frames(shot.path),
            off=offsets.get(shot.id),
        )
        for shot in episode
    ]
    return GradeStage().fit(inputs, settings, hero=ShotId(hero))


def skin_difference(ours: Pictures, twin: Pictures, found_in: Pictures) -> float | None:
    """Return the median Delta E 2000 of the cheeks, at the faces of ``found_in``."""
    backend = load_backend("dlib")
    away = []
    for a, b, where in zip(ours, twin, found_in, strict=True):
        for face in backend.detect(where)[:1]:
            colours = skin_colour(a, face), skin_colour(b, face)
            if colours[0] and colours[1]:
                lab = [rgb2lab(linear_to_srgb(np.array(c))[None, None]) for c in colours]
                away.append(float(deltaE_ciede2000(*lab).item()))
    return float(np.median(away)) if away else None


def compare(
    footage: Path, cache_dir: Path | None, settings: GradeSettings, sheet: Path | None = None
) -> list[Row]:
    """Grade both episodes and compare them shot by shot."""
    clean = open_episode(footage / "episodes" / "ep01")
    planted = open_episode(footage / "episodes" / "ep01_planted")
    with (planted.root / "planted.csv").open(encoding="utf-8") as file:
        faults = {Path(row["shot"]).stem: row["op"] for row in csv.DictReader(file)}
    known = [measure(e, cache_dir=cache_dir) for e in (clean, planted)]
    hero = judge(known[0]).hero
    grades = [grades_of(e, m, settings, hero) for e, m in zip((clean, planted), known, strict=True)]
    rows, cells = [], []
    for shot in clean:
        twin, ours = frames_of(shot.path), frames_of(planted[shot.id].path)
        done = [graded(ours, grades[1][shot.id]), graded(twin, grades[0][shot.id])]
        rows.append(
            Row(
                shot=shot.id,
                fault=faults[shot.id],
                before_de=colour_jump(grade_vector(ours), grade_vector(twin)),
                after_de=colour_jump(grade_vector(done[0]), grade_vector(done[1])),
                skin_before=skin_difference(ours, twin, twin),
                skin_after=skin_difference(done[0], done[1], twin),
            )
        )
        cells.append([cv2.resize(p[2], (160, 284)) for p in (ours, *done)])
    if sheet is not None:
        columns = [np.vstack(cell) for cell in cells]
        columns += [np.zeros_like(columns[0])] * (-len(columns) % 8)
        page = np.vstack([np.hstack(columns[i : i + 8]) for i in range(0, len(columns), 8)])
        cv2.imwrite(str(sheet), cv2.cvtColor(page, cv2.COLOR_RGB2BGR))
    return rows


def main() -> None:
    """Print a line a shot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder that keeps measurements")
    parser.add_argument("--sheet", type=Path, help="contact sheet to write")
    asked = parser.parse_args()
    footage = Path(os.environ["FINISHKIT_FOOTAGE"])
    for row in compare(footage, asked.cache, GradeSettings(), asked.sheet):
        share = f"{row.after_de / row.before_de:.2f}x" if row.before_de > 0.5 else ""
        skin = (
            f"skin {row.skin_before:.1f} -> {row.skin_after:.1f}"
            if row.skin_before is not None and row.skin_after is not None
            else ""
        )
        print(
            f"{row.shot} {row.fault:16} {row.before_de:5.1f} -> {row.after_de:4.1f} dE"
            f" {share:6} {skin}"
        )


if __name__ == "__main__":
    main()
