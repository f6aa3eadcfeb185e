"""How far each shot drifts: one metric in shot order, with its limits."""

import html
import io
from dataclasses import dataclass
from typing import Any

import ipywidgets
import traitlets
from ipympl.backend_nbagg import Canvas, Toolbar
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_webagg_core import FigureManagerWebAgg
from matplotlib.figure import Figure

from finishkit.measure import METRICS, Measurements, Metric
from finishkit.measure.colour import AXES
from finishkit.verdict import Action, Limits, Verdict
from finishkit_widgets.badges import BADGES, badge_css
from finishkit_widgets.behaviour import WellBehaved, spoken
from finishkit_widgets.pictures import data_url
from finishkit_widgets.surroundings import Surroundings

RELATIVE = {"eff_px": "eff", "eff_r": "eff", "noise_sigma": "noise", **{a: a for a in AXES}}
"""Metrics judged against the scene, and what the verdict calls their robust z."""

_INK = {False: "#3b4149", True: "#d3d7dc"}
_BAND = {False: "#0b6a8e", True: "#5bc0e8"}
_SIZE_IN, _DPI = (8.4, 2.9), 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPoint:
    """One shot in the plot.

    Attributes
    ----------
    shot, scene : str
    action : str
    value : float or None
        The metric, in its unit; None: not judged.
    height : float or None
        What is plotted: robust z for metrics judged against the scene, else the value.
    """

    shot: str
    scene: str
    action: Action
    value: float | None
    height: float | None


def drift_points(
    measurements: Measurements, verdict: Verdict, metric: str
) -> tuple[DriftPoint, ...]:
    """Return one metric in shot order.

    Parameters
    ----------
    measurements : Measurements
        Gives the values.
    verdict : Verdict
        Gives the order, the actions and the robust z.
    metric : str
        A name of :data:`finishkit.measure.METRICS`.

    Returns
    -------
    points : tuple of DriftPoint
    """
    points = []
    for judged in verdict.shots:
        value = measurements[judged.shot].values.get(metric)
        height = judged.z.get(RELATIVE[metric]) if metric in RELATIVE else value
        points.append(
            DriftPoint(
                shot=judged.shot,
                scene=judged.scene,
                action=judged.action,
                value=value,
                height=height,
            )
        )
    return tuple(points)


def band_of(metric: str, limits: Limits) -> tuple[float, float] | None:
    """Return the range in which a shot is not flagged for this metric alone.

    Parameters
    ----------
    metric : str
        A name of :data:`finishkit.measure.METRICS`.
    limits : Limits
        Those the shots were judged by.

    Returns
    -------
    low, high : float, or None
        In robust z for metrics judged against the scene, else in the metric's unit; None for
        metrics without a limit.
    """
    if metric in RELATIVE:
        return -limits.z, limits.z
    if metric in type(limits).model_fields:
        return 0.0, float(getattr(limits, metric))
    return None


class _HiddenToolbar(Toolbar):
    """The tool bar ipympl's view cannot do without; shown, it would cover the axis."""

    def __init__(self, canvas: Canvas) -> None:
        # Toolbar's own constructor hands the canvas to matplotlib a step too late, and traitlets
        # warns of an argument nobody took (ipympl 0.10). Here matplotlib puts the bar into the
        # canvas before the bar has a model: make it while the canvas holds its messages.
        ipywidgets.DOMWidget.__init__(self, canvas=canvas)


