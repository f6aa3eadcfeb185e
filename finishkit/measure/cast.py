"""Who is who: faces of shots against the references of the cast. Pure: no file is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from finishkit.measure.cluster import group, unlisted_cast
from finishkit.measure.gallery import (
    Gallery,
    Vector,
    build_galleries,
    credible_shots,
    own_distances,
)
from finishkit.measure.identity import FaceBackend
from finishkit.measure.separability import OWN_SHOTS, cast_pairs, character_limit
from finishkit.measure.skin import skin_vector
from finishkit.measure.tracks import Track, assign, embedding, middle
from finishkit.measure.values import (
    CastPair,
    CharacterIdentity,
    CharacterLook,
    FaceSample,
    Observation,
)
from finishkit.shots import Character, Shot

MIN_SPREAD_FACES: Final = 3
"""Faces a drift within the shot needs."""
MIN_TREND_FACES: Final = 6
"""Faces a trend through the shot needs: two at its start and two at its end."""
EXTRA_SIDE: Final = 0.12
"""A stranger's face smaller than this share of the picture's short side may be an extra's."""
DOUBT: Final = 0.6
"""Share of a character's shots beyond the limit from which its picture is in doubt, not they."""
_CURE: Final = "Add a clear, frontal picture to characters.csv."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast:
    """What each character looks like.

    Attributes
    ----------
    listed : Mapping of str to tuple of str
        Who should be seen in each shot, by shot id.
    galleries : Mapping of str to Gallery
        By character.
    looks : tuple of CharacterLook
    pairs : tuple of CastPair
    shots : Mapping of str to Mapping of str to ndarray, shape (d,)
        Middle face by character, then by shot id.
    """

    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    galleries: Mapping[str, Gallery] = field(default_factory=dict)
    looks: tuple[CharacterLook, ...] = ()
    pairs: tuple[CastPair, ...] = ()
    shots: Mapping[str, Mapping[str, Vector]] = field(default_factory=dict)

    @property
    def references(self) -> dict[str, Vector]:
        """What faces are assigned by, shape (d,) each: characters that are known."""
        known = {name: gallery.standard() for name, gallery in self.galleries.items()}
        return {name: vector for name, vector in known.items() if vector is not None}


_Middles = dict[str, dict[str, Vector]]


def settle_cast(
    characters: Sequence[Character],
    pictured: Mapping[str, Vector],
    shots: Sequence[Shot],
    observed: Mapping[str, Observation],
    backend: FaceBackend,
) -> Cast:
    """Say what each character looks like, and within which limits.

    Parameters
    ----------
    characters : sequence of Character
        The cast list; characters that only the shot list names are added.
    pictured : Mapping of str to ndarray, shape (d,)
        References made from images.
    shots : sequence of Shot
        In cut order. Where none lists a character, faces that look alike are put together.
    observed : Mapping of str to Observation
        By shot id.
    backend : FaceBackend
        Whose distance and limits count.

    Returns
    -------
    cast : Cast
        A character is known by its pictures, else by the shots that agree with one another. Of
        shots that disagree, those with another character's face are set aside; where that does
        not settle it, nobody says who is right and the character has no reference.
    """
    grouped = not any(shot.characters for shot in shots)
    listed: dict[str, tuple[str, ...]] = {shot.id: shot.characters for shot in shots}
    references = dict(pictured)
    if grouped:
        listed, references = unlisted_cast(shots, observed, backend)
        shots = [replace(shot, characters=listed[shot.id]) for shot in shots]
    in_lists = [name for shot in shots for name in shot.characters]
    first = references if grouped else (c.name for c in characters)
    names = tuple(dict.fromkeys([*first, *in_lists]))
    # Twice: with the characters known by their shots, more faces find their owner.
    middles: _Middles = {}
    galleries: dict[str, Gallery] = {}
    for _ in range(2):
        middles = _middles(names, shots, observed, references, backend)
        galleries = build_galleries(names, pictured, middles, galleries, backend)
        references = Cast(galleries=galleries).references
    unreadable = {c.name for c in characters if c.reference_images} - pictured.keys()
    looks = tuple(
        _look(name, galleries, middles, backend, grouped, name in unreadable) for name in names
    )
    credible = {name: credible_shots(name, galleries, middles, backend) for name in names}
    faces = {
        name: [
            embedding(face)
            for shot in shots
            if shot.characters == (name,) and shot.id in credible[name]
            for face in assign(observed[shot.id].faces, (name,), references, backend)[name]
        ]
        for name in names
    }
    pairs = cast_pairs(galleries, credible, faces, backend)
    return Cast(listed=listed, galleries=galleries, looks=looks, pairs=pairs, shots=middles)


