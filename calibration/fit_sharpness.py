"""Fit the weights of finishkit.measure.sharpness and write its data file.

    python -m calibration.fit_sharpness [--footage FOLDER] [--out FILE]

Real frames are first reduced until they are truly sharp (a generator's own frames are not: they
read 0.5 to 1.0), then softened by known ratios, with and without what else happens to pictures:
noise, compression, exposure, a soft background, sharpening. Equal input gives equal weights.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from calibration.degrade import RATIOS, WAYS, Luma, degradations, losses
from finishkit.frames import probe, read_frames
from finishkit.measure import sharpness
from finishkit.measure.sharpness_fit import DATA, LOG2_RANGE, Calibration, Weights, regressed

RIDGE: Final = 30.0
HALF: Final = 0.5
MAX_SIZE_PX: Final = (400, 720)
"""Short and long side that a calibration picture is cropped to."""

STILLS: Final = {
    "astronaut.png": 0.7,
    "brick.png": 0.7,
    "camera.png": 0.7,
    "chelsea.png": 0.7,
    "coffee.png": 0.7,
    "coins.png": 0.8,
    "grass.png": 0.7,
    "gravel.png": 0.7,
    "hubble_deep_field.jpg": 0.5,
    "ihc.png": 0.7,
    "motorcycle_left.png": 0.6,
    "rocket.jpg": 0.6,
}
"""Photographs in scikit-image's wheel, and the factor that makes each truly sharp."""

FOOTAGE: Final = {
    "ai_shots/acc_burger.mp4": ("burger", 0.5, False),
    "ai_shots/acc_guitarist.mp4": ("guitarist", 0.5, True),
    "ai_shots/acc_interior_night.mp4": ("interior", 0.5, True),
    "ai_shots/acc_pianist.mp4": ("pianist", 0.5, True),
    "ai_shots/acc_tokyo.mp4": ("tokyo", 0.5, False),
    "ai_shots/cog_ship.mp4": ("ship", 0.5, True),
    "ai_shots/cog_street_artist.mp4": ("artist", 0.5, True),
    "ai_shots/hc_beard_soda.mp4": ("beard", 0.5, True),
    "ai_shots/hc_beard_watchshop.mp4": ("beard", 0.5, True),
    "ai_shots/hc_reduniform_cafe.mp4": ("reduniform", 0.45, False),
    "ai_shots/hc_tux_keling.mp4": ("tux", 0.45, False),
    "ai_shots/hc_tux_ours.mp4": ("tux", 0.5, True),
    "ai_shots/hc_tux_pika.mp4": ("tux", 0.45, False),
    "ai_shots/hc_tux_skyreels.mp4": ("tux", 0.45, False),
    "ai_shots/hc_tux_vace.mp4": ("tux", 0.45, False),
    "ai_shots/hc_tux_vidu.mp4": ("tux", 0.45, False),
    "ai_shots/hc_whiteshirt_cake.mp4": ("whiteshirt", 0.5, True),
    "ai_shots/sf_bird_30s_colourdrift.mp4": ("bird", 0.5, True),
    "ai_shots/sf_tokyo_causvid.mp4": ("tokyo", 0.5, True),
    "ai_shots/sf_tokyo_selfforcing.mp4": ("tokyo", 0.5, False),
    "ai_shots/sf_tokyo_skyreels2.mp4": ("tokyo", 0.5, False),
    "ai_shots/sf_tokyo_wan.mp4": ("tokyo", 0.5, False),
    "ai_shots/sk_guitar_blue.mp4": ("blueguitar", 0.5, True),
    "ai_shots/sk_umbrella_rainbow.mp4": ("umbrella", 0.5, True),
    "ai_shots/tb_student3_guitar.mp4": ("student3", 0.4, True),
    "ai_shots/tb_student7_singer.mp4": ("student7", 0.5, True),
    "ai_shots/tb_teacher4_pink.mp4": ("teacher4", 0.5, True),
    "faces/lp_d10.mp4": ("d10", 0.5, False),
    "faces/lp_d18.mp4": ("d18", 0.5, True),
    "faces/lp_s18.mp4": ("s18", 0.5, True),
    "faces/ls_demo1_vertical.mp4": ("demo1", 0.4, True),
    "faces/fr_obama_1.jpg": ("obama", 0.5, True),
    "faces/fr_obama_2.jpg": ("obama", 0.5, True),
    "faces/fr_obama_3.jpg": ("obama", 0.5, True),
    "faces/fr_biden_2.jpg": ("biden", 0.4, True),
}
"""Of each file of the footage: the content (one person, scene or prompt is one), the factor that
makes it truly sharp, and whether its own pixels are sharp enough for a reduction to half to be the
only limit: such frames are also used at native size, for ratios of 0.5 and below."""

