"""One episode through all its passes: fitted on the set, gated, committed, resumable."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from finishkit.artefact import (
    Artefact,
    artefact_of,
    as_finish_error,
    report_gates,
    stop_if_disk_full,
)
from finishkit.engines import Engine
from finishkit.engines.step import (
    SampleJob,
    StepJob,
    StepResult,
    check_video,
    execute_step,
    take_samples,
)
from finishkit.environment import environment, render_jobs
from finishkit.errors import FinishError
from finishkit.frames import MEZZANINE, Encoding, join_shots, master_encoding
from finishkit.ingest import Ingest
from finishkit.measure import Measurements
from finishkit.models import CARDS, require_licence
from finishkit.plan import PASSES, Plan, Step
from finishkit.progress import Progress
from finishkit.report.model import Gate as ReportGate
from finishkit.report.model import ShotOutcome
from finishkit.shots import Episode, Shot, ShotId
from finishkit.stages import Filter, ShotInput
from finishkit.stages.deflicker import DeflickerStage
from finishkit.stages.faces import FacesStage, net_of
from finishkit.stages.grade import GradeStage
from finishkit.stages.interpolate import InterpolateStage
from finishkit.stages.upscale import UpscaleStage
from finishkit.store import Entry, Store, digest
from finishkit.template import Template
from finishkit.verdict import Verdict

CODE_VERSION = 1
"""Raised when a pass gives other pictures for the same filters: it is part of every cache key."""

CONTENT_STAGES: Mapping[str, Any] = {
    "faces": FacesStage(),
    "deflicker": DeflickerStage(),
    "interpolate": InterpolateStage(),
}
ATTEMPTS = (1.0, 0.5)
"""Shares of a stage's strength tried before it is bypassed for a shot that fails its gate."""


