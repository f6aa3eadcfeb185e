"""One episode through all its passes: fitted on the set, gated, committed, resumable."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from finishkit.artefact import (
    Artefact,
    artefact_of,
    as_finish_error,
    report_gates,
    stop_if_disk_full,
)
from finishkit.assembly import assemble_master
from finishkit.engines import Engine, Needs
from finishkit.engines.step import (
    StepJob,
    StepResult,
    check_video,
    execute_step,
)
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.fitting import VERSIONS, Fitter
from finishkit.ingest import Ingest
from finishkit.manifest import Entry
from finishkit.measure import Measurements
from finishkit.models import require_licence
from finishkit.passes import Chain, Pass
from finishkit.plan import PASSES, Plan, Step
from finishkit.progress import Progress
from finishkit.report.model import Gate as ReportGate
from finishkit.report.model import ShotOutcome
from finishkit.shots import Episode, Shot, ShotId
from finishkit.stages.grade import Grade
from finishkit.stages.lut import read_cube
from finishkit.stages.nets import nets_in
from finishkit.store import Store, digest, require_unchanged
from finishkit.template import Template
from finishkit.verdict import Verdict
from finishkit.whole import stood_whole, whole_of

CODE_VERSION = 5
"""Raised when a pass gives other pictures for the same filters: it is part of every cache key."""

_FINAL = "+".join(PASSES[-1])


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
        backend: str,
        say: Progress,
    ) -> None:
        self.episode, self.template, self.store = episode, template, store
        self.engine, self.redo, self.say = engine, redo, say
        self.backend = backend
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
            self.artefacts[shot.id] = artefact_of(shot, checked[shot.id])
        fitter = Fitter(
            template=self.template,
            raw=raw,
            verdict=verdict,
            backend=self.backend,
            rate_fps=rate,
            artefacts=self.artefacts,
            engine=self.engine,
            quarantine=self.quarantine,
            say=self.say,
        )
        whole_key = digest(
            "whole", CODE_VERSION, VERSIONS, self.template, raw, verdict, self.backend, rate,
            [(a.shot.id, a.shot.scene, a.sha256, a.conform) for a in self.artefacts.values()],
            self.environment,
        )  # fmt: skip
        if not self.redo and (stood := stood_whole(self.store, self.artefacts, whole_key)):
            for done, shot in enumerate(stood, start=1):
                self.say("skip", stage=_FINAL, shot=shot, done=done, total=len(stood))
            return stood
        for stages in PASSES[:-1]:
            self._run_pass(fitter.content(stages[0]), plan.of(stages))
        finals = plan.of(PASSES[-1])
        render = fitter.render()
        if self.template.master.cubes:
            self._write_cubes(render)
        self._run_pass(render, finals)
        files = {ShotId(s.shot): self.store.path(s.output) for s in finals
                 if s.shot in self.artefacts}  # fmt: skip
        if files:
            self.say("stage", stage="master", total=1)
            assemble_master(
                self.store, self.artefacts, files, rate, (CODE_VERSION, self.environment)
            )
            self.say("shot", stage="master", done=1, total=1)
        if len(files) == len(good):
            self.store.record_whole(whole_of(whole_key, files, self.artefacts, self.store.root))
        return files

    def recheck(self, files: Mapping[ShotId, Path]) -> None:
        """Set aside finished shots that were harmed after they were made; the next run redoes them.

        Parameters
        ----------
        files : Mapping of ShotId to Path
            The finished shots.
        """
        for shot, path in files.items():
            try:
                require_unchanged(path, self.artefacts[shot].sha256)
            except FinishError as error:
                self.quarantine(shot, error)

    @property
    def throughput_shots_per_h(self) -> float | None:
        """Shots made in this run, an hour; ``None`` when all stood already."""
        elapsed = time.monotonic() - self.started_s
        return self.rendered / elapsed * 3600 if self.rendered else None

    def _require_licences(self) -> None:
        """Refuse nets that the template's licence does not allow, before any work is done."""
        for card in nets_in(self.template):
            require_licence(card, self.template.licence)

    def _master_rate(self, good: Episode, checked: Mapping[ShotId, Ingest]) -> Fraction:
        wanted = self.template.master.rate_fps
        if wanted == "source":
            rates = Counter(p.rate_fps for s in good if (p := checked[s.id].probe))
            return rates.most_common(1)[0][0]
        return {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001)}.get(
            wanted, Fraction(wanted)
        )

    def _run_pass(self, work: Pass, steps: Sequence[Step]) -> None:
        """Take the set through one pass; a shot that fails its gate is tried again, weaker."""
        todo = [s for s in steps if s.shot in self.artefacts]
        total, done = len(todo), 0
        failed: dict[str, list[ReportGate]] = {}
        self.say("stage", stage=work.name, total=total)

        def tell(kind: str, step: Step) -> None:
            nonlocal done
            done += 1
            self.say(kind, stage=work.name, shot=step.shot, done=done, total=total)

        for attempt in range(len(work.attempts)):
            waiting: list[tuple[Step, StepJob, str]] = []
            failing: list[Step] = []
            for step in todo:
                shot = ShotId(step.shot)
                wanted, chain = work.chain(shot), work.chain(shot, attempt)
                if wanted is None:
                    tell("skip", step)
                    continue
                if chain is None:
                    failing.append(step)
                    continue
                key = self._key(step, work, wanted)
                if work.final and step.shot in self.redo:
                    self.store.forget(step.output)
                if self._taken(step, key) or self._bypassed_before(step, key):
                    tell("skip", step)
                    continue
                waiting.append((step, self._job(step, work, chain), key))
            last = attempt + 1 == len(work.attempts)
            for step, key, job, result in self._execute(waiting, work):
                share = work.attempts[attempt][0]
                if result.passed or (last and work.must_give):
                    self._take(step, key, job, result, share, failed.get(step.shot, []))
                    self.rendered += work.final
                    tell("shot", step)
                else:
                    gates = [g for g in report_gates(work.name, result) if not g.passed]
                    failed.setdefault(step.shot, []).extend(gates)
                    self.store.part(step.output).unlink(missing_ok=True)
                    failing.append(step)
            todo = failing
        for step in todo:
            wanted = work.chain(ShotId(step.shot))
            assert wanted is not None
            self._bypass(step, self._key(step, work, wanted), failed.get(step.shot, []))
            tell("shot", step)

    def _bypass(self, step: Step, key: str, gates: Sequence[ReportGate]) -> None:
        """Leave a shot as it was, and remember it: trying every strength again costs a night."""
        name = _bypass_record(step)
        self.store.part(name).write_text("left as it was\n", encoding="utf-8")
        entry = self.store.commit(
            name,
            key=key,
            check=lambda _: None,
            facts={
                "notes": {f"{step.stages[0]}.bypassed": 1.0},
                "gates": [g.model_dump(mode="json") for g in gates],
            },
        )
        self._remember(ShotId(step.shot), entry)

    def _bypassed_before(self, step: Step, key: str) -> bool:
        if step.shot in self.redo:
            return False
        entry = self.store.current(_bypass_record(step), key)
        if entry is not None:
            self._remember(ShotId(step.shot), entry)
        return entry is not None

    def _remember(self, shot: ShotId, entry: Entry) -> None:
        artefact = self.artefacts[shot]
        artefact.notes |= entry.facts.get("notes", {})
        artefact.gates += [ReportGate.model_validate(g) for g in entry.facts.get("gates", [])]

    def _write_cubes(self, render: Pass) -> None:
        for shot, chain in render.attempts[0][1].items():
            for grade in (f for f in (chain.free if chain else ()) if isinstance(f, Grade)):
                name, key = f"luts/{shot}.cube", digest("cube", grade)
                if self.store.current(name, key) is None:
                    grade.export(self.store.part(name), f"{self.episode.name} {shot}")
                    self.store.commit(name, key=key, check=_is_cube)

    def _key(self, step: Step, work: Pass, wanted: Chain) -> str:
        # Of the strength that was asked for: which weaker one is taken in the end follows from it.
        artefact = self.artefacts[ShotId(step.shot)]
        return digest(
            CODE_VERSION,
            step.stages,
            work.version,
            artefact.sha256,
            artefact.conform,
            artefact.rate_fps,
            wanted,
            work.limits,
            work.encoding,
            self.environment,
        )

    def _job(self, step: Step, work: Pass, chain: Chain) -> StepJob:
        artefact, timing = self.artefacts[ShotId(step.shot)], chain.timing
        return StepJob(
            shot=artefact.shot.id,
            source=artefact.path,
            matrix=None,
            part=self.store.part(step.output),
            before=artefact.conform,
            filters=(*chain.watched, *chain.free),
            frame_count=timing.frame_count if timing else artefact.frame_count,
            rate_fps=timing.rate_fps if timing else artefact.rate_fps,
            encoding=work.encoding,
            audio_from=artefact.shot.path if work.final else None,
            chunk=work.chunk,
            gated=len(chain.watched),
            limits=work.limits,
            inputs=(
                (artefact.path, artefact.sha256),
                (artefact.shot.path, artefact.checked.sha256),
            ),
        )

    def _execute(
        self, waiting: Sequence[tuple[Step, StepJob, str]], work: Pass
    ) -> Iterator[tuple[Step, str, StepJob, StepResult]]:
        known = {job.shot: (step, key) for step, job, key in waiting}
        todo = [job for _, job, _ in waiting]
        needs: Needs = {"GPU" if work.nets and "GPU" in self.engine.offers else "CPU": 1.0}
        for job, result in self.engine.map(execute_step, todo, jobs=work.jobs, needs=needs):
            if isinstance(result, Exception):
                job.part.unlink(missing_ok=True)
                stop_if_disk_full(result, self.store.root)
                self.quarantine(job.shot, as_finish_error(job.shot, result))
            else:
                step, key = known[job.shot]
                yield step, key, job, result

    def _taken(self, step: Step, key: str) -> bool:
        """Carry on from a file that stands from an earlier run, when it is the right one."""
        if step.shot in self.redo:
            return False
        entry = self.store.current(step.output, key)
        if entry is None:
            return False
        self._advance(step, entry)
        return True

    def _take(
        self,
        step: Step,
        key: str,
        job: StepJob,
        result: StepResult,
        share: float,
        failed: Sequence[ReportGate],
    ) -> None:
        name = step.stages[0]
        notes = dict(result.notes)
        if share < 1:
            notes[f"{name}.lowered_to"] = share
        gates = [*failed, *report_gates(name, result)]
        entry = self.store.commit(
            step.output,
            key=key,
            check=lambda path: check_video(path, job.frame_count),
            facts={
                "notes": notes,
                "gates": [g.model_dump(mode="json") for g in gates],
                "frame_count": job.frame_count,
                "rate_fps": str(job.rate_fps),
                "elapsed_s": round(result.elapsed_s, 3),
            },
        )
        self._advance(step, entry)

    def _advance(self, step: Step, entry: Entry) -> None:
        shot = ShotId(step.shot)
        artefact = self.artefacts[shot]
        artefact.path = self.store.path(step.output)
        artefact.sha256 = entry.sha256
        artefact.conform = None
        artefact.frame_count = entry.facts["frame_count"]
        artefact.rate_fps = Fraction(entry.facts["rate_fps"])
        self._remember(shot, entry)
        if step.stages == PASSES[-1]:
            self.store.mark(shot, "finished")

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
            text=artefact.checked.note,
            notes=artefact.notes,
            gates=tuple(artefact.gates),
        )


def _bypass_record(step: Step) -> str:
    return step.output.rpartition(".")[0] + ".bypassed"


def _is_cube(path: Path) -> None:
    read_cube(path)