def _middles(
    names: Sequence[str],
    shots: Sequence[Shot],
    observed: Mapping[str, Observation],
    references: Mapping[str, Vector],
    backend: FaceBackend,
) -> _Middles:
    found: _Middles = {name: {} for name in names}
    for shot in shots:
        if shot.id in observed:
            got = assign(observed[shot.id].faces, shot.characters, references, backend)
            for name, faces in got.items():
                if faces:
                    found[name][shot.id] = middle(faces)
    return found


def _look(
    name: str,
    galleries: Mapping[str, Gallery],
    middles: _Middles,
    backend: FaceBackend,
    grouped: bool,
    unreadable: bool,
) -> CharacterLook:
    gallery, limits = galleries[name], backend.limits
    own = own_distances(gallery, middles[name], backend)
    standard = gallery.standard()
    theirs = [
        backend.distance(vector, standard)
        for other, shots in middles.items()
        if other != name and standard is not None
        for shot, vector in shots.items()
        if shot in galleries[other].accepted and shot not in middles[name]
    ]
    far = {s: middles[name][s] for s, dist in own.items() if dist > limits.regenerate}
    doubted = (
        gallery.reference is not None
        and len(own) >= OWN_SHOTS
        and len(far) >= DOUBT * len(own)
        and len(group(list(far.values()), backend, limits.regenerate - limits.margin)) == 1
    )
    return CharacterLook(
        character=name,
        source="pictures"
        if gallery.reference is not None
        else "shots"
        if gallery.accepted
        else "none",
        grouped=grouped,
        n_shots=len(middles[name]),
        accepted=tuple(gallery.accepted),
        usual=float(np.median(list(own.values()))) if len(own) > 1 else None,
        limit=character_limit(list(own.values()), theirs, backend),
        spread_limit=limits.spread,
        margin=limits.margin,
        doubted=doubted or (not gallery.known and len(middles[name]) > 1),
        why="" if gallery.known else _why(name, middles[name], unreadable),
    )


def _lacks(name: str, unreadable: bool) -> str:
    if unreadable:
        return f"no face is found in the reference images of {name}"
    return f"{name} has no reference image"


def _why(name: str, shots: Mapping[str, Vector], unreadable: bool) -> str:
    if not shots:
        return f"{_lacks(name, unreadable)}, and no shot shows a usable face. {_CURE}"
    return (
        f"{_lacks(name, unreadable)}, and the shots show different faces"
        f" ({', '.join(shots)}): nobody says which is right. {_CURE}"
    )


def identify(
    shot: Shot, observed: Observation, cast: Cast, backend: FaceBackend
) -> tuple[tuple[CharacterIdentity, ...], tuple[str, ...]]:
    """Measure how much the listed characters look like themselves in one shot.

    Parameters
    ----------
    shot : Shot
        Who should be seen, unless ``cast`` says otherwise.
    observed : Observation
        Whose faces were found.
    cast : Cast
        What they look like.
    backend : FaceBackend
        Whose distance counts.

    Returns
    -------
    identities : tuple of CharacterIdentity
        One a listed character, in order.
    unknown : tuple of str
        A sentence for each that could not be judged.
    """
    characters = cast.listed.get(shot.id, shot.characters)
    faces = assign(observed.faces, characters, cast.references, backend)
    looks = {look.character: look for look in cast.looks}
    identities = []
    unknown = []
    for name in characters:
        who = _identity(name, shot, faces[name], cast, backend)
        extra = who.id_dist is not None and _is_extra(who.id_dist, faces[name], observed, backend)
        identities.append(CharacterIdentity(character=name) if extra else who)
        if who.id_dist is not None and not extra:
            continue
        if extra:
            why = "no usable face (the one found is another's, and small: an extra's?)."
        elif faces[name]:
            why = looks[name].why or _alone(looks[name])
        else:
            why = f"no usable face ({_seen(observed, characters)})."
        unknown.append(f"The identity of {name} cannot be judged: {why}")
    return tuple(identities), tuple(unknown)