PICKS: Final = (0.15, 0.6)
"""Where in a clip its two frames are taken: not where finishkit measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture to degrade.

    Attributes
    ----------
    name : str
    content : str
        Pictures of one content are held out together.
    luma : ndarray, shape (h, w), dtype uint8
    max_ratio : float
        Ratios above it would not be its resolution: 1 when truly sharp, 0.5 at native size.
    """

    name: str
    content: str
    luma: Luma
    max_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What one degraded picture looks like, and what is true of it.

    Attributes
    ----------
    kind : str
        The degradation, for example ``cubic 0.5`` or ``noise4 0.5``.
    log2_r : float
        The truth, octaves.
    picture : str
    content : str
    spectrum : ndarray, shape (11,), dtype float64
        As :func:`finishkit.measure.sharpness.texture_spectrum` gives it.
    """

    kind: str
    log2_r: float
    picture: str
    content: str
    spectrum: NDArray[np.float64]

    @property
    def lost(self) -> bool:
        """Whether it is out of all focus."""
        return self.kind.startswith("lost")


def reduced(luma: Luma, factor: float) -> Luma:
    """Average pixels: what remains is as sharp as its pixels allow, and is cropped to size."""
    small = cv2.resize(luma, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    height, width = small.shape
    short, long = MAX_SIZE_PX
    high, wide = (long, short) if height > width else (short, long)
    high, wide = min(high, height), min(wide, width)
    # Faces sit above the middle.
    top, left = int((height - high) * 0.35), (width - wide) // 2
    return small[top : top + high, left : left + wide]  # type: ignore[return-value]


def pictures(footage: Path | None) -> list[Picture]:
    """Collect the sharp pictures: scikit-image's, and two frames of each clip of the footage."""
    found = []
    for name, factor in STILLS.items():
        path = Path(skimage.data.__file__).parent / name
        luma = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        found.append(Picture(name=name, content=path.stem, luma=reduced(luma, factor)))  # type: ignore[arg-type]
    for name, (content, factor, crisp) in FOOTAGE.items() if footage else ():
        assert footage is not None
        for i, luma in enumerate(_lumas(footage / name)):
            small = reduced(luma, factor)
            found.append(Picture(name=f"{name}#{i}", content=content, luma=small))
            if crisp:
                name_native, own = f"{name}#{i} native", reduced(luma, 1)
                found.append(Picture(name=name_native, content=content, luma=own, max_ratio=HALF))
    return found


def _lumas(path: Path) -> Iterator[Luma]:
    if path.suffix == ".jpg":
        yield cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)  # type: ignore[misc]
        return
    count = probe(path).frame_count
    indices = [int(count * share) for share in PICKS]
    for chunk in read_frames(path, dtype="uint8", chunk=1, indices=indices):
        yield cv2.cvtColor(chunk.as_uint8()[0], cv2.COLOR_RGB2GRAY)  # type: ignore[misc]


def samples(sharp: Sequence[Picture]) -> list[Sample]:
    """Degrade and describe every picture; those with too little texture are left out."""
    found = []
    for turn, picture in enumerate(sharp):
        for kind, ratio, luma in (
            *degradations(picture.luma, turn, picture.max_ratio),
            *losses(picture.luma, turn),
        ):
            seen = sharpness.texture_spectrum(luma)
            if seen is None or seen.confidence < sharpness.MIN_CONFIDENCE:
                continue
            found.append(
                Sample(
                    kind=kind,
                    log2_r=max(math.log2(ratio), LOG2_RANGE[0]),
                    picture=picture.name,
                    content=picture.content,
                    spectrum=seen.log10_power,
                )
            )
    return found


