"""The verbs of an episode: measure it, finish it, measure it again, report."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finishkit.assembly import MASTER
from finishkit.disk import require_open_files
from finishkit.engines import Engine, open_engine
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.events import begin_events
from finishkit.finishing import EpisodeRun
from finishkit.flags import load_flags
from finishkit.frames import probe
from finishkit.ingest import Ingest
from finishkit.measure.identity import AUTO, choose_backend
from finishkit.measured import checked_shots, good_shots, measured_shots
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
        forget_pause(folder)
        checked = checked_shots(episode, store, jobs, say)
        failed: dict[str, FinishError] = {}
        good = good_shots(episode, checked)
        raw = measured_shots(good, store, jobs, say, "measure", backend, failed)
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
        forget_pause(store.root)
        good = good_shots(episode, checked_shots(episode, store, jobs, say))
        return judge(measured_shots(good, store, jobs, say, "measure", backend, {}))


def finish_episode(
    episode: Episode,
    template: Template,
    out: Path,
    *,
    jobs: int | None = None,
    redo: Sequence[str] = (),
    engine: str | Engine = "local",
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
    engine : str or Engine, optional
        Where to work, see :func:`finishkit.engines.open_engine`; this machine by default. An
        engine that is handed in stays open.
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
    require_open_files()
    folder = _outside_sources(episode, out)
    for shot in redo:
        _ = episode[shot]
    backend = choose_backend(faces, licence=template.licence)
    store = Store(folder)
    with store.locked(), contextlib.closing(JsonLines(begin_events(folder))) as events:
        forget_pause(folder)
        say = Progress(events, *(progress.sinks if progress else ()))
        say("begin", facts=run_facts(episode.name, len(episode), template))
        own = None
        try:
            if isinstance(engine, str):
                engine = own = open_engine(engine, jobs, lambda: pause_requested(folder))
            report = _finished(
                EpisodeRun(
                    episode=episode,
                    template=template,
                    store=store,
                    engine=engine,
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
            with contextlib.suppress(FinishError):  # on a full disk not even this can be said
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
    checked = checked_shots(episode, store, jobs, say)
    stop_when_paused(store.root)
    failed: dict[str, FinishError] = {}
    raw = measured_shots(
        good_shots(episode, checked), store, jobs, say, "measure", run.backend, failed
    )
    stop_when_paused(store.root)
    for shot in episode:
        if shot.id in failed:
            run.quarantine(shot.id, failed[shot.id])
        elif not checked[shot.id].ok:
            run.quarantine(shot.id, FinishError(checked[shot.id].text, checked[shot.id].code))
    good = good_shots(episode, checked, failed)
    verdict = judge(raw, template.limits)
    plan = make_plan(episode.name, [s.id for s in good], template)
    files = run.run(plan, good, checked, raw, verdict)
    stop_when_paused(store.root)
    finished = None
    if files:
        kept = tuple(s for s in good if s.id in files)
        done = Episode(name=good.name, root=good.root, shots=kept, characters=good.characters)
        finished = measured_shots(
            done, store, jobs, say, "measure again", run.backend, None, files, raw
        )
        run.recheck(files)
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
    # As recorded: a file that was lost meanwhile has none, and its shot is set aside already.
    shown = {f"finished {s}": store.entry(str(p.relative_to(store.root))).sha256
             for s, p in files.items()}  # fmt: skip
    key = report_key(report, {**_pictured(episode, checked), **shown})
    if not stands(store.root, key):
        _write(report, episode, store.root, files, say)
        record(store.root, key)
    store.end()
    return report


def _master(store: Store) -> Master:
    entry, path = store.entry(MASTER), store.path(MASTER)
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
        text=text or checked.note,
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
    states = Store(folder).manifest().shots
    dangerous = {shot for shot, how in states.items() if how.code in ("killed", "timeout")}
    write_report(
        report,
        folder,
        # What has killed or stopped a process of its own is not opened in this one.
        sources={s.id: s.path for s in episode if s.id not in dangerous},
        finished_files=finished,
        references={c.name: c.reference_images for c in episode.characters},
        progress=say.counter("report"),
    )
