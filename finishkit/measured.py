"""What a run knows of its shots before and after: checked, then measured, pausing between two."""

from collections.abc import Collection, Mapping
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.ingest import Ingest, ingest
from finishkit.measure import Measurements, measure
from finishkit.pause import pausing_between
from finishkit.progress import Progress
from finishkit.shots import Episode, ShotId
from finishkit.store import Store


def checked_shots(
    episode: Episode, store: Store, jobs: int | None, say: Progress
) -> dict[ShotId, Ingest]:
    """Check every clip of an episode; what was found lies in the store's folder.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    store : Store
        Held by the run.
    jobs : int or None
        Clips at a time.
    say : Progress
        Told of every shot.

    Raises
    ------
    Paused
        Between two clips.
    """
    return ingest(
        episode,
        jobs=jobs,
        progress=pausing_between(store.root, say.counter("check")),
        cache_dir=store.path("work/ingest"),
    )


def good_shots(
    episode: Episode, checked: Mapping[ShotId, Ingest], failed: Collection[str] = ()
) -> Episode:
    """Return the episode without the shots that cannot be used.

    Parameters
    ----------
    episode : Episode
        All of it.
    checked : Mapping of ShotId to Ingest
        From :func:`checked_shots`.
    failed : collection of str, optional
        Shots that could not be measured.

    Raises
    ------
    FinishError
        ``no_good_shot``.
    """
    shots = tuple(s for s in episode if checked[s.id].ok and s.id not in failed)
    if not shots:
        first = next(iter(checked.values()))
        raise FinishError(
            f"Not one shot of {episode.name} can be used. The first: {first.text}", "no_good_shot"
        )
    return Episode(name=episode.name, root=episode.root, shots=shots, characters=episode.characters)


def measured_shots(
    episode: Episode,
    store: Store,
    jobs: int | None,
    say: Progress,
    stage: str,
    backend: str,
    failed: dict[str, FinishError] | None,
    paths: Mapping[ShotId, Path] | None = None,
    raw: Measurements | None = None,
) -> Measurements:
    """Measure what can be; what was found lies in the store's folder.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    store : Store
        Held by the run.
    jobs : int or None
        Shots at a time.
    say : Progress
        Told of every shot.
    stage : str
        Its name for the progress.
    backend : str
        What finds and compares faces.
    failed : dict of str to FinishError, or None
        Shots that cannot be measured are put here; without it they raise.
    paths : Mapping of ShotId to Path, optional
        The finished files, instead of the sources.
    raw : Measurements, optional
        Of the sources, when finished files are measured.

    Raises
    ------
    Paused
        Between two shots.
    """
    sources = raw.shots if raw else ()
    measured = measure(
        episode,
        jobs=jobs,
        progress=pausing_between(store.root, say.counter(stage)),
        cache_dir=store.path("work/measure"),
        paths=paths,
        source_px={ShotId(s.shot): min(s.width_px, s.height_px) for s in sources},
        backend=backend,
        refuse=None if failed is None else failed.__setitem__,
    )
    if failed and not measured.shots:
        raise FinishError(
            f"Not one shot of {episode.name} can be measured. {next(iter(failed.values()))}",
            "no_good_shot",
        )
    return measured
