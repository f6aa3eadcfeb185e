"""An episode with planted faults against its clean twin, both finished with one template.

``FINISHKIT_FOOTAGE`` names the folder with ``episodes/ep01`` and ``episodes/ep01_planted``. Both
are finished whole, through the product's own call, at the size of their sources and written without
loss, so that what is compared is what goes into the encoder. Prints each figure beside the bar and
writes ``runs/twin.json``.
"""

import argparse
import csv
import json
import os
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from finishkit import finishing
from finishkit.frames import Encoding, read_frames
from finishkit.measure.colour import AXES, colour_jump, linear_to_srgb
from finishkit.measure.identity import load_backend
from finishkit.measure.skin import skin_colour
from finishkit.progress import Progress
from finishkit.report import Report
from finishkit.run import finish_episode, measured_verdict
from finishkit.shots import open_episode
from finishkit.template import Draft, Template

LOSSLESS = Encoding(
    codec="libx264",
    container="mp4",
    pixel_format="yuv444p10le",
    options=(("qp", "0"), ("preset", "ultrafast")),
)
COLOUR_PLANTS = ("exposure", "colour_shift", "saturation")
BLUR_PLANTS = ("blur", "blur_softscale")
SWAPS = ("identity_swap",)


def template_for(footage: Path, out: Path, genre: str, size_px: tuple[int, int]) -> Template:
    """Lock the genre on the clean twin's own hero, at the size of the sources."""
    draft = Draft.from_genre(genre)
    draft.set("upscale.model", "lanczos")
    draft.set("master.width_px", size_px[0])
    draft.set("master.height_px", size_px[1])
    clean = open_episode(footage / "episodes" / "ep01")
    hero = measured_verdict(clean, out).hero
    return draft.lock(hero=hero)


def finished(folder: Path, template: Template, out: Path) -> tuple[Report, Path, float, float]:
    """Finish one episode without loss; return report, folder, seconds and peak GiB of a process."""
    finishing.master_encoding = lambda *_: LOSSLESS  # type: ignore[assignment]
    started = time.monotonic()
    done = finish_episode(open_episode(folder), template, out, progress=Progress())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return done.report, done.folder, time.monotonic() - started, peak


def planted(footage: Path) -> dict[str, str]:
    """Return what was done to each shot of the planted episode."""
    with (footage / "episodes" / "ep01_planted" / "planted.csv").open(encoding="utf-8") as file:
        return {Path(row["shot"]).stem: row["op"] for row in csv.DictReader(file)}


def vector(values: Mapping[str, float | None] | None) -> np.ndarray | None:
    """Return the grade vector among a shot's metrics."""
    read = [values.get(axis) for axis in AXES] if values else [None]
    return None if None in read else np.array(read, np.float64)


def apart(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> float | None:
    """Return the distance of two shots on the five axes, dE-equivalents."""
    one, two = vector(a), vector(b)
    return None if one is None or two is None else colour_jump(one, two)


def skin_de(ours: Path, twin: Path) -> float | None:
    """Return the median Delta E 2000 of cheek colour at the same places of two clips."""
    backend, found = load_backend(), []
    clips = [read_frames(p, dtype="uint8", indices=[6, 12, 18, 24, 30, 36]) for p in (ours, twin)]
    for a, b in zip(*clips, strict=True):
        for one, two in zip(a.as_uint8(), b.as_uint8(), strict=True):
            for face in backend.detect(two)[:1]:
                pair = [skin_colour(picture, face) for picture in (one, two)]
                if None not in pair:
                    x, y = (rgb2lab(linear_to_srgb(np.array(p))[None, None]) for p in pair)
                    found.append(deltaE_ciede2000(x, y).item())
    return float(np.median(found)) if found else None


def psnr(a: Path, b: Path, indices: list[int] | None = None) -> float:
    """Return the PSNR between two clips, over some frames or all, dB."""
    error, count = 0.0, 0
    x, y = (read_frames(p, dtype="float32", indices=indices) for p in (a, b))
    for one, two in zip(x, y, strict=True):
        error += float(((one.as_float() - two.as_float()) ** 2).sum())
        count += one.data.size
    return float(10 * np.log10(count / max(error, 1e-12)))


def table(
    ops: Mapping[str, str], clean: tuple[Report, Path], bad: tuple[Report, Path], footage: Path
) -> list[dict[str, Any]]:
    """Return a row a shot: what was planted, and every distance to the twin before and after."""
    rows = []
    for shot, op in ops.items():
        twin, ours = clean[0][shot], bad[0][shot]
        row: dict[str, Any] = {
            "shot": shot,
            "op": op,
            "de_before": apart(ours.raw, twin.raw),
            "de_after": apart(ours.finished, twin.finished),
        }
        for name in ("eff_px", "flick_g", "dup_ratio"):
            row[f"{name}_twin_raw"], row[f"{name}_raw"] = twin.raw.get(name), ours.raw.get(name)
            row[f"{name}_twin"] = (twin.finished or {}).get(name)
            row[name] = (ours.finished or {}).get(name)
        row["solved"] = {k: round(v, 3) for k, v in ours.solved.items()}
        row["failed_gates"] = [g.text for g in ours.gates if not g.passed]
        if op != "none" and op not in SWAPS:
            name = f"shots/{shot}.mp4"
            row["skin_de"] = skin_de(bad[1] / name, clean[1] / name)
            row["psnr_after"] = psnr(bad[1] / name, clean[1] / name)
            source = f"{shot}.mp4"
            row["psnr_before"] = psnr(
                footage / "episodes" / "ep01_planted" / source,
                footage / "episodes" / "ep01" / source,
            )
        rows.append(row)
    return rows


def iqr_oct(report: Report, when: str) -> float:
    """Return the interquartile range of the shots' effective resolution, octaves."""
    values = [(s.raw if when == "raw" else s.finished or {}).get("eff_px") for s in report.shots]
    low, high = np.percentile([np.log2(v) for v in values if v], (25, 75))
    return float(high - low)


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/twin"))
    parser.add_argument("--genre", default="baseline")
    parser.add_argument("--size", default="404x720")
    asked = parser.parse_args()
    footage = Path(os.environ["FINISHKIT_FOOTAGE"])
    width, height = map(int, asked.size.split("x"))
    template = template_for(footage, asked.out, asked.genre, (width, height))
    runs = {}
    for name in ("ep01", "ep01_planted"):
        report, folder, seconds, peak = finished(footage / "episodes" / name, template, asked.out)
        runs[name] = (report, folder)
        print(f"{name}: {seconds:.0f} s, peak of one worker {peak:.2f} GiB,"
              f" score {report.score.raw} -> {report.score.finished}")  # fmt: skip
    rows = table(planted(footage), runs["ep01"], runs["ep01_planted"], footage)
    for row in rows:
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    for name, (report, _) in runs.items():
        print(f"{name}: IQR of log2 eff {iqr_oct(report, 'raw'):.3f} ->"
              f" {iqr_oct(report, 'finished'):.3f} octaves")  # fmt: skip
    (asked.out / "twin.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