class DriftPlot(WellBehaved, ipywidgets.VBox):
    """A plot of one metric over the cut, and the same as a table.

    A click in the plot selects the nearest shot; with the plot in focus, the left and right arrow
    keys do.

    Parameters
    ----------
    measurements : Measurements
    verdict : Verdict
    limits : Limits, optional

    Attributes
    ----------
    selected : str
        Id of the chosen shot.
    metric : str
        Name of the metric shown.

    Raises
    ------
    TypeError
        For a keyword the widget does not have.
    """

    selected = traitlets.Unicode("")
    metric = traitlets.Enum([m.name for m in METRICS], "eff_r")

    def __init__(
        self,
        measurements: Measurements,
        verdict: Verdict,
        limits: Limits | None = None,
        **keywords: Any,
    ) -> None:
        self.measurements = measurements
        self.verdict = verdict
        self.limits = limits or Limits()
        self.figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
        self.canvas = Canvas(self.figure)
        # Without pyplot: no global figure that somebody would have to close.
        manager = FigureManagerWebAgg(self.canvas, 0)
        manager.add_web_socket(self.canvas)
        if manager.key_press_handler_id is not None:
            # matplotlib's own keys (p pans, o zooms, q closes) would act on a hidden tool bar.
            self.canvas.mpl_disconnect(manager.key_press_handler_id)
        with self.canvas.hold_sync():
            self.canvas.toolbar = _HiddenToolbar(self.canvas)
        self.canvas.header_visible = False
        self.canvas.footer_visible = False
        self.canvas.toolbar_visible = False
        self.canvas.resizable = False
        self.axes = self.figure.add_subplot()
        self.notice = ipywidgets.HTML()
        self.table = ipywidgets.HTML(layout=ipywidgets.Layout(max_height="320px", overflow="auto"))
        self._choice = ipywidgets.Dropdown(
            options=[(m.label, m.name) for m in METRICS], description="Metric"
        )
        self._choice.add_class("fk-metric")
        self._page = Surroundings()
        style = ipywidgets.HTML(f"<style>{badge_css()}</style>")
        style.layout.display = "none"
        children = (self._choice, self.canvas, self.table, self.notice, style, self._page)
        first = verdict.shots[0].shot if verdict.shots else ""
        super().__init__(**{"children": children, "selected": first, **keywords})
        self.add_class("fk-panel")
        self.add_class("fk-drift")
        self._choice.value = self.metric
        self._choice.observe(self._on_choice, names="value")
        self._page.observe(self._on_theme, names="dark")
        self.observe(self._on_changed, names=("selected", "metric"))
        self.canvas.mpl_connect("button_press_event", self._on_press)  # type: ignore[arg-type]
        self.canvas.mpl_connect("key_press_event", self._on_key)  # type: ignore[arg-type]
        self.draw()

    def draw(self) -> None:
        """Draw the plot and the table for the present metric and selection."""
        self._draw_plot(dark=self._page.dark)
        self.canvas.draw_idle()
        self.table.value = self._table_html()

    def still_html(self) -> str:
        """Return the plot as a picture on white, and the table."""
        self._draw_plot(dark=False)
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", facecolor="white")
        self._draw_plot(dark=self._page.dark)
        label = html.escape(self._metric().label, quote=True)
        url = data_url(picture.getvalue(), "image/png")
        return f'<div><img src="{url}" alt="{label} of every shot">{self._table_html()}</div>'

    @traitlets.validate("selected")
    def _known(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] and proposal["value"] not in [s.shot for s in self.verdict.shots]:
            raise traitlets.TraitError(f"There is no shot {proposal['value']!r} in this episode.")
        return proposal["value"]

    def _metric(self) -> Metric:
        return next(m for m in METRICS if m.name == self.metric)

    @spoken
    def _on_choice(self, change: dict[str, Any]) -> None:
        self.metric = change["new"]

    @spoken
    def _on_theme(self, _change: dict[str, Any]) -> None:
        self.draw()

    @spoken
    def _on_changed(self, _change: dict[str, Any]) -> None:
        self._choice.value = self.metric
        self.draw()

    @spoken
    def _on_press(self, event: MouseEvent) -> None:
        if event.inaxes is self.axes and event.xdata is not None:
            self._select(round(event.xdata))

    @spoken
    def _on_key(self, event: KeyEvent) -> None:
        step = {"left": -1, "right": 1}.get(event.key or "")
        if step is not None:
            self._select([s.shot for s in self.verdict.shots].index(self.selected) + step)

    def _select(self, index: int) -> None:
        shots = self.verdict.shots
        if shots:
            self.selected = shots[min(len(shots) - 1, max(0, index))].shot

    def _draw_plot(self, *, dark: bool) -> None:
        points = drift_points(self.measurements, self.verdict, self.metric)
        metric, axes, ink = self._metric(), self.axes, _INK[dark]
        axes.clear()
        self.figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        band = band_of(self.metric, self.limits)
        if band:
            axes.axhspan(*band, color=_BAND[dark], alpha=0.10, lw=0)
            for edge in band:
                axes.axhline(edge, color=_BAND[dark], lw=0.8, ls=(0, (4, 3)))
        for x, point in enumerate(points):
            badge = BADGES[point.action]
            colour = badge.dark if dark else badge.light
            axes.plot(
                x,
                0.0 if point.height is None else point.height,
                marker=badge.marker,
                ms=8,
                mec=colour,
                mfc="none" if point.height is None else colour,
                ls="none",
            )
            if point.shot == self.selected:
                axes.axvline(x, color=ink, lw=1, ls=":")
        self._draw_scenes(points, ink)
        unit = f" ({metric.unit})" if metric.unit else ""
        relative = self.metric in RELATIVE
        axes.set_ylabel("robust z" if relative else f"{metric.name}{unit}", color=ink)
        told = " · distance from its scene, band = normal" if relative else unit
        axes.set_title(f"{metric.label}{told}", loc="left", color=ink, fontsize=10)
        axes.tick_params(colors=ink, labelsize=8)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.margins(x=0.03, y=0.15)

    def _draw_scenes(self, points: tuple[DriftPoint, ...], ink: str) -> None:
        starts = [i for i, p in enumerate(points) if i == 0 or p.scene != points[i - 1].scene]
        for start in starts[1:]:
            self.axes.axvline(start - 0.5, color=ink, lw=0.6, alpha=0.5)
        # Short scenes stand close together: every other name goes one line down.
        names = ["\n" * (n % 2) + points[start].scene for n, start in enumerate(starts)]
        self.axes.set_xticks(starts, names, ha="left")
        self.axes.set_xlabel("scene", color=ink, fontsize=8, loc="left")

    def _table_html(self) -> str:
        metric, rows = self._metric(), []
        for point in drift_points(self.measurements, self.verdict, self.metric):
            badge = BADGES[point.action]
            judged = self.verdict[point.shot]
            value = "not judged" if point.value is None else f"{point.value:.{metric.decimals}f}"
            relative = self.metric in RELATIVE and point.height is not None
            z = f"{point.height:+.1f}" if relative else ""
            why = " ".join([*(r.text for r in judged.reasons), *judged.unknown])
            current = str(point.shot == self.selected).lower()
            rows.append(
                f'<tr aria-current="{current}"><td><span class="fk-badge"'
                f' data-action="{point.action}">{badge.shape}{badge.letter}</span></td>'
                f"<td>{html.escape(point.shot)}</td><td>{html.escape(point.scene)}</td>"
                f'<td class="fk-number">{value}</td><td class="fk-number">{z}</td>'
                f"<td>{html.escape(why)}</td></tr>"
            )
        unit = f", {metric.unit}" if metric.unit else ""
        return (
            f'<table class="fk-table"><caption>{html.escape(metric.description)}</caption>'
            f"<thead><tr><th></th><th>shot</th><th>scene</th><th>{metric.name}{unit}</th>"
            f"<th>z</th><th>why</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )
