"""Draw the pictures of ``docs/genres.md``: the sample episode under each genre's template.

    python -m calibration.genre_pictures [--out docs/genres]

Each picture comes out of :class:`finishkit.preview.Preview`, and so out of the filters of the
batch, at the clips' own size: colour, sharpness and grain. What needs a net is left out.
"""

import argparse
import io
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from finishkit.measure import measure
from finishkit.preview import Preview, Refined
from finishkit.shots import open_episode
from finishkit.template import Draft, genres
from finishkit.verdict import judge

SAMPLE: Final = Path(__file__).parents[1] / "sample_shots" / "ep01"
STRIP: Final = ("s01e01_shot_004", "s01e01_shot_010", "s01e01_shot_012")
"""A clean day shot, a clean night shot, and one that was planted 0.7 stops too dark."""
SHEET: Final = STRIP[:2]
FRAME: Final = 24
MAX_BYTES: Final = 80_000
GREY: Final = (128, 128, 128)
"""Neutral surround: a coloured or white one shifts how pictures are judged."""
INK: Final = (12, 12, 12)
GAP_PX: Final = 6
LABEL_PX: Final = 24


def shown(preview: Preview, genre: str, shot: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a frame before and after, without nets, at its own size."""
    draft, seen = Draft.from_genre(genre), preview.measurements[shot]
    draft.set("faces.strength", 0.0)
    draft.set("upscale.model", "lanczos")
    draft.set("master.width_px", seen.width_px)
    draft.set("master.height_px", seen.height_px)
    got: list[Refined | Exception] = []
    preview.refine(shot, draft, FRAME, got.append).wait()
    if isinstance(got[0], Exception):
        raise got[0]
    return got[0].before, got[0].after


def strip(preview: Preview, genre: str) -> Image.Image:
    """Return three shots, each before and after, side by side."""
    pairs = [shown(preview, genre, shot) for shot in STRIP]
    height, width = pairs[0][0].shape[:2]
    pair_px = 2 * width + 2
    size = (GAP_PX + len(pairs) * (pair_px + GAP_PX), LABEL_PX + height + GAP_PX)
    drawn = Image.new("RGB", size, GREY)
    for place, pair in enumerate(pairs):
        left = GAP_PX + place * (pair_px + GAP_PX)
        for side, (said, picture) in enumerate(zip(("before", genre), pair, strict=True)):
            x = left + side * (width + 2)
            _label(drawn, said, x)
            drawn.paste(Image.fromarray(picture), (x, LABEL_PX))
    return drawn


def sheet(preview: Preview) -> Image.Image:
    """Return every genre's day and night in one picture."""
    columns, width, height = 5, 150, 267
    rows = -(-len(genres()) // columns)
    cell = 2 * width + 2 + 2 * GAP_PX
    size = (columns * cell + 2 * GAP_PX, rows * (LABEL_PX + height + GAP_PX))
    drawn = Image.new("RGB", size, GREY)
    for place, genre in enumerate(genres()):
        x = 2 * GAP_PX + place % columns * cell
        y = place // columns * (LABEL_PX + height + GAP_PX)
        _label(drawn, genre, x, y)
        for side, shot in enumerate(SHEET):
            _, after = shown(preview, genre, shot)
            small = cv2.resize(after, (width, height), interpolation=cv2.INTER_AREA)
            drawn.paste(Image.fromarray(_pixels(small)), (x + side * (width + 2), y + LABEL_PX))
    return drawn


def _pixels(picture: object) -> NDArray[np.uint8]:
    return np.asarray(picture, np.uint8)


def _label(drawn: Image.Image, text: str, x: int, y: int = 0) -> None:
    ImageDraw.Draw(drawn).text((x, y + 4), text, fill=INK, font=ImageFont.load_default(14))


def save(drawn: Image.Image, path: Path, max_bytes: int) -> None:
    """Write a JPEG of the best quality that keeps within a size."""
    buffer = io.BytesIO()
    for quality in range(90, 30, -4):
        buffer.seek(0)
        buffer.truncate()
        drawn.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= max_bytes:
            break
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=SAMPLE.parents[1] / "docs" / "genres")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    episode = open_episode(SAMPLE)
    measurements = measure(episode, backend="dlib")
    preview = Preview(episode, measurements, judge(measurements))
    for genre in genres():
        save(strip(preview, genre), out / f"{genre}.jpg", MAX_BYTES)
    save(sheet(preview), out / "all.jpg", 2 * MAX_BYTES)


if __name__ == "__main__":
    main()
