"""What stands finished in a folder: the values, and the seals that tell when one was damaged."""

import hashlib
import json
from typing import Any, Literal

from finishkit.values import Value

State = Literal["finished", "quarantined"]
"""A shot that is neither is not run: there is no fourth state."""


class Entry(Value):
    """One file under its final name.

    Attributes
    ----------
    key : str
        Digest of everything the file was made from.
    sha256 : str
        Of its bytes, checked again before the file is believed.
    bytes : int
    facts : dict
        What was learned while making it: counts, solved values, gates.
    """

    key: str
    sha256: str
    bytes: int
    facts: dict[str, Any] = {}


class ShotState(Value):
    """How it stands with one shot.

    Attributes
    ----------
    state : {'finished', 'quarantined'}
    code : str
        Why it needs a person: a reason code of a quarantine, or ``regenerate``; empty for a shot
        that needs nothing more.
    text : str
    """

    state: State
    code: str = ""
    text: str = ""


class Whole(Value):
    """An episode that was finished to its end, so that the next run need not look at it again.

    Attributes
    ----------
    key : str
        Digest of everything the episode was made from: sources, template, measurements, versions.
    shots : dict
        Shot to its final file (``output``), that file's ``sha256``, and what the report says of it.
    """

    key: str
    shots: dict[str, dict[str, Any]]


class Manifest(Value):
    """Everything that stands finished in a folder. On disk it is the only truth."""

    schema_version: Literal[2] = 2
    episode: str = ""
    planned: tuple[str, ...] = ()
    """The shots the last run set out to finish; an empty tuple: nothing was run here."""
    shots: dict[str, ShotState] = {}
    ended: bool = False
    """The last run came to its end: measured again, and the report written."""
    whole: Whole | None = None
    entries: dict[str, Entry] = {}

    @property
    def exit_code(self) -> int:
        """0 all finished; 3 finished, but shots need a person; 1 not finished."""
        states = [self.shots.get(shot) for shot in self.planned]
        whole = self.ended and "master.mp4" in self.entries and None not in states
        if not (states and whole):
            return 1
        return 3 if any(s is not None and s.code for s in states) else 0


def _seal(value: Any) -> str:
    """Return a digest that tells a flipped bit; a manifest is small, and hashed in no time."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def to_bytes(manifest: Manifest) -> bytes:
    """Return a manifest as it is written, every entry with a seal of its own.

    Parameters
    ----------
    manifest : Manifest
        As it shall be read again.
    """
    head = manifest.model_dump(mode="json")
    entries = head.pop("entries")
    sealed = {n: {**entry, "seal": _seal([n, entry])} for n, entry in entries.items()}
    return json.dumps({**head, "seal": _seal(head), "entries": sealed}, indent=1).encode()


def from_bytes(content: bytes) -> Manifest:
    """Return what is sealed: a damaged entry is one that is not there, and is made again.

    Parameters
    ----------
    content : bytes
        As written by :func:`to_bytes`, perhaps damaged since.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError, RecursionError
        When it is no manifest at all.
    """
    raw = json.loads(content)
    entries, seal = raw.pop("entries"), raw.pop("seal")
    whole = {}
    for name, entry in entries.items():
        told = entry.pop("seal", "")
        if told == _seal([name, entry]):
            whole[name] = entry
    head = raw if seal == _seal(raw) else {"schema_version": raw["schema_version"]}
    return Manifest.model_validate({**head, "entries": whole})
