"""The pictures of the report: read once a file, kept small, boxed where a face is meant."""

import base64
import io
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from finishkit.errors import FinishError
from finishkit.frames import read_frames
from finishkit.report.model import Picture, Report, ReportShot
from finishkit.report.text import legible
from finishkit.shots import ShotId

THUMB_PX = 150
"""Short side of a thumbnail: twice what the page shows, for fine screens."""
LARGE_PX = 270
"""Short side of the pictures a person must judge a face by."""
MAX_JPEG_BYTES = 12_000
WORST_CUTS = 6
SEEN_JUMP = 0.1
"""A cut that jumps less is not worth a picture."""
BOX_COLOUR = (255, 214, 10)
_QUALITIES = (84, 76, 66, 54, 42, 30)

Image8 = NDArray[np.uint8]
Progress = Callable[[int, int, str], None]
"""Called with (done, total, shot), first with 0 done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumb:
    """One picture of the page.

    Attributes
    ----------
    uri : str
        ``data:image/jpeg;base64,...``
    width_px, height_px : int
    """

    uri: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Every picture of the report. What could not be read is missing.

    Attributes
    ----------
    before, after : Mapping of shot to ndarray, shape (h, w, 3), dtype uint8
        Middle frames, R'G'B'.
    faces : Mapping of (shot, character) to ndarray
        The frame whose face is furthest from the reference, boxed: of each shot to make again
        and of the shot beside it that shows the character as meant.
    cuts : Mapping of (from, to) to (ndarray or None, ndarray or None)
        Last and first frame of the worst cuts, finished where there is a finished clip.
    references : Mapping of character to tuple of ndarray
    """

    before: Mapping[str, Image8] = field(default_factory=dict)
    after: Mapping[str, Image8] = field(default_factory=dict)
    faces: Mapping[tuple[str, str], Image8] = field(default_factory=dict)
    cuts: Mapping[tuple[str, str], tuple[Image8 | None, Image8 | None]] = field(
        default_factory=dict
    )
    references: Mapping[str, tuple[Image8, ...]] = field(default_factory=dict)


def as_thumb(picture: Image8, max_bytes: int = MAX_JPEG_BYTES) -> Thumb:
    """Encode a picture for the page.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B', full range.
    max_bytes : int
        JPEG quality is lowered until the file is this small.

    Returns
    -------
    thumb : Thumb
    """
    image = Image.fromarray(picture)
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True)
        data = buffer.getvalue()
        if len(data) <= max_bytes:
            break
    uri = "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
    return Thumb(uri=uri, width_px=image.width, height_px=image.height)


def shrink(picture: Image8, short_px: int) -> Image8:
    """Reduce a picture so that its short side has so many pixels; never enlarge.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        R'G'B'.
    short_px : int
        Wanted short side.

    Returns
    -------
    picture : ndarray, shape (h, w, 3), dtype uint8
    """
    height, width = picture.shape[:2]
    scale = short_px / min(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def boxed(picture: Image8, box: Sequence[float], native_width_px: int) -> Image8:
    """Draw the box of a face.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8
        The frame, reduced.
    box : sequence of float
        Left, top, right, bottom in pixels of the frame before it was reduced; may reach over.
    native_width_px : int
        Width of the frame before it was reduced.

    Returns
    -------
    picture : ndarray, shape (h, w, 3), dtype uint8
        A copy.
    """
    scale = picture.shape[1] / native_width_px
    left, top, right, bottom = (round(edge * scale) for edge in box)
    height, width = picture.shape[:2]
    left, top = max(1, left), max(1, top)
    right, bottom = min(width - 2, right), min(height - 2, bottom)
    image = Image.fromarray(picture)
    if right > left and bottom > top:
        draw = ImageDraw.Draw(image)
        # A dark line outside the bright one: visible on skin, on snow and at night.
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(0, 0, 0))
        draw.rectangle((left, top, right, bottom), outline=BOX_COLOUR, width=2)
    return np.asarray(image)


def worst_cuts(report: Report, count: int = WORST_CUTS) -> tuple[tuple[str, str], ...]:
    """Return the pairs of shots with the largest jumps that are left, worst first.

    Parameters
    ----------
    report : Report
        Finished cuts count where there are any.
    count : int
        At most so many.

    Returns
    -------
    cuts : tuple of (from, to)
    """
    cuts = report.cuts if report.cuts_finished is None else report.cuts_finished
    ranked = sorted((c for c in cuts if c.jump >= SEEN_JUMP), key=lambda c: -c.jump)
    return tuple((c.from_shot, c.to_shot) for c in ranked[:count])


def neighbour(report: Report, shot: str, character: str) -> str | None:
    """Return the shot that shows what a character should look like: before the cut, or nearest.

    Parameters
    ----------
    report : Report
        The episode.
    shot : str
        The shot to compare with.
    character : str
        Who is looked for.

    Returns
    -------
    shot : str or None
        Of the shots of that character that need no new take, the closest before ``shot``,
        otherwise the closest after it.
    """
    here = report[shot].order
    look = report.look(character)
    # The only right take of two has nothing to be measured against, and yet it is what is meant.
    meant = look.accepted if look else ()
    others = [
        s
        for s in report.shots
        if s.shot != shot and s.action != "regenerate" and s.state != "quarantined"
        for who in s.identities
        if who.character == character and (who.id_dist is not None or s.shot in meant)
    ]
    earlier = [s for s in others if s.order < here]
    nearest = max(earlier, key=lambda s: s.order, default=None)
    nearest = nearest or min(others, key=lambda s: s.order, default=None)
    return nearest.shot if nearest else None


