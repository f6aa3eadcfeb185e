"""The page a panel stands in: its theme, and the keys it must not get."""

import anywidget
import traitlets

from finishkit_widgets.front import css, esm


class Surroundings(anywidget.AnyWidget):
    """Invisible; put one into every panel made of ipywidgets.

    Attributes
    ----------
    dark : bool
        True while the page has a dark theme.
    panel : str
        CSS class of the panel inside which unmodified keys stay. ipywidgets lets them bubble, and
        JupyterLab then reads "d d" on a focused slider as "delete this cell".
    """

    _esm = esm("surroundings")
    _css = css("panel")

    dark = traitlets.Bool(False).tag(sync=True)
    panel = traitlets.Unicode("fk-panel").tag(sync=True)
