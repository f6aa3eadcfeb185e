"""A whole episode: shots side by side in processes, results kept by content."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.frames import Matrix
from finishkit.measure.cast import Cast, identify, separability, settle_cast
from finishkit.measure.identity import FaceBackend, load_backend, reference_embedding
from finishkit.measure.metrics import METRICS
from finishkit.measure.observe import ALL, FACE, VERSION, observe
from finishkit.measure.values import Measurements, Observation, ShotMeasurement
from finishkit.processes import die_with_parent
from finishkit.shots import Character, Episode, Shot, ShotId
from finishkit.store import digest, sha256_file, write_bytes
from finishkit.values import Value

T = TypeVar("T", bound=Value)
Progress = Callable[[int, int, str], None]
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _Reference(Value):
    """A character's reference embedding as kept in the cache; empty: no face was found."""

    embedding: tuple[float, ...]


def measure(
    episode: Episode,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
    only: Iterable[str] | None = None,
    paths: Mapping[ShotId, Path] | None = None,
    matrices: Mapping[ShotId, Matrix] | None = None,
    backend: str = "dlib",
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
    backend : str
        Face backend, see :func:`finishkit.measure.identity.load_backend`.

    Returns
    -------
    measurements : Measurements

    Raises
    ------
    FinishError
        ``no_such_metric``, ``bad_reference`` when a reference image cannot be read, or, naming the
        shot, ``measure_failed`` or what its file is ill with.
    """
    wanted = _wanted(only)
    pictured = _pictured(episode.characters, backend, cache_dir) if wanted & FACE else {}
    observed = _observe_all(
        [
            _Job(shot.id, (paths or {}).get(shot.id, shot.path), (matrices or {}).get(shot.id))
            for shot in episode
        ],
        wanted,
        backend,
        jobs or len(os.sched_getaffinity(0)),
        progress or (lambda _done, _total, _shot: None),
        cache_dir,
    )
    who = load_backend(backend)
    cast = settle_cast(episode.characters, pictured, episode.shots, observed, who)
    if not wanted & FACE:
        cast = Cast(references={})
    return Measurements(
        episode=episode.name,
        shots=tuple(_measurement(s, observed[s.id], cast, who, wanted) for s in episode),
        backend=backend,
        separability=separability(cast, episode.shots, observed, who),
    )


def measure_shot(
    episode: Episode,
    shot: str,
    *,
    path: Path | None = None,
    cache_dir: Path | None = None,
    only: Iterable[str] | None = None,
    matrix: Matrix | None = None,
    backend: str = "dlib",
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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FinishError(
            f"The reference image {path} cannot be read ({error.strerror}). Correct"
            " characters.csv, or put the picture there.",
            "bad_reference",
        ) from error
    key = digest("reference", VERSION, backend, data)
    if cache_dir and (kept := _kept(cache_dir, key, _Reference)):
        return kept
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if decoded is None:
        raise FinishError(
            f"The reference image {path} is no picture. Save it as JPEG or PNG.", "bad_reference"
        )
    image = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    vector = reference_embedding([image], load_backend(backend))  # type: ignore[list-item]
    reference = _Reference(embedding=() if vector is None else tuple(vector.tolist()))
    if cache_dir:
        _keep(cache_dir, key, reference)
    return reference


def _kept(cache_dir: Path, key: str, kind: type[T]) -> T | None:
    try:
        return kind.model_validate_json((cache_dir / f"{key}.json").read_bytes())
    except (OSError, ValidationError):
        return None  # absent, or of another version: it is measured again


def _keep(cache_dir: Path, key: str, value: Value) -> None:
    write_bytes(cache_dir / f"{key}.json", value.model_dump_json().encode())


def _observe_all(
    work: list[_Job],
    wanted: frozenset[str],
    backend: str,
    jobs: int,
    progress: Progress,
    cache_dir: Path | None,
) -> dict[str, Observation]:
    keys: dict[str, str] = {}
    observed: dict[str, Observation] = {}
    missing: list[_Job] = []
    for job in work:
        if cache_dir:
            keys[job.shot] = _key(job, wanted, backend)
            if kept := _kept(cache_dir, keys[job.shot], Observation):
                observed[job.shot] = kept
                progress(len(observed), len(work), job.shot)
                continue
        missing.append(job)
    for job, observation in _observations(missing, wanted, backend, min(jobs, len(missing))):
        observed[job.shot] = observation
        if cache_dir:
            _keep(cache_dir, keys[job.shot], observation)
        progress(len(observed), len(work), job.shot)
    return observed


def _key(job: _Job, wanted: frozenset[str], backend: str) -> str:
    try:
        source = sha256_file(job.path)
    except OSError as error:
        raise FinishError(
            f"Shot {job.shot}: {job.path} cannot be read ({error.strerror}).", "unreadable"
        ) from error
    return digest("observation", VERSION, source, backend, job.matrix, sorted(wanted))


def _observations(
    work: list[_Job], wanted: frozenset[str], backend: str, jobs: int
) -> Iterator[tuple[_Job, Observation]]:
    if jobs <= 1:
        with _one_thread():
            for job in work:
                yield job, _observed(job, wanted, backend)
        return
    # Spawned, not forked: cv2 and dlib hold locks of threads that a fork would not copy.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_begin_worker) as pool:
        running: dict[Future[Observation], _Job] = {}
        with _one_thread():
            for job in work:
                running[pool.submit(_observed, job, wanted, backend)] = job
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool as error:
            left = ", ".join(j.shot for f, j in running.items() if not f.done() or f.exception())
            raise FinishError(
                f"A measuring process died (out of memory?) on one of: {left}. Measure with fewer"
                " jobs.",
                "measure_failed",
            ) from error
        finally:
            for future in running:
                future.cancel()


def _begin_worker() -> None:
    # A killed batch must not leave its measuring behind.
    die_with_parent()
    cv2.setNumThreads(1)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # Shots run side by side: threads within one would only wait for each other. The variables
    # are read when a spawned process loads its libraries.
    threads = cv2.getNumThreads()
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    cv2.setNumThreads(1)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _observed(job: _Job, wanted: frozenset[str], backend: str) -> Observation:
    try:
        return observe(job.path, backend=backend, matrix=job.matrix, only=wanted)
    except FinishError as error:
        raise FinishError(f"Shot {job.shot}: {error}", error.code) from error
    except Exception as error:
        raise FinishError(
            f"Shot {job.shot} ({job.path}) could not be measured: {type(error).__name__}: {error}.",
            "measure_failed",
        ) from error


def _measurement(
    shot: Shot, observed: Observation, cast: Cast, backend: FaceBackend, wanted: frozenset[str]
) -> ShotMeasurement:
    identities, unknown = identify(shot, observed, cast, backend) if wanted & FACE else ((), ())
    dists = [i.id_dist for i in identities if i.id_dist is not None]
    spreads = [i.id_spread for i in identities if i.id_spread is not None]
    faces = {"id_dist": max(dists, default=None), "id_spread": max(spreads, default=None)}
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
        identities=identities,
        sha256=observed.sha256,
    )
