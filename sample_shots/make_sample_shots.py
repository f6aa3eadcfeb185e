"""Make the sample episode: 14 vertical shots, three scenes, two characters, six planted faults.

    python sample_shots/make_sample_shots.py [--out DIR]

Needs no network: every picture comes from scikit-image's wheel. Two runs give identical frames.
"""

import argparse
import csv
import dataclasses
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
# As a script, this folder is on the path and its parent, which names the package, is not.
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from finishkit.frames import Encoding, Frames, master_encoding, write_frames  # noqa: E402
from sample_shots.camera import FRAME_COUNT, film  # noqa: E402
from sample_shots.episode import PORTRAITS, SHOTS, ShotPlan, portrait, truth_rows  # noqa: E402
from sample_shots.faults import plant  # noqa: E402
from sample_shots.sound import score, write_sound  # noqa: E402

RATE_FPS = Fraction(24)
CRF = 16
REFERENCE_QUALITY = 93


def render(plan: ShotPlan, frame_count: int = FRAME_COUNT) -> np.ndarray:
    """Return the pictures of a shot, its fault planted.

    Parameters
    ----------
    plan : ShotPlan
        A row of the shot list.
    frame_count : int
        Fewer than 48 renders only the first ones.

    Returns
    -------
    frames : ndarray, shape (frame_count, 384, 216, 3), float32 in [0, 1]
    """
    clean = film(plan.take, frame_count)
    return clean if plan.fault is None else plant(clean, plan.fault)


def encoding() -> Encoding:
    """Return the deliverables' encoding, made to give the same bytes on every run and machine.

    Without ``cpu-independent`` x264's assembly gave three different files in eight runs over the
    same frames; with it, one.
    """
    master = master_encoding(CRF, "slow", 1)
    options = dict(master.options)
    options["x264-params"] += ":cpu-independent=1"
    return dataclasses.replace(master, options=tuple(options.items()))


def write_clip(plan: ShotPlan, folder: Path) -> None:
    """Write one shot, with its sound, to ``<folder>/<shot>.mp4``."""
    cv2.setNumThreads(1)
    in_scene = [p.shot for p in SHOTS if p.scene == plan.scene].index(plan.shot)
    duration_s = float(FRAME_COUNT / RATE_FPS)
    frames = render(plan)
    chunk = Frames(data=frames, pts_s=np.arange(len(frames)) / float(RATE_FPS))
    with tempfile.TemporaryDirectory() as temporary:
        sound = Path(temporary) / "sound.mp4"
        write_sound(sound, score(plan.scene, in_scene * duration_s, duration_s, plan.take.seed))
        write_frames(
            folder / f"{plan.shot}.mp4",
            [chunk],
            rate_fps=RATE_FPS,
            encoding=encoding(),
            audio_from=sound,
        )


def write_portraits(folder: Path) -> None:
    """Write the reference images of the cast to ``<folder>/refs``."""
    (folder / "refs").mkdir(exist_ok=True)
    for name, take in PORTRAITS.items():
        picture = cv2.cvtColor(portrait(take), cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, REFERENCE_QUALITY])
        if not done:
            raise OSError(f"{name} could not be encoded as JPEG")
        (folder / "refs" / name).write_bytes(data.tobytes())


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Write a CSV table with Unix line ends."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


def write_tables(folder: Path) -> None:
    """Write the shot list, the cast list, and what was planted."""
    write_table(
        folder / "shots.csv",
        ("shot", "file", "scene", "characters", "prompt", "seed"),
        [
            (p.shot, f"{p.shot}.mp4", p.scene, ";".join(p.characters), p.prompt, str(p.take.seed))
            for p in SHOTS
        ],
    )
    cast = sorted({name.rsplit("_", 1)[0] for name in PORTRAITS})
    write_table(
        folder / "characters.csv",
        ("character", "reference_images"),
        [
            (who.upper(), ";".join(f"refs/{n}" for n in PORTRAITS if n.startswith(f"{who}_")))
            for who in cast
        ],
    )
    write_table(
        folder / "planted.csv",
        ("shot", "fault", "metric", "params", "frames", "truth"),
        [row for plan in SHOTS for row in truth_rows(plan)],
    )


def main() -> None:
    """Make the episode."""
    parser = argparse.ArgumentParser(description="Make the sample episode.")
    parser.add_argument("--out", type=Path, default=HERE / "ep01", help="folder of the episode")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        for plan, _ in zip(SHOTS, pool.map(write_clip, SHOTS, [folder] * len(SHOTS)), strict=True):
            print(f"{plan.shot}.mp4", f"planted: {plan.fault.kind}" if plan.fault else "")
    write_portraits(folder)
    write_tables(folder)


if __name__ == "__main__":
    main()
