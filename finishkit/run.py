"""The verbs of an episode: measure it, finish it, measure it again, report."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finishkit.engines import Engine
from finishkit.engines.local import LocalEngine
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.finishing import EpisodeRun
from finishkit.flags import load_flags
from finishkit.frames import probe
from finishkit.ingest import Ingest, ingest
from finishkit.measure import Measurements, measure
from finishkit.measure.identity import AUTO, choose_backend
from finishkit.pause import (
    Paused,
    forget_pause,
    pause_requested,
    paused_error,
    stop_when_paused,
)
from finishkit.plan import make_plan
from finishkit.progress import JsonLines, Progress
from finishkit.report import Report, build_report, write_report
from finishkit.report.model import Master, ShotOutcome
from finishkit.report.standing import record, report_key, stands
from finishkit.shots import Episode, Shot, ShotId
from finishkit.store import Store, sha256_file
from finishkit.template import Template
from finishkit.verdict import Verdict, judge
from finishkit.watch import run_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Where a run's results lie.

    Attributes
    ----------
    folder : Path
    report : Report
    exit_code : int
        0 all finished; 3 finished, but some shots quarantined or to regenerate; 1 not finished.
    """

    folder: Path
    report: Report
    exit_code: int


def measure_episode(
    episode: Episode,
    out: Path,
    *,
    jobs: int | None = None,
    faces: str = AUTO,
    progress: Progress | None = None,
) -> Finished:
    """Measure and judge an episode, and write its report.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    out : Path
        Its results go to ``out/<episode>``.
    jobs : int, optional
        Worker processes.
    faces : str, optional
        Face backend, see :func:`finishkit.measure.identity.choose_backend`.
    progress : Progress, optional
        Told of every stage and shot.

    Returns
    -------
    finished : Finished
        Exit code 3 when shots were quarantined or must be generated again.
    """
    say = progress or Progress()
    folder = _outside_sources(episode, out)
    backend = choose_backend(faces)
    store = Store(folder)
    with store.locked():
        checked = _checked(episode, store, jobs, say)
        failed: dict[str, FinishError] = {}
        good = _good(episode, checked)
        raw = _measured(good, store, jobs, say, "measure", backend, failed)
        report = build_report(
            episode=episode,
            raw=raw,
            verdict=judge(raw),
            outcomes=[_outcome(s, checked[s.id], failed.get(s.id)) for s in episode],
            flags=load_flags(folder),
            template_name=None,
            template_sha256=None,
            environment=environment(),
        )
        key = report_key(report, _pictured(episode, checked))
        if not stands(folder, key):
            _write(report, episode, folder, {}, say)
            record(folder, key)
    return Finished(folder=folder, report=report, exit_code=_report_code(report))


def measured_verdict(
    episode: Episode,
    out: Path,
    *,
    jobs: int | None = None,
    faces: str = AUTO,
    progress: Progress | None = None,
) -> Verdict:
    """Measure and judge an episode without a report; what was measured stays in the cache.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    out : Path
        As for :func:`measure_episode`.
    jobs : int, optional
        Worker processes.
    faces : str, optional
        As for :func:`measure_episode`.
    progress : Progress, optional
        Told of every stage and shot.

    Returns
    -------
    verdict : Verdict
        ``verdict.hero`` is the shot to tune a template on.
    """
    say = progress or Progress()
    backend = choose_backend(faces)
    store = Store(_outside_sources(episode, out))
    with store.locked():
        good = _good(episode, _checked(episode, store, jobs, say))
        return judge(_measured(good, store, jobs, say, "measure", backend, {}))


def finish_episode(
    episode: Episode,
    template: Template,
    out: Path,
    *,
    jobs: int | None = None,
    redo: Sequence[str] = (),
    engine: Engine | None = None,
    faces: str = AUTO,
    progress: Progress | None = None,
) -> Finished:
    """Finish an episode with one locked template, measure it again, and report.

    Whatever stands from an earlier run, made from the same bytes with the same settings, is used
    and not made again; a run that was killed is resumed by calling this once more.

    Parameters
    ----------
    episode : Episode
        Its sources are only read.
    template : Template
        Locked: the same settings for every shot.
    out : Path
        Its results go to ``out/<episode>``.
    jobs : int, optional
        Worker processes; the number of processors by default.
    redo : sequence of str, optional
        Shots to make anew.
    engine : Engine, optional
        Where to work; this machine by default.
    faces : str, optional
        As for :func:`measure_episode`; refused when the template's licence does not allow it.
    progress : Progress, optional
        Told of every stage and shot.

    Returns
    -------
    finished : Finished

    Raises
    ------
    Paused
        When somebody asked for it (:func:`finishkit.pause.request_pause`): the shots under way were
        finished, and calling this once more goes on.
    FinishError
        When nothing can be finished, the folder is in use, the disk is full, or the template's
        licence does not allow the face backend.
    """
    folder = _outside_sources(episode, out)
    for shot in redo:
        _ = episode[shot]
    backend = choose_backend(faces, licence=template.licence)
    store = Store(folder)
    with store.locked():
        forget_pause(folder)
        say = Progress(JsonLines(folder / "events.jsonl"), *(progress.sinks if progress else ()))
        say("begin", facts=run_facts(episode.name, len(episode), template))
        own = LocalEngine(jobs, lambda: pause_requested(folder)) if engine is None else None
        try:
            report = _finished(
                EpisodeRun(
                    episode=episode,
                    template=template,
                    store=store,
                    engine=engine or own,  # type: ignore[arg-type]
                    redo=frozenset(redo),
                    backend=backend,
                    say=say,
                ),
                jobs,
            )
        except Paused:
            paused = paused_error(store)
            say("paused", text=str(paused))
            raise paused from None
        except Exception as error:
            say("error", text=str(error) or type(error).__name__)
            raise
        finally:
            if own is not None:
                own.close()
        code = store.manifest().exit_code
        said = f"{episode.name}: {'finished' if code in (0, 3) else 'not finished'}"
        say("end", text=said, facts={"exit_code": code})
    return Finished(folder=folder, report=report, exit_code=code)