class EpisodeRun:
    """One episode, one template, one call: the state that lives only while it runs."""

    def __init__(
        self,
        *,
        episode: Episode,
        template: Template,
        store: Store,
        engine: Engine,
        redo: frozenset[str],
        say: Progress,
    ) -> None:
        self.episode, self.template, self.store = episode, template, store
        self.engine, self.redo, self.say = engine, redo, say
        self.environment = environment()
        self.artefacts: dict[ShotId, Artefact] = {}
        self.failed: dict[ShotId, FinishError] = {}
        self.rendered = 0
        self.started_s = time.monotonic()

    def quarantine(self, shot: ShotId, error: FinishError) -> None:
        """Set a shot aside, with its reason; the others go on."""
        self.failed[shot] = error
        self.artefacts.pop(shot, None)
        self.store.mark(shot, "quarantined", error.code, str(error))
        self.say("quarantine", shot=shot, text=str(error))

    def run(
        self,
        plan: Plan,
        good: Episode,
        checked: Mapping[ShotId, Ingest],
        raw: Measurements,
        verdict: Verdict,
    ) -> dict[ShotId, Path]:
        """Take every good shot through all passes, and join the master.

        Parameters
        ----------
        plan : Plan
            Its passes, in order.
        good : Episode
            The shots that can be read.
        checked : Mapping of ShotId to Ingest
            What is known of their files.
        raw : Measurements
            Of the sources.
        verdict : Verdict
            On ``raw``.

        Returns
        -------
        files : dict of ShotId to Path
            The finished shots, in cut order.
        """
        self._require_licences()
        rate = self._master_rate(good, checked)
        for shot in good:
            self.artefacts[shot.id] = artefact_of(shot, checked[shot.id], rate)
        for stages in PASSES[:-1]:
            self._content_pass(plan.of(stages), stages[0], raw, rate)
        files = self._render_pass(plan.of(PASSES[-1]), raw, verdict, rate)
        if files:
            self._assemble(files, rate)
        return files

    @property
    def throughput_shots_per_h(self) -> float | None:
        """Shots made in this run, an hour; ``None`` when all stood already."""
        elapsed = time.monotonic() - self.started_s
        return self.rendered / elapsed * 3600 if self.rendered else None

    def _require_licences(self) -> None:
        """Refuse nets that the template's licence does not allow, before any work is done."""
        look = self.template
        if look.upscale.strength > 0 and look.upscale.model in CARDS:
            require_licence(CARDS[look.upscale.model], look.licence)
        if look.faces.strength > 0:
            require_licence(net_of(look.faces.engine), look.licence)

    def _master_rate(self, good: Episode, checked: Mapping[ShotId, Ingest]) -> Fraction:
        wanted = self.template.master.rate_fps
        if wanted == "source":
            rates = Counter(p.rate_fps for s in good if (p := checked[s.id].probe))
            return rates.most_common(1)[0][0]
        return {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001)}.get(
            wanted, Fraction(wanted)
        )

    def _inputs(
        self, raw: Measurements, samples: Mapping[ShotId, np.ndarray], flagged: frozenset[str]
    ) -> list[ShotInput]:
        values = {s.shot: s.values for s in raw.shots}
        none = np.zeros((0, 1, 1, 3), np.uint8)
        inputs = []
        for shot, artefact in self.artefacts.items():
            measured = dict(values[shot])
            repeated = measured.get("dup_ratio")
            if repeated is not None:
                # Shown at a higher rate, frames repeat by design: the cadence stage must know.
                measured["dup_ratio"] = max(repeated, artefact.repeats)
            assert artefact.checked.probe is not None
            inputs.append(
                ShotInput(
                    id=shot,
                    scene=artefact.shot.scene,
                    probe=artefact.checked.probe,
                    measured=measured,
                    samples=samples.get(shot, none),
                    flagged=shot in flagged,
                )
            )
        return inputs

    def _content_pass(
        self, steps: Sequence[Step], name: str, raw: Measurements, rate: Fraction
    ) -> None:
        """Run one content stage; a shot that fails its gate is tried weaker, then left alone."""
        stage, settings = CONTENT_STAGES[name], getattr(self.template, name)
        inputs = self._inputs(raw, {}, frozenset())
        fits = [
            stage.fit(inputs, settings.replace(strength=settings.strength * share))
            for share in ATTEMPTS
        ]
        todo = [s for s in steps if s.shot in self.artefacts]
        total = len(todo)
        self.say("stage", stage=name, total=total)
        done = 0
        for share, fitted in zip(ATTEMPTS, fits, strict=True):
            waiting: list[tuple[Step, StepJob, str]] = []
            for step in todo:
                first = fits[0].get(ShotId(step.shot))
                if first is None:
                    done += 1
                    self.say("skip", stage=name, shot=step.shot, done=done, total=total)
                    continue
                key = self._key(step, stage.version, (first,), MEZZANINE, rate)
                if self._taken(step, key):
                    done += 1
                    self.say("skip", stage=name, shot=step.shot, done=done, total=total)
                    continue
                weaker = fitted.get(ShotId(step.shot))
                if weaker is None:
                    continue
                waiting.append((step, self._job(step, (weaker,), MEZZANINE, rate, True), key))
            todo = []
            for step, key, result in self._execute(waiting):
                if result.passed:
                    self._take(step, key, result, {"share": share})
                    done += 1
                    self.say("shot", stage=name, shot=step.shot, done=done, total=total)
                else:
                    self.artefacts[ShotId(step.shot)].gates += report_gates(name, result)
                    self.store.part(step.output).unlink(missing_ok=True)
                    todo.append(step)
        for step in todo:
            done += 1
            self.artefacts[ShotId(step.shot)].notes[f"{name}.bypassed"] = 1.0
            self.say("shot", stage=name, shot=step.shot, done=done, total=total)

    def _render_pass(
        self, steps: Sequence[Step], raw: Measurements, verdict: Verdict, rate: Fraction
    ) -> dict[ShotId, Path]:
        """Fit the grade on the repaired set, then enlarge, grade and encode every shot."""
        master = self.template.master
        self.say("stage", stage="fit the set", total=1)
        samples = self._samples()
        flagged = frozenset(s.shot for s in verdict.shots if s.off_colour)
        inputs = self._inputs(raw, samples, flagged)
        hero = self.template.hero or verdict.hero
        grades = GradeStage().fit(
            inputs,
            self.template.grade,
            hero=ShotId(hero) if hero in samples and hero not in flagged else None,
        )
        enlarged = UpscaleStage().fit(
            inputs,
            self.template.upscale,
            out_size_px=(master.width_px, master.height_px),
            fit_mode=master.fit,
        )
        self.say("shot", stage="fit the set", done=1, total=1)
        encoding = master_encoding(master.crf, master.preset, master.encoder_threads)
        files: dict[ShotId, Path] = {}
        waiting: list[tuple[Step, StepJob, str]] = []
        todo = [s for s in steps if s.shot in self.artefacts]
        self.say("stage", stage="upscale+grade", total=len(todo))
        for step in todo:
            shot = ShotId(step.shot)
            filters = tuple(f for f in (enlarged.get(shot), grades.get(shot)) if f is not None)
            version = UpscaleStage.version * 1000 + GradeStage.version
            key = self._key(step, version, filters, encoding, rate)
            if step.shot in self.redo:
                self.store.forget(step.output)
            if self._taken(step, key):
                files[shot] = self.store.path(step.output)
                self.store.mark(shot, "finished")
                self.say("skip", stage="upscale+grade", shot=shot, done=len(files), total=len(todo))
                continue
            waiting.append((step, self._job(step, filters, encoding, rate, False), key))
        for step, key, result in self._execute(waiting, jobs=render_jobs()):
            shot = ShotId(step.shot)
            self._take(step, key, result, {})
            self.store.mark(shot, "finished")
            files[shot] = self.store.path(step.output)
            self.rendered += 1
            self.say("shot", stage="upscale+grade", shot=shot, done=len(files), total=len(todo))
        return {s.id: files[s.id] for s in self.episode if s.id in files}

    def _samples(self) -> dict[ShotId, np.ndarray]:
        jobs = [
            SampleJob(shot=shot, source=a.path, matrix=None) for shot, a in self.artefacts.items()
        ]
        samples: dict[ShotId, np.ndarray] = {}
        for job, result in self.engine.map(take_samples, jobs):
            if isinstance(result, Exception):
                self.quarantine(job.shot, as_finish_error(job.shot, result))
            else:
                samples[job.shot] = result
        return {shot: samples[shot] for shot in self.artefacts}

    def _assemble(self, files: Mapping[ShotId, Path], rate: Fraction) -> None:
        """Join the finished shots; sound comes from the sources, cut to each shot's length."""
        name = "master.mp4"
        self.say("stage", stage="master", total=1)
        entries = self.store.manifest().entries
        parts = [entries[str(p.relative_to(self.store.root))].sha256 for p in files.values()]
        key = digest("master", CODE_VERSION, parts, rate, self.environment)
        if self.store.current(name, key) is None:
            part = self.store.part(name)
            sounds = [self.episode[shot].path for shot in files]
            count = join_shots(part, list(files.values()), sounds, rate_fps=rate)
            due = sum(self.artefacts[shot].frame_count for shot in files)
            if count != due:
                raise FinishError(f"{name}: {count} frames joined, {due} due.", "lost_frames")
            self.store.commit(
                name,
                key=key,
                check=lambda path: check_video(path, count),
                facts={"frame_count": count, "rate_fps": str(rate)},
            )
        self.say("shot", stage="master", done=1, total=1)

    def _key(
        self,
        step: Step,
        version: int,
        filters: tuple[Filter, ...],
        encoding: Encoding,
        rate: Fraction,
    ) -> str:
        artefact = self.artefacts[ShotId(step.shot)]
        return digest(
            CODE_VERSION,
            step.stages,
            version,
            artefact.sha256,
            artefact.conform,
            filters,
            encoding,
            rate,
            self.environment,
        )

    def _job(
        self,
        step: Step,
        filters: tuple[Filter, ...],
        encoding: Encoding,
        rate: Fraction,
        gated: bool,
    ) -> StepJob:
        artefact = self.artefacts[ShotId(step.shot)]
        return StepJob(
            shot=artefact.shot.id,
            source=artefact.path,
            matrix=None,
            part=self.store.part(step.output),
            before=artefact.conform,
            filters=filters,
            frame_count=artefact.frame_count,
            rate_fps=rate,
            encoding=encoding,
            audio_from=None if gated else artefact.shot.path,
            chunk=8 if gated else 2,
            gated=gated,
        )

    def _execute(
        self, waiting: Sequence[tuple[Step, StepJob, str]], jobs: int | None = None
    ) -> Iterator[tuple[Step, str, StepResult]]:
        known = {job.shot: (step, key) for step, job, key in waiting}
        for job, result in self.engine.map(execute_step, [j for _, j, _ in waiting], jobs=jobs):
            if isinstance(result, Exception):
                job.part.unlink(missing_ok=True)
                stop_if_disk_full(result, self.store.root)
                self.quarantine(job.shot, as_finish_error(job.shot, result))
            else:
                step, key = known[job.shot]
                yield step, key, result

    def _taken(self, step: Step, key: str) -> bool:
        """Carry on from a file that stands from an earlier run, when it is the right one."""
        if step.shot in self.redo:
            return False
        entry = self.store.current(step.output, key)
        if entry is None:
            return False
        self._advance(step, entry)
        return True

    def _take(self, step: Step, key: str, result: StepResult, more: Mapping[str, Any]) -> None:
        artefact = self.artefacts[ShotId(step.shot)]
        name = step.stages[0]
        entry = self.store.commit(
            step.output,
            key=key,
            check=lambda path: check_video(path, artefact.frame_count),
            facts={
                "notes": dict(result.notes),
                "gates": [g.model_dump(mode="json") for g in report_gates(name, result)],
                "elapsed_s": round(result.elapsed_s, 3),
                **more,
            },
        )
        self._advance(step, entry)

    def _advance(self, step: Step, entry: Entry) -> None:
        artefact = self.artefacts[ShotId(step.shot)]
        artefact.path = self.store.path(step.output)
        artefact.sha256 = entry.sha256
        artefact.conform = None
        artefact.notes |= entry.facts.get("notes", {})
        artefact.gates += [ReportGate.model_validate(g) for g in entry.facts.get("gates", [])]

    def outcome(self, shot: Shot, files: Mapping[ShotId, Path]) -> ShotOutcome:
        """Return what became of one shot."""
        error = self.failed.get(shot.id)
        if error is not None:
            return ShotOutcome(
                shot=shot.id,
                file=shot.path.name,
                state="quarantined",
                code=error.code,
                text=str(error),
            )
        artefact = self.artefacts[shot.id]
        return ShotOutcome(
            shot=shot.id,
            file=str(files[shot.id].relative_to(self.store.root)),
            state="finished",
            notes=artefact.notes,
            gates=tuple(artefact.gates),
        )
