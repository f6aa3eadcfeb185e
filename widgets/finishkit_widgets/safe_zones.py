"""Where the apps cover a vertical video: dated data that anybody may correct, never a promise."""

import tomllib
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import Field, ValidationError

from finishkit.errors import FinishError
from finishkit.values import Value

FILE = "safe_zones.toml"
FRAME_PX = (1080, 1920)
"""The picture that the bands are counted in."""

Band = Annotated[int, Interval(ge=0, le=960)]


class SafeZone(Value):
    """What one app covers, as bands along the four edges.

    Attributes
    ----------
    id, name : str
    dated : date
        When somebody last looked.
    source : str
        Who says so.
    top_px, right_px, bottom_px, left_px : int
        Of a picture of 1080x1920.
    """

    id: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\w\-]+$")]
    name: Annotated[str, Field(min_length=1, max_length=40)]
    dated: date
    source: Annotated[str, Field(min_length=1, max_length=500)]
    top_px: Band = 0
    right_px: Band = 0
    bottom_px: Band = 0
    left_px: Band = 0


class _File(Value):
    zone: tuple[SafeZone, ...] = ()


def load_safe_zones(folders: Sequence[Path] = ()) -> tuple[SafeZone, ...]:
    """Return the zones that ship with finishkit, corrected by files of one's own.

    Parameters
    ----------
    folders : sequence of Path, optional
        Each may hold a ``safe_zones.toml``; later ones win. A zone of a known id takes that one's
        place, others come after.

    Returns
    -------
    zones : tuple of SafeZone

    Raises
    ------
    FinishError
        ``bad_safe_zones``, naming the file and the field.
    """
    shipped = resources.files("finishkit_widgets").joinpath(FILE).read_text(encoding="utf-8")
    zones = {zone.id: zone for zone in _parsed(shipped, FILE)}
    for folder in folders:
        path = folder / FILE
        if path.is_file():
            own = _parsed(path.read_text(encoding="utf-8"), str(path))
            zones |= {zone.id: zone for zone in own}
    return tuple(zones.values())


def bands(zone: SafeZone) -> dict[str, Any]:
    """Return a zone as the front end draws it, bands as shares of the picture.

    Parameters
    ----------
    zone : SafeZone
        In pixels.

    Returns
    -------
    drawn : dict
        ``id``, ``name``, ``dated`` (ISO) and ``source``; ``top``, ``bottom`` of the height and
        ``left``, ``right`` of the width, in [0, 1].
    """
    width, height = FRAME_PX
    return {
        "id": zone.id,
        "name": zone.name,
        "dated": zone.dated.isoformat(),
        "source": zone.source,
        "top": zone.top_px / height,
        "right": zone.right_px / width,
        "bottom": zone.bottom_px / height,
        "left": zone.left_px / width,
    }


def _parsed(text: str, name: str) -> tuple[SafeZone, ...]:
    try:
        return _File.model_validate(tomllib.loads(text)).zone
    except tomllib.TOMLDecodeError as error:
        raise FinishError(f"{name} is not TOML: {error}.", "bad_safe_zones") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FinishError(
            f"{name}: {where}: {first['msg']}. Copy a zone of the shipped file and change its"
            " numbers.",
            "bad_safe_zones",
        ) from error
