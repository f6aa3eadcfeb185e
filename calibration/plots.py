"""Draw the pictures of ``docs/metrics.md``: what each number sees.

    python -m calibration.plots [--out docs/metrics]

Everything is made from photographs in scikit-image's wheel and from the sample episode, by the
product's own functions. The curve of colour evidence needs real footage and is drawn by
``calibration/colour_evidence.py --plot``.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from calibration.colour_evidence import cast, exposed, flattened, saturated, softened
from finishkit.frames import read_frames
from finishkit.measure import Measurements, measure
from finishkit.measure.colour import AXES, frame_vector
from finishkit.measure.flicker import flicker
from finishkit.measure.motion import flags_from_differences, pair_difference, to_small_luma
from finishkit.measure.noise import noise_sigma
from finishkit.measure.overlap import difference, find_marks
from finishkit.measure.sharpness import effective_resolution
from finishkit.shots import open_episode

ROOT: Final = Path(__file__).parents[1]
SAMPLE: Final = ROOT / "sample_shots" / "ep01"
INK: Final = "#22303c"
BLUE: Final = "#2f6f9f"
RUST: Final = "#b0603a"


def figure(width_in: float, height_in: float, rows: int, columns: int) -> tuple[Any, Any]:
    """Return a figure and its axes, row by row."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width_in, height_in), dpi=100, layout="constrained")
    return drawn, drawn.subplots(rows, columns, squeeze=False)


def show(axes: Any, picture: NDArray[np.uint8], title: str) -> None:
    """Put a picture with a caption."""
    axes.imshow(picture, interpolation="lanczos")
    axes.set_title(title, fontsize=9, color=INK)
    axes.axis("off")


def shot(name: str) -> NDArray[np.uint8]:
    """Read a sample shot."""
    path = SAMPLE / f"s01e01_shot_{name}.mp4"
    return np.concatenate([c.as_uint8() for c in read_frames(path, dtype="uint8", chunk=8)])


def sharpness(out: Path) -> None:
    """One photograph, reduced and enlarged again."""
    photo = skimage.data.astronaut()
    drawn, axes = figure(9, 2.7, 1, 4)
    for place, ratio in zip(axes[0], (1.0, 0.67, 0.5, 0.33), strict=True):
        picture = photo if ratio == 1 else softened(ratio)(photo)
        found = effective_resolution(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))  # type: ignore[arg-type]
        assert found is not None
        show(place, picture[20:200, 130:310], f"made at {ratio:g}: reads {found.r:.2f}")
    drawn.savefig(out / "sharpness.jpg", pil_kwargs={"quality": 88})


def colour(out: Path) -> None:
    """One frame, moved along each axis."""
    frame = shot("004")[24]
    moves = {
        "as it is": lambda p: p,
        "wb_r +0.3, wb_b -0.3": cast(0.3, -0.3),
        "ev -0.7": exposed(-0.7),
        "con x0.7": flattened(0.7),
        "sat x0.55": saturated(0.55),
    }
    own = frame_vector(frame)
    drawn, axes = figure(9, 4.6, 1, len(moves))
    for place, (name, move) in zip(axes[0], moves.items(), strict=True):
        moved = move(frame)
        change = frame_vector(moved) - own
        read = [f"{a} {c:+.2f}" for a, c in zip(AXES, change, strict=True) if abs(c) > 0.1]
        lines = "\n".join([*read, *[""] * (3 - len(read))])
        show(place, moved, f"{name}\nreads\n{lines}" if read else f"{name}\n\n\n\n")
    drawn.savefig(out / "colour.jpg", pil_kwargs={"quality": 88})


def overlap(out: Path) -> None:
    """Show the same set in two framings, one of them graded warm."""
    still = skimage.data.coffee()
    wide = cv2.resize(still[:, 60:360], (300, 400))
    close = cv2.resize(still[60:340, 120:330], (300, 400))
    graded = cast(0.3, -0.3)(close.astype(np.uint8))
    one, two = find_marks(wide.astype(np.uint8)), find_marks(graded)
    assert one is not None
    assert two is not None
    found = difference([one], [two])
    assert found is not None
    drawn, axes = figure(6.4, 4, 1, 2)
    show(axes[0][0], wide.astype(np.uint8), "one shot")
    told = dict(zip(AXES, found.axes, strict=True))
    text = ", ".join(f"{a} {told[a]:+.2f}" for a in ("wb_r", "wb_b"))
    title = f"another: wb_r +0.30, wb_b -0.30 planted\n{found.places} places say {text}"
    show(axes[0][1], graded, title)
    drawn.savefig(out / "overlap.jpg", pil_kwargs={"quality": 88})


