"""Before and after, in one picture."""

import html
from typing import Any

import anywidget
import cv2
import numpy as np
import traitlets
from numpy.typing import NDArray

from finishkit_widgets.behaviour import WellBehaved
from finishkit_widgets.front import css, esm
from finishkit_widgets.pictures import data_url, fitted, jpeg_bytes


class Compare(WellBehaved, anywidget.AnyWidget):
    r"""Two pictures of the same frame under one wipe.

    Keys while it has the focus: arrows, ``[`` and ``]`` move the wipe, ``w`` goes back to it,
    ``\`` changes between before and after.

    Attributes
    ----------
    before, after : bytes
        JPEG or PNG; see :meth:`show` for arrays.
    mode : {'wipe', 'side', 'before', 'after'}
    position : float
        Share of the picture that shows "before", in [0, 1].
    before_label, after_label, alt : str
        What is written on the two halves, and what a screen reader says of them.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    _esm = esm("compare")
    _css = css("compare")

    before = traitlets.Bytes().tag(sync=True)
    after = traitlets.Bytes().tag(sync=True)
    mode = traitlets.Enum(("wipe", "side", "before", "after"), "wipe").tag(sync=True)
    position = traitlets.Float(0.5).tag(sync=True)
    before_label = traitlets.Unicode("before").tag(sync=True)
    after_label = traitlets.Unicode("after").tag(sync=True)
    alt = traitlets.Unicode("Frame").tag(sync=True)

    def __init__(self, **keywords: Any) -> None:
        self._last: NDArray[np.uint8] | None = None
        super().__init__(**keywords)

    @traitlets.validate("position")
    def _within(self, proposal: dict[str, Any]) -> float:
        return min(1.0, max(0.0, proposal["value"]))

    def show(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Show two pictures.

        Parameters
        ----------
        before, after : ndarray, shape (h, w, 3), dtype uint8
            R'G'B', full range, of one size.
        """
        if before.shape != after.shape:
            raise ValueError(f"before is {before.shape}, after {after.shape}: not the same frame")
        with self.hold_sync():
            # Under a slider only one side changes, and encoding costs as much as the look.
            if before is not self._last:
                self._last = before
                self.before = jpeg_bytes(before)
            self.after = jpeg_bytes(after)

    def still_html(self) -> str:
        """Return both pictures side by side, small."""
        cells = [
            f'<figure style="margin:0;display:inline-block;padding:8px;background:#808080">'
            f'<img src="{_small(data)}" alt="{html.escape(f"{self.alt}, {side}", quote=True)}">'
            f'<figcaption style="color:#fff">{html.escape(label)}</figcaption></figure>'
            for side, label, data in (
                ("before", self.before_label, self.before),
                ("after", self.after_label, self.after),
            )
            if data
        ]
        return f"<div>{''.join(cells) or 'No picture yet.'}</div>"


def _small(data: bytes, width_px: int = 200) -> str:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        return ""
    height_px = max(1, round(decoded.shape[0] * width_px / decoded.shape[1]))
    picture = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8)
    return data_url(jpeg_bytes(fitted(picture, width_px, height_px), quality=85))
