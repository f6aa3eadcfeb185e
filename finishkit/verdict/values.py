"""The verdict's nouns: limits in, judgements out."""

from typing import Annotated, Literal

from annotated_types import Interval
from pydantic import Field

from finishkit.measure.colour import AXES
from finishkit.values import Value

Action = Literal["ok", "fix", "check", "regenerate"]
Positive = Annotated[float, Interval(gt=0, le=50), Field(allow_inf_nan=False)]


class Limits(Value):
    """When a shot is flagged.

    Scene-relative measures need an offset of more than ``z`` times its own uncertainty *and* above
    their own limit; identity, flicker, repeated frames, white point and burnt-out share are judged
    by their limit alone, since a whole episode can be wrong in them. Sources: ``docs/metrics.md``.
    """

    z: Positive = 2.0
    """Of clean shots 5 % an axis lie beyond it, most of them visibly (``docs/metrics.md``)."""
    id_dist: Positive = 0.52
    """How strictly faces are judged, in dlib's unit: it finds 96 % of 65 % morphs without a false
    alarm in 160. Where the measurements bring limits calibrated for their cast and backend, those
    hold, in proportion: 0.52 leaves them as they are, 0.26 halves them."""
    id_spread: Positive = 0.42
    """The same for the change of a face within a shot; 0.42 leaves the backend's limit as it is."""
    softer_oct: Positive = 0.30
    soft_r: Annotated[float, Interval(ge=0, le=1)] = 0.54
    """Of 35 generated clips at their own size two read less, both visibly soft; nine in ten of the
    same clips at half their resolution do."""
    wb_de: Positive = 2.6
    """0.15 octave: three quarters of the smallest cast that people point out."""
    ev_de: Positive = 4.5
    con_de: Positive = 3.4
    sat_de: Positive = 2.2
    white_ev: Positive = 0.45
    """Stops that the brightest part may stay below white where the rest of the scene reaches it."""
    clip_pct: Annotated[float, Interval(gt=0, le=100)] = 25.0
    drift_de: Positive = 7.0
    flick_g: Positive = 0.25
    flick_l: Positive = 0.30
    flick_c: Positive = 0.30
    dup_ratio: Annotated[float, Interval(gt=0, le=1)] = 0.10
    noise_sigma: Positive = 2.5
    hook_s: Annotated[float, Interval(ge=0, le=30)] = 3.0
    hook_factor: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """The first seconds are held to limits this much tighter."""


class Reason(Value):
    """Why a shot was flagged, with everything needed to check the claim.

    Attributes
    ----------
    metric : str
    value, limit : float
        In the metric's unit, or in Delta-E equivalents for colour and octaves for sharpness.
    reference : str
        What it was compared with: a shot, a character, the scene, or nothing.
    text : str
        One sentence a creator can act on.
    """

    metric: str
    value: float
    limit: float
    reference: str = ""
    text: str


class ShotVerdict(Value):
    """One shot, judged.

    Attributes
    ----------
    hook : bool
        Within the first seconds, judged by tighter limits.
    outlier : bool
        Bad against both neighbours: the shot, not the cut, is at fault.
    z : dict of str to float
        Robust z of each scene-relative measure.
    unknown : tuple of str
        What could not be judged, and why.
    """

    shot: str
    order: int
    scene: str
    hook: bool
    action: Action
    outlier: bool = False
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    z: dict[str, float] = {}

    @property
    def off_colour(self) -> bool:
        """True when its colour is flagged: such a shot is corrected, and is no target."""
        return any(reason.metric in AXES for reason in self.reasons)


class Cut(Value):
    """The jump a viewer sees from one shot to the next, 0 (none) to 1 (objectionable)."""

    from_shot: str
    to_shot: str
    jump: float
    by: dict[str, float] = {}


class Score(Value):
    """The episode as one number, which no uniform change can raise.

    Attributes
    ----------
    value : float or None
        0 to 100; ``None`` when more than a fifth could not be measured.
    consistency, soundness : float
        The two halves: how little the cuts jump, how little each shot lacks by itself.
    unknown_fraction : float
        Share of judgements that could not be made.
    """

    value: float | None
    consistency: float
    soundness: float
    unknown_fraction: float


class Verdict(Value):
    """An episode, judged."""

    shots: tuple[ShotVerdict, ...]
    cuts: tuple[Cut, ...]
    hero: str
    score: Score

    def __getitem__(self, shot: str) -> ShotVerdict:
        """Return one shot's verdict."""
        return next(s for s in self.shots if s.shot == shot)