def fit(found: Sequence[Sample]) -> Weights:
    """Fit the ridge regression, every content counting alike.

    Parameters
    ----------
    found : sequence of Sample
        Degraded pictures.

    Returns
    -------
    weights : Weights
    """
    contents = Counter(sample.content for sample in found)
    share = np.array([1 / contents[sample.content] for sample in found])
    share *= len(found) / share.sum()
    power = np.array([sample.spectrum for sample in found])
    design = np.column_stack([power, power**2, np.ones(len(power))])
    truth = np.array([sample.log2_r for sample in found])
    gram = (design * share[:, None]).T @ design + RIDGE * np.eye(design.shape[1])
    solved = np.linalg.solve(gram, (design * share[:, None]).T @ truth).round(6).tolist()
    bands = power.shape[1]
    return Weights(linear=tuple(solved[:bands]), quadratic=tuple(solved[bands:-1]), bias=solved[-1])


def fit_both(found: Sequence[Sample]) -> tuple[Weights, Weights]:
    """Fit the regression to what it is made for, and its guard to everything."""
    return fit([sample for sample in found if not sample.lost]), fit(found)


def held_out(found: Sequence[Sample]) -> NDArray[np.float64]:
    """Estimate each sample, octaves, with weights fitted to the other contents."""
    estimates = np.empty(len(found))
    for content in {sample.content for sample in found}:
        both = fit_both([sample for sample in found if sample.content != content])
        for i, sample in enumerate(found):
            if sample.content == content:
                estimates[i] = regressed(sample.spectrum, *both)
    return estimates


def auc(
    found: Sequence[Sample], estimates: NDArray[np.float64], sharper: set[str], softer: set[str]
) -> float:
    """Return the share of pairs of different contents that are ordered rightly.

    Parameters
    ----------
    found : sequence of Sample
        Degraded pictures.
    estimates : ndarray, shape (n,), dtype float64
        Octaves.
    sharper, softer : set of str
        Kinds of degradation; those of the first should read above those of the second.

    Returns
    -------
    auc : float
        Ties count half.
    """
    kinds = np.array([sample.kind for sample in found])
    contents = np.array([sample.content for sample in found])
    above, below = np.isin(kinds, list(sharper)), np.isin(kinds, list(softer))
    difference = estimates[above][:, None] - estimates[below]
    other = contents[above][:, None] != contents[below]
    return float(((difference > 0) + 0.5 * (difference == 0))[other].mean())


def reductions(ratio: float) -> set[str]:
    """Name the plain reductions by a ratio."""
    return {f"{way} {ratio:g}" for way in WAYS}


def calibrate(found: Sequence[Sample], estimates: NDArray[np.float64]) -> Calibration:
    """Fit to all contents, and tell how good the estimates of contents left out were."""
    weights, guard = fit_both(found)
    plain = {"native"}.union(*map(reductions, RATIOS))
    error = np.abs(estimates - [sample.log2_r for sample in found])
    is_plain = np.array([sample.kind in plain for sample in found])
    is_lost = np.array([sample.lost for sample in found])
    return Calibration(
        made_by="calibration/fit_sharpness.py",
        pictures=len({sample.picture for sample in found}),
        contents=tuple(sorted({sample.content for sample in found})),
        weights=weights,
        guard=guard,
        mean_error_octaves=round(float(error[is_plain].mean()), 4),
        mean_error_all_octaves=round(float(error[~is_lost].mean()), 4),
        auc_full_half=round(auc(found, estimates, {"native"}, reductions(0.5)), 4),
        auc_full_two_thirds=round(auc(found, estimates, {"native"}, reductions(0.67)), 4),
    )


def main() -> None:
    """Write the data file, and say how good it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--footage", type=Path, help="folder with ai_shots/ and faces/")
    parser.add_argument("--out", type=Path, default=DATA)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = samples(pictures(given.footage))
    estimates = held_out(found)
    fitted = calibrate(found, estimates)
    given.out.write_text(fitted.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for kind in dict.fromkeys(sample.kind for sample in found):
        of_kind = np.array([sample.kind == kind for sample in found])
        truth = next(sample.log2_r for sample in found if sample.kind == kind)
        low, middle, high = 2 ** np.percentile(estimates[of_kind], [10, 50, 90])
        print(f"{kind:16s} true {2**truth:.2f}  read {middle:.2f} ({low:.2f} to {high:.2f})")
    print(fitted.model_dump_json(indent=2, exclude={"weights", "guard", "contents"}))


if __name__ == "__main__":
    main()
