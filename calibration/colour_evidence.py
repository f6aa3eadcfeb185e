"""Measure how much each kind of evidence about colour scatters, and what the verdict makes of it.

    python -m calibration.colour_evidence --footage FOLDER [--plot FILE] [--cache FILE]

Two episodes of real footage are read: ``episodes/ep01`` as it is, and a second one cut from clips
that are not in it. One fault is planted in one shot at a time, the others left clean, and the
episode is judged by the product itself. Printed: the scatter of clean shots by kind of evidence
(what ``SCALES`` in ``finishkit/verdict/scales.py`` holds), recall by kind and strength, and the
share of clean shots flagged, over the threshold ``z``, beside the rule that knows only the
five-axis vector of the whole picture.
"""

import argparse
import csv
import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from finishkit.frames import probe, read_frames
from finishkit.measure import METRICS, CharacterIdentity, Measurements, Overlap, ShotMeasurement
from finishkit.measure.colour import (
    AXES,
    DE_PER_UNIT,
    LINEAR,
    LUMINANCE,
    frame_vector,
    linear_to_srgb,
    white_point,
)
from finishkit.measure.identity import Face, load_backend
from finishkit.measure.overlap import Marks, difference, find_marks, scene_overlaps
from finishkit.measure.sharpness import shot_sharpness
from finishkit.measure.skin import SKIN_AXES, skin_colour, skin_vector
from finishkit.verdict import Limits, judge

Picture = NDArray[np.uint8]
SHARES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
Z: Final = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
WIDTH_PX: Final = 404

SECOND: Final = """
street RED1 ai_shots/sf_tokyo_causvid.mp4 0 1 1 .5 .5
street RED2 ai_shots/sf_tokyo_selfforcing.mp4 0 1 1 .5 .5
street RED3 ai_shots/sf_tokyo_skyreels2.mp4 0 1 1 .5 .5
street RED3 ai_shots/sf_tokyo_wan.mp4 0 1 1 .5 .5
street RED4 ai_shots/acc_tokyo.mp4 0 1 1 .5 .5
talk VAL ai_shots/vx_vasa3.mp4 0 .4 1 .5 .5
talk VIV ai_shots/vx_vasa9.mp4 0 .4 1 .5 .5
talk VAL ai_shots/vx_vasa3.mp4 .6 1 1.25 .5 .3
talk VIV ai_shots/vx_vasa9.mp4 .6 1 1.25 .5 .3
office DEA faces/lp_d10.mp4 0 .4 1 .5 .5
office SUE faces/lp_s18.mp4 0 .4 1 .5 .5
office DAN faces/lp_d18.mp4 0 .4 1 .5 .5
office DEA faces/lp_d10.mp4 .6 1 1.3 .5 .2
office SUE faces/lp_s18.mp4 .6 1 1.3 .5 .2
bar GUS ai_shots/acc_guitarist.mp4 0 .4 1 .45 .5
bar KAY ai_shots/sk_guitar_blue.mp4 0 .4 1 .6 .5
bar GUS ai_shots/acc_guitarist.mp4 .6 1 1.3 .45 .2
bar KAY ai_shots/sk_guitar_blue.mp4 .6 1 1.3 .6 .2
bar SIN ai_shots/tb_student7_singer.mp4 0 1 1 .5 .5
park UMA ai_shots/sk_umbrella_rainbow.mp4 0 .5 1 .5 .5
park UMA ai_shots/sk_umbrella_rainbow.mp4 .5 1 1.2 .5 .2
park LIS faces/ls_demo1_vertical.mp4 0 .4 1 .5 .5
park LIS faces/ls_demo1_vertical.mp4 .6 1 1.3 .5 .2
study TED ai_shots/sa_tealman_shot1.mp4 0 1 1 .5 .5
study TED ai_shots/sa_tealman_shot2.mp4 0 1 1 .5 .5
study TED ai_shots/sa_tealman_shot3.mp4 0 1 1 .5 .5
study SAM ai_shots/sa_guitarist_2shots.mp4 0 .4 1 .5 .5
set TIA ai_shots/tb_teacher4_pink.mp4 0 .4 1 .5 .5
set STU ai_shots/tb_student3_guitar.mp4 0 .4 1 .5 .5
set TIA ai_shots/tb_teacher4_pink.mp4 .6 1 1.3 .5 .2
set STU ai_shots/tb_student3_guitar.mp4 .6 1 1.3 .5 .2
"""
"""Scene, character, file, start and end (share of the clip), zoom, and place of the 9:16 crop."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """One shot as pictures: five frames, and the face found in each."""

    shot: str
    scene: str
    character: str
    frames: list[Picture]
    faces: list[Face | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault of known size.

    Attributes
    ----------
    axis : str
        On which the verdict should name it.
    octaves : float
        What it should add there, octaves or stops.
    strong : bool
        At or above what must be found: 0.5 stop, 0.2 octave of white balance, saturation 0.6 or
        1.5, half the resolution.
    make : callable
        From picture to picture.
    """

    axis: str
    octaves: float
    strong: bool
    make: Callable[[Picture], Picture]


