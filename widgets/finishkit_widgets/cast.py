"""Who looks like their reference: characters by shots, and the worst frame beside it."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets
from matplotlib.axes import Axes

from finishkit.errors import FinishError
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import SessionWidget, spoken
from finishkit_widgets.cast_cells import (
    CastCell,
    cast_cells,
    cast_sentence,
    cell_sentence,
    table_heads,
    table_row,
)
from finishkit_widgets.cast_marks import draw_cast
from finishkit_widgets.cast_pictures import CastPictures
from finishkit_widgets.figure import Ink, Margins, Plot, Room, fitting_px
from finishkit_widgets.pictures import data_url
from finishkit_widgets.stills import Still, Stills
from finishkit_widgets.surroundings import Surroundings
from finishkit_widgets.twin_table import Cell, TwinTable, table_html

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

_ROW_PX, _WIDTH_PX = 30, 860
_MARGINS = Margins(left=104, right=8, top=8, bottom=26)
_ACROSS, _DOWN = {"left": -1, "right": 1}, {"up": -1, "down": 1}


class CastMatrix(SessionWidget, ipywidgets.VBox):
    """Characters by shots: how far each face is from the character's reference.

    A click on a cell, or on a row of the table, selects the shot everywhere, on the frame where the
    face is worst. With the matrix in focus, the arrow keys go to the shots and the characters
    beside it, ``n`` and ``N`` to the next and the previous flagged shot.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    character : str
        Name of the character looked at; empty when there is none.
    rows : tuple of tuple of CastCell
        A row a character, a cell a shot.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part = "cast"
    character = traitlets.Unicode("")

    def __init__(self, session: "Session", **keywords: Any) -> None:
        self.words = session.words(self.part)
        self.rows = cast_cells(session.measurements, session.verdict)
        self._listed = [c for row in self.rows for c in row if c.state != "not_listed"]
        self._pictures = CastPictures(session.episode)
        self._moving = False
        self.plot = Plot(
            self._draw,
            size_px=(_WIDTH_PX, self._height_px()),
            margins=_MARGINS,
            on_click=self._clicked,
            on_key=self._typed,
        )
        self.table = TwinTable(self._row_chosen)
        self.notice = ipywidgets.HTML()
        self._heading, self._sentence, self._legend = (ipywidgets.HTML() for _ in range(3))
        self.stills = Stills()
        self._page, self._room = Surroundings(), Room()
        first = {"character": self._character_in(session.selected, "")}
        super().__init__(session, **{"children": self._arranged(), **first, **keywords})
        for name in ("fk", "fk-panel", "fk-cast"):
            self.add_class(name)
        self._wire()
        self._say_all()

    def look_at(self, character: str, shot: str) -> None:
        """Show a character in a shot, on the frame where the face is worst.

        Parameters
        ----------
        character : str
            Its name.
        shot : str
            Its id.

        Raises
        ------
        FinishError
            ``no_such_character`` or ``no_such_shot``.
        """
        shot = self.session.episode[shot].id
        self.notice.value = ""
        # Two changes, shown once.
        self._moving = True
        try:
            self.character = character
            self.session.select(shot, self._cell(character, shot).frame)
        finally:
            self._moving = False
        self._show_selected()

    def summary(self) -> str:
        """Return in a sentence or two how the cast stands, and the character in the shot."""
        if not self.rows:
            return self._nothing()
        return f"{cast_sentence(self.rows, self.words)} {self._about_cell()}"

    def still_html(self) -> str:
        """Return the matrix and the pictures beside it on white, and the table."""
        said = html.escape(self.summary(), quote=True)
        if not self.rows:
            return f"<p>{said}</p>"
        picture = data_url(self.plot.png(), "image/png")
        beside = "".join(
            f'<figure style="display:inline-block;margin:8px"><img height="240"'
            f' src="{data_url(still.jpeg())}" alt="{html.escape(still.alt, quote=True)}">'
            f"<figcaption>{html.escape(still.caption)}</figcaption></figure>"
            for stills in self._looked_at()
            for still in stills
        )
        table = table_html(self.words["about"], *self._table(), self._table_row())
        return (
            f'<div><p>{said}</p><img width="{self.plot.size_px[0]}" style="max-width:100%"'
            f' src="{picture}" alt="{said}"><div>{beside}</div>{table}</div>'
        )

    @traitlets.validate("character")
    def _known(self, proposal: Any) -> str:
        names = [row[0].character for row in self.rows]
        if proposal["value"] not in names and (proposal["value"] or names):
            raise FinishError(
                f"There is no character {proposal['value']!r}. There are:"
                f" {', '.join(names) or 'none'}.",
                "no_such_character",
            )
        return proposal["value"]

    # How it is put together

    def _arranged(self) -> list[ipywidgets.Widget]:
        self._sentence.add_class("fk-said")
        self._legend.add_class("fk-legend")
        always = [self._heading, self._sentence]
        shown = [self.plot.canvas, self._legend, self.stills, self.table] if self.rows else []
        return [*always, *shown, self.notice, self._page, self._room]

    def _wire(self) -> None:
        self._page.observe(self._on_page, names="dark")
        self._room.observe(self._on_page, names="width_px")
        self.observe(self._on_character, names="character")
        self.watch("selected", self._on_selected)
        self.watch("language", self._on_language)

    # What is shown

    def _say_all(self) -> None:
        words = self.words
        self._heading.value = f'<span class="fk-title">{html.escape(words["heading"])}</span>'
        if not self.rows:
            said = html.escape(self._nothing())
            self._sentence.value = f'<div role="status" class="fk-banner">{said}</div>'
            return
        grouped = any(look.grouped for look in self.session.measurements.looks)
        banner = f'<p class="fk-banner">{html.escape(words["grouped"])}</p>' if grouped else ""
        self._legend.value = (
            f'{banner}<div class="fk-quiet"><span>{html.escape(words["legend"])}</span>'
            f"<span>{html.escape(words['keys'])}</span></div>"
        )
        heads, rows = self._table()
        self.table.show(heads, rows, words, f"{self.session.episode.name}_cast")
        self._show_selected()

    def _show_selected(self) -> None:
        if not self.rows:
            return
        self.table.choose(self._table_row())
        cell, words = self._cell(self.character, self.session.selected), self.words
        badge, said = BADGES[cell.action], self._about_cell()
        self._sentence.value = (
            f'<div role="status"><span class="fk-badge" data-action="{cell.action}">'
            f"{badge.shape}{badge.letter} {html.escape(cell.label)}</span> {html.escape(said)}"
            f'<br><span class="fk-quiet">{html.escape(cast_sentence(self.rows, words))}</span>'
            "</div>"
        )
        self._room.label = words["plot_label"].format(sentence=said)
        self._show_pictures()
        self._show_plot()

    def _show_plot(self) -> None:
        if self.rows:
            size = (fitting_px(self._room.width_px, _WIDTH_PX), self._height_px())
            self.plot.show(dark=self._page.dark, size_px=size)

    def _draw(self, axes: Axes, ink: Ink) -> None:
        draw_cast(
            axes,
            ink,
            self.rows,
            selected=(self._row_of(self.character), self._column_of(self.session.selected)),
            width_px=self.plot.size_px[0] - _MARGINS.left - _MARGINS.right,
            names_px=_MARGINS.left,
        )

    def _show_pictures(self) -> None:
        try:
            own, compared = self._looked_at()
        except FinishError as error:
            # The matrix is right without its pictures.
            self.say_error(error)
            return self.stills.show([])
        missing = self.words["no_picture"].format(character=self.character)
        return self.stills.show([*own, *compared], "" if compared else missing)

    def _looked_at(self) -> tuple[list[Still], list[Still]]:
        """Return the frame with its face, and what they are compared with."""
        cell, words = self._cell(self.character, self.session.selected), self.words
        frame, kind = (cell.frame, "worst") if cell.frame is not None else (None, "plain")
        at = self.session.preview.frame_count(cell.shot) // 2 if frame is None else frame
        named = {"shot": cell.label, "frame": at, "character": self.character}
        here = Still(
            picture=self._pictures.boxed(cell.shot, at, cell.box),
            alt=words[f"{kind}_frame"].format(**named),
            caption=words[f"{kind}_caption"].format(**named),
        )
        close = []
        if cell.frame is not None and cell.box is not None:
            face = self._pictures.face(cell.shot, cell.frame, cell.box)
            close = [Still(picture=face, alt=words["close_up"], caption=words["close_up"])]
        said = words["reference"].format(character=self.character)
        references = [
            Still(picture=picture, alt=said, caption=said)
            for picture in self._pictures.references(self.character)
        ]
        return [here, *close], references or self._accepted()

    def _accepted(self) -> list[Still]:
        look = self.session.measurements.look(self.character)
        faces = []
        for shot in (look.accepted if look else ())[:2]:
            cell = self._cell(self.character, shot)
            if cell.frame is not None and cell.box is not None and shot != self.session.selected:
                said = self.words["accepted"].format(character=self.character, shot=cell.label)
                face = self._pictures.face(shot, cell.frame, cell.box)
                faces.append(Still(picture=face, alt=said, caption=said))
        return faces

    def _table(self) -> tuple[list[str], Sequence[Sequence[Cell]]]:
        return table_heads(self.words), [table_row(cell, self.words) for cell in self._listed]

    def _table_row(self) -> int | None:
        here = (self.character, self.session.selected)
        places = [(cell.character, cell.shot) for cell in self._listed]
        return places.index(here) if here in places else None

    def _about_cell(self) -> str:
        cell = self._cell(self.character, self.session.selected)
        # The engine's own words on it name the cure.
        why = [text for text in self.session.judged.unknown if f" {self.character} " in text]
        return " ".join([cell_sentence(cell, self.words), *([] if cell.compared else why)])

    def _nothing(self) -> str:
        listed = any(shot.characters for shot in self.session.episode)
        key = "nothing_measured" if listed else "nothing_listed"
        return self.words[key].format(folder=self.session.episode.root)

    def _height_px(self) -> int:
        return round(_MARGINS.top + _MARGINS.bottom + _ROW_PX * max(1, len(self.rows)))

    # Where things are

    def _cell(self, character: str, shot: str) -> CastCell:
        return self.rows[self._row_of(character)][self._column_of(shot)]

    def _row_of(self, character: str) -> int:
        return [row[0].character for row in self.rows].index(character)

    def _column_of(self, shot: str) -> int:
        return [cell.shot for cell in self.rows[0]].index(shot)

    def _character_in(self, shot: str, now: str) -> str:
        """Return who is looked at in a shot: the same as before if listed there."""
        here = [cell.character for cell in self._listed if cell.shot == shot]
        names = [row[0].character for row in self.rows]
        return now if now in here or (now and not here) else (*here, *names, "")[0]

    # What somebody does

    @spoken
    def _clicked(self, x: float, y: float) -> None:
        row = int(np.clip(round(y), 0, len(self.rows) - 1))
        column = int(np.clip(round(x), 0, len(self.rows[0]) - 1))
        cell = self.rows[row][column]
        self.look_at(cell.character, cell.shot)

    @spoken
    def _typed(self, key: str) -> None:
        if key in _ACROSS:
            order = [cell.shot for cell in self.rows[0]]
            at = order.index(self.session.selected) + _ACROSS[key]
            self.look_at(self.character, order[min(len(order) - 1, max(0, at))])
        elif key in _DOWN:
            at = self._row_of(self.character) + _DOWN[key]
            row = self.rows[min(len(self.rows) - 1, max(0, at))]
            self.look_at(row[0].character, self.session.selected)
        elif key.lower().endswith("n"):
            self.session.next_flagged(forward=key == "n")

    @spoken
    def _row_chosen(self, row: int) -> None:
        cell = self._listed[row]
        if (cell.character, cell.shot) != (self.character, self.session.selected):
            self.look_at(cell.character, cell.shot)

    @spoken
    def _on_page(self, _change: Any) -> None:
        self._show_plot()

    @spoken
    def _on_character(self, _change: Any) -> None:
        if not self._moving:
            self._show_selected()

    def _on_selected(self, _change: Any) -> None:
        self.notice.value = ""
        if not self.rows or self._moving:
            return
        who = self._character_in(self.session.selected, self.character)
        if who == self.character:
            self._show_selected()
        else:
            self.character = who

    def _on_language(self, _change: Any) -> None:
        self.words = self.session.words(self.part)
        self._say_all()
