"""How far each shot drifts: one metric in shot order with its limits, and the same as a table."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets
from matplotlib.axes import Axes

from finishkit.measure import METRICS
from finishkit.verdict import Limits
from finishkit_widgets import drift_words
from finishkit_widgets.badges import BADGES
from finishkit_widgets.behaviour import SessionWidget, spoken
from finishkit_widgets.drift_marks import draw_drift
from finishkit_widgets.drift_points import RELATIVE, DriftPoint, drift_points, metric_of
from finishkit_widgets.figure import Ink, Margins, Plot, Room, fitting_px
from finishkit_widgets.pictures import data_url
from finishkit_widgets.surroundings import Surroundings
from finishkit_widgets.twin_table import TwinTable, table_html

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

_SIZE_PX = (860, 300)
_MARGINS = Margins(left=44, right=14, top=30, bottom=40)
_STEPS = {"left": -1, "right": 1}


class Drift(SessionWidget, ipywidgets.VBox):
    """A plot of one metric over the cut, and the same as a table.

    A click in the plot or in the table selects a shot everywhere. With the plot in focus, the left
    and right arrow keys go to the shots beside it, ``n`` and ``N`` to the next and the previous
    flagged one.

    Parameters
    ----------
    session : Session
    metric : str, optional
        Name of a metric of :data:`finishkit.measure.METRICS`.
    limits : Limits, optional
        Those the shots were judged by; the engine's by default.

    Attributes
    ----------
    metric : str
        Name of the metric shown.
    points : tuple of DriftPoint
        What is shown of it.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    part = "drift"
    metric = traitlets.Enum([m.name for m in METRICS], "eff_r")

    def __init__(self, session: "Session", limits: Limits | None = None, **keywords: Any) -> None:
        self.limits = limits or Limits()
        self.words = session.words(self.part)
        self.points: tuple[DriftPoint, ...] = ()
        self.plot = Plot(
            self._draw,
            size_px=_SIZE_PX,
            margins=_MARGINS,
            on_click=self._clicked,
            on_key=self._typed,
        )
        self.table = TwinTable(self._row_chosen)
        self.notice = ipywidgets.HTML()
        self._heading, self._sentence, self._legend = (ipywidgets.HTML() for _ in range(3))
        self._choice = ipywidgets.Dropdown(layout=ipywidgets.Layout(width="auto"))
        self._choice.add_class("fk-metric")
        self._page, self._room = Surroundings(), Room()
        super().__init__(session, **{"children": self._arranged(), **keywords})
        for name in ("fk", "fk-panel", "fk-drift"):
            self.add_class(name)
        self._wire()
        self._say_all()

    def summary(self) -> str:
        """Return in a sentence or two how the episode stands in this metric, and the shot."""
        both = (self._about_episode(), self._about_shot())
        return " ".join(both)

    def still_html(self) -> str:
        """Return the plot as a picture on white, and the table."""
        label = html.escape(self.summary(), quote=True)
        picture = data_url(self.plot.png(), "image/png")
        heads, rows = self._rows()
        table = table_html(self.words[f"about_{self.metric}"], heads, rows, self._at())
        return (
            f"<div><p>{html.escape(self.words[f'metric_{self.metric}'])}. {label}</p>"
            f'<img width="{self.plot.size_px[0]}" style="max-width:100%" src="{picture}"'
            f' alt="{label}">{table}</div>'
        )

    # How it is put together

    def _arranged(self) -> list[ipywidgets.Widget]:
        head = ipywidgets.HBox(
            [self._heading, self._choice],
            layout=ipywidgets.Layout(
                flex_flow="row wrap", justify_content="space-between", align_items="center"
            ),
        )
        self._sentence.add_class("fk-said")
        self._legend.add_class("fk-legend")
        return [
            head,
            self._sentence,
            self.plot.canvas,
            self._legend,
            self.table,
            self.notice,
            self._page,
            self._room,
        ]

    def _wire(self) -> None:
        self._choice.observe(self._on_choice, names="value")
        self._page.observe(self._on_page, names="dark")
        self._room.observe(self._on_page, names="width_px")
        self.observe(self._on_metric, names="metric")
        self.watch("selected", self._on_selected)
        self.watch("flags", lambda _: self._show_plot())
        self.watch("language", self._on_language)

    # What is shown

    def _say_all(self) -> None:
        self._choice.description = self.words["metric"]
        # Other options choose the first of them; nobody did.
        self._filling = True
        self._choice.options = [(self.words[f"metric_{m.name}"], m.name) for m in METRICS]
        self._choice.value = self.metric
        self._filling = False
        self._legend.value = self._legend_html()
        self._show_metric()

    def _show_metric(self) -> None:
        session = self.session
        self.points = drift_points(session.measurements, session.verdict, self.metric, self.limits)
        title, meaning = drift_words.heading(self.points, self.metric, self.words)
        self._heading.value = (
            f'<span class="fk-title">{html.escape(title)}</span>'
            f' <span class="fk-quiet">· {html.escape(meaning)}</span>'
        )
        heads, rows = self._rows()
        self.table.show(heads, rows, self.words, f"{session.episode.name}_{self.metric}")
        self._show_selected()

    def _show_selected(self) -> None:
        self.table.choose(self._at())
        point = self.points[self._at()]
        badge = BADGES[point.action]
        self._sentence.value = (
            f'<div role="status"><span class="fk-badge" data-action="{point.action}">'
            f"{badge.shape}{badge.letter}</span> {html.escape(self._about_shot())}"
            f'<br><span class="fk-quiet">{html.escape(self._about_episode())}</span></div>'
        )
        self._room.label = self.words["plot_label"].format(
            metric=self.words[f"metric_{self.metric}"], sentence=self._about_shot()
        )
        self._show_plot()

    def _show_plot(self) -> None:
        size = (fitting_px(self._room.width_px, _SIZE_PX[0]), _SIZE_PX[1])
        self.plot.show(dark=self._page.dark, size_px=size)

    def _draw(self, axes: Axes, ink: Ink) -> None:
        draw_drift(
            axes,
            ink,
            self.points,
            selected=self._at(),
            marks={shot: flag.mark for shot, flag in self.session.flags.items()},
            relative=self.metric in RELATIVE,
            decimals=metric_of(self.metric).decimals,
            width_px=self.plot.size_px[0] - _MARGINS.left - _MARGINS.right,
        )

    def _rows(self) -> tuple[list[str], Sequence[Sequence[Any]]]:
        verdict, metric, words = self.session.verdict, self.metric, self.words
        rows = [drift_words.row(p, verdict[p.shot], metric, words) for p in self.points]
        return drift_words.heads(metric, words), rows

    def _legend_html(self) -> str:
        words = self.words
        marks = [
            f'<span class="fk-badge" data-action="{name}">{badge.shape}{badge.letter}</span>'
            f" {html.escape(words[name])}"
            for name, badge in BADGES.items()
        ]
        marks += [f"○ {html.escape(words['not_judged'])}"]
        marks += [f"⚑ {html.escape(words['flagged_by_you'])}"]
        marks += [f"✓ {html.escape(words['accepted_by_you'])}"]
        items = "".join(f"<span>{mark}</span>" for mark in marks)
        return f'<div class="fk-quiet">{items}<span>{html.escape(words["keys"])}</span></div>'

    def _at(self) -> int:
        return [judged.shot for judged in self.session.verdict.shots].index(self.session.selected)

    def _about_shot(self) -> str:
        point = self.points[self._at()]
        return drift_words.shot_sentence(point, self.session.judged, self.metric, self.words)

    def _about_episode(self) -> str:
        return drift_words.episode_sentence(self.points, self.metric, self.words)

    # What somebody does

    @spoken
    def _clicked(self, x: float, _y: float) -> None:
        at = int(np.clip(round(x), 0, len(self.points) - 1))
        self.session.select(self.points[at].shot)

    @spoken
    def _typed(self, key: str) -> None:
        if key in _STEPS:
            self.session.step(_STEPS[key])
        elif key.lower().endswith("n"):
            self.session.next_flagged(forward=key == "n")

    @spoken
    def _row_chosen(self, row: int) -> None:
        if row != self._at():
            self.session.select(self.points[row].shot)

    @spoken
    def _on_choice(self, change: Any) -> None:
        if not self._filling:
            self.metric = change["new"]

    @spoken
    def _on_page(self, _change: Any) -> None:
        self._show_plot()

    @spoken
    def _on_metric(self, _change: Any) -> None:
        self._choice.value = self.metric
        self._show_metric()

    def _on_selected(self, _change: Any) -> None:
        self.notice.value = ""
        self._show_selected()

    def _on_language(self, _change: Any) -> None:
        self.words = self.session.words(self.part)
        self._say_all()