def read_pictures(
    report: Report,
    *,
    sources: Mapping[ShotId, Path],
    finished_files: Mapping[ShotId, Path],
    references: Mapping[str, Sequence[Path]],
    progress: Progress | None = None,
) -> Pictures:
    """Read every picture the report shows, one decode a file.

    Parameters
    ----------
    report : Report
        Says which frames are wanted.
    sources, finished_files : Mapping of shot to Path
        A shot that was never measured is not opened: it may be what it was quarantined for.
    references : Mapping of character to sequence of Path
        Still pictures; those that cannot be read are left out.
    progress : callable, optional
        Called with (shots done, shots in all, shot), first with 0 done.

    Returns
    -------
    pictures : Pictures
    """
    cuts = worst_cuts(report)
    shown = _faces_shown(report)
    jobs = [s for s in report.shots if s.picture]

    def one(shot: ReportShot) -> _ShotPictures:
        name = ShotId(shot.shot)
        return _shot_pictures(
            shot,
            source=sources.get(name),
            finished=finished_files.get(name) if shot.finished_picture else None,
            faces={who: index for (owner, who), index in shown.items() if owner == shot.shot},
            at_cut=any(shot.shot in pair for pair in cuts),
        )

    read: dict[str, _ShotPictures] = {}
    if progress:
        progress(0, len(jobs), "")
    # Decoding leaves Python's lock: files side by side, each in one thread.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for done, (shot, pictures) in enumerate(zip(jobs, pool.map(one, jobs), strict=True), 1):
            read[shot.shot] = pictures
            if progress:
                progress(done, len(jobs), shot.shot)
    nothing = _ShotPictures()
    return Pictures(
        before={name: p.before for name, p in read.items() if p.before is not None},
        after={name: p.after for name, p in read.items() if p.after is not None},
        faces={(name, who): f for name, p in read.items() for who, f in p.faces.items()},
        cuts={(a, b): (read.get(a, nothing).last, read.get(b, nothing).first) for a, b in cuts},
        references={
            legible(name): tuple(p for path in paths if (p := _still(path)) is not None)
            for name, paths in references.items()
        },
    )


def _faces_shown(report: Report) -> dict[tuple[str, str], int]:
    """Return the frames on which a person judges a face: of each order, and beside it."""
    shown: dict[tuple[str, str], int] = {}
    for order in report.regenerate:
        for character in order.characters:
            beside = neighbour(report, order.shot, character)
            for owner in (order.shot, beside) if beside else (order.shot,):
                for who in report[owner].identities:
                    if who.character == character and who.worst_frame is not None:
                        shown[owner, character] = who.worst_frame
    return shown


def _with_face(shot: ReportShot, character: str, picture: Image8) -> Image8:
    who = next(i for i in shot.identities if i.character == character)
    if who.worst_box is None or shot.picture is None:
        return picture
    return boxed(picture, who.worst_box, shot.picture.width_px)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ShotPictures:
    before: Image8 | None = None
    after: Image8 | None = None
    first: Image8 | None = None
    last: Image8 | None = None
    faces: Mapping[str, Image8] = field(default_factory=dict)


def _shot_pictures(
    shot: ReportShot,
    *,
    source: Path | None,
    finished: Path | None,
    faces: Mapping[str, int],
    at_cut: bool,
) -> _ShotPictures:
    raw, done = shot.picture, shot.finished_picture
    ends_of_source = at_cut and not (finished and done)
    before: Mapping[int, Image8] = {}
    after: Mapping[int, Image8] = {}
    if source and raw:
        wanted = {_middle(raw), *faces.values(), *(_ends(raw) if ends_of_source else ())}
        before = _read(source, wanted, LARGE_PX if faces else THUMB_PX)
    if finished and done:
        after = _read(finished, {_middle(done), *(_ends(done) if at_cut else ())}, THUMB_PX)
    at_ends, clip = (before, raw) if ends_of_source else (after, done)
    first, last = _ends(clip) if at_cut and clip else (-1, -1)
    return _ShotPictures(
        before=_small(before.get(_middle(raw))) if raw else None,
        after=_small(after.get(_middle(done))) if done else None,
        first=_small(at_ends.get(first)),
        last=_small(at_ends.get(last)),
        faces={
            who: _with_face(shot, who, picture)
            for who, index in faces.items()
            if (picture := before.get(index)) is not None
        },
    )


def _middle(clip: Picture) -> int:
    return clip.frame_count // 2


def _ends(clip: Picture) -> tuple[int, int]:
    return 0, max(0, clip.frame_count - 1)


def _read(path: Path, wanted: Iterable[int], short_px: int) -> Mapping[int, Image8]:
    indices = sorted(set(wanted))
    try:
        chunks = read_frames(path, dtype="uint8", indices=indices, short_side_px=short_px)
        pictures = [picture for chunk in chunks for picture in chunk.data]
    except FinishError:
        # The report is written whatever became of the files; the page says "no picture".
        return {}
    # Frames come in order, so a clip shorter than it was measured lacks only the last ones.
    return dict(zip(indices, pictures, strict=False))


def _small(picture: Image8 | None) -> Image8 | None:
    return None if picture is None else shrink(picture, THUMB_PX)


def _still(path: Path) -> Image8 | None:
    try:
        with warnings.catch_warnings():
            # A picture of a billion pixels in a few bytes: not for a thumbnail.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG", "WEBP", "BMP", "TIFF")) as image:
                image.draft("RGB", (2 * LARGE_PX, 2 * LARGE_PX))
                return shrink(np.asarray(image.convert("RGB")), LARGE_PX)
    except (
        OSError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
