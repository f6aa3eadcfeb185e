"""Which faces of a shot are one person, and whose they are: by embedding and position."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from finishkit.measure.identity import FaceBackend
from finishkit.measure.values import FaceSample

Vector = NDArray[np.float64]
MAX_LINK: Final = 1.5
"""Largest cost of being one person in two frames: distance in limits, plus up to a half for moving.
A face that turns or changes in its place stays under it (at most 1.3 in ep01); different people
are 1.65 apart on average in dlib's space (facts 4)."""
LEAD_SIDE: Final = 0.5
"""A face of less than this share of the largest is in the background."""
_FORBIDDEN: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The faces of one person in one shot.

    Attributes
    ----------
    faces : tuple of FaceSample
        In frame order, at most one a frame.
    """

    faces: tuple[FaceSample, ...]

    @property
    def middle(self) -> Vector:
        """Median embedding, shape (d,)."""
        return middle(self.faces)

    @property
    def side_px(self) -> float:
        """Median shorter side of the boxes."""
        return float(np.median([_side(face) for face in self.faces]))

    @property
    def presence(self) -> float:
        """Area on the screen, summed over the frames."""
        return sum(_side(face) ** 2 for face in self.faces)

    def meets(self, other: "Track") -> bool:
        """Return whether both are seen in one frame: then they are two people."""
        return bool({f.frame for f in self.faces} & {f.frame for f in other.faces})


def embedding(face: FaceSample) -> Vector:
    """Return the embedding of a face, shape (d,)."""
    return np.array(face.embedding, np.float64)


def middle(faces: Sequence[FaceSample]) -> Vector:
    """Return the median embedding of some faces, shape (d,)."""
    return np.median([embedding(face) for face in faces], axis=0)


def _side(face: FaceSample) -> float:
    left, top, right, bottom = face.box
    return min(right - left, bottom - top)


def _moved(a: FaceSample, b: FaceSample) -> float:
    """Return how far a face moved, in its own sides."""
    ax, ay = (a.box[0] + a.box[2]) / 2, (a.box[1] + a.box[3]) / 2
    bx, by = (b.box[0] + b.box[2]) / 2, (b.box[1] + b.box[3]) / 2
    return float(np.hypot(ax - bx, ay - by)) / max(1.0, (_side(a) + _side(b)) / 2)


def follow(faces: Sequence[FaceSample], backend: FaceBackend) -> tuple[Track, ...]:
    """Join the faces of a shot into tracks.

    Parameters
    ----------
    faces : sequence of FaceSample
        In frame order.
    backend : FaceBackend
        Whose distance and limits count.

    Returns
    -------
    tracks : tuple of Track
        Most present first. In each frame faces and tracks are matched at the least total cost
        (Hungarian), a cost being the distance of the embeddings in limits plus the way moved.
    """
    open_tracks: list[list[FaceSample]] = []
    for _, group in itertools.groupby(faces, key=lambda face: face.frame):
        found = list(group)
        taken: set[int] = set()
        if open_tracks:
            cost = np.array(
                [[_link_cost(track, face, backend) for face in found] for track in open_tracks]
            )
            for row, column in _matched(cost, MAX_LINK):
                open_tracks[row].append(found[column])
                taken.add(column)
        open_tracks += [[face] for i, face in enumerate(found) if i not in taken]
    tracks = [Track(faces=tuple(track)) for track in open_tracks]
    return tuple(sorted(tracks, key=lambda t: (-t.presence, t.faces[0].frame)))


def _link_cost(track: Sequence[FaceSample], face: FaceSample, backend: FaceBackend) -> float:
    # To the last face and to the middle: one strange frame must not break a track in two.
    apart = min(
        backend.distance(embedding(track[-1]), embedding(face)),
        backend.distance(middle(track), embedding(face)),
    )
    return apart / backend.limits.regenerate + min(0.5, _moved(track[-1], face) / 4)


def _matched(cost: NDArray[np.float64], largest: float) -> list[tuple[int, int]]:
    if not cost.size:
        return []
    rows, columns = linear_sum_assignment(np.where(cost <= largest, cost, _FORBIDDEN))
    return [
        (r, c)
        for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        if cost[r, c] <= largest
    ]


def leads(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Return the tracks that are not in the background.

    Parameters
    ----------
    tracks : sequence of Track
        Of one shot.

    Returns
    -------
    leads : tuple of Track
        Those with faces at least half as large as the largest, in the order given.
    """
    largest = max((track.side_px for track in tracks), default=0.0)
    return tuple(track for track in tracks if track.side_px >= LEAD_SIDE * largest)


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
        Whose distance and limits count.

    Returns
    -------
    assigned : dict of str to tuple of FaceSample
        An entry a listed character, in frame order, at most one face a frame.

    Notes
    -----
    First every character whose reference is known gets the track within the limit, at the least
    total distance; in the background only beyond doubt. Those left over share the other tracks of
    the foreground: a single one gets
    the most present (her face may be another's: that is what is to be found out); several that
    are known share by distance; with a stranger among several nobody says who is who, and they
    get none. A track that is never seen together with the character's own then joins it.
    """
    tracks = list(follow(faces, backend))
    front = leads(tracks)
    got: dict[str, list[Track]] = {name: [] for name in characters}
    limits = backend.limits
    for among, largest in (
        (front, limits.regenerate),
        (tracks, limits.regenerate - limits.margin),  # in the background only beyond doubt
    ):
        used = [track for own in got.values() for track in own]
        known = [name for name, own in got.items() if not own and name in references]
        _share(got, known, [t for t in among if t not in used], references, backend, largest)
    missing = [name for name, own in got.items() if not own]
    used = [track for own in got.values() for track in own]
    left = [track for track in front if track not in used]
    if len(missing) == 1 and left:
        got[missing[0]].append(left[0])
    elif all(name in references for name in missing):
        _share(got, missing, left, references, backend, np.inf)
    _join(got, front, references, backend)
    return {
        name: tuple(sorted((f for t in own for f in t.faces), key=lambda face: face.frame))
        for name, own in got.items()
    }


def _share(
    got: dict[str, list[Track]],
    names: Sequence[str],
    tracks: Sequence[Track],
    references: Mapping[str, Vector],
    backend: FaceBackend,
    largest: float,
) -> None:
    if not names or not tracks:
        return
    cost = np.array(
        [[backend.distance(track.middle, references[name]) for track in tracks] for name in names]
    )
    for row, column in _matched(cost, min(largest, _FORBIDDEN / 2)):
        got[names[row]].append(tracks[column])


def _join(
    got: dict[str, list[Track]],
    front: Sequence[Track],
    references: Mapping[str, Vector],
    backend: FaceBackend,
) -> None:
    """Give tracks that nobody has to the one character they may continue."""
    for track in front:
        if any(track in own for own in got.values()):
            continue
        free = [
            name
            for name, own in got.items()
            if own
            and not any(track.meets(other) for other in own)
            and track.side_px >= LEAD_SIDE * own[0].side_px
        ]
        if len(got) > 1:
            # With others listed it may be one of them, lost for a while: only the like is joined.
            near = backend.limits.regenerate
            free = [
                name
                for name in free
                if backend.distance(track.middle, references.get(name, got[name][0].middle)) <= near
            ]
        if len(free) == 1:
            got[free[0]].append(track)
