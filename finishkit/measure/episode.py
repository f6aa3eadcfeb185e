"""A whole episode: shots side by side in processes, results kept by content."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.frames import Matrix
from finishkit.kept import keep, kept
from finishkit.measure.cast import Cast, identify, settle_cast
from finishkit.measure.identity import (
    AUTO,
    FaceBackend,
    choose_backend,
    load_backend,
    reference_embedding,
)
from finishkit.measure.metrics import METRICS
from finishkit.measure.observe import VERSION, observe
from finishkit.measure.one_pass import ALL, FACE
from finishkit.measure.overlap import scene_overlaps
from finishkit.measure.reference import reference_bytes, reference_picture
from finishkit.measure.values import Measurements, Observation, Overlap, ShotMeasurement
from finishkit.measure.workers import Beat, one_thread, side_by_side
from finishkit.shots import Character, Episode, Shot, ShotId
from finishkit.store import digest, sha256_file
from finishkit.values import Value

T = TypeVar("T", bound=Value)
Progress = Callable[[int, int, str], None]
Refuse = Callable[[str, FinishError], None]
"""Told of a shot that could not be measured, and why."""


class _Reference(Value):
    """A character's reference embedding as kept in the cache; empty: no face was found."""

    embedding: tuple[float, ...]


class _Overlaps(Value):
    """The surfaces that shots have in common, as kept in the cache."""

    overlaps: tuple[Overlap, ...]


def measure(
    episode: Episode,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
    only: Iterable[str] | None = None,
    paths: Mapping[ShotId, Path] | None = None,
    matrices: Mapping[ShotId, Matrix] | None = None,
    source_px: Mapping[ShotId, int] | None = None,
    backend: str = AUTO,
    refuse: Refuse | None = None,
) -> Measurements:
    """Measure every shot of an episode.

    Parameters
    ----------
    episode : Episode
        Every shot must be readable to its end; :mod:`finishkit.ingest` finds those that are not.
    jobs : int, optional
        Processes, one shot each; as many as there are cores by default, in this process with 1.
        A script that asks for more must be guarded by ``if __name__ == "__main__"``.
    progress : callable, optional
        Called with shots done, shots in all, and the id of the one just done.
    cache_dir : Path, optional
        Folder that keeps what each clip's pixels say, by the clip's content.
    only : iterable of str, optional
        Names of the metrics wanted; the others are None. All by default.
    paths : Mapping of ShotId to Path, optional
        Measure these files instead of the shots' own (the finished ones, say).
    matrices : Mapping of ShotId to {'bt709', 'bt601'}, optional
        Overrides the files' own, see :func:`finishkit.frames.read_frames`.
    source_px : Mapping of ShotId to int, optional
        Short sides of what finished shots were made from: their sharpness is read at that size.
    backend : str
        Face backend, see :func:`finishkit.measure.identity.choose_backend`.
    refuse : callable, optional
        Called with the id of a shot that cannot be measured and the error; it is then left out and
        the others go on, each in a process of its own also with one job. Without it the first such
        shot ends the measuring.

    Returns
    -------
    measurements : Measurements

    Raises
    ------
    FinishError
        ``no_such_metric``, ``bad_reference`` when a reference image cannot be read, or, naming the
        shot, ``measure_failed``, ``timeout`` or what its file is ill with.
    """
    wanted = _wanted(only)
    # Settled once: workers and the cache must not each find out for themselves.
    backend = choose_backend(backend) if wanted & FACE else "dlib"
    pictured = _pictured(episode.characters, backend, cache_dir) if wanted & FACE else {}
    observed = _observe_all(
        [
            _Job(
                shot.id,
                (paths or {}).get(shot.id, shot.path),
                (matrices or {}).get(shot.id),
                (source_px or {}).get(shot.id),
            )
            for shot in episode
        ],
        wanted,
        backend,
        jobs or len(os.sched_getaffinity(0)),
        progress or (lambda _done, _total, _shot: None),
        cache_dir,
        refuse,
    )
    shots = tuple(shot for shot in episode if shot.id in observed)
    who = load_backend(backend)
    cast = Cast()
    if wanted & FACE:
        cast = settle_cast(episode.characters, pictured, shots, observed, who)
    return Measurements(
        episode=episode.name,
        shots=tuple(_measurement(s, observed[s.id], cast, who, wanted) for s in shots),
        backend=who.name,
        separability=cast.pairs,
        looks=cast.looks,
        overlaps=_overlaps(shots, observed, cache_dir),
    )


