"""The shots in cut order, each with its verdict and with what a person said of it."""

import html
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from finishkit.flags import Flag
from finishkit.preview.thumbnails import HEIGHT_PX, WIDTH_PX, Thumbnail
from finishkit.verdict import ShotVerdict
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import FrontEnd
from finishkit_widgets.front import css, esm
from finishkit_widgets.pictures import data_url, fitted, jpeg_bytes, sheet_bytes

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

TILE_PX = (72, 128)
"""Width and height of a thumbnail on the page; the sheet holds twice as many pixels each way."""

COLUMNS = 10
"""Tiles a row of the sheet: 80 shots are 1440x2048, which every browser decodes."""

PUSH_EVERY_S = 0.4
"""A sheet of 80 shots is 1 MB: so often it is sent while its tiles come in."""

STILL_WAIT_S = 1.0
"""So long the picture that is left behind waits for thumbnails; kept ones take a tenth of it."""

GREY = np.full((2, 2, 3), 128, np.uint8)


class Filmstrip(FrontEnd):
    """Thumbnails in cut order; arrows move the selection, ``n`` goes to the next flagged shot.

    The strip is there at once; its pictures are read by a thread and come in as they are ready.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    orientation : {'horizontal', 'vertical'}
        Vertical becomes horizontal where the page, or the app, is narrower than 600 px.
    filter : str
        Which shots are shown: ``all``, ``flagged``, ``hook``, ``scene:NAME`` or ``cast:NAME``.
    selected : str
        Follows the session.
    left : int
        Shots whose middle frame is still to be read.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part = "filmstrip"
    acts = ("select", "flag", "unflag")
    _esm = esm("filmstrip")
    _css = css("filmstrip")

    sheet = traitlets.Bytes().tag(sync=True)
    columns = traitlets.Int(COLUMNS).tag(sync=True)
    tile_px = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=TILE_PX).tag(
        sync=True
    )
    items = traitlets.List(traitlets.Dict()).tag(sync=True)
    marks = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    filter = traitlets.Unicode("all").tag(sync=True)
    orientation = traitlets.Enum(("horizontal", "vertical"), "horizontal").tag(sync=True)
    left = traitlets.Int(0).tag(sync=True)

    def __init__(self, session: "Session", **keywords: Any) -> None:
        judged = session.verdict.shots
        labels = short_names([s.shot for s in judged])
        self._tiles: dict[str, np.ndarray | None] = {s.shot: None for s in judged}
        self._pushed_s = 0.0
        shown = {
            "items": [_item(session, s, name) for s, name in zip(judged, labels, strict=True)],
            "marks": _marks(session),
            "selected": session.selected,
            "left": len(judged),
        }
        super().__init__(session, **{**shown, **keywords})
        self.watch("selected", lambda _: self.set_trait("selected", session.selected))
        self.watch("flags", lambda _: self.set_trait("marks", _marks(session)))
        self._thumbnails = session.thumbnails
        self._stop = self._thumbnails.follow(self._take)

    def close(self) -> None:
        """Stop reading pictures, and take the view away."""
        self._stop()
        super().close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every picture is on the sheet.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._thumbnails.wait(timeout_s)

    def still_html(self) -> str:
        """Return the thumbnails with their verdicts, for pages without a kernel."""
        self.wait(STILL_WAIT_S)
        figures = "".join(self._still(item) for item in self.items)
        return f"<div><p>{html.escape(self.summary())}</p>{figures}</div>"

    def summary(self) -> str:
        """Return how the shots stand, in a sentence."""
        actions = [item["action"] for item in self.items]
        counts = ", ".join(
            self.words["count"].format(n=actions.count(name), verdict=self.words[name])
            for name in BADGES
            if name in actions
        )
        return self.words["summary"].format(
            n=len(actions),
            scenes=len({item["scene"] for item in self.items}),
            counts=counts,
            needs=sum(mark["needs"] for mark in self.marks.values()),
        )

    @traitlets.validate("filter")
    def _known(self, proposal: dict[str, Any]) -> str:
        wanted = proposal["value"]
        there = _filters(self.items)
        if wanted not in there:
            raise traitlets.TraitError(
                f"There is no filter {wanted!r}. There are: {', '.join(there)}."
            )
        return wanted

    def _take(self, shot: str, seen: Thumbnail | Exception) -> None:
        # In a thread, one call at a time.
        if isinstance(seen, Exception):
            self.say_error(seen)
        elif shot in self._tiles:
            self._tiles[shot] = seen.picture
        now = time.monotonic()
        if self._thumbnails.left and now - self._pushed_s < PUSH_EVERY_S:
            return
        self._pushed_s = now
        sheet = sheet_bytes(list(self._tiles.values()), (WIDTH_PX, HEIGHT_PX), self.columns)
        with self.hold_sync():
            self.sheet, self.left = sheet, self._thumbnails.left

    def _still(self, item: dict[str, Any]) -> str:
        tile = self._tiles[item["shot"]]
        small = fitted(GREY if tile is None else tile, *TILE_PX)
        mark = self.marks[item["shot"]]["mark"]
        said = f" · {self.words[f'said_{mark}']}" if mark else ""
        caption = f"{item['label']} {item['shape']}{item['letter']}{said}"
        return (
            '<figure style="display:inline-block;width:84px;margin:4px;vertical-align:top">'
            f'<img width="{TILE_PX[0]}" height="{TILE_PX[1]}" alt="{html.escape(item["shot"])}"'
            f' title="{html.escape(item["why"])}" src="{data_url(jpeg_bytes(small, quality=82))}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )


def short_names(names: Sequence[str]) -> list[str]:
    """Return names without what all begin with, up to their number: a caption has room for that.

    Parameters
    ----------
    names : sequence of str
        Of shots, such as ``s01e01_shot_001``.
    """
    common = "".join(
        letters[0]
        for letters in itertools.takewhile(
            lambda letters: len(set(letters)) == 1, zip(*names, strict=False)
        )
    ).rstrip("0123456789")
    if len(names) < 2 or any(len(name) == len(common) for name in names):
        return list(names)
    return [name.removeprefix(common) for name in names]


def _item(session: "Session", judged: ShotVerdict, label: str) -> dict[str, Any]:
    badge = BADGES[judged.action]
    measured = session.measurements[judged.shot]
    listed = session.episode[judged.shot].characters
    return {
        "shot": judged.shot,
        "label": label,
        "scene": judged.scene,
        "cast": list(listed or [i.character for i in measured.identities]),
        "hook": judged.hook,
        "action": judged.action,
        "shape": badge.shape,
        "letter": badge.letter,
        "why": " ".join([*(r.text for r in judged.reasons), *judged.unknown]),
    }


def _marks(session: "Session") -> dict[str, dict[str, Any]]:
    said = {s.shot: session.flags.get(s.shot, Flag()) for s in session.verdict.shots}
    return {
        shot: {"mark": flag.mark, "note": flag.note, "needs": session.needs_someone(shot)}
        for shot, flag in said.items()
    }


def _filters(items: Sequence[dict[str, Any]]) -> list[str]:
    scenes = dict.fromkeys(item["scene"] for item in items)
    cast = dict.fromkeys(name for item in items for name in item["cast"])
    found = ["all", "flagged", "hook", *(f"scene:{s}" for s in scenes)]
    return [*found, *(f"cast:{name}" for name in cast)]
