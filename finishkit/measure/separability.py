"""Limits from the cast itself: how far its own shots scatter, and how near the others come."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from finishkit.measure.gallery import Gallery, Vector
from finishkit.measure.identity import FaceBackend
from finishkit.measure.values import CastPair

OWN_SHOTS: Final = 3
"""Shots from which a character's own spread says something."""
SPREAD_Z: Final = 3.5
"""Robust standard deviations of its own shots within which a face is still the character's."""
SCALE_FLOOR: Final = 0.08
"""Smallest spread from shot to shot, in limits of the backend: 0.04 for dlib, as in facts 6. A few
takes of one generator scatter less, and the next generator's will not."""
SEPARABLE: Final = 3.0
"""d' from which a pair is told apart: a shot half-way is then 1.5 deviations from either, and 93 %
of all shots are named right."""
CONFUSED: Final = 0.1
"""Share of single faces nearer to the other from which a pair is not told apart, whatever the
medians of whole shots say."""


def character_limit(own: Sequence[float], others: Sequence[float], backend: FaceBackend) -> float:
    """Return the distance from which a face is somebody else's.

    Parameters
    ----------
    own : sequence of float
        Distances of the character's shots to its standard.
    others : sequence of float
        Distances of the other characters' shots to the same standard.
    backend : FaceBackend
        Whose limits bound it.

    Returns
    -------
    limit : float
        Half-way between the outermost own shot to be expected (median + 3.5 robust deviations) and
        the nearest shot of another character, where there is room between them; never above the
        backend's own limit, and never more than its margin below: a tight spread may only say that
        all takes came from one generator. The backend's limit where own shots and others overlap,
        or fewer than three shots say how far own shots go.
    """
    ceiling = backend.limits.regenerate
    if len(own) < OWN_SHOTS or not others:
        return ceiling
    usual, scale = _robust(own, backend)
    outermost, nearest = usual + SPREAD_Z * scale, min(others)
    if outermost >= nearest:
        return ceiling
    return float(np.clip((outermost + nearest) / 2, ceiling - backend.limits.margin, ceiling))


def _robust(values: Sequence[float], backend: FaceBackend) -> tuple[float, float]:
    centre = float(np.median(values))
    mad = 1.4826 * float(np.median(np.abs(np.array(values) - centre)))
    return centre, max(mad, SCALE_FLOOR * backend.limits.regenerate)


def cast_pairs(
    galleries: Mapping[str, Gallery],
    shots: Mapping[str, Mapping[str, Vector]],
    faces: Mapping[str, Sequence[Vector]],
    backend: FaceBackend,
) -> tuple[CastPair, ...]:
    """Say how well each pair of characters can be told apart.

    Parameters
    ----------
    galleries : Mapping of str to Gallery
        By character, in the order of the cast.
    shots : Mapping of str to Mapping of str to ndarray, shape (d,)
        Middle face of every shot that may show the character: by character, then by shot id.
    faces : Mapping of str to sequence of ndarray, shape (d,)
        Faces of those of the shots that list only this character.
    backend : FaceBackend
        Whose distance counts.

    Returns
    -------
    pairs : tuple of CastPair
        Every pair of characters that have something to compare with.
    """
    usual = _usual_of_cast(galleries, shots, backend)
    known = [name for name, gallery in galleries.items() if gallery.known]
    pairs = []
    for first, second in itertools.combinations(known, 2):
        a, b = galleries[first].centre(), galleries[second].centre()
        if a is None or b is None:
            continue
        wrong = [backend.distance(v, b) < backend.distance(v, a) for v in faces.get(first, ())]
        wrong += [backend.distance(v, a) < backend.distance(v, b) for v in faces.get(second, ())]
        confused = float(np.mean(wrong)) if wrong else 0.0
        one = _leads(galleries[first], galleries[second], shots.get(first, {}), backend)
        two = _leads(galleries[second], galleries[first], shots.get(second, {}), backend)
        apart = backend.distance(a, b)
        # Without two shots a character's own scatter is taken to be the cast's.
        first_lead = float(np.median(one)) if len(one) > 1 else apart - usual
        second_lead = float(np.median(two)) if len(two) > 1 else apart - usual
        scale = _pooled(one, two, backend)
        d_prime = (first_lead + second_lead) / scale
        pairs.append(
            CastPair(
                first=first,
                second=second,
                distance=backend.distance(
                    _standard(galleries[first]), _standard(galleries[second])
                ),
                confused_ratio=confused if wrong else None,
                first_lead=first_lead,
                second_lead=second_lead,
                scale=scale,
                d_prime=d_prime,
                separable=d_prime >= SEPARABLE and confused <= CONFUSED,
            )
        )
    return tuple(pairs)


def _standard(gallery: Gallery) -> Vector:
    standard = gallery.standard()
    assert standard is not None  # only of galleries that are known
    return standard


def _usual_of_cast(
    galleries: Mapping[str, Gallery],
    shots: Mapping[str, Mapping[str, Vector]],
    backend: FaceBackend,
) -> float:
    """Return how far a shot of this cast is from its own centre; half the limit if none says."""
    own = [
        backend.distance(vector, centre)
        for name, gallery in galleries.items()
        for shot, vector in shots.get(name, {}).items()
        if (centre := gallery.centre(shot)) is not None
    ]
    return float(np.median(own)) if len(own) >= OWN_SHOTS else backend.limits.regenerate / 2


def _leads(
    own: Gallery, other: Gallery, shots: Mapping[str, Vector], backend: FaceBackend
) -> list[float]:
    """Return for each shot of one character how much nearer its own centre is."""
    far = other.centre()
    if far is None:
        return []
    return [
        backend.distance(vector, far) - backend.distance(vector, near)
        for shot, vector in shots.items()
        if (near := own.centre(shot)) is not None
    ]


def _pooled(one: Sequence[float], two: Sequence[float], backend: FaceBackend) -> float:
    residuals = np.array(
        [lead - np.median(group) for group in (one, two) if len(group) > 1 for lead in group]
    )
    floor = SCALE_FLOOR * backend.limits.regenerate
    if len(residuals) < OWN_SHOTS:
        return floor
    return max(float(np.sqrt(np.mean(residuals**2))), floor)
