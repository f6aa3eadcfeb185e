"""Who is who: faces of shots against the references of the cast. Pure: no file is read."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity import FaceBackend
from finishkit.measure.values import CastPair, CharacterIdentity, FaceSample, Observation
from finishkit.shots import Character, Shot

Vector = NDArray[np.float64]
MIN_SPREAD_FACES: Final = 3
"""Faces a drift within the shot needs."""
CENTROID_SHOTS: Final = 3
"""Shots from which a character without reference images has a centre that outvotes one stranger."""
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What each character looks like.

    Attributes
    ----------
    references : Mapping of str to ndarray, shape (d,), dtype float64
    why : Mapping of str to str
        For characters without one: a sentence saying why, with the cure.
    anchors : Mapping of str to str
        For characters whose reference is one of two shots: the id of that shot, which cannot be
        judged against itself.
    """

    references: Mapping[str, Vector]
    why: Mapping[str, str] = field(default_factory=dict)
    anchors: Mapping[str, str] = field(default_factory=dict)


def _embedding(face: FaceSample) -> Vector:
    return np.array(face.embedding, np.float64)


def _middle(faces: Sequence[FaceSample]) -> Vector:
    return np.median([_embedding(face) for face in faces], axis=0)


def assign(
    faces: Sequence[FaceSample],
    characters: Sequence[str],
    references: Mapping[str, Vector],
    backend: FaceBackend,
) -> dict[str, tuple[FaceSample, ...]]:
    """Give the faces of one shot to the characters listed for it.

    Parameters
    ----------
    faces : sequence of FaceSample
        In frame order, largest first within a frame.
    characters : sequence of str
        Those listed.
    references : Mapping of str to ndarray, shape (d,)
        What they look like, as far as known.
    backend : FaceBackend
        Whose distance counts.

    Returns
    -------
    assigned : dict of str to tuple of FaceSample
        An entry a listed character, at most one face a frame. In each frame the nearest pair of
        face and reference is taken first. A single character without reference gets the largest
        face left over; two of them get none, since nobody said who is who.
    """
    got: dict[str, list[FaceSample]] = {name: [] for name in characters}
    known = [name for name in characters if name in references]
    strangers = [name for name in characters if name not in references]
    for _, group in itertools.groupby(faces, key=lambda face: face.frame):
        left = list(group)
        waiting = set(known)
        pairs = sorted(
            (
                (backend.distance(_embedding(face), references[name]), position, name)
                for position, face in enumerate(left)
                for name in known
            ),
        )
        taken: set[int] = set()
        for _, position, name in pairs:
            if position not in taken and name in waiting:
                got[name].append(left[position])
                taken.add(position)
                waiting.discard(name)
        rest = [face for position, face in enumerate(left) if position not in taken]
        if rest and len(strangers) == 1:
            got[strangers[0]].append(rest[0])
    return {name: tuple(found) for name, found in got.items()}


def settle_cast(
    characters: Sequence[Character],
    pictured: Mapping[str, Vector],
    shots: Sequence[Shot],
    observed: Mapping[str, Observation],
    backend: FaceBackend,
) -> Cast:
    """Say what each character looks like: from its reference images, else from its shots.

    Parameters
    ----------
    characters : sequence of Character
        The cast list; characters that only the shot list names are added.
    pictured : Mapping of str to ndarray, shape (d,)
        References made from images.
    shots : sequence of Shot
        In cut order.
    observed : Mapping of str to Observation
        By shot id.
    backend : FaceBackend
        Whose distance and limits count.

    Returns
    -------
    cast : Cast
        Without images: of three shots or more the robust centre (shots further than the limit
        are dropped and the centre taken again); of two the first; of one nothing.
    """
    references = dict(pictured)
    why: dict[str, str] = {}
    anchors: dict[str, str] = {}
    images = {c.name: c.reference_images for c in characters}
    named = dict.fromkeys([*images, *(name for shot in shots for name in shot.characters)])
    for name in named:
        if name in pictured:
            continue
        middles = _middles(name, shots, observed, pictured, backend)
        lacks = (
            f"no face is found in the reference images of {name}"
            if images.get(name)
            else f"{name} has no reference image"
        )
        cure = "Add a clear, frontal picture to characters.csv."
        if len(middles) >= CENTROID_SHOTS:
            references[name] = _robust(list(middles.values()), backend)
        elif len(middles) == 2:
            anchors[name] = next(iter(middles))
            references[name] = middles[anchors[name]]
            why[name] = f"{lacks}, and this shot, the first, serves as one. {cure}"
        else:
            why[name] = f"{lacks}, and there is no other shot to compare with. {cure}"
    return Cast(references=references, why=why, anchors=anchors)