def _overlaps(
    shots: Sequence[Shot], observed: Mapping[str, Observation], cache_dir: Path | None
) -> tuple[Overlap, ...]:
    seen = [(shot.id, shot.scene, observed[shot.id].marks) for shot in shots]
    bare = [(i, s, [(m.places, m.descriptors, m.colours) for m in marks]) for i, s, marks in seen]
    key = digest("overlaps", VERSION, bare)
    if len(shots) < 2:
        return ()
    if cache_dir and (found := _kept(cache_dir, key, _Overlaps)):
        return found.overlaps
    overlaps = tuple(
        Overlap(first=a, second=b, difference=d.axes, places=d.places)
        for a, b, d in scene_overlaps(seen)
    )
    if cache_dir:
        _keep(cache_dir, key, _Overlaps(overlaps=overlaps))
    return overlaps


def measure_shot(
    episode: Episode,
    shot: str,
    *,
    path: Path | None = None,
    cache_dir: Path | None = None,
    only: Iterable[str] | None = None,
    matrix: Matrix | None = None,
    backend: str = AUTO,
) -> ShotMeasurement:
    """Measure one shot, in this process.

    Parameters
    ----------
    episode : Episode
        Its cast is what the shot's faces are compared with; characters without reference images
        cannot be judged from one shot.
    shot : str
        Its id.
    path : Path, optional
        Measure this file instead of the shot's own.
    cache_dir : Path, optional
        As for :func:`measure`.
    only : iterable of str, optional
        As for :func:`measure`.
    matrix : {'bt709', 'bt601'}, optional
        Overrides the file's own.
    backend : str
        As for :func:`measure`.

    Returns
    -------
    measurement : ShotMeasurement

    Raises
    ------
    FinishError
        As for :func:`measure`, and ``no_such_shot``.
    """
    one = episode[shot]
    alone = Episode(
        name=episode.name, root=episode.root, shots=(one,), characters=episode.characters
    )
    return measure(
        alone,
        jobs=1,
        cache_dir=cache_dir,
        only=only,
        paths={one.id: path} if path else None,
        matrices={one.id: matrix} if matrix else None,
        backend=backend,
    )[one.id]


@dataclass(frozen=True, slots=True)
class _Job:
    """One clip to observe."""

    shot: str
    path: Path
    matrix: Matrix | None
    source_px: int | None


def _wanted(only: Iterable[str] | None) -> frozenset[str]:
    if only is None:
        return ALL
    asked = frozenset(only)
    if unknown := asked - ALL:
        raise FinishError(
            f"There is no metric {', '.join(sorted(unknown))}. There are:"
            f" {', '.join(m.name for m in METRICS)}.",
            "no_such_metric",
        )
    return asked


def _pictured(
    characters: Iterable[Character], backend: str, cache_dir: Path | None
) -> dict[str, NDArray[np.float64]]:
    pictured = {}
    for character in characters:
        vectors = [_reference(p, backend, cache_dir) for p in character.reference_images]
        found = [np.array(v.embedding) for v in vectors if v.embedding]
        if found:
            pictured[character.name] = np.mean(found, axis=0)
    return pictured


def _reference(path: Path, backend: str, cache_dir: Path | None) -> _Reference:
    data = reference_bytes(path)
    key = digest("reference", VERSION, load_backend(backend).name, data)
    if cache_dir and (found := _kept(cache_dir, key, _Reference)):
        return found
    image = reference_picture(path, data)
    vector = reference_embedding([image], load_backend(backend))
    reference = _Reference(embedding=() if vector is None else tuple(vector.tolist()))
    if cache_dir:
        _keep(cache_dir, key, reference)
    return reference


def _kept(cache_dir: Path, key: str, kind: type[T]) -> T | None:
    data = kept(cache_dir / f"{key}.json")
    try:
        return None if data is None else kind.model_validate_json(data)
    except ValidationError:
        return None  # of another version: it is measured again