def _finished(run: EpisodeRun, jobs: int | None) -> Report:
    episode, template, store, say = run.episode, run.template, run.store, run.say
    store.plan(episode.name, tuple(s.id for s in episode))
    checked = _checked(episode, store, jobs, say)
    stop_when_paused(store.root)
    failed: dict[str, FinishError] = {}
    raw = _measured(_good(episode, checked), store, jobs, say, "measure", run.backend, failed)
    stop_when_paused(store.root)
    for shot in episode:
        if shot.id in failed:
            run.quarantine(shot.id, failed[shot.id])
        elif not checked[shot.id].ok:
            run.quarantine(shot.id, FinishError(checked[shot.id].text, checked[shot.id].code))
    good = _good(episode, checked, failed)
    verdict = judge(raw, template.limits)
    plan = make_plan(episode.name, [s.id for s in good], template)
    files = run.run(plan, good, checked, raw, verdict)
    stop_when_paused(store.root)
    finished = None
    if files:
        kept = tuple(s for s in good if s.id in files)
        done = Episode(name=good.name, root=good.root, shots=kept, characters=good.characters)
        finished = _measured(done, store, jobs, say, "measure again", run.backend, None, files, raw)
    report = build_report(
        episode=episode,
        raw=raw,
        verdict=verdict,
        finished=finished,
        finished_verdict=(
            judge(finished, template.limits, baseline=raw) if finished is not None else None
        ),
        template_name=template.genre,
        template_sha256=template.sha256,
        outcomes=[run.outcome(s, files) for s in episode],
        flags=load_flags(store.root),
        environment=run.environment,
        limits=template.limits,
        weights=template.weights,
        max_identity_shift=template.faces.max_identity_shift,
        throughput_shots_per_h=run.throughput_shots_per_h,
        master=_master(store) if files else None,
    )
    for shot in report.shots:
        if shot.state == "finished" and shot.action == "regenerate":
            store.mark(shot.shot, "finished", "regenerate", shot.reasons[0].text)
    _write(report, episode, store.root, files, say)
    return report


def _master(store: Store) -> Master:
    entry, path = store.manifest().entries["master.mp4"], store.path("master.mp4")
    seen = probe(path)
    return Master(
        file=path.name,
        width_px=seen.width_px,
        height_px=seen.height_px,
        rate_fps=float(seen.rate_fps),
        duration_s=seen.duration_s,
        sha256=entry.sha256,
    )


def _outside_sources(episode: Episode, out: Path) -> Path:
    folder = (out / episode.name).resolve()
    if folder == episode.root or folder in episode.root.parents:
        raise FinishError(
            f"--out {out} would write over the sources in {episode.root}. Choose another folder.",
            "out_in_sources",
        )
    return folder


def _checked(
    episode: Episode, store: Store, jobs: int | None, say: Progress
) -> dict[ShotId, Ingest]:
    return ingest(
        episode,
        jobs=jobs,
        progress=say.counter("check"),
        cache_dir=store.path("work/ingest"),
    )


def _good(
    episode: Episode, checked: Mapping[ShotId, Ingest], failed: Collection[str] = ()
) -> Episode:
    shots = tuple(s for s in episode if checked[s.id].ok and s.id not in failed)
    if not shots:
        first = next(iter(checked.values()))
        raise FinishError(
            f"Not one shot of {episode.name} can be used. The first: {first.text}", "no_good_shot"
        )
    return Episode(name=episode.name, root=episode.root, shots=shots, characters=episode.characters)


def _measured(
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
    """Measure what can be; shots that cannot be are put into ``failed``, or raise without it."""
    sources = raw.shots if raw else ()
    measured = measure(
        episode,
        jobs=jobs,
        progress=say.counter(stage),
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


def _pictured(episode: Episode, checked: Mapping[ShotId, Ingest]) -> dict[str, str]:
    stills = {str(p): p for c in episode.characters for p in c.reference_images}
    return {
        **{s.id: f"{s.path} {checked[s.id].sha256}" for s in episode},
        **{name: sha256_file(path) for name, path in stills.items() if path.is_file()},
    }


def _outcome(shot: Shot, checked: Ingest, failed: FinishError | None) -> ShotOutcome:
    code, text = (failed.code, str(failed)) if failed else (checked.code, checked.text)
    return ShotOutcome(
        shot=shot.id,
        file=shot.path.name,
        state="quarantined" if code else "measured",
        code=code,
        text=text,
    )


def _report_code(report: Report) -> int:
    trouble = any(s.state == "quarantined" or s.action == "regenerate" for s in report.shots)
    return 3 if trouble else 0


def _write(
    report: Report,
    episode: Episode,
    folder: Path,
    finished: Mapping[ShotId, Path],
    say: Progress,
) -> None:
    write_report(
        report,
        folder,
        sources={s.id: s.path for s in episode},
        finished_files=finished,
        references={c.name: c.reference_images for c in episode.characters},
        progress=say.counter("report"),
    )
