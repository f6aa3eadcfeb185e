"""What a session can show: each part is usable alone, and made when it is asked for."""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from finishkit_widgets.app import App
    from finishkit_widgets.cast import CastMatrix
    from finishkit_widgets.drift import Drift
    from finishkit_widgets.filmstrip import Filmstrip
    from finishkit_widgets.monitor import BatchMonitor
    from finishkit_widgets.palette import Palette
    from finishkit_widgets.player import Player
    from finishkit_widgets.session import Session
    from finishkit_widgets.tuner import Tuner


class Parts:
    """Mixed into the session. Keywords are those of the widget that is made."""

    @property
    def _session(self) -> "Session":
        return cast("Session", self)

    def app(self, where: str = "inline", **keywords: Any) -> "App":
        """Return everything in one widget.

        Parameters
        ----------
        where : {'inline', 'sidecar'}, optional
            In the notebook, or in a panel of JupyterLab beside it.
        **keywords : object
            Of the widget.
        """
        from finishkit_widgets.app import App, beside

        app = App(self._session, **keywords)
        return beside(app, where)

    def filmstrip(self, **keywords: Any) -> "Filmstrip":
        """Return the shots in cut order, with their verdicts."""
        from finishkit_widgets.filmstrip import Filmstrip

        return Filmstrip(self._session, **keywords)

    def player(self, **keywords: Any) -> "Player":
        """Return the selected shot, before and after, playing."""
        from finishkit_widgets.player import Player

        return Player(self._session, **keywords)

    def drift(self, **keywords: Any) -> "Drift":
        """Return what drifts: a plot over the cut, and the same as a table."""
        from finishkit_widgets.drift import Drift

        return Drift(self._session, **keywords)

    def cast(self, **keywords: Any) -> "CastMatrix":
        """Return who looks like their reference, shot by shot."""
        from finishkit_widgets.cast import CastMatrix

        return CastMatrix(self._session, **keywords)

    def palette(self, **keywords: Any) -> "Palette":
        """Return the colours of every shot, scene by scene."""
        from finishkit_widgets.palette import Palette

        return Palette(self._session, **keywords)

    def tuner(self, **keywords: Any) -> "Tuner":
        """Return the template on its sliders."""
        from finishkit_widgets.tuner import Tuner

        return Tuner(self._session, **keywords)

    def batch(self, **keywords: Any) -> "BatchMonitor":
        """Return how the finishing stands."""
        from finishkit_widgets.monitor import BatchMonitor

        return BatchMonitor(self._session, **keywords)