def graded(picture: Picture, gains: Sequence[float]) -> Picture:
    """Multiply linear light."""
    light = LINEAR[picture] * np.array(gains)
    return np.round(linear_to_srgb(light) * 255).astype(np.uint8)


def exposed(stops: float) -> Callable[[Picture], Picture]:
    """Change exposure."""
    return lambda picture: graded(picture, [2.0**stops] * 3)


def cast(red_oct: float, blue_oct: float) -> Callable[[Picture], Picture]:
    """Change white balance."""
    return lambda picture: graded(picture, (2.0**red_oct, 1.0, 2.0**blue_oct))


def saturated(factor: float) -> Callable[[Picture], Picture]:
    """Change saturation round luma."""

    def make(picture: Picture) -> Picture:
        luma = (picture @ LUMINANCE)[..., None]
        return np.clip(np.round(luma + (picture - luma) * factor), 0, 255).astype(np.uint8)

    return make


def flattened(factor: float) -> Callable[[Picture], Picture]:
    """Change contrast round a mid grey."""
    return lambda picture: np.clip(np.round((picture - 110.0) * factor + 110), 0, 255).astype(
        np.uint8
    )


def softened(ratio: float) -> Callable[[Picture], Picture]:
    """Reduce and enlarge again."""

    def make(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        small = (round(width * ratio), round(height * ratio))
        down = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(down, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)

    return make


PLANTS: Final = {
    "exposure +0.3": Plant(axis="ev", octaves=0.3, strong=False, make=exposed(0.3)),
    "exposure +0.5": Plant(axis="ev", octaves=0.5, strong=True, make=exposed(0.5)),
    "exposure -0.5": Plant(axis="ev", octaves=-0.5, strong=True, make=exposed(-0.5)),
    "exposure -0.7": Plant(axis="ev", octaves=-0.7, strong=True, make=exposed(-0.7)),
    "red +0.2": Plant(axis="wb_r", octaves=0.2, strong=True, make=cast(0.2, 0)),
    "red -0.2": Plant(axis="wb_r", octaves=-0.2, strong=True, make=cast(-0.2, 0)),
    "blue +0.2": Plant(axis="wb_b", octaves=0.2, strong=True, make=cast(0, 0.2)),
    "blue -0.2": Plant(axis="wb_b", octaves=-0.2, strong=True, make=cast(0, -0.2)),
    "warm 0.3": Plant(axis="wb_b", octaves=-0.3, strong=True, make=cast(0.3, -0.3)),
    "warm 0.45": Plant(axis="wb_b", octaves=-0.45, strong=True, make=cast(0.3, -0.45)),
    "saturation 0.8": Plant(axis="sat", octaves=-0.3, strong=False, make=saturated(0.8)),
    "saturation 0.6": Plant(axis="sat", octaves=-0.72, strong=True, make=saturated(0.6)),
    "saturation 1.5": Plant(axis="sat", octaves=0.58, strong=True, make=saturated(1.5)),
    "contrast 0.7": Plant(axis="con", octaves=-0.5, strong=False, make=flattened(0.7)),
    "soft 0.67": Plant(axis="eff", octaves=-0.5, strong=False, make=softened(0.67)),
    "soft 0.5 of own": Plant(axis="eff", octaves=-1.0, strong=True, make=softened(0.4)),
}
DIMENSION: Final = {"eff": "eff_r"}


def read_take(
    path: Path, shot: str, scene: str, character: str,
    span: tuple[float, float] = (0, 1), zoom: float = 1.0, place: tuple[float, float] = (0.5, 0.5),
) -> Take:  # fmt: skip
    """Read five frames of a clip, cropped to 9:16."""
    count, (start, end) = probe(path).frame_count, span
    wanted = sorted({min(count - 1, int(count * (start + (end - start) * s))) for s in SHARES})
    frames = [
        _crop(picture, zoom, place)
        for chunk in read_frames(path, dtype="uint8", chunk=1, indices=wanted)
        for picture in chunk.as_uint8()
    ]
    backend = load_backend("dlib")
    faces = [next(iter(backend.detect(frame)), None) for frame in frames]
    return Take(shot=shot, scene=scene, character=character, frames=frames, faces=faces)


def _crop(frame: Picture, zoom: float, place: tuple[float, float]) -> Picture:
    height, width = frame.shape[:2]
    wide = min(width, height / zoom * 9 / 16)
    high = min(height, wide * 16 / 9)
    top, left = int((height - high) * place[1]), int((width - wide) * place[0])
    cut = frame[top : top + int(high), left : left + int(wide)]
    if min(cut.shape[:2]) > WIDTH_PX:
        size = (WIDTH_PX, round(WIDTH_PX * cut.shape[0] / cut.shape[1]))
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cut)


