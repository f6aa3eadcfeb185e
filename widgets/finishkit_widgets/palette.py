"""The colours of every shot, scene by scene, and how far each lies from its scene."""

import html
import queue
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import traitlets

from finishkit.measure.colour import AXES
from finishkit.preview.palette import (
    Palette as Colours,
)
from finishkit.preview.palette import (
    distance_de,
    hex_of,
    palette_of,
    scene_median,
)
from finishkit.preview.thumbnails import Thumbnail
from finishkit.verdict import ShotVerdict
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import FrontEnd
from finishkit_widgets.filmstrip import short_names
from finishkit_widgets.front import css, esm
from finishkit_widgets.pictures import data_url

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

PUSH_EVERY_S = 0.4
"""So often the colours are sent while they are read: 80 shots are 30 KB."""

STILL_WAIT_S = 2.0
"""So long the picture that is left behind waits for colours."""

BAR_PX = (28, 84)
"""Width and height of a bar in the picture that is left behind."""


class Palette(FrontEnd):
    """Stacked bars, one a shot; arrows move the selection.

    The bars are there at once; their colours are read by a thread. A distance is shown when every
    shot of the scene has been read: the median would still move before that.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    scenes : list of dict
        In cut order: the scene's ``scene``, its ``median`` (``#rrggbb``; empty until known) and
        ``shots``, each with ``colours`` (pairs of ``#rrggbb`` and share) and ``de`` (CIEDE2000 to
        the median, see :mod:`finishkit.preview.palette`; None until known, or alone).
    selected : str
        Follows the session.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part = "palette"
    acts = ("select", "next_flagged")
    _esm = esm("palette")
    _css = css("palette")

    scenes = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self._judged = session.verdict.shots
        names = [s.shot for s in self._judged]
        self._labels = dict(zip(names, short_names(names), strict=True))
        self._colours: dict[str, Colours] = {}
        self._failed: set[str] = set()
        self._waiting = queue.SimpleQueue[tuple[str, Thumbnail | Exception] | None]()
        self._over = threading.Event()
        super().__init__(
            session,
            **{"scenes": self._scenes(), "selected": session.selected, **keywords},
        )
        self.watch("selected", lambda _: self.set_trait("selected", session.selected))
        threading.Thread(target=self._serve, name="finishkit-palette", daemon=True).start()
        self._stop = session.thumbnails.follow(self._take)

    def close(self) -> None:
        """Stop reading colours, and take the view away."""
        self._stop()
        self._waiting.put(None)
        super().close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every shot's colours are read.

        Parameters
        ----------
        timeout_s : float, optional
            For ever by default.

        Returns
        -------
        over : bool
            False when the time ran out.
        """
        return self._over.wait(timeout_s)

    def colours(self, shot: str) -> Colours | None:
        """Return the colours of a shot; None until they are read.

        Parameters
        ----------
        shot : str
            Its id.
        """
        return self._colours.get(self.session.episode[shot].id)

    def still_html(self) -> str:
        """Return the bars as a picture a scene, and their colours as a table."""
        self.wait(STILL_WAIT_S)
        parts = []
        for scene in self.scenes:
            rows = "".join(
                f"<tr><td>{html.escape(shot['label'])}</td><td>{self._said(shot)}</td></tr>"
                for shot in scene["shots"]
            )
            url = data_url(_bars(scene["shots"]), "image/png")
            name = html.escape(scene["scene"])
            parts.append(
                f'<p><b>{name}</b></p><img alt="{name}" src="{url}"><details><summary>'
                f"{self.words['details']}</summary><table>{rows}</table></details>"
            )
        legend = html.escape(self.words["legend"])
        return f"<div><p>{html.escape(self.summary())}</p>{''.join(parts)}<p>{legend}</p></div>"

    def summary(self) -> str:
        """Return what was read, and which shot is furthest from its scene."""
        known = [s for scene in self.scenes for s in scene["shots"] if s["de"] is not None]
        counts = {"read": len(self._colours), "n": len(self._judged)}
        if not known:
            return self.words["summary_none"].format(**counts)
        worst = max(known, key=lambda shot: shot["de"])
        return self.words["summary"].format(**counts, shot=worst["shot"], de=f"{worst['de']:.1f}")

    def _take(self, shot: str, seen: Thumbnail | Exception) -> None:
        # Called while the filmstrip waits for its own turn: what takes long is done elsewhere.
        if isinstance(seen, Exception) or seen.exact:
            self._waiting.put((shot, seen))

    def _serve(self) -> None:
        pushed_s = 0.0
        while (given := self._waiting.get()) is not None:
            self._read(*given)
            over = len(self._colours) + len(self._failed) >= len(self._judged)
            if over or time.monotonic() - pushed_s > PUSH_EVERY_S:
                pushed_s = time.monotonic()
                self.scenes = self._scenes()
            if over:
                return self._over.set()
        return None

    def _read(self, shot: str, seen: Thumbnail | Exception) -> None:
        try:
            if isinstance(seen, Exception):
                raise seen
            self._colours[shot] = palette_of(seen.picture)
        except Exception as error:
            self._failed.add(shot)
            self.say_error(error)

    def _scenes(self) -> list[dict[str, Any]]:
        names = dict.fromkeys(judged.scene for judged in self._judged)
        return [self._scene(n, [s for s in self._judged if s.scene == n]) for n in names]

    def _scene(self, name: str, judged: Sequence[ShotVerdict]) -> dict[str, Any]:
        read = [self._colours[s.shot].mean for s in judged if s.shot in self._colours]
        settled = sum(s.shot in self._failed for s in judged) + len(read) == len(judged)
        median = scene_median(read) if read and settled else None
        shots = [self._shot(s, median if len(read) > 1 else None) for s in judged]
        alone = len(judged) == 1
        return {
            "scene": name,
            "alone": alone,
            "median": hex_of(median) if median and not alone else "",
            "shots": shots,
        }

    def _shot(self, judged: ShotVerdict, median: tuple[float, float, float] | None) -> dict:
        seen = self._colours.get(judged.shot)
        badge = BADGES[judged.action]
        off = [r.text for r in judged.reasons if r.metric in AXES]
        return {
            "shot": judged.shot,
            "label": self._labels[judged.shot],
            "failed": judged.shot in self._failed,
            "colours": [[s.hex, round(s.share, 4)] for s in seen.swatches] if seen else [],
            "de": round(distance_de(seen.mean, median), 2) if seen and median else None,
            "action": judged.action,
            "badge": badge.shape + badge.letter if off else "",
            "why": " ".join(off),
        }

    def _said(self, shot: dict[str, Any]) -> str:
        said = [
            self.words["colour"].format(hex=code, percent=round(100 * share))
            for code, share in shot["colours"]
        ]
        if shot["de"] is not None:
            said.append(self.words["distance"].format(de=f"{shot['de']:.1f}"))
        return html.escape(" · ".join(said) or self.words["waiting"])


def _bars(shots: Sequence[dict[str, Any]]) -> bytes:
    """Draw the bars of a scene side by side; grey where nothing was read."""
    width, height = BAR_PX
    picture = np.full((height, len(shots) * (width + 6) - 6, 3), 255, np.uint8)
    for at, shot in enumerate(shots):
        left, top = at * (width + 6), 0.0
        for code, share in shot["colours"] or [["#808080", 1.0]]:
            colour = [int(code[i : i + 2], 16) for i in (1, 3, 5)]
            low = top + share * height
            picture[round(top) : round(low), left : left + width] = colour
            top = low
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return data.tobytes() if done else b""
