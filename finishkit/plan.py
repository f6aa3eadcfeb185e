"""What will be done: stage by stage over all shots, content before size, size before colour."""

from collections.abc import Sequence

from finishkit.template import Template
from finishkit.values import Value

PASSES: tuple[tuple[str, ...], ...] = (
    ("faces",),
    ("deflicker",),
    ("stabilise",),
    ("interpolate",),
    ("upscale", "grade"),
)
"""Stages that share one decode and encode.

Faces, flicker and motion are repaired while the pictures are small, since enlarging sharpens
whatever is there. Grade needs no pass of its own: it is fitted on the repaired set, and then rides
on the pass that enlarges, so that no 4K intermediate is ever written."""


class Step(Value):
    """One pass over one shot.

    Attributes
    ----------
    stages : tuple of str
    shot : str
        Empty for the episode's master.
    output : str
        File it produces, relative to the episode's output folder.
    """

    stages: tuple[str, ...]
    shot: str
    output: str


class Plan(Value):
    """All steps of an episode, in running order."""

    episode: str
    template_sha256: str
    steps: tuple[Step, ...]

    def of(self, stages: tuple[str, ...]) -> tuple[Step, ...]:
        """Return the steps of one pass, in cut order.

        Parameters
        ----------
        stages : tuple of str
            One of :data:`PASSES`.
        """
        return tuple(s for s in self.steps if s.stages == stages)


def make_plan(episode: str, shots: Sequence[str], template: Template) -> Plan:
    """Lay out every step.

    Parameters
    ----------
    episode : str
        Its name.
    shots : sequence of str
        The good ones, in cut order.
    template : Template
        Its digest is kept in the plan.

    Returns
    -------
    plan : Plan
    """
    steps: list[Step] = []
    for index, stages in enumerate(PASSES, start=1):
        last = stages == PASSES[-1]
        for shot in shots:
            output = f"shots/{shot}.mp4" if last else f"work/{index}_{'_'.join(stages)}/{shot}.mkv"
            steps.append(Step(stages=stages, shot=shot, output=output))
    steps.append(Step(stages=("master",), shot="", output="master.mp4"))
    return Plan(episode=episode, template_sha256=template.sha256, steps=tuple(steps))
