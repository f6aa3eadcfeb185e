"""What ``report.json`` holds. A contract: other programs read these names (schema version 1)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from finishkit.report.finished import Change, Effect, Reading
from finishkit.report.text import Number, Text
from finishkit.values import Value
from finishkit.verdict import Action

SCHEMA_VERSION = 1
State = Literal["finished", "quarantined", "not_run", "measured"]


class Gate(Value):
    """One check a stage's result had to pass.

    Attributes
    ----------
    name : str
    before, after, limit : float or None
        In the unit of what the gate looks at.
    passed : bool
        False: the stage's result was dropped or weakened.
    text : str
        One sentence.
    """

    name: Text
    before: Number | None = None
    after: Number | None = None
    limit: Number | None = None
    passed: bool
    text: Text = ""


class ShotOutcome(Value):
    """What became of one shot while finishing.

    Attributes
    ----------
    shot : str
    file : str
        The finished clip relative to the output folder; the source when there is none.
    state : {'finished', 'quarantined', 'not_run', 'measured'}
    code : str
        Short stable reason code of a quarantine.
    text : str
        One or two sentences: what is wrong, and the cure.
    notes : dict of str to float
        What the stages solved for this shot.
    gates : tuple of Gate
    """

    shot: Text
    file: Text = ""
    state: State
    code: Text = ""
    text: Text = ""
    notes: dict[str, Number] = {}
    gates: tuple[Gate, ...] = ()


class Template(Value):
    """Which locked template made the episode."""

    name: Text
    sha256: Text


class Scores(Value):
    """The consistency score, 0 to 100; ``None`` where it was not or could not be measured."""

    raw: Number | None
    finished: Number | None
    unknown_fraction: Number


class Finding(Value):
    """Why a shot has its action; ``value`` and ``limit`` are ``None`` for a damaged file."""

    metric: Text
    value: Number | None
    limit: Number | None
    reference: Text = ""
    text: Text


class Identity(Value):
    """One character's face in one shot.

    Attributes
    ----------
    character : str
    id_dist, id_spread : float or None
        Of the raw shot, in the face backend's units.
    id_dist_finished : float or None
    n_faces : int
        Faces that could be used.
    worst_frame : int or None
        Position of the frame furthest from the reference.
    worst_box : tuple of float, or None
        Left, top, right, bottom of the face there, in pixels of the raw shot.
    nearest_other : str
        The other character the face is nearest to; empty when none.
    other_dist : float or None
    """

    character: Text
    id_dist: Number | None = None
    id_spread: Number | None = None
    id_dist_finished: Number | None = None
    n_faces: int = 0
    worst_frame: int | None = None
    worst_box: tuple[Number, Number, Number, Number] | None = None
    nearest_other: Text = ""
    other_dist: Number | None = None


class Look(Value):
    """What is known of a character's face.

    Attributes
    ----------
    source : {'pictures', 'shots', 'none'}
        What the reference is made of.
    grouped : bool
        The name is made up: nobody is listed in ``shots.csv``.
    n_shots : int
        Shots in which a usable face was found.
    accepted : tuple of str
        Shots that show this face beyond doubt.
    usual : float or None
        Median distance of the shots to the reference, in the face backend's unit.
    limit, spread_limit, margin : float
        Another face from here; drift within a shot from here; a person looks this close to it.
    why : str
        Why there is no reference, with the cure.
    """

    character: Text
    source: Literal["pictures", "shots", "none"]
    grouped: bool = False
    n_shots: int = 0
    accepted: tuple[Text, ...] = ()
    usual: Number | None = None
    limit: Number
    spread_limit: Number
    margin: Number
    why: Text = ""


class Alike(Value):
    """How well the face backend tells two characters apart.

    Attributes
    ----------
    distance : float
        Between their references.
    d_prime : float or None
        Separation of their shots in standard deviations.
    confused_ratio : float or None
        Share of faces that are nearer to the other.
    separable : bool
    """

    first: Text
    second: Text
    distance: Number
    d_prime: Number | None = None
    confused_ratio: Number | None = None
    separable: bool = True


class Picture(Value):
    """Size, rate and length of a clip."""

    width_px: int
    height_px: int
    rate_fps: Number
    frame_count: int
    duration_s: Number


class ReportShot(Value):
    """One shot in the report.

    Attributes
    ----------
    state : {'finished', 'quarantined', 'not_run', 'measured'}
    action : {'ok', 'fix', 'check', 'regenerate'}
        What is left to do, after finishing when there was one.
    reasons : tuple of Finding
        What still stands.
    fixed : tuple of Finding
        What was found in the raw shot and is gone.
    raw, finished : dict of str to (float or None)
        Every metric of the house, ``None`` where it could not be judged; ``finished`` is ``None``
        for a shot that was not finished.
    solved : dict of str to float
        What the stages solved for this shot.
    notes : dict of str to str
        Free columns of the shot list (prompt, seed ...).
    """

    shot: Text
    scene: Text
    order: int
    hook: bool
    state: State
    action: Action
    reasons: tuple[Finding, ...] = ()
    unknown: tuple[Text, ...] = ()
    raw: dict[str, Number | None]
    finished: dict[str, Number | None] | None = None

    file: Text = ""
    source: Text = ""
    characters: tuple[Text, ...] = ()
    raw_action: Action = "ok"
    outlier: bool = False
    static: bool = False
    fixed: tuple[Finding, ...] = ()
    z: dict[str, Number] = {}
    identities: tuple[Identity, ...] = ()
    picture: Picture | None = None
    finished_picture: Picture | None = None
    solved: dict[str, Number] = {}
    gates: tuple[Gate, ...] = ()
    notes: dict[Text, Text] = {}


class ReportCut(Value):
    """The jump a viewer sees between two shots, 0 to 1, and what makes it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        revalidate_instances="always",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    from_shot: Annotated[Text, Field(alias="from")]
    to_shot: Annotated[Text, Field(alias="to")]
    jump: Number
    by: dict[str, Number] = {}


