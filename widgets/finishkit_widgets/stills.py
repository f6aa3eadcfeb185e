"""A few still pictures side by side, each with its caption, on the viewer's grey."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from finishkit_widgets.front import css, esm
from finishkit_widgets.pictures import jpeg_bytes

_QUALITY = 88


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Still:
    """A picture and what is said of it.

    Attributes
    ----------
    picture : ndarray, shape (h, w, 3), dtype uint8 in [0, 255]
        R'G'B', full range.
    alt : str
        For who does not see it.
    caption : str
    """

    picture: NDArray[np.uint8]
    alt: str
    caption: str

    def jpeg(self) -> bytes:
        """Return the picture for the page."""
        return jpeg_bytes(self.picture, _QUALITY)


class Stills(anywidget.AnyWidget):
    """Pictures side by side. ipywidgets' own image cannot say what it shows (no alt text).

    Attributes
    ----------
    pictures : list of dict
        ``data`` (JPEG), ``alt`` and ``caption`` of each.
    note : str
        A sentence after them; empty when there is nothing to say.
    """

    _esm = esm("stills")
    _css = css("stills")

    pictures = traitlets.List(traitlets.Dict()).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    def show(self, stills: Sequence[Still], note: str = "") -> None:
        """Show these pictures.

        Parameters
        ----------
        stills : sequence of Still
            From left to right.
        note : str, optional
            A sentence after them.
        """
        shown: list[dict[str, Any]] = [
            {"data": still.jpeg(), "alt": still.alt, "caption": still.caption} for still in stills
        ]
        with self.hold_sync():
            self.pictures, self.note = shown, note