def _middles(
    name: str,
    shots: Sequence[Shot],
    observed: Mapping[str, Observation],
    pictured: Mapping[str, Vector],
    backend: FaceBackend,
) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    for shot in shots:
        if name in shot.characters and shot.id in observed:
            faces = assign(observed[shot.id].faces, shot.characters, pictured, backend)[name]
            if faces:
                found[shot.id] = _middle(faces)
    return found


def _robust(vectors: Sequence[Vector], backend: FaceBackend) -> Vector:
    kept = list(vectors)
    centre = np.median(kept, axis=0)
    for _ in range(ROUNDS):
        near = [v for v in vectors if backend.distance(v, centre) <= backend.limits.regenerate]
        if len(near) < 2 or len(near) == len(kept):
            break
        kept = near
        centre = np.median(kept, axis=0)
    return centre


def identify(
    shot: Shot, observed: Observation, cast: Cast, backend: FaceBackend
) -> tuple[tuple[CharacterIdentity, ...], tuple[str, ...]]:
    """Measure how much the listed characters look like themselves in one shot.

    Parameters
    ----------
    shot : Shot
        Who should be seen.
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
    faces = assign(observed.faces, shot.characters, cast.references, backend)
    identities = []
    unknown = []
    for name in shot.characters:
        identities.append(_identity(name, shot, faces[name], cast, backend))
        if identities[-1].id_dist is not None:
            continue
        if faces[name]:
            unknown.append(f"The identity of {name} cannot be judged: {cast.why[name]}")
        else:
            seen = observed.faces_unusable
            what = f"{seen} found are too small or turned away" if seen else "none was found"
            if len(observed.faces) and len(shot.characters) > 1:
                what = "the faces found were nearer to others of the cast, or nobody says whose"
            unknown.append(f"The identity of {name} cannot be judged: no usable face ({what}).")
    return tuple(identities), tuple(unknown)


def _identity(
    name: str, shot: Shot, faces: Sequence[FaceSample], cast: Cast, backend: FaceBackend
) -> CharacterIdentity:
    if not faces:
        return CharacterIdentity(character=name)
    middle = _middle(faces)
    reference = cast.references.get(name)
    if cast.anchors.get(name) == shot.id:
        reference = None
    strays = [backend.distance(_embedding(face), middle) for face in faces]
    dists = (
        [backend.distance(_embedding(face), reference) for face in faces]
        if reference is not None
        else []
    )
    worst = faces[int(np.argmax(dists or strays))]
    others = [
        (backend.distance(middle, vector), other)
        for other, vector in cast.references.items()
        if other != name
    ]
    nearest = min(others, default=None)
    return CharacterIdentity(
        character=name,
        id_dist=None if reference is None else backend.distance(middle, reference),
        id_spread=float(np.percentile(strays, 95)) if len(faces) >= MIN_SPREAD_FACES else None,
        n_faces=len(faces),
        worst_frame=worst.frame,
        worst_box=worst.box,
        face_dists=tuple(dists),
        nearest_other=nearest[1] if nearest else "",
        other_dist=nearest[0] if nearest else None,
        embedding=tuple(middle.tolist()),
    )


def separability(
    cast: Cast, shots: Sequence[Shot], observed: Mapping[str, Observation], backend: FaceBackend
) -> tuple[CastPair, ...]:
    """Say how well each pair of characters can be told apart.

    Parameters
    ----------
    cast : Cast
        What they look like.
    shots : sequence of Shot
        In cut order.
    observed : Mapping of str to Observation
        By shot id.
    backend : FaceBackend
        Whose distance counts.

    Returns
    -------
    pairs : tuple of CastPair
        Every pair with references, in the order of the cast.
    """
    solo: dict[str, list[Vector]] = {name: [] for name in cast.references}
    for shot in shots:
        if len(shot.characters) == 1 and shot.characters[0] in solo and shot.id in observed:
            found = assign(observed[shot.id].faces, shot.characters, cast.references, backend)
            solo[shot.characters[0]] += [_embedding(f) for f in found[shot.characters[0]]]
    pairs = []
    for a, b in itertools.combinations(cast.references, 2):
        first, second = cast.references[a], cast.references[b]
        wrong = [backend.distance(v, second) < backend.distance(v, first) for v in solo[a]]
        wrong += [backend.distance(v, first) < backend.distance(v, second) for v in solo[b]]
        pairs.append(
            CastPair(
                first=a,
                second=b,
                distance=backend.distance(first, second),
                confused_ratio=float(np.mean(wrong)) if wrong else None,
            )
        )
    return tuple(pairs)
