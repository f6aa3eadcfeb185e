"""What is done to the whole set in one pass, and how much harm it may do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from finishkit.frames import Encoding
from finishkit.shots import ShotId
from finishkit.stages import Filter
from finishkit.stages.gate import GateLimits, NoteLimit
from finishkit.stages.retime import Timing
from finishkit.template import Template

SHARES = (1.0, 0.5)
"""Shares of a content stage's strength tried before a shot that fails its gate is left alone."""
RENDER_SHARES = (1.0, 0.5, 0.0)
"""The same for enlarging and sharpening. The last, a plain enlargement, is taken as it comes: there
must be a picture of every shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What is done to one shot in a pass.

    Attributes
    ----------
    watched : tuple of Filter
        First; the gate compares what goes in with what comes out.
    free : tuple of Filter
        After it: there to change colour, or unable to do harm.
    timing : Timing or None
        Another count and rate that come out; None keeps both.
    """

    watched: tuple[Filter, ...]
    free: tuple[Filter, ...] = ()
    timing: Timing | None = None

    @classmethod
    def of(cls, watched: Iterable[Filter | None], free: Iterable[Filter | None] = ()) -> "Chain":
        """Put a chain together; ``None`` is nothing to do."""
        return cls(
            watched=tuple(f for f in watched if f is not None),
            free=tuple(f for f in free if f is not None),
        )


Fitted = Mapping[ShotId, Chain | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One decode and encode of every shot of the set.

    Attributes
    ----------
    name : str
        For progress and the report.
    version : int
        Of the code of its stages, for the cache.
    attempts : sequence of (float, mapping of ShotId to Chain)
        From the wanted strength down: a shot that fails its gate is tried with the next. Shots
        without a chain have no part in the pass.
    limits : GateLimits
    encoding : Encoding
    chunk : int
        Frames held at a time.
    must_give : bool
        The last attempt is taken whatever the gate says: a shot at another rate, or in another
        size, cannot be left as it was.
    final : bool
        What comes out is the finished shot, with its sound.
    jobs : int or None
        At most so many shots at a time; None: as many as there are workers.
    nets : bool
        A net does most of the work: on a cluster it goes to the workers with a GPU, if there are
        any.
    """

    name: str
    version: int
    attempts: Sequence[tuple[float, Fitted]]
    limits: GateLimits
    encoding: Encoding
    chunk: int
    must_give: bool = False
    final: bool = False
    jobs: int | None = None
    nets: bool = False

    def chain(self, shot: ShotId, attempt: int = 0) -> Chain | None:
        """Return what is done to a shot at an attempt; None: nothing, or no attempt is left."""
        return self.attempts[attempt][1].get(shot) if attempt < len(self.attempts) else None


def gate_limits(stage: str, template: Template) -> GateLimits:
    """Return how much harm a stage may do to a shot.

    Parameters
    ----------
    stage : str
        Its name in the template; ``upscale`` stands for the render pass up to the grade.
    template : Template
        With its ``gates``, and the limits of its stages.

    Returns
    -------
    limits : GateLimits
    """
    gates = template.gates
    noted: tuple[NoteLimit, ...] = ()
    if stage == "faces":
        noted = (
            NoteLimit(
                note="faces.identity_shift",
                name="identity",
                limit=template.faces.max_identity_shift,
                limit_note="faces.identity_limit",
                text="Faces moved by {value} in the embedding.",
            ),
            NoteLimit(
                note="faces.flicker_ratio",
                name="face flicker",
                limit=gates.flicker_ratio,
                text="Flicker inside faces is {value} times what it was.",
            ),
        )
    return GateLimits(
        flicker_ratio=gates.flicker_ratio,
        colour_de=gates.colour_de,
        retimes=stage == "interpolate",
        moves=stage in ("interpolate", "stabilise"),
        noted=noted,
    )
