"""Jupyter widgets over the finishkit engine: see the drift, tune a template, lock it."""

from finishkit_widgets.behaviour import share_selection
from finishkit_widgets.compare import Compare
from finishkit_widgets.drift import DriftPlot
from finishkit_widgets.filmstrip import Filmstrip
from finishkit_widgets.tuner import Tuner

__all__ = ["Compare", "DriftPlot", "Filmstrip", "Tuner", "share_selection"]
