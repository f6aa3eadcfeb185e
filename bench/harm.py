"""Everything on, over clean footage: frame counts, and what every gate read.

``FINISHKIT_FOOTAGE`` names the folder with ``ai_shots`` and ``episodes/ep01``. Both are finished
as episodes with the baseline template and the Lanczos draft. Prints a row a shot and writes
before/after sheets to look at.
"""

import argparse
import os
from pathlib import Path

import cv2
import numpy as np

from finishkit.frames import decode_report, probe, read_frames
from finishkit.progress import Progress
from finishkit.run import Finished, finish_episode
from finishkit.shots import open_episode
from finishkit.template import Draft

SHEET_PX = 300


def sheet(source: Path, made: Path, path: Path) -> None:
    """Write three frames of a shot above the same three, finished."""
    rows = []
    for clip in (source, made):
        count = decode_report(clip).frame_count
        wanted = [round(count * share) for share in (0.15, 0.5, 0.85)]
        pictures = [f.as_uint8()[0] for f in read_frames(clip, dtype="uint8", chunk=1,
                                                         indices=wanted)]  # fmt: skip
        rows.append(
            np.hstack(
                [
                    cv2.resize(p, (SHEET_PX, SHEET_PX * p.shape[0] // p.shape[1]),
                               interpolation=cv2.INTER_AREA)
                    for p in pictures
                ]
            )
        )  # fmt: skip
    height = max(len(r) for r in rows)
    padded = [cv2.copyMakeBorder(r, 0, height - len(r), 0, 0, cv2.BORDER_CONSTANT) for r in rows]
    cv2.imwrite(str(path), np.vstack(padded)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def tell(done: Finished, folder: Path, sheets: Path) -> int:
    """Print a row a shot; return how many lost frames or failed a gate in their final state."""
    sheets.mkdir(parents=True, exist_ok=True)
    episode, harmed = open_episode(folder), 0
    for shot in done.report.shots:
        if shot.state != "finished":
            print(f"{shot.shot}: {shot.state}: {[r.text for r in shot.reasons]}")
            continue
        source, made = episode[shot.shot].path, done.folder / "shots" / f"{shot.shot}.mp4"
        rate = probe(made).rate_fps
        due, count = round(probe(source).duration_s * rate), decode_report(made).frame_count
        acted = [f"{g.name} {g.before:.2f} -> {g.after:.2f} (limit {g.limit:.2f})"
                 for g in shot.gates if not g.passed]  # fmt: skip
        lowered = {k: v for k, v in shot.solved.items() if k.endswith(("lowered_to", "bypassed"))}
        wrong = abs(due - count) > 1
        harmed += wrong
        raw, now = shot.raw, shot.finished or {}
        print(
            f"{shot.shot}: {count} frames of {due}{'  WRONG' if wrong else ''};"
            f" flick_g {raw.get('flick_g')} -> {now.get('flick_g')}; acted: {acted} {lowered}"
        )
        sheet(source, made, sheets / f"{shot.shot}.jpg")
    return harmed


def main() -> None:
    """Finish both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/harm"))
    parser.add_argument("--genre", default="baseline")
    parser.add_argument("--size", default="540x960")
    parser.add_argument("--only", choices=("ai_shots", "ep01"))
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE",
        help="Change a setting, to look at some stages alone: --set faces.strength=0",
    )  # fmt: skip
    asked = parser.parse_args()
    footage = Path(os.environ["FINISHKIT_FOOTAGE"])
    width, height = map(int, asked.size.split("x"))
    draft = Draft.from_genre(asked.genre)
    for path, value in {
        "upscale.model": "lanczos",
        "master.width_px": width,
        "master.height_px": height,
        "master.fit": "pad",
    }.items():
        draft.set(path, value)
    for change in asked.set:
        draft.set(*change.split("=", 1))
    template = draft.lock()
    for name in ("ai_shots", "episodes/ep01"):
        if asked.only and not name.endswith(asked.only):
            continue
        folder = footage / name
        done = finish_episode(open_episode(folder), template, asked.out, progress=Progress())
        harmed = tell(done, folder, asked.out / "sheets")
        print(f"{name}: {len(done.report.shots)} shots, {harmed} with wrong counts,"
              f" score {done.report.score.raw} -> {done.report.score.finished}")  # fmt: skip


if __name__ == "__main__":
    main()
