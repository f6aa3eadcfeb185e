"""A matplotlib figure on the page: without pyplot, without a tool bar, in the page's own ink."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import anywidget
import ipywidgets
import traitlets
from ipympl.backend_nbagg import Canvas, Toolbar
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_webagg_core import FigureManagerWebAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from finishkit_widgets.front import css, esm

_DPI, _STILL_DPI = 100, 150
_LEAST_PX = 280
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "SimHei")
"""In the order they are asked for a letter; those after the first know Chinese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """What a plot is drawn with on a light or a dark page.

    Attributes
    ----------
    text, quiet, line, band, accent : str
        Hex colours: words, words that step back, separators, the area of what is normal, and what
        is selected. The first two and the last have at least 4.5:1 against the page.
    paper : str
        What the page is taken to be.
    dark : bool
    """

    text: str
    quiet: str
    line: str
    band: str
    accent: str
    paper: str
    dark: bool


INKS: Final[Mapping[bool, Ink]] = MappingProxyType(
    {
        False: Ink(
            text="#1f2328",
            quiet="#57606a",
            line="#c9ced4",
            band="#e9edf2",
            accent="#0b6a8e",
            paper="#ffffff",
            dark=False,
        ),
        True: Ink(
            text="#e6e9ec",
            quiet="#a9b1ba",
            line="#464d56",
            band="#2a3038",
            accent="#5bc0e8",
            paper="#15191e",
            dark=True,
        ),
    }
)
"""By whether the page is dark."""


class Margins(NamedTuple):
    """Pixels between the axes and the edges of the figure, for words."""

    left: float
    right: float
    top: float
    bottom: float


class Room(anywidget.AnyWidget):
    """Invisible: says how wide the panel is, names the plot, keeps the chosen row in sight.

    Attributes
    ----------
    width_px : int
        Of the panel, in CSS pixels; 0 until it is on a page.
    label : str
        What a screen reader says of the plot.
    """

    _esm = esm("room")
    _css = css("room")

    width_px = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)


class Plot:
    """One set of axes that is redrawn as a whole, and answers the mouse and the keys.

    Parameters
    ----------
    draw : callable
        Given empty axes and the ink; puts everything there is to see on them.
    size_px : tuple of int
        Width and height.
    margins : Margins
    on_click : callable
        Given x and y of a click inside the axes, in data coordinates.
    on_key : callable
        Given matplotlib's name of a key.

    Attributes
    ----------
    canvas : Canvas
        The widget.
    axes : Axes
        As they are on the page; another object after :meth:`show`.
    """

    def __init__(
        self,
        draw: Callable[[Axes, Ink], None],
        *,
        size_px: tuple[int, int],
        margins: Margins,
        on_click: Callable[[float, float], None],
        on_key: Callable[[str], None],
    ) -> None:
        self._draw, self._on_click, self._on_key = draw, on_click, on_key
        self.size_px, self.margins = size_px, margins
        self._figure = Figure(figsize=_inches(size_px), dpi=_DPI)
        self._figure.patch.set_alpha(0)
        self.canvas = _bare_canvas(self._figure)
        self.canvas.mpl_connect("button_press_event", self._pressed)  # type: ignore[arg-type]
        self.canvas.mpl_connect("key_press_event", self._typed)  # type: ignore[arg-type]
        self.axes = self._figure.add_subplot()

    def show(self, *, dark: bool, size_px: tuple[int, int] | None = None) -> None:
        """Draw everything anew.

        Parameters
        ----------
        dark : bool
            Whether the page is.
        size_px : tuple of int, optional
            Width and height from now on.
        """
        if size_px and size_px != self.size_px:
            self.size_px = size_px
            self._figure.set_size_inches(*_inches(size_px), forward=True)
        self._figure.clear()
        self.axes = self._filled(self._figure, INKS[dark])
        self.canvas.draw_idle()

    def png(self) -> bytes:
        """Return what is seen, on white."""
        figure = Figure(figsize=_inches(self.size_px), dpi=_DPI)
        self._filled(figure, INKS[False])
        written = io.BytesIO()
        figure.savefig(written, format="png", dpi=_STILL_DPI, facecolor="white")
        return written.getvalue()

    def _filled(self, figure: Figure, ink: Ink) -> Axes:
        (width, height), edge = self.size_px, self.margins
        axes = figure.add_axes(
            (
                edge.left / width,
                edge.bottom / height,
                max(0.1, 1 - (edge.left + edge.right) / width),
                max(0.1, 1 - (edge.top + edge.bottom) / height),
            )
        )
        axes.patch.set_alpha(0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(colors=ink.quiet, labelsize=8, length=0)
        self._draw(axes, ink)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set_fontfamily(families())
        return axes

    def _pressed(self, event: MouseEvent) -> None:
        if event.inaxes is self.axes and event.xdata is not None and event.ydata is not None:
            self._on_click(event.xdata, event.ydata)

    def _typed(self, event: KeyEvent) -> None:
        self._on_key(event.key or "")


def fitting_px(room_px: int, wanted_px: int) -> int:
    """Return the width for a plot in a room; what it would like where the room is not known."""
    return max(_LEAST_PX, room_px) if room_px else wanted_px


@cache
def families() -> list[str]:
    """Return the fonts of this machine that plots are written in, best first."""
    there = {entry.name for entry in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in there] or ["sans-serif"]


def legible(text: str, instead: str) -> str:
    """Return a name if this machine has letters for it, else what stands for it in a plot.

    Parameters
    ----------
    text : str
        A person's word: a scene, a character.
    instead : str
        Plain ASCII; the table beside the plot has the name.
    """
    return text if all(ord(letter) in _letters() for letter in text) else instead


def elided(text: str, room_px: float, letter_px: float = 6.2) -> str:
    """Return as much of a text as has room, with an ellipsis; nothing under two letters.

    Parameters
    ----------
    text : str
        To be written in a plot.
    room_px : float
        For all of it.
    letter_px : float, optional
        Of one letter; the default is that of 8 point.
    """
    fit = int(room_px / letter_px)
    if len(text) <= fit:
        return text
    return f"{text[: fit - 1]}…" if fit >= 3 else ""


@cache
def _letters() -> frozenset[int]:
    paths = [font_manager.findfont(name) for name in families()]
    return frozenset(code for path in paths for code in FT2Font(path).get_charmap())


def _inches(size_px: tuple[int, int]) -> tuple[float, float]:
    return size_px[0] / _DPI, size_px[1] / _DPI


class _HiddenToolbar(Toolbar):
    """The tool bar ipympl's view cannot do without; shown, it would cover the axes."""

    def __init__(self, canvas: Any) -> None:
        # Toolbar's own constructor hands the canvas to matplotlib a step too late, and traitlets
        # warns of an argument nobody took (ipympl 0.10). Here matplotlib puts the bar into the
        # canvas before the bar has a model: make it while the canvas holds its messages.
        ipywidgets.DOMWidget.__init__(self, canvas=canvas)


def _bare_canvas(figure: Figure) -> Canvas:
    canvas = Canvas(figure)
    # Without pyplot: no global figure that somebody would have to close.
    manager = FigureManagerWebAgg(canvas, 0)
    manager.add_web_socket(canvas)
    if manager.key_press_handler_id is not None:
        # matplotlib's own keys (p pans, o zooms, q closes) would act on a hidden tool bar.
        canvas.mpl_disconnect(manager.key_press_handler_id)
    with canvas.hold_sync():
        canvas.toolbar = _HiddenToolbar(canvas)
    canvas.header_visible = False
    canvas.footer_visible = False
    canvas.toolbar_visible = False
    canvas.resizable = False
    return canvas
