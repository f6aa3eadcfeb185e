"""Before a night is spent: how long it will take, what it needs, and under which licences."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from finishkit.disk import free_bytes
from finishkit.engines.local import LocalEngine
from finishkit.errors import FinishError
from finishkit.frames import master_encoding, read_frames, write_frames
from finishkit.ingest import check_clip, indices
from finishkit.measure.identity import AUTO
from finishkit.models import require_licence
from finishkit.plan import PASSES, make_plan
from finishkit.progress import Event, Progress
from finishkit.run import finish_episode
from finishkit.run_params import RunParams, refuse_what_cannot_run
from finishkit.shots import Episode, Shot, open_episode
from finishkit.stages.nets import nets_in
from finishkit.store import Store
from finishkit.template import Look, Template, load_template
from finishkit.values import Value

TRIAL_FRAMES, TRIAL_SHOTS = 8, 3
"""A few frames of a few shots of one scene: the work of a frame does not depend on how many follow,
and a scene is what sharpness and grade are fitted on."""
SLOWER = 1.4
"""So much longer than the sum divided by the workers it may take: they share memory and caches, a
last shot keeps one of them alone, and gates that fail are tried again (the demo: 1.1 to 1.4)."""
ONCE = ("check", "measure", "measure again")
"""Stages whose time is taken from the clock of the trial, processes started and all."""


class StagePlan(Value):
    """One stage of the night.

    Attributes
    ----------
    name : str
    shots : int
    low_s, high_s : float
        Seconds it will take.
    """

    name: str
    shots: int
    low_s: float
    high_s: float


class NetUse(Value):
    """A net the template asks for.

    Attributes
    ----------
    name, licence : str
    commercial : str
        ``yes``, ``no`` or ``unclear``: whether what it made may be sold.
    """

    name: str
    licence: str
    commercial: str


class Night(Value):
    """What finishing an episode will take.

    Attributes
    ----------
    episode : str
    shots, frames, workers : int
    width_px, height_px : int
        Of the master.
    stages : tuple of StagePlan
    low_s, high_s : float
        Of the whole.
    disk_bytes, free_bytes : int
        What shots, what lies between their passes, and the master take at most, without the
        report; and what the disk has free now.
    out : str
        Where it would go.
    standing : int
        Shots that an earlier run has finished; the figures are for the others.
    memory_bytes : int
        All workers together, by the largest of the trial.
    gpu : str
        The GPU and its free memory; empty: none.
    nets : tuple of NetUse
    """

    episode: str
    shots: int
    frames: int
    workers: int
    width_px: int
    height_px: int
    stages: tuple[StagePlan, ...]
    low_s: float
    high_s: float
    disk_bytes: int
    free_bytes: int
    memory_bytes: int
    nets: tuple[NetUse, ...]
    out: str = ""
    standing: int = 0
    gpu: str = ""


def plan_night(
    episode: Episode,
    template: Template,
    out: Path,
    *,
    jobs: int | None = None,
    faces: str = AUTO,
    progress: Progress | None = None,
) -> Night:
    """Time a few frames with the very code of the night, and reckon the rest from them.

    Finished shots that stand from an earlier run are taken off, as far as their files are there; a
    run with another template makes them anew, and takes as long as the whole.

    Parameters
    ----------
    episode : Episode
        Its sources are only read; a few frames are copied into a temporary folder.
    template : Template
        Locked.
    out : Path
        Results would go to ``out/<episode>``; nothing is written there.
    jobs : int, optional
        Worker processes; the number of processors by default.
    faces : str, optional
        As for :func:`finishkit.finish_episode`.
    progress : Progress, optional
        Told of the trial's stages.

    Returns
    -------
    night : Night

    Raises
    ------
    FinishError
        When the template's licence forbids a net, or the shots tried cannot be finished.
    """
    nets = nets_of(template)
    folder = (out / episode.name).resolve()
    standing = standing_shots(folder)
    # A clip that cannot be read takes no time: it is quarantined.
    promised = indices(episode)
    frames = {str(s.id): promised[s.id].frame_count if s.id in promised else 0
              for s in episode if s.id not in standing}  # fmt: skip
    workers = LocalEngine(jobs).jobs
    with tempfile.TemporaryDirectory(prefix="finishkit-plan-") as scratch:
        trial = _trial(episode, Path(scratch) / "clips")
        clock = _Clock()
        sinks = (clock, *(progress.sinks if progress else ()))
        done = finish_episode(
            trial, template, Path(scratch) / "out", jobs=1, faces=faces, progress=Progress(*sinks)
        )
        store = Store(done.folder)
        stages = _stages(store, trial, template, clock, frames, workers)
        disk = _disk_bytes(store, trial, template, frames)
    low, high = sum(s.low_s for s in stages), sum(s.high_s for s in stages)
    return Night(
        episode=episode.name,
        shots=len(episode),
        frames=sum(frames.values()),
        workers=workers,
        width_px=template.master.width_px,
        height_px=template.master.height_px,
        stages=stages,
        low_s=low,
        high_s=high,
        disk_bytes=disk,
        free_bytes=free_bytes(folder),
        memory_bytes=workers * _largest_child_bytes(),
        nets=nets,
        out=str(out.resolve()),
        standing=len(standing),
        gpu=gpu_text(),
    )


def plan_nights(params: Sequence[RunParams], *, progress: Progress | None = None) -> list[Night]:
    """Plan every episode of a batch, one after the other.

    Parameters
    ----------
    params : sequence of RunParams
        One an episode.
    progress : Progress, optional
        Told of the trials' stages.

    Raises
    ------
    FinishError
        What :func:`finishkit.batch.run_batch` raises before anything runs.
    """
    refuse_what_cannot_run(params)
    return [
        plan_night(
            open_episode(one.episode),
            load_template(one.template),
            Path(one.out),
            jobs=one.jobs or None,
            faces=one.faces,
            progress=progress,
        )
        for one in params
    ]


def standing_shots(folder: Path) -> frozenset[str]:
    """Return the shots whose finished file stands in an output folder.

    Parameters
    ----------
    folder : Path
        Of an episode; it may not exist yet.
    """
    if not (folder / "manifest.json").is_file():
        return frozenset()
    try:
        manifest = Store(folder).manifest()
    except FinishError:
        return frozenset()
    return frozenset(
        shot
        for shot, state in manifest.shots.items()
        if state.state == "finished" and (folder / f"shots/{shot}.mp4").is_file()
    )


def gpu_text() -> str:
    """Return this machine's GPU and what is free of its memory; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ""
    asked = [program, "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        name, free, total = (part.strip() for part in told.splitlines()[0].split(","))
        return f"{name}, {int(free) / 1024:.1f} of {int(total) / 1024:.1f} GiB free"
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return ""


def nets_of(look: Look) -> tuple[NetUse, ...]:
    """Return the nets a look asks for, with their licences.

    Parameters
    ----------
    look : Look
        Or a template.

    Raises
    ------
    FinishError
        When its licence forbids one of them.
    """
    cards = nets_in(look)
    for card in cards:
        require_licence(card, look.licence)
    return tuple(NetUse(name=c.name, licence=c.licence, commercial=c.commercial) for c in cards)


class _Clock:
    """How long each stage of the trial took."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if event.kind == "stage":
            self.begun[event.stage] = event.time_s
        elif event.stage in self.begun:
            self.seconds[event.stage] = event.time_s - self.begun[event.stage]


def _trial(episode: Episode, folder: Path) -> Episode:
    """Copy the first frames of some shots of the largest scene."""
    folder.mkdir(parents=True)
    scenes: dict[str, list[Shot]] = {}
    for shot in episode:
        scenes.setdefault(shot.scene, []).append(shot)
    chosen, refused = [], ""
    for shot in sorted(scenes.values(), key=len)[-1]:
        try:
            chosen.append(replace(shot, path=_first_frames(shot, folder)))
        except FinishError as error:
            # A damaged clip says nothing of the time the others take.
            refused = str(error)
        if len(chosen) == TRIAL_SHOTS:
            break
    if not chosen:
        raise FinishError(f"Not one shot could be tried. {refused}", "no_good_shot")
    return replace(episode, root=folder, shots=tuple(chosen))


def _first_frames(shot: Shot, folder: Path) -> Path:
    path = folder / f"{shot.id}.mp4"
    checked = check_clip(shot)
    if checked.probe is None or not checked.ok:
        raise FinishError(checked.text, checked.code)
    rate: Fraction = checked.probe.rate_fps
    pictures = read_frames(shot.path, indices=range(TRIAL_FRAMES))
    write_frames(path, pictures, rate_fps=rate, encoding=master_encoding(8, "ultrafast", 1))
    return path


def _stages(
    store: Store,
    trial: Episode,
    template: Template,
    clock: _Clock,
    frames: dict[str, int],
    workers: int,
) -> tuple[StagePlan, ...]:
    entries, whole = store.manifest().entries, sum(frames.values())
    plan = make_plan(trial.name, [s.id for s in trial], template)
    found: dict[str, float] = dict.fromkeys(clock.seconds, 0.0)
    for name, seconds in clock.seconds.items():
        tried = TRIAL_FRAMES if name in ONCE or name.startswith(("fit", "follow")) else 0
        found[name] = seconds / (tried * len(trial)) * whole if tried else 0.0
    for stages in PASSES:
        made = [e for s in plan.of(stages) if (e := entries.get(s.output)) is not None]
        a_frame = sum(e.facts["elapsed_s"] / e.facts["frame_count"] for e in made) / len(trial)
        found["+".join(stages)] = a_frame * whole
    return tuple(
        StagePlan(
            name=name,
            shots=len(frames),
            # The trial's clock holds processes that start; the night starts them once.
            low_s=seconds / workers / (3 if name in ONCE else 1),
            high_s=seconds / workers * (1 if name in ONCE else SLOWER),
        )
        for name, seconds in found.items()
        if seconds
    )


def _disk_bytes(store: Store, trial: Episode, template: Template, frames: dict[str, int]) -> int:
    """Return what the folder would hold; a long shot packs better than eight frames do."""
    plan = make_plan(trial.name, [s.id for s in trial], template)
    outputs = [e for s in plan.steps if s.shot and (e := store.manifest().entries.get(s.output))]
    kept = sum(e.bytes / e.facts["frame_count"] for e in outputs) / len(trial)
    finals = [e for s in plan.of(PASSES[-1]) if (e := store.manifest().entries.get(s.output))]
    master = sum(e.bytes / e.facts["frame_count"] for e in finals) / max(1, len(finals))
    return round((kept + master) * sum(frames.values()))


def _largest_child_bytes() -> int:
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024)