def _is_extra(
    dist: float, faces: Sequence[FaceSample], observed: Observation, backend: FaceBackend
) -> bool:
    small = Track(faces=tuple(faces)).side_px < EXTRA_SIDE * min(
        observed.width_px, observed.height_px
    )
    return small and dist > backend.limits.regenerate


def _alone(look: CharacterLook) -> str:
    others = (
        "there is no other shot to compare with"
        if look.n_shots == 1
        else "the other shots show somebody else"
    )
    return f"{look.character} has no reference image, and {others}. {_CURE}"


def _seen(observed: Observation, characters: Sequence[str]) -> str:
    if observed.faces and len(characters) > 1:
        return "the faces found were nearer to others of the cast, or nobody says whose"
    if observed.faces_unusable:
        return f"{observed.faces_unusable} found are too small or turned away"
    return "none was found"


def _identity(
    name: str, shot: Shot, faces: Sequence[FaceSample], cast: Cast, backend: FaceBackend
) -> CharacterIdentity:
    if not faces:
        return CharacterIdentity(character=name)
    face = middle(faces)
    gallery = cast.galleries[name]
    standard, centre = gallery.standard(shot.id), gallery.centre(shot.id)
    strays = [backend.distance(embedding(one), face) for one in faces]
    dists = (
        [backend.distance(embedding(one), standard) for one in faces]
        if standard is not None
        else []
    )
    worst = faces[int(np.argmax(dists or strays))]
    others = {
        other: backend.distance(face, vector)
        for other, them in cast.galleries.items()
        if other != name and (vector := them.centre(shot.id)) is not None
    }
    nearest = min(others, key=lambda other: others[other], default="")
    sharpness = [one.log2_r for one in faces if one.log2_r is not None]
    return CharacterIdentity(
        character=name,
        id_dist=_from_others(name, shot, face, cast, backend)
        if standard is None
        else backend.distance(face, standard),
        id_spread=float(np.percentile(strays, 95)) if len(faces) >= MIN_SPREAD_FACES else None,
        id_trend=_trend(faces, backend),
        n_faces=len(faces),
        worst_frame=worst.frame,
        worst_box=worst.box,
        face_dists=tuple(dists),
        centre_dist=None if centre is None else backend.distance(face, centre),
        other_dists=others,
        nearest_other=nearest,
        other_dist=others.get(nearest),
        embedding=tuple(face.tolist()),
        skin=skin_vector([one.skin for one in faces if one.skin is not None]),
        face_log2_r=float(np.median(sharpness)) if sharpness else None,
    )


def _from_others(
    name: str, shot: Shot, face: Vector, cast: Cast, backend: FaceBackend
) -> float | None:
    """Return how far a face is from the character's other shots, where those disagree."""
    if cast.galleries[name].known:
        return None
    apart = [backend.distance(face, v) for i, v in cast.shots[name].items() if i != shot.id]
    return float(np.median(apart)) if apart else None


def _trend(faces: Sequence[FaceSample], backend: FaceBackend) -> float | None:
    if len(faces) < MIN_TREND_FACES:
        return None
    third = len(faces) // 3
    first = np.mean([embedding(face) for face in faces[:third]], axis=0)
    last = np.mean([embedding(face) for face in faces[-third:]], axis=0)
    return backend.distance(first, last)