def episodes(footage: Path) -> dict[str, list[Take]]:
    """Read both episodes."""
    folder = footage / "episodes" / "ep01"
    with (folder / "shots.csv").open(encoding="utf-8-sig", newline="") as file:
        first = [
            read_take(folder / row["file"], row["shot"], row["scene"], row["characters"])
            for row in csv.DictReader(file)
        ]
    second = []
    for number, line in enumerate(SECOND.split("\n")[1:-1]):
        scene, character, file, *numbers = line.split()
        start, end, zoom, x, y = map(float, numbers)
        second.append(
            read_take(footage / file, f"{number:03d}", scene, character, (start, end), zoom, (x, y))
        )
    return {"ep01": first, "second": second}


def measured(take: Take, order: int) -> tuple[ShotMeasurement, tuple[Marks, ...]]:
    """Measure what colour and sharpness need, by the product's own functions."""
    vector = np.median([frame_vector(f) for f in take.frames], axis=0)
    white, clipped = np.median([white_point(f) for f in take.frames], axis=0)
    luma = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in take.frames]
    sharp = shot_sharpness(luma)  # type: ignore[arg-type]
    height, width = take.frames[0].shape[:2]
    values: dict[str, float | None] = dict.fromkeys(m.name for m in METRICS)
    values.update(zip(AXES, map(float, vector), strict=True))
    values.update(white_ev=float(white), clip_pct=float(clipped), flick_g=0.0)
    if sharp and sharp.confidence >= 40:
        values.update(eff_r=sharp.r, eff_px=sharp.r * min(width, height))
    skins = [
        colour
        for frame, face in zip(take.frames, take.faces, strict=True)
        if face is not None and (colour := skin_colour(frame, face)) is not None
    ]
    people = ()
    if take.character:
        people = (
            CharacterIdentity(
                character=take.character, id_dist=0.1, n_faces=len(skins), skin=skin_vector(skins)
            ),
        )
    shot = ShotMeasurement(
        shot=take.shot, order=order, scene=take.scene, width_px=width, height_px=height,
        rate_fps=Fraction(24), frame_count=96, duration_s=4.0, values=values, identities=people,
    )  # fmt: skip
    marks = tuple(m for f in take.frames[::2] if (m := find_marks(f)) is not None)
    return shot, marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An episode, clean or with one planted shot."""

    episode: str
    plant: str
    shot: str
    measurements: Measurements


def cases(takes: dict[str, list[Take]]) -> Iterator[Case]:
    """Yield both clean episodes, and each of them with every fault in every shot."""
    for name, shots in takes.items():
        clean = [measured(take, i) for i, take in enumerate(shots)]
        seen = list(scene_overlaps([(s.shot, s.scene, m) for s, m in clean]))
        overlaps = {(a, b): d for a, b, d in seen}
        yield Case(episode=name, plant="", shot="", measurements=_whole(name, clean, overlaps))
        for (kind, plant), (i, take) in itertools.product(PLANTS.items(), enumerate(shots)):
            bad = replace(take, frames=[plant.make(f) for f in take.frames])
            changed = [*clean[:i], measured(bad, i), *clean[i + 1 :]]
            touched = dict(overlaps)
            for pair in overlaps:
                if take.shot in pair:
                    marks = [next(m for s, m in changed if s.shot == shot) for shot in pair]
                    found = difference(*marks)
                    del touched[pair]
                    if found is not None:
                        touched[pair] = found
            whole = _whole(name, changed, touched)
            yield Case(episode=name, plant=kind, shot=take.shot, measurements=whole)


def _whole(
    name: str, shots: Sequence[tuple[ShotMeasurement, object]], overlaps: dict
) -> Measurements:
    return Measurements(
        episode=name,
        shots=tuple(shot for shot, _ in shots),
        overlaps=tuple(
            Overlap(first=a, second=b, difference=d.axes, places=d.places)
            for (a, b), d in overlaps.items()
        ),
    )


Rule = Callable[[Measurements, float], dict[tuple[str, str], float]]


def by_evidence(measurements: Measurements, z: float) -> dict[tuple[str, str], float]:
    """Return the product's flags: shot and axis, with the z it has there."""
    verdict = judge(measurements, Limits(z=z, hook_factor=1.0))
    return {
        (shot.shot, axis): shot.z.get(axis, 0.0)
        for shot in verdict.shots
        for axis in (*AXES, "eff")
        if any(r.metric == DIMENSION.get(axis, axis) for r in shot.reasons)
    }


