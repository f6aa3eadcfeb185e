"""What measuring gives: frozen values, which are also what the cache and the report hold."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from finishkit.errors import FinishError
from finishkit.measure.identity.arcface import cosine_distance
from finishkit.measure.overlap import Marks
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
    skin : tuple of float, or None
        Linear R, G, B of the cheeks, see :func:`finishkit.measure.skin.skin_colour`.
    log2_r : float or None
        Sharpness of the face, octaves below the file's own resolution; None when it cannot be
        judged, see :func:`finishkit.measure.sharpness.face_sharpness`.
    """

    frame: int
    box: Box
    score: Number
    embedding: tuple[Number, ...] = Field(repr=False)
    skin: tuple[Number, Number, Number] | None = None
    log2_r: Number | None = None


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
    inner_cuts : tuple of int
        First frame after each hard cut inside the clip.
    marks : tuple of Marks
        Places of a few frames that other shots of the scene may show too.
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
    inner_cuts: tuple[int, ...] = ()
    marks: tuple[Marks, ...] = Field(default=(), repr=False)


class CharacterIdentity(Value):
    """How much one listed character looks like itself in one shot.

    Attributes
    ----------
    character : str
    id_dist : float or None
        Distance of the shot's median face to the character's reference: its pictures, else its
        other shots (where they disagree and nobody says who is right, the median distance to
        each). None when there is no usable face, or nothing to compare with.
    id_spread : float or None
        95th percentile of the distances of the shot's faces to their median; None under three.
    id_trend : float or None
        Distance of the mean face of the first third of the shot to that of the last; None under
        six faces.
    n_faces : int
        Usable faces assigned to the character.
    worst_frame : int or None
        Frame of the face furthest from the reference (from the shot's median without one).
    worst_box : tuple of float or None
        Left, top, right, bottom of that face in pixels of the shot.
    face_dists : tuple of float
        Distance of each face to the reference, in frame order.
    centre_dist : float or None
        Distance to the centre of the character: its pictures and its other accepted shots. What
        the distances to others are compared with; ``id_dist`` is what is held against a limit.
    other_dists : dict of str to float
        Distance to the centre of every other character.
    nearest_other : str
        The other character whose centre the shot's face is nearest to; empty when none.
    other_dist : float or None
        Distance to that one.
    embedding : tuple of float
        The shot's median face; empty without one.
    skin : tuple of float, or None
        Colour of the skin on the axes of the grade, see :func:`finishkit.measure.skin.skin_vector`.
    face_log2_r : float or None
        Median sharpness of the faces, octaves below the file's own resolution.
    """

    character: str
    id_dist: Number | None = None
    id_spread: Number | None = None
    id_trend: Number | None = None
    n_faces: int = 0
    worst_frame: int | None = None
    worst_box: Box | None = None
    face_dists: tuple[Number, ...] = ()
    centre_dist: Number | None = None
    other_dists: dict[str, Number] = {}
    nearest_other: str = ""
    other_dist: Number | None = None
    embedding: tuple[Number, ...] = Field(default=(), repr=False)
    skin: tuple[Number, ...] | None = None
    face_log2_r: Number | None = None


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
    inner_cuts : tuple of int
        First frame after each hard cut inside the shot.
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
    inner_cuts: tuple[int, ...] = ()
    identities: tuple[CharacterIdentity, ...] = ()
    sha256: str = ""


class CharacterLook(Value):
    """What is known of a character's face, and the limits that follow from it.

    Attributes
    ----------
    character : str
    source : {'pictures', 'shots', 'none'}
        What the reference is made of.
    grouped : bool
        The name is made up: nobody is listed, and faces that look alike were put together.
    n_shots : int
        Shots in which a usable face was found.
    accepted : tuple of str
        Ids of the shots that show this face beyond doubt; empty without a reference.
    usual : float or None
        Median distance of the shots to the reference; None under two.
    limit : float
        A face further than this from the reference is somebody else's.
    spread_limit : float
        A face that changes by more than this within a shot drifts.
    margin : float
        Closer than this to a limit is a case for a person.
    doubted : bool
        The reference may be at fault: most shots are further than the limit from the pictures and
        agree with one another, or without pictures the shots disagree and nobody says who is right.
    why : str
        Why there is no reference, with the cure; empty where there is one.
    """

    character: str
    source: Literal["pictures", "shots", "none"]
    grouped: bool = False
    n_shots: int = 0
    accepted: tuple[str, ...] = ()
    usual: Number | None = None
    limit: Number
    spread_limit: Number
    margin: Number
    doubted: bool = False
    why: str = ""


class CastPair(Value):
    """How well the backend tells two characters apart.

    A shot's lead is its distance to the other character minus the distance to its own.

    Attributes
    ----------
    first, second : str
        Characters, in the order of the cast.
    distance : float
        Between their references.
    confused_ratio : float or None
        Share of the faces in shots that list only one of the two that are nearer to the other;
        None without such faces.
    first_lead, second_lead : float or None
        Typical lead of a shot of the first, and of the second.
    scale : float or None
        Standard deviation of leads from shot to shot.
    d_prime : float or None
        Separation of the two in standard deviations: (first_lead + second_lead) / scale.
    separable : bool
        ``d_prime`` is at least 3 and ``confused_ratio`` at most 0.1: a face can be named. True
        where there is nothing to tell by.
    """

    first: str
    second: str
    distance: Number
    confused_ratio: Number | None = None
    first_lead: Number | None = None
    second_lead: Number | None = None
    scale: Number | None = None
    d_prime: Number | None = None
    separable: bool = True


class Overlap(Value):
    """Two shots of one scene that show the same surface, and how their grades differ there.

    Attributes
    ----------
    first, second : str
        Ids of the shots, in cut order.
    difference : tuple of (float or None)
        Second minus first on the axes :data:`finishkit.measure.colour.AXES`.
    places : int
        Places compared.
    """

    first: str
    second: str
    difference: tuple[Number | None, ...]
    places: int


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
    looks : tuple of CharacterLook
        Every character listed, or grouped where nobody is.
    overlaps : tuple of Overlap
        Pairs of shots of one scene that show the same surface.
    """

    episode: str
    shots: tuple[ShotMeasurement, ...]
    backend: str = "dlib"
    separability: tuple[CastPair, ...] = ()
    looks: tuple[CharacterLook, ...] = ()
    overlaps: tuple[Overlap, ...] = ()

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

    def look(self, character: str) -> CharacterLook | None:
        """Return what is known of a character's face; None when nothing was calibrated."""
        return next((one for one in self.looks if one.character == character), None)

    def face_distance(self, a: Sequence[float], b: Sequence[float]) -> float:
        """Return how far apart two faces of this episode are, in the unit of ``id_dist``.

        Parameters
        ----------
        a, b : sequence of float
            Embeddings by the episode's backend.

        Returns
        -------
        distance : float
            Euclidean for dlib, 1 - cosine for all others.
        """
        one, two = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if self.backend == "dlib":
            return float(np.linalg.norm(one - two))
        return cosine_distance(one, two)

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
