"""What measuring gives: frozen values, which are also what the cache and the report hold."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from finishkit.errors import FinishError
from finishkit.values import Value

Number = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Number, Number, Number, Number]


class FaceSample(Value):
    """One usable face of a shot.

    Attributes
    ----------
    frame : int
        Position in the shot.
    box : tuple of float
        Left, top, right, bottom in pixels of the shot at its native size.
    score : float
        The detector's.
    embedding : tuple of float
    """

    frame: int
    box: Box
    score: Number
    embedding: tuple[Number, ...] = Field(repr=False)


class Observation(Value):
    """What the pixels of one clip say, before it is compared with any other.

    Attributes
    ----------
    sha256 : str
        Digest of the clip's bytes.
    width_px, height_px : int
    rate_fps : Fraction
    frame_count : int
        Counted.
    duration_s : float
    values : dict of str to (float or None)
        The metrics asked for that need no cast; None where undetermined.
    why : dict of str to str
        For each None a sentence saying why.
    eff_conf : int
        Textured blocks the sharpness rests on.
    static : bool
        Nothing moves enough for repeated frames to be told.
    faces : tuple of FaceSample
        Usable faces, in frame order, largest first within a frame.
    faces_unusable : int
        Faces found but too small, or turned away too far, to be compared.
    """

    sha256: str
    width_px: int
    height_px: int
    rate_fps: Fraction
    frame_count: int
    duration_s: Number
    values: dict[str, Number | None]
    why: dict[str, str]
    eff_conf: int
    static: bool
    faces: tuple[FaceSample, ...]
    faces_unusable: int


class CharacterIdentity(Value):
    """How much one listed character looks like itself in one shot.

    Attributes
    ----------
    character : str
    id_dist : float or None
        Distance of the shot's median face to the character's reference; None when there is no
        usable face, or nothing to compare with.
    id_spread : float or None
        95th percentile of the distances of the shot's faces to their median; None under three.
    n_faces : int
        Usable faces assigned to the character.
    worst_frame : int or None
        Frame of the face furthest from the reference (from the shot's median without one).
    worst_box : tuple of float or None
        Left, top, right, bottom of that face in pixels of the shot.
    face_dists : tuple of float
        Distance of each face to the reference.
    nearest_other : str
        The other character whose reference the shot's face is nearest to; empty when none.
    other_dist : float or None
        Distance to that one. Smaller than ``id_dist``: the wrong name, or a backend that cannot
        tell the two apart.
    embedding : tuple of float
        The shot's median face; empty without one.
    """

    character: str
    id_dist: Number | None = None
    id_spread: Number | None = None
    n_faces: int = 0
    worst_frame: int | None = None
    worst_box: Box | None = None
    face_dists: tuple[Number, ...] = ()
    nearest_other: str = ""
    other_dist: Number | None = None
    embedding: tuple[Number, ...] = Field(default=(), repr=False)


class ShotMeasurement(Value):
    """All metrics of one shot.

    Attributes
    ----------
    shot : str
    order : int
    scene : str
    width_px, height_px : int
    rate_fps : Fraction
    frame_count : int
    duration_s : float
    values : dict of str to (float or None)
        One entry a metric of :data:`finishkit.measure.METRICS`. None with a sentence in
        ``unknown``: could not be judged. None without one: does not apply (no character listed,
        nothing moves) or was not asked for.
    unknown : tuple of str
        Sentences: what could not be judged, and why.
    eff_conf : int
        Textured blocks the sharpness rests on; below 40 it is unknown.
    static : bool
        Nothing moves enough for repeated frames to be told.
    identities : tuple of CharacterIdentity
        One a listed character, in the order of the list.
    sha256 : str
        Digest of the measured file's bytes.
    """

    shot: str
    order: int
    scene: str
    width_px: int
    height_px: int
    rate_fps: Fraction
    frame_count: int
    duration_s: Number
    values: dict[str, Number | None]
    unknown: tuple[str, ...] = ()
    eff_conf: int = 0
    static: bool = False
    identities: tuple[CharacterIdentity, ...] = ()
    sha256: str = ""


class CastPair(Value):
    """How well the backend tells two characters apart.

    Attributes
    ----------
    first, second : str
        Characters, in the order of the cast.
    distance : float
        Between their references.
    confused_ratio : float or None
        Share of the faces in shots that list only one of the two that are nearer to the other;
        None without such faces.
    """

    first: str
    second: str
    distance: Number
    confused_ratio: Number | None = None


class Measurements(Value):
    """All metrics of an episode.

    Attributes
    ----------
    episode : str
    shots : tuple of ShotMeasurement
        In cut order.
    backend : str
        Name of the face backend.
    separability : tuple of CastPair
        Every pair of characters that have a reference.
    """

    episode: str
    shots: tuple[ShotMeasurement, ...]
    backend: str = "dlib"
    separability: tuple[CastPair, ...] = ()

    def __len__(self) -> int:
        return len(self.shots)

    def __getitem__(self, shot: str) -> ShotMeasurement:
        """Return the measurement of one shot.

        Raises
        ------
        FinishError
            ``no_such_shot``.
        """
        for candidate in self.shots:
            if candidate.shot == shot:
                return candidate
        raise FinishError(f"{self.episode}: shot {shot!r} was not measured.", "no_such_shot")

    def apart(self, a: str, b: str) -> float | None:
        """Return the distance between the references of two characters.

        Parameters
        ----------
        a, b : str
            Characters.

        Returns
        -------
        distance : float or None
            None when one of them has no reference.
        """
        for pair in self.separability:
            if {pair.first, pair.second} == {a, b}:
                return pair.distance
        return None
