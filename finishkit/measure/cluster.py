"""Putting faces together that look alike: average linkage, and a cast where nobody is listed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from finishkit.measure.identity import FaceBackend
from finishkit.measure.tracks import Track, follow, leads
from finishkit.measure.values import Observation
from finishkit.shots import Shot

Vector = NDArray[np.float64]
GROUP_SHARE: Final = 0.75
"""Share of the backend's limit within which unlisted faces are put together. On ep01 different
actors are 0.79 and more apart on average (dlib; ArcFace 1.18), takes of one generator 0.43 at most.
One face asked of several generators falls into several groups: better than two actors in one."""
MIN_FACES: Final = 3
"""Faces a track needs to found or join a group: a passer-by is no character."""


def group(
    vectors: Sequence[Vector],
    backend: FaceBackend,
    limit: float,
    different: Collection[frozenset[int]] = (),
) -> tuple[tuple[int, ...], ...]:
    """Put vectors together whose average distance stays within a limit.

    Parameters
    ----------
    vectors : sequence of ndarray, shape (d,)
        Faces.
    backend : FaceBackend
        Whose distance counts.
    limit : float
        Largest average distance between the members of two groups that are joined.
    different : collection of frozenset of int
        Pairs that are known to be two people.

    Returns
    -------
    groups : tuple of tuple of int
        Positions in ``vectors``, rising; largest group first, then by first member.
    """
    count = len(vectors)
    apart = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            apart[i, j] = apart[j, i] = backend.distance(vectors[i], vectors[j])
    for pair in different:
        i, j = pair
        apart[i, j] = apart[j, i] = np.inf
    groups = [[i] for i in range(count)]
    means = apart.copy()
    np.fill_diagonal(means, np.inf)
    while len(groups) > 1:
        a, b = sorted(divmod(int(means.argmin()), len(groups)))
        if means[a, b] > limit:
            break
        m, n = len(groups[a]), len(groups[b])
        joined = (m * means[a] + n * means[b]) / (m + n)
        means[a], means[:, a], means[a, a] = joined, joined, np.inf
        groups[a] += groups.pop(b)
        means = np.delete(np.delete(means, b, axis=0), b, axis=1)
    return tuple(sorted((tuple(sorted(g)) for g in groups), key=lambda g: (-len(g), g[0])))


def unlisted_cast(
    shots: Sequence[Shot], observed: Mapping[str, Observation], backend: FaceBackend
) -> tuple[dict[str, tuple[str, ...]], dict[str, Vector]]:
    """Say who seems to be seen in each shot, where nobody is listed.

    Parameters
    ----------
    shots : sequence of Shot
        In cut order.
    observed : Mapping of str to Observation
        By shot id.
    backend : FaceBackend
        Whose distance and limits count.

    Returns
    -------
    seen : dict of str to tuple of str
        By shot id: ``person 1``, ``person 2`` ... by time on screen. Only faces of the foreground
        that return in a second shot: one seen once has nothing to be compared with.
    centres : dict of str to ndarray, shape (d,)
        Mean face by name.
    """
    tracks: list[tuple[Shot, Track]] = []
    for shot in shots:
        front = leads(follow(observed[shot.id].faces, backend)) if shot.id in observed else ()
        tracks += [(shot, track) for track in front if len(track.faces) >= MIN_FACES]
    different = {
        frozenset((i, j))
        for i, (here, one) in enumerate(tracks)
        for j, (there, other) in enumerate(tracks[:i])
        if here is there and one.meets(other)
    }
    limit = GROUP_SHARE * backend.limits.regenerate
    found = group([track.middle for _, track in tracks], backend, limit, different)
    people = [g for g in found if len({tracks[i][0].id for i in g}) > 1]

    def on_screen_s(members: Sequence[int]) -> float:
        return sum(observed[tracks[i][0].id].duration_s * len(tracks[i][1].faces) for i in members)

    people.sort(key=lambda g: (-on_screen_s(g), g[0]))
    seen: dict[str, list[str]] = {shot.id: [] for shot in shots}
    centres: dict[str, Vector] = {}
    for number, members in enumerate(people, start=1):
        centres[f"person {number}"] = np.mean([tracks[i][1].middle for i in members], axis=0)
        for shot_id in dict.fromkeys(tracks[i][0].id for i in members):
            seen[shot_id].append(f"person {number}")
    return {shot_id: tuple(names) for shot_id, names in seen.items()}, centres