class Regenerate(Value):
    """An order for a new take.

    Attributes
    ----------
    characters : tuple of str
        Whose faces are wrong.
    reference_images : tuple of str
        Pictures to generate from, relative to the episode's folder.
    why, pass_if : str
        Sentences: what is wrong, and what the new take must measure.
    """

    shot: Text
    characters: tuple[Text, ...]
    reference_images: tuple[Text, ...]
    why: Text
    pass_if: Text


class Quarantined(Value):
    """A shot that could not be used, and the cure."""

    shot: Text
    file: Text
    code: Text
    text: Text


class Master(Value):
    """The delivered file."""

    file: Text
    width_px: int
    height_px: int
    rate_fps: Number
    duration_s: Number
    sha256: Text = ""


class Report(Value):
    """Everything known of an episode, before and after finishing.

    Attributes
    ----------
    created : str
        Date, as handed in: nothing here reads a clock.
    cuts, cuts_finished : tuple of ReportCut
        Of the raw and of the finished episode.
    limits : dict of str to float
        The limits the verdict was made with.
    face_backend : str
    cast : tuple of Look
    separability : tuple of Alike
        Every pair of the cast that has references.
    notices : tuple of str
        What the whole report must be read with.
    effects : tuple of Effect
        What finishing did, in a few figures.
    changes : tuple of Change
        Every metric before and after; empty when nothing was finished.
    reading : Reading or None
        ``None`` when nothing was finished.
    content_sha256 : str
        Digest of the report without what another run of the same work changes (``created``,
        ``throughput_shots_per_h``, ``environment``).
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    episode: Text
    template: Template | None
    environment: dict[Text, Text]
    score: Scores
    hero: Text
    shots: tuple[ReportShot, ...]
    cuts: tuple[ReportCut, ...]
    regenerate: tuple[Regenerate, ...]

    cuts_finished: tuple[ReportCut, ...] | None = None
    quarantined: tuple[Quarantined, ...] = ()
    effects: tuple[Effect, ...] = ()
    changes: tuple[Change, ...] = ()
    reading: Reading | None = None
    limits: dict[str, Number] = {}
    face_backend: Text = ""
    cast: tuple[Look, ...] = ()
    separability: tuple[Alike, ...] = ()
    notices: tuple[Text, ...] = ()
    throughput_shots_per_h: Number | None = None
    master: Master | None = None
    created: Text = ""
    content_sha256: str = ""

    def sealed(self) -> Self:
        """Return the report with its ``content_sha256``."""
        data = self.model_dump(
            mode="json",
            exclude={"content_sha256", "created", "throughput_shots_per_h", "environment"},
        )
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return self.replace(content_sha256=hashlib.sha256(text.encode()).hexdigest())

    def __getitem__(self, shot: str) -> ReportShot:
        return next(s for s in self.shots if s.shot == shot)

    def look(self, character: str) -> Look | None:
        """Return what is known of a character's face; None when nothing was calibrated."""
        return next((one for one in self.cast if one.character == character), None)

    def counted(self) -> Mapping[str, int]:
        """Return how many shots there are of each state and each action."""
        counts: dict[str, int] = {}
        for shot in self.shots:
            for key in (shot.state, "" if shot.state == "quarantined" else shot.action):
                if key:
                    counts[key] = counts.get(key, 0) + 1
        return counts
