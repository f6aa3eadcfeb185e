"""The pinned frames under the look as it stands, small, a moment after the slider rests."""

import html
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets
from numpy.typing import NDArray

from finishkit.preview import Job, Newest
from finishkit_widgets.behaviour import FrontEnd
from finishkit_widgets.front import css, esm
from finishkit_widgets.pictures import data_url, fitted, jpeg_bytes
from finishkit_widgets.pins import shows_at_once

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

TILE_PX = (108, 192)
"""Width and height of a pinned frame."""
REST_S = 0.25
"""So long a slider must rest: rendering these at every tick would hold up the picture tuned on."""

STILL_S = 1.0
"""So long the picture left behind waits for the frames that are under way."""

Sheet = NDArray[np.uint8]


class PinnedFrames(FrontEnd):
    """The session's pins: left of the middle the source, right of it the look.

    A click shows the frame; the button pins the frame that is shown.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    items : list of dict
        Shot, frame and words of each pin.
    sheet : bytes
        JPEG, the pins side by side, each :data:`TILE_PX` in size.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part: ClassVar[str] = "tuner"
    acts: ClassVar[tuple[str, ...]] = ("select", "pin", "unpin")
    _esm = esm("pinned")
    _css = css("pinned")

    items = traitlets.List(traitlets.Dict()).tag(sync=True)
    sheet = traitlets.Bytes().tag(sync=True)
    tile_px = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=TILE_PX).tag(
        sync=True
    )

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self._worker: Newest[Sheet] = Newest()
        self._job: Job[Sheet] | None = None
        super().__init__(session, **keywords)
        self.watch(("pins", "language"), lambda _: self._show())
        self.watch("look", self._on_look)
        self._show()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the pictures that are under way.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._job is None or self._job.wait(timeout_s)

    def still_html(self) -> str:
        """Return the frames as they stand, and what they are."""
        self.wait(STILL_S)
        if not self.sheet:
            return ""
        says = html.escape("; ".join(item["alt"] for item in self.items), quote=True)
        return f'<img style="background:#808080" src="{data_url(self.sheet)}" alt="{says}">'

    def _show(self) -> None:
        words = self.session.words(self.part)
        self.items = [
            {
                "shot": pin.shot,
                "frame": pin.frame,
                "why": words[f"pin_{pin.why}"],
                "alt": words["pin_alt"].format(
                    why=words[f"pin_{pin.why}"], shot=pin.shot, frame=pin.frame
                ),
            }
            for pin in self.session.pins
        ]
        self._render(0.0)

    def _on_look(self, change: Any) -> None:
        if shows_at_once(change["old"], change["new"]):
            self._render(REST_S)

    def _render(self, rest_s: float) -> None:
        pins, draft, preview = self.session.pins, self.session.draft.copy(), self.session.preview

        def work(go_on: Callable[[], None]) -> Sheet:
            time.sleep(rest_s)
            tiles = []
            for pin in pins:
                go_on()
                before, after = preview.frame(pin.shot, draft, pin.frame)
                middle = before.shape[1] // 2
                both = np.concatenate([before[:, :middle], after[:, middle:]], axis=1)
                tiles.append(fitted(both, *TILE_PX))
            return np.concatenate(tiles, axis=1) if tiles else np.zeros((0, 0, 3), np.uint8)

        self._job = self._worker.start(Job(work, self._take))

    def _take(self, sheet: Sheet | Exception) -> None:
        # In the thread: nobody hears what is raised here.
        if isinstance(sheet, Exception):
            self.say_error(sheet)
        else:
            self.sheet = jpeg_bytes(sheet, quality=90) if sheet.size else b""