def by_vector(measurements: Measurements, z: float) -> dict[tuple[str, str], float]:
    """Flag as finishkit did before: the vector alone, against the median of the scene's others."""
    flags = {}
    limits = {"wb_r": 3.8, "wb_b": 3.8, "ev": 5.2, "con": 3.7, "sat": 2.7, "eff": 0.30}
    for axis, limit in limits.items():
        scale = DE_PER_UNIT[AXES.index(axis)] if axis in AXES else 1.0
        read = {
            s.shot: (np.log2(v) if axis == "eff" else v) * scale
            for s in measurements.shots
            if (v := s.values["eff_px" if axis == "eff" else axis]) is not None
        }
        off = {}
        for shot in measurements.shots:
            mates = [
                read[s.shot]
                for s in measurements.shots
                if s.scene == shot.scene and s is not shot and s.shot in read
            ]
            if shot.shot in read and len(mates) >= 2:
                off[shot.shot] = read[shot.shot] - float(np.median(mates))
        every = np.array(list(off.values()))
        floor = 0.8 if axis in AXES else 0.1
        sd = max(1.4826 * float(np.median(np.abs(every - np.median(every)))), floor)
        flags |= {
            (shot, axis): value / sd
            for shot, value in off.items()
            if abs(value) > limit and abs(value) / sd > z
        }
    return flags


def scatter(clean: Sequence[Measurements]) -> Iterator[str]:
    """Say how far clean shots lie apart, by kind of evidence."""
    for place, axis in enumerate(AXES):
        whole, skin, people, overlap = [], [], [], []
        for episode in clean:
            for a, b in itertools.combinations(episode.shots, 2):
                if a.scene != b.scene:
                    continue
                whole.append((a.values[axis] or 0) - (b.values[axis] or 0))
                one, two = _skin(a, axis), _skin(b, axis)
                if one is not None and two is not None:
                    same = a.identities[0].character == b.identities[0].character
                    (skin if same else people).append(one - two)
            overlap += [d for o in episode.overlaps if (d := o.difference[place]) is not None]
        parts = [
            f"{name} {1.4826 * np.median(np.abs(d)) / np.sqrt(by):.2f} (n {len(d)})"
            for name, d, by in (
                ("vector", whole, 2), ("same skin", skin, 2), ("other skin", people, 2),
                ("overlap", overlap, 1),
            )
            if d
        ]  # fmt: skip
        yield f"{axis:5s} " + ", ".join(parts)


