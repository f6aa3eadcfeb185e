"""What locking would freeze, and what speaks against it: read before the button is pressed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finishkit_widgets.session import Session

FEW_SEEN = 3
"""A look is tuned on one shot and must hold for a dark one, a bright one and a face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSummary:
    """A template that is not there yet.

    Attributes
    ----------
    path : Path
        The file it would be.
    seal : str
        Its digest, 64 hexadecimal digits.
    changes : Mapping of str to (was, is)
        By dotted name.
    warnings : tuple of str
        In the session's language; none of them forbids locking.
    """

    path: Path
    seal: str
    changes: Mapping[str, tuple[Any, Any]]
    warnings: tuple[str, ...]


def before_locking(session: "Session", path: Path, seen: int) -> LockSummary:
    """Return what locking the session's draft now would write.

    Parameters
    ----------
    session : Session
        Gives the draft, the words and the verdict on its hero.
    path : Path
        The file it would be.
    seen : int
        How many shots were shown with the present settings.

    Raises
    ------
    FinishError
        ``lut_missing`` when a LUT that the draft names cannot be read.
    """
    words, look = session.words("tuner"), session.look
    template = session.draft.lock(hero=look.hero)
    warnings = []
    hero = session.verdict[look.hero]
    if hero.action in ("fix", "regenerate"):
        action = words[hero.action]
        warnings.append(words["warn_hero"].format(shot=hero.shot, action=action))
    shots = len(session.episode)
    if seen < min(FEW_SEEN, shots):
        warnings.append(words["warn_seen"].format(seen=seen, shots=shots))
    if path.exists():
        warnings.append(words["warn_exists"].format(path=path))
    if look.licence == "any":
        warnings.append(words["warn_licence"])
    return LockSummary(
        path=path, seal=template.sha256, changes=session.changes, warnings=tuple(warnings)
    )
