"""The contact sheet: every shot before and after in one picture, in cut order."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from finishkit.report.model import Report
from finishkit.report.pictures import Image8, Pictures
from finishkit.report.wording import badge, short_labels, title

GREY = (128, 128, 128)
"""Neutral surround: a coloured or white one shifts how pictures are judged."""
INK, FAINT = (12, 12, 12), (58, 58, 58)
CELL_PX = 120
GAP_PX = 12
HEAD_PX = 54
LABEL_PX = 26
COLUMNS = 12
_COLOURS = {
    "ok": (10, 70, 36),
    "check": (92, 58, 0),
    "fix": (0, 52, 96),
    "regenerate": (132, 0, 0),
    "quarantined": (132, 0, 0),
    "not_run": FAINT,
}


def contact_sheet(report: Report, pictures: Pictures) -> bytes:
    """Return ``contact_sheet.png``: the raw picture of each shot above its finished one.

    Parameters
    ----------
    report : Report
        Names and verdicts.
    pictures : Pictures
        As read by :func:`finishkit.report.pictures.read_pictures`.

    Returns
    -------
    data : bytes
        PNG, on neutral grey, twelve shots a row.
    """
    rows = 2 if pictures.after else 1
    tallest = _cell_height_px(pictures)
    columns = min(COLUMNS, max(1, len(report.shots)))
    lines = math.ceil(len(report.shots) / columns)
    cell_height = LABEL_PX + rows * (tallest + 4) + GAP_PX
    width = max(GAP_PX + columns * (CELL_PX + GAP_PX), 560)
    sheet = Image.new("RGB", (width, HEAD_PX + lines * cell_height), GREY)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(18), ImageFont.load_default(13)
    draw.text((GAP_PX, 8), _writable(title(report)), fill=INK, font=large)
    legend = "above: before, below: finished" if rows == 2 else "as measured"
    draw.text((GAP_PX, 31), legend, fill=FAINT, font=small)
    labels = short_labels([s.shot for s in report.shots])
    for position, shot in enumerate(report.shots):
        x = GAP_PX + position % columns * (CELL_PX + GAP_PX)
        y = HEAD_PX + position // columns * cell_height
        for row, shown in enumerate((pictures.before, pictures.after)[:rows]):
            _place(sheet, shown.get(shot.shot), x, y + row * (tallest + 4), tallest)
        kind = badge(shot)
        below = y + rows * (tallest + 4)
        _shape(draw, kind, x + 7, below + 9)
        text = labels[shot.shot] if kind == "ok" else f"{labels[shot.shot]} {kind}"
        draw.text((x + 18, below + 1), _writable(text), fill=INK, font=small)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _writable(text: str) -> str:
    # The font that ships with Pillow holds Latin letters; another script would be boxes anyway.
    return text.replace("→", "->")[:120]


def _cell_height_px(pictures: Pictures) -> int:
    shown = [*pictures.before.values(), *pictures.after.values()]
    ratios = [p.shape[0] / p.shape[1] for p in shown] or [16 / 9]
    return round(CELL_PX * min(max(ratios), 16 / 9))


def _place(sheet: Image.Image, picture: Image8 | None, x: int, y: int, height: int) -> None:
    if picture is None:
        ImageDraw.Draw(sheet).rectangle((x, y, x + CELL_PX - 1, y + height - 1), outline=FAINT)
        return
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((CELL_PX, height), Image.Resampling.LANCZOS)
    sheet.paste(image, (x + (CELL_PX - image.width) // 2, y + (height - image.height) // 2))


def _shape(draw: ImageDraw.ImageDraw, kind: str, x: int, y: int) -> None:
    colour = _COLOURS[kind]
    if kind == "ok":
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour)
    elif kind == "check":
        draw.polygon([(x, y - 6), (x + 6, y + 5), (x - 6, y + 5)], fill=colour)
    elif kind == "fix":
        draw.polygon([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], fill=colour)
    elif kind == "regenerate":
        draw.rectangle((x - 5, y - 5, x + 5, y + 5), fill=colour)
    elif kind == "quarantined":
        draw.line((x - 5, y - 5, x + 5, y + 5), fill=colour, width=3)
        draw.line((x + 5, y - 5, x - 5, y + 5), fill=colour, width=3)
    else:
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), outline=colour, width=2)