def _skin(shot: ShotMeasurement, axis: str) -> float | None:
    if axis not in SKIN_AXES or not shot.identities or not shot.identities[0].skin:
        return None
    return shot.identities[0].skin[SKIN_AXES.index(axis)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Recall and false alarms of one rule at one threshold."""

    rule: str
    z: float
    recall: dict[str, float]
    flagged: dict[str, float]


def evaluate(everything: Sequence[Case], name: str, rule: Rule, z: float) -> Result:
    """Judge every case.

    A plant is found when its axis is flagged, and, where the clean twin was flagged there too, when
    its z moved by at least half of what the plant adds.
    """
    clean = {c.episode: rule(c.measurements, z) for c in everything if not c.plant}
    found: dict[str, list[bool]] = {kind: [] for kind in PLANTS}
    for case in everything:
        if not case.plant:
            continue
        plant = PLANTS[case.plant]
        key = (case.shot, plant.axis)
        flags = rule(case.measurements, z)
        was = clean[case.episode].get(key)
        hit = key in flags
        if hit and was is not None:
            unit = abs(was) / max(abs(_offset(case, everything, rule)), 1e-6)
            hit = (flags[key] - was) * np.sign(plant.octaves) >= 0.5 * abs(plant.octaves) * unit
        found[case.plant].append(hit)
    shots = sum(len(c.measurements) for c in everything if not c.plant)
    flagged = {
        axis: sum(key[1] == axis for flags in clean.values() for key in flags) / shots
        for axis in (*AXES, "eff")
    }
    recall = {kind: float(np.mean(hits)) for kind, hits in found.items()}
    return Result(rule=name, z=z, recall=recall, flagged=flagged)


def _offset(case: Case, everything: Sequence[Case], rule: Rule) -> float:
    clean = next(c for c in everything if c.episode == case.episode and not c.plant)
    axis = PLANTS[case.plant].axis
    if rule is by_evidence:
        verdict = judge(clean.measurements, Limits(z=2.5, hook_factor=1.0))[case.shot]
        metric = DIMENSION.get(axis, axis)
        reason = next((r for r in verdict.reasons if r.metric == metric), None)
        scale = DE_PER_UNIT[AXES.index(axis)] if axis in AXES else 1.0
        return (reason.value / scale) if reason else 1.0
    return 1.0


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw recall of the plants that must be found over the share of clean shots flagged."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    strong = [kind for kind, p in PLANTS.items() if p.strong and p.axis != "eff"]
    for rule, colour in (("vector alone", "#b0603a"), ("all evidence", "#2f6f9f")):
        mine = [r for r in results if r.rule == rule]
        x = [100 * float(np.mean([r.flagged[a] for a in AXES])) for r in mine]
        y = [float(np.mean([r.recall[k] for k in strong])) for r in mine]
        axes.plot(x, y, "o-", color=colour, label=rule)
        for r, a, b in zip(mine, x, y, strict=True):
            axes.annotate(f"{r.z:g}", (a, b), (4, -10), textcoords="offset points", fontsize=8)
    axes.set(
        xlabel="clean shots flagged, % an axis",
        ylabel="planted faults found",
        title="Colour: what finding more costs (points: threshold z)",
        ylim=(0, 1),
        xlim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    """Print the tables, and draw the curve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--footage", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the measurements here (a pickle of ours)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    if given.cache and given.cache.exists():
        everything = pickle.loads(given.cache.read_bytes())
    else:
        everything = list(cases(episodes(given.footage)))
        if given.cache:
            given.cache.write_bytes(pickle.dumps(everything))
    for line in scatter([c.measurements for c in everything if not c.plant]):
        print(line)
    results = [
        evaluate(everything, name, rule, z)
        for name, rule in (("vector alone", by_vector), ("all evidence", by_evidence))
        for z in Z
    ]
    for result in results:
        print(f"\n{result.rule}, z {result.z:g}")
        print("  clean flagged", {k: round(v, 3) for k, v in result.flagged.items()})
        print("  found", {k: round(v, 2) for k, v in result.recall.items()})
    if given.plot:
        plot(results, given.plot)


if __name__ == "__main__":
    main()