def _keep(cache_dir: Path, key: str, value: Value) -> None:
    keep(cache_dir / f"{key}.json", value.model_dump_json().encode())


def _observe_all(
    work: list[_Job],
    wanted: frozenset[str],
    backend: str,
    jobs: int,
    progress: Progress,
    cache_dir: Path | None,
    refuse: Refuse | None,
) -> dict[str, Observation]:
    keys: dict[str, str] = {}
    observed: dict[str, Observation] = {}
    missing: list[_Job] = []
    for job in work:
        if cache_dir:
            keys[job.shot] = _key(job, wanted, backend)
            if found := _kept(cache_dir, keys[job.shot], Observation):
                observed[job.shot] = found
                progress(len(observed), len(work), job.shot)
                continue
        missing.append(job)
    done = len(observed)
    for job, answer in _observations(missing, wanted, backend, jobs, refuse is not None):
        if isinstance(answer, FinishError):
            if refuse is None:
                raise answer
            refuse(job.shot, answer)
        else:
            observed[job.shot] = answer
            if cache_dir:
                _keep(cache_dir, keys[job.shot], answer)
        done += 1
        progress(done, len(work), job.shot)
    return observed


def _key(job: _Job, wanted: frozenset[str], backend: str) -> str:
    try:
        source = sha256_file(job.path)
    except OSError as error:
        raise FinishError(
            f"Shot {job.shot}: {job.path} cannot be read ({error.strerror}).", "unreadable"
        ) from error
    who = load_backend(backend).name
    said = (job.matrix, job.source_px)
    return digest("observation", VERSION, source, who, said, sorted(wanted))


def _observations(
    work: list[_Job], wanted: frozenset[str], backend: str, jobs: int, apart: bool
) -> Iterator[tuple[_Job, Observation | FinishError]]:
    call = functools.partial(_observed, wanted=wanted, backend=backend)
    # Whoever wants to go on without a bad shot must outlive what it does to its process.
    if jobs > 1 or apart:
        yield from side_by_side(work, call, min(jobs, len(work)))
        return
    with one_thread():
        for job in work:
            yield job, call(job, lambda: None)


def _observed(job: _Job, beat: Beat, *, wanted: frozenset[str], backend: str) -> Observation:
    try:
        return observe(
            job.path,
            backend=backend,
            matrix=job.matrix,
            only=wanted,
            source_px=job.source_px,
            beat=beat,
        )
    except FinishError as error:
        raise FinishError(f"Shot {job.shot}: {error}", error.code) from error
    except Exception as error:
        first = (str(error) or "no message").splitlines()[0]
        raise FinishError(
            f"Shot {job.shot} ({job.path}) could not be measured: {type(error).__name__}: {first}.",
            "measure_failed",
        ) from error


def _measurement(
    shot: Shot, observed: Observation, cast: Cast, backend: FaceBackend, wanted: frozenset[str]
) -> ShotMeasurement:
    identities, unknown = identify(shot, observed, cast, backend) if wanted & FACE else ((), ())
    dists = [i.id_dist for i in identities if i.id_dist is not None]
    spreads = [i.id_spread for i in identities if i.id_spread is not None]
    sharp = [i.face_log2_r for i in identities if i.face_log2_r is not None]
    short_px = min(observed.width_px, observed.height_px)
    faces = {
        "id_dist": max(dists, default=None),
        "id_spread": max(spreads, default=None),
        "face_eff_px": 2.0 ** min(sharp) * short_px if sharp else None,
    }
    values = {**observed.values, **{k: v for k, v in faces.items() if k in wanted}}
    return ShotMeasurement(
        shot=shot.id,
        order=shot.order,
        scene=shot.scene,
        width_px=observed.width_px,
        height_px=observed.height_px,
        rate_fps=observed.rate_fps,
        frame_count=observed.frame_count,
        duration_s=observed.duration_s,
        values={metric.name: values.get(metric.name) for metric in METRICS},
        unknown=(*dict.fromkeys(observed.why.values()), *unknown),
        eff_conf=observed.eff_conf,
        static=observed.static,
        inner_cuts=observed.inner_cuts,
        identities=identities,
        sha256=observed.sha256,
    )