def temporal(out: Path) -> None:
    """Flicker and repeats over time, on the two shots they were planted in."""
    drawn, axes = figure(9, 2.9, 1, 2)
    place = axes[0][0]
    for name, tone, label in (("010", BLUE, "clean"), ("008", RUST, "gain flickers by 4 %")):
        frames = shot(name)
        light = [float(cv2.cvtColor(f, cv2.COLOR_RGB2LAB)[..., 0].mean() / 2.55) for f in frames]
        read = flicker(np.stack([cv2.resize(f, (270, 480)) for f in frames]).astype(np.uint8))
        place.plot(light, color=tone, lw=1.3, label=f"{label}: flick_g {read.whole:.2f} L*")
    place.set(title="Mean lightness, frame by frame", xlabel="frame", ylabel="L*")
    place.legend(fontsize=8)
    place = axes[0][1]
    luma = [to_small_luma(f) for f in shot("013")]
    pairs = np.array([pair_difference(a, b) for a, b in itertools.pairwise(luma)])
    flags = flags_from_differences(pairs)[1:]
    numbers = np.arange(1, len(pairs) + 1)
    place.bar(numbers[~flags], pairs[~flags], color=BLUE, label="new picture")
    place.bar(numbers[flags], np.maximum(pairs[flags], 0.15), color=RUST, label="repeat")
    ratio = flags.sum() / len(luma)
    place.set(title=f"Change from the frame before: dup_ratio {ratio:.2f}", xlabel="frame")
    place.set_ylabel("codes (99th percentile)")
    place.legend(fontsize=8)
    drawn.savefig(out / "temporal.png")


def noise(out: Path) -> None:
    """Known noise, and what is read."""
    photo = skimage.data.astronaut()
    drawn, axes = figure(9, 2.7, 1, 4)
    rng = np.random.default_rng(3)
    for place, sigma in zip(axes[0], (0, 2, 4, 8), strict=True):
        noisy = photo + rng.normal(0, sigma, photo.shape[:2])[..., None]
        picture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        read = noise_sigma(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))  # type: ignore[arg-type]
        show(place, picture[20:200, 130:310], f"sigma {sigma} planted: reads {read:.1f}")
    drawn.savefig(out / "noise.jpg", pil_kwargs={"quality": 88})


def identity(out: Path, sample: Measurements) -> None:
    """Distance of every face of the sample episode to its own character and to the other."""
    drawn, axes = figure(9, 2.9, 1, 1)
    place = axes[0][0]
    names = []
    for number, seen in enumerate(s for s in sample.shots if s.identities):
        who = seen.identities[0]
        names.append(f"{seen.shot[-3:]}\n{who.character}")
        place.scatter([number] * len(who.face_dists), who.face_dists, s=14, color=BLUE, alpha=0.6)
        place.plot(number, who.other_dist, "x", color=RUST)
    for limit in sorted({look.limit for look in sample.looks}):
        whose = ", ".join(look.character for look in sample.looks if look.limit == limit)
        place.axhline(limit, lw=0.8, ls="--", color=INK)
        place.annotate(f"limit of {whose}", (-0.5, limit + 0.01), fontsize=8, color=INK)
    place.set_xticks(range(len(names)), names, fontsize=8)
    place.set(ylabel="distance", xlim=(-0.6, len(names) + 0.6))
    place.set_title("Faces to their own character (dots) and to the nearest other (x)", fontsize=10)
    drawn.savefig(out / "identity.png")


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "metrics")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    for draw in (sharpness, colour, overlap, temporal, noise):
        draw(out)
    identity(out, measure(open_episode(SAMPLE), only={"id_dist"}, jobs=1, backend="dlib"))


if __name__ == "__main__":
    main()
