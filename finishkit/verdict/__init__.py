"""What does it mean: every shot judged against the shots it will cut against. Pure."""

from finishkit.verdict.judge import judge
from finishkit.verdict.values import (
    Action,
    Cut,
    Limits,
    Reason,
    Score,
    ShotVerdict,
    Verdict,
)

__all__ = ["Action", "Cut", "Limits", "Reason", "Score", "ShotVerdict", "Verdict", "judge"]
