"""How good is it: every shot measured the same way, in one decode pass.

One file a dimension: :mod:`~finishkit.measure.sharpness`, :mod:`~finishkit.measure.colour`,
:mod:`~finishkit.measure.identity`, :mod:`~finishkit.measure.flicker`,
:mod:`~finishkit.measure.motion`, :mod:`~finishkit.measure.noise`. A new metric is one function,
one line in :mod:`~finishkit.measure.observe` and one row of :data:`METRICS`.
"""

from finishkit.measure.episode import measure, measure_shot
from finishkit.measure.metrics import METRICS, Metric
from finishkit.measure.observe import observe
from finishkit.measure.sampling import sample_frames
from finishkit.measure.values import (
    CastPair,
    CharacterIdentity,
    CharacterLook,
    FaceSample,
    Measurements,
    Observation,
    Overlap,
    ShotMeasurement,
)

__all__ = [
    "METRICS",
    "CastPair",
    "CharacterIdentity",
    "CharacterLook",
    "FaceSample",
    "Measurements",
    "Metric",
    "Observation",
    "Overlap",
    "ShotMeasurement",
    "measure",
    "measure_shot",
    "observe",
    "sample_frames",
]
