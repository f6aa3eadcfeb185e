"""Sharpness to target on real footage: a table a shot, before and after, beside what is asked.

Run as ``FINISHKIT_FOOTAGE=... python -m bench.sharpness``. The filters are solved on the frames
that are measured everywhere (:func:`finishkit.measure.sampling.picks`); the table is of the frames
half-way between, which no filter has seen.
"""

import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from finishkit.frames import Frames, probe, read_frames
from finishkit.measure import observe
from finishkit.measure.sampling import picks
from finishkit.measure.sharpness import shot_sharpness
from finishkit.settings import SharpenSettings
from finishkit.shots import Episode, Shot, open_episode
from finishkit.stages import ShotInput
from finishkit.stages.sharpen import Band, Sharpen, bands, solve_sharpen

PLANTED = ("s01e01_shot_003", "s01e01_shot_008")
"""Shots of ``ep01_planted`` that were blurred."""

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One shot, before and after.

    Attributes
    ----------
    shot : str
    band : Band
    before_oct, after_oct : float
        log2 of effective pixels.
    psnr_db, ssim : tuple of float, or None
        Of luma to the clean twin before and after; None where the shot is its own twin.
    solve_s : float
        Processor time of the solve.
    """

    shot: str
    band: Band
    before_oct: float
    after_oct: float
    psnr_db: tuple[float, float] | None
    ssim: tuple[float, float] | None
    solve_s: float

    @property
    def left(self) -> float:
        """Share of the distance to the scene's centre that is left."""
        centre = self.band.centre_oct
        return abs(self.after_oct - centre) / abs(self.before_oct - centre)


def inputs(episode: Episode) -> list[ShotInput]:
    """Measure the sharpness of all shots."""
    none = np.zeros((0, 1, 1, 3), np.uint8)
    return [
        ShotInput(
            id=shot.id,
            scene=shot.scene,
            probe=probe(shot.path),
            measured=observe(shot.path, only=("eff_px", "eff_r")).values,
            samples=none,
        )
        for shot in episode
    ]


def frames_at(path: Path, indices: Sequence[int]) -> Pictures:
    """Read whole frames."""
    read = read_frames(path, dtype="uint8", chunk=1, indices=list(indices))
    return np.concatenate([chunk.as_uint8() for chunk in read])


def shown(sharpen: Sharpen | None, pictures: Pictures) -> Pictures:
    """Run frames through the filter of their shot."""
    if sharpen is None:
        return pictures
    chunk = Frames(data=pictures, pts_s=np.arange(len(pictures)) / 24)
    return np.concatenate([c.as_uint8() for c in sharpen(iter([chunk]), {})])


def row(shot: Shot, twin: Path, band: Band, settings: SharpenSettings) -> Row:
    """Solve one shot, and measure what came of it on frames it was not solved on."""
    count = probe(shot.path).frame_count
    solved_on = picks(count)
    started = time.process_time()
    sharpen = solve_sharpen(frames_at(shot.path, solved_on), band, settings)
    spent = time.process_time() - started
    held_out = [(a + b) // 2 for a, b in pairwise(solved_on)]
    before = frames_at(shot.path, held_out)
    after = shown(sharpen, before)
    truth = frames_at(twin, held_out)
    blurred = shot.id in PLANTED
    return Row(
        shot=shot.id,
        band=band,
        before_oct=_eff_oct(before),
        after_oct=_eff_oct(after),
        psnr_db=(_psnr(before, truth), _psnr(after, truth)) if blurred else None,
        ssim=(_ssim(before, truth), _ssim(after, truth)) if blurred else None,
        solve_s=spent,
    )


def table(footage: Path, settings: SharpenSettings, only: Sequence[str] = ()) -> list[Row]:
    """Return the rows of ``ep01_planted``, in cut order.

    Parameters
    ----------
    footage : Path
        The folder that holds ``episodes``.
    settings : SharpenSettings
        Of the template.
    only : sequence of str
        Shots wanted; all by default. The bands are always those of the whole episode.
    """
    planted, clean = (open_episode(footage / "episodes" / n) for n in ("ep01_planted", "ep01"))
    wanted = bands(inputs(planted), settings)
    return [
        row(shot, clean[shot.id].path, wanted[shot.id], settings)
        for shot in planted
        if shot.id in wanted and (not only or shot.id in only)
    ]


def iqr(values: Sequence[float]) -> float:
    """Return the spread of the middle half."""
    low, high = np.percentile(values, (25, 75))
    return float(high - low)


def _lumas(pictures: Pictures) -> list[Pictures]:
    return [np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in pictures]


def _eff_oct(pictures: Pictures) -> float:
    found = shot_sharpness(_lumas(pictures))
    return found.log2_r + math.log2(min(pictures.shape[1:3])) if found else math.nan


def _psnr(pictures: Pictures, truth: Pictures) -> float:
    wrong = np.mean((np.stack(_lumas(pictures)).astype(np.float64) - np.stack(_lumas(truth))) ** 2)
    return float(10 * np.log10(255**2 / wrong))


def _ssim(pictures: Pictures, truth: Pictures) -> float:
    pairs = zip(_lumas(pictures), _lumas(truth), strict=True)
    return float(np.mean([structural_similarity(a, b) for a, b in pairs]))


def main() -> int:
    """Print the table, and the figures asked for as JSON; 1 when one is missed."""
    footage = os.environ.get("FINISHKIT_FOOTAGE", "")
    if not Path(footage).is_dir() or not footage:
        print("bench.sharpness needs FINISHKIT_FOOTAGE.", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    rows = table(Path(footage), SharpenSettings())
    for r in rows:
        twin = ""
        if r.psnr_db and r.ssim:
            twin = "  PSNR {:.2f} -> {:.2f} dB".format(*r.psnr_db)
            twin += "  SSIM {:.4f} -> {:.4f}".format(*r.ssim)
        centre = r.band.centre_oct
        print(
            f"{r.shot}  target {2**centre:4.0f} px  {2**r.before_oct:4.0f} -> {2**r.after_oct:4.0f}"
            f"  off {r.before_oct - centre:+.2f} -> {r.after_oct - centre:+.2f} oct"
            f"  {r.solve_s:.1f} s{twin}"
        )
    plants = {r.shot: r.left for r in rows if r.shot in PLANTED}
    spread = iqr([r.after_oct for r in rows]) / iqr([r.before_oct for r in rows])
    above = [r.shot for r in rows if r.after_oct > r.band.upper_oct]
    print(json.dumps({"left": plants, "iqr_ratio": spread, "above": above}, indent=2))
    return int(max(plants.values()) > 0.5 or spread > 0.5 or bool(above))


if __name__ == "__main__":
    sys.exit(main())
