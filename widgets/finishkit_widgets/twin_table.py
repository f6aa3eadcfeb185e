"""The table beside a plot: the same rows, sorted, searched and saved as a reader likes."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
from itables.widget import ITable


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
        Plain; escaped when shown.
    sort : float or str or None
        What the column is sorted by, where that is not the text.
    kind : {'', 'number', 'badge'}
    action : str
        The verdict a badge shows.
    """

    text: str
    sort: float | str | None = None
    kind: str = ""
    action: str = ""

    def html(self) -> str:
        """Return the cell as HTML."""
        order = "" if self.sort is None else f' data-order="{html.escape(str(self.sort))}"'
        classes = ' class="fk-number"' if self.kind == "number" else ""
        text = html.escape(self.text)
        if self.kind == "badge":
            text = f'<span class="fk-badge" data-action="{html.escape(self.action)}">{text}</span>'
        return f"<td{classes}{order}>{text}</td>"


def table_html(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], current: int | None
) -> str:
    """Return a plain table, for pages without a kernel.

    Parameters
    ----------
    caption : str
        What the table is about.
    heads : sequence of str
        One a column.
    rows : sequence of sequence of Cell
        One a row.
    current : int or None
        Position of the row that is selected.
    """
    lines = "".join(
        f'<tr aria-current="{str(at == current).lower()}">{_cells(row)}</tr>'
        for at, row in enumerate(rows)
    )
    return (
        f'<table class="fk-table"><caption>{html.escape(caption)}</caption>'
        f"<thead>{_head(heads)}</thead><tbody>{lines}</tbody></table>"
    )


class TwinTable(ITable):
    """A table of which one row is selected, here and in a plot.

    Parameters
    ----------
    on_row : callable
        Given the position of a row somebody chose, in the order of :meth:`show`.
    """

    def __init__(self, on_row: Callable[[int], None]) -> None:
        self._on_row = on_row
        super().__init__(None, classes="fk-rows", style="width:100%")
        self.layout = ipywidgets.Layout(width="100%", margin="0")
        self.observe(self._chosen, names="selected_rows")

    def show(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        words: Mapping[str, str],
        file_name: str,
    ) -> None:
        """Show these rows.

        Parameters
        ----------
        heads : sequence of str
            One a column.
        rows : sequence of sequence of Cell
            One a row.
        words : mapping of str to str
            ``search``, ``save_csv`` and ``no_rows``.
        file_name : str
            Of the CSV file, without its ending.
        """
        # No data frame: the rows go as HTML with what they are sorted by (data-order), which
        # DataTables reads, so that a table needs no pandas; ITable's own update() insists on one.
        # No pages: rows would hide from the plot.
        self._dt_args = {
            "table_html": _table(heads, rows),
            "paging": False,
            "autoWidth": False,
            "order": [],
            "select": {"style": "single", "toggleable": False, "info": False},
            "layout": {
                "topStart": "search",
                "topEnd": {"buttons": [_csv_button(words["save_csv"], file_name)]},
                "bottomStart": None,
                "bottomEnd": None,
            },
            "language": {
                "search": words["search"],
                "zeroRecords": words["no_rows"],
                "emptyTable": words["no_rows"],
            },
        }

    def choose(self, row: int | None) -> None:
        """Mark a row; ``None``: none of them."""
        self.selected_rows = [] if row is None else [row]

    def _chosen(self, change: Any) -> None:
        # Choosing another row lets go of the first one, which says nothing by itself.
        if change["new"]:
            self._on_row(change["new"][0])


def _csv_button(text: str, file_name: str) -> dict[str, Any]:
    return {
        "extend": "csv",
        "text": text,
        "filename": file_name,
        # Spreadsheets take a file without the mark for Latin-1.
        "bom": True,
        "footer": False,
        # Else only the row that is selected would be saved.
        "exportOptions": {"modifier": {"selected": None}},
    }


def _table(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f"<thead>{_head(heads)}</thead><tbody>{body}</tbody>"


def _head(heads: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    return f"<tr>{cells}</tr>"


def _cells(row: Sequence[Cell]) -> str:
    return "".join(cell.html() for cell in row)
