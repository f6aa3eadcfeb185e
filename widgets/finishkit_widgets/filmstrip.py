"""The shots in cut order, each with its verdict."""

import html
import itertools
from typing import Any

import anywidget
import numpy as np
import traitlets

from finishkit.preview import Preview
from finishkit.verdict import ShotVerdict, Verdict
from finishkit_widgets.badges import BADGES, badge_css
from finishkit_widgets.behaviour import WellBehaved
from finishkit_widgets.compare import STATIC
from finishkit_widgets.pictures import data_url, fitted, jpeg_bytes

TILE_PX = (72, 128)
"""Width and height of a thumbnail."""


class Filmstrip(WellBehaved, anywidget.AnyWidget):
    """Thumbnails in cut order; arrows move the selection, ``n`` goes to the next flagged shot.

    Parameters
    ----------
    preview : Preview
        Gives the pictures.
    verdict : Verdict, optional
        Gives the badges; the preview's own by default.

    Attributes
    ----------
    selected : str
        Id of the chosen shot.
    trouble : str
        A sentence shown under the strip; empty when all is well.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    _esm = STATIC / "filmstrip.js"
    _css = badge_css() + (STATIC / "filmstrip.css").read_text(encoding="utf-8")

    sheet = traitlets.Bytes().tag(sync=True)
    items = traitlets.List(traitlets.Dict()).tag(sync=True)
    tile_px = traitlets.Tuple(traitlets.Int(), traitlets.Int(), default_value=TILE_PX).tag(
        sync=True
    )
    selected = traitlets.Unicode("").tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)

    def __init__(self, preview: Preview, verdict: Verdict | None = None, **keywords: Any) -> None:
        verdict = verdict or preview.verdict
        tiles = []
        for judged in verdict.shots:
            samples = preview.samples(judged.shot)
            tiles.append(fitted(samples[len(samples) // 2], *TILE_PX))
        common = _common_start([judged.shot for judged in verdict.shots])
        items = [_item(judged, judged.shot.removeprefix(common)) for judged in verdict.shots]
        shown = {
            "sheet": jpeg_bytes(np.concatenate(tiles, axis=1), quality=85) if tiles else b"",
            "items": items,
            "selected": items[0]["shot"] if items else "",
        }
        super().__init__(**{**shown, **keywords})

    @traitlets.validate("selected")
    def _known(self, proposal: dict[str, Any]) -> str:
        shots = [item["shot"] for item in self.items]
        if proposal["value"] not in shots:
            raise traitlets.TraitError(
                f"There is no shot {proposal['value']!r}. There are: {', '.join(shots)}."
            )
        return proposal["value"]

    def say_error(self, error: BaseException) -> None:
        """Show an error under the strip."""
        self.trouble = str(error)

    def still_html(self) -> str:
        """Return the sheet of thumbnails and the verdicts as a list."""
        lines = "".join(
            f"<li>{item['shape']}{item['letter']} {html.escape(item['text'])}</li>"
            for item in self.items
        )
        picture = (
            f'<img style="max-width:100%" src="{data_url(self.sheet)}" alt="Shots in cut order">'
            if self.sheet
            else ""
        )
        return f'<div>{picture}<ul style="list-style:none;padding:0">{lines}</ul></div>'


def _common_start(names: list[str]) -> str:
    """Return what all names begin with, up to their number: a caption has room for the rest."""
    common = "".join(
        letters[0]
        for letters in itertools.takewhile(
            lambda letters: len(set(letters)) == 1, zip(*names, strict=False)
        )
    ).rstrip("0123456789")
    return common if len(names) > 1 and all(len(name) > len(common) for name in names) else ""


def _item(judged: ShotVerdict, label: str) -> dict[str, str]:
    badge = BADGES[judged.action]
    why = " ".join([*(r.text for r in judged.reasons), *judged.unknown])
    hook = " (hook)" if judged.hook else ""
    return {
        "shot": judged.shot,
        "label": label,
        "action": judged.action,
        "shape": badge.shape,
        "letter": badge.letter,
        "text": f"{judged.shot}{hook}: {badge.word}. {why}".strip(),
    }
