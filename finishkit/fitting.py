"""From the set as it stands to the next pass over it: what every stage will do to every shot."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from finishkit.artefact import Artefact, as_finish_error
from finishkit.engines import Engine
from finishkit.environment import render_chunk, render_jobs
from finishkit.errors import FinishError
from finishkit.frames import MEZZANINE, master_encoding
from finishkit.looking import (
    PathJob,
    SampleJob,
    SharpenJob,
    fit_sharpen,
    follow_camera,
    take_samples,
)
from finishkit.measure import Measurements
from finishkit.passes import RENDER_SHARES, SHARES, Chain, Fitted, Pass, gate_limits
from finishkit.progress import Progress
from finishkit.shots import ShotId
from finishkit.stages import ShotInput
from finishkit.stages.deflicker import DeflickerStage
from finishkit.stages.faces import FacesStage
from finishkit.stages.grade import Grade, GradeStage
from finishkit.stages.grain import GrainStage
from finishkit.stages.interpolate import InterpolateStage
from finishkit.stages.lut import Lut, read_cube
from finishkit.stages.sharpen import Sharpen, SharpenStage, bands
from finishkit.stages.stabilise import StabiliseStage, wants_path
from finishkit.stages.upscale import UpscaleStage
from finishkit.template import Template
from finishkit.verdict import Verdict
from finishkit.verdict.offsets import colour_offsets

CONTENT_STAGES: Mapping[str, Any] = {
    "faces": FacesStage(),
    "deflicker": DeflickerStage(),
    "stabilise": StabiliseStage(),
    "interpolate": InterpolateStage(),
}
RENDER_STAGES = (UpscaleStage, SharpenStage, GradeStage, GrainStage)
VERSIONS = {
    **{name: stage.version for name, stage in CONTENT_STAGES.items()},
    **{stage.__name__: stage.version for stage in RENDER_STAGES},
}
"""Of the code of every stage, for the key of a whole episode."""
_NO_SAMPLES = np.zeros((0, 1, 1, 3), np.uint8)

Job = TypeVar("Job", PathJob, SampleJob, SharpenJob)
Result = TypeVar("Result")


class Fitter:
    """Fits the passes of one run, each on what the ones before it left.

    Parameters
    ----------
    template : Template
    raw : Measurements
        Of the sources.
    verdict : Verdict
        On ``raw``.
    backend : str
        What finds and compares faces.
    rate_fps : Fraction
        The master's.
    artefacts : mapping of ShotId to Artefact
        The shots as they stand; read anew for every pass.
    engine : Engine
        Where pictures are looked at.
    quarantine : callable
        Told of a shot that could not be looked at, with the reason.
    say : Progress
    """

    def __init__(
        self,
        *,
        template: Template,
        raw: Measurements,
        verdict: Verdict,
        backend: str,
        rate_fps: Fraction,
        artefacts: Mapping[ShotId, Artefact],
        engine: Engine,
        quarantine: Callable[[ShotId, FinishError], None],
        say: Progress,
    ) -> None:
        self._template, self._raw, self._verdict = template, raw, verdict
        self._backend, self._rate = backend, rate_fps
        self._artefacts, self._engine = artefacts, engine
        self._quarantine, self._say = quarantine, say

    def content(self, name: str) -> Pass:
        """Fit one content stage, at every strength that may be tried.

        Parameters
        ----------
        name : str
            One of :data:`CONTENT_STAGES`.
        """
        stage, settings = CONTENT_STAGES[name], getattr(self._template, name)
        inputs = self._inputs()
        more: dict[str, Any] = {}
        if name == "faces":
            more["backend"] = self._backend
        elif name == "stabilise":
            more = self._paths([s for s in inputs if wants_path(s, settings)])
        elif name == "interpolate":
            more["rate_fps"] = self._rate
        attempts = []
        # A shot of another rate cannot stay as it is: at the last its nearest frames are shown.
        last = (0.0,) if name == "interpolate" else ()
        for share in (*SHARES, *last):
            weaker = settings.replace(strength=settings.strength * share)
            fitted = stage.fit(inputs, weaker, **more)
            attempts.append((share, {shot: _alone(f) for shot, f in fitted.items()}))
        return Pass(
            name=name,
            version=stage.version,
            attempts=attempts,
            limits=gate_limits(name, self._template),
            encoding=MEZZANINE,
            chunk=8,
            must_give=bool(last),
            nets=name == "faces",
        )

    def render(self) -> Pass:
        """Fit sharpness and grade on the repaired set, and put all of the last pass together."""
        look = self._template
        samples = self._samples()
        inputs = self._inputs(samples)
        sharpened = self._sharpened(inputs)
        graded = self._graded(inputs, samples)
        cleaned = GrainStage().clean(inputs, look.grain)
        grained = GrainStage().fit(inputs, look.grain)
        master = look.master
        # A plain enlargement does no harm, and the grade is a table a pixel: it is laid on first,
        # on a fraction of the pixels.
        plain = look.upscale.model == "lanczos" or look.upscale.strength == 0
        attempts: list[tuple[float, Fitted]] = []
        for share in (RENDER_SHARES[0], RENDER_SHARES[-1]) if plain else RENDER_SHARES:
            enlarged = UpscaleStage().fit(
                inputs,
                look.upscale.replace(strength=look.upscale.strength * share),
                out_size_px=(master.width_px, master.height_px),
                fit_mode=master.fit,
            )
            chains: dict[ShotId, Chain] = {}
            for shot in inputs:
                content = (cleaned[shot.id], sharpened.get(shot.id)) if share == 1 else ()
                grade, size = graded[shot.id], enlarged[shot.id]
                watched, free = (content, (grade, size)) if plain else ((*content, size), (grade,))
                chains[shot.id] = Chain.of(watched, (*free, grained[shot.id]))
            attempts.append((share, chains))
        return Pass(
            name="upscale+grade",
            version=int("".join(f"{s.version:03}" for s in RENDER_STAGES)),
            attempts=attempts,
            limits=gate_limits("upscale", look),
            encoding=master_encoding(
                master.crf,
                master.preset,
                master.encoder_threads,
                keep_grain=any(grained.values()),
            ),
            chunk=render_chunk(on_device=not plain and look.upscale.engine == "finishkit"),
            must_give=True,
            final=True,
            jobs=None if plain else render_jobs(look.upscale.gpu_memory_gb),
            nets=not plain,
        )

    def _inputs(self, samples: Mapping[ShotId, NDArray[np.uint8]] | None = None) -> list[ShotInput]:
        values = {s.shot: s.values for s in self._raw.shots}
        flagged = {s.shot for s in self._verdict.shots if s.off_colour}
        offsets = colour_offsets(self._raw, self._template.limits) if samples else {}
        inputs = []
        for shot, artefact in self._artefacts.items():
            assert artefact.checked.probe is not None
            probe = artefact.checked.probe.replace(
                frame_count=artefact.frame_count,
                rate_fps=artefact.rate_fps,
                constant_rate=True,
            )
            inputs.append(
                ShotInput(
                    id=shot,
                    scene=artefact.shot.scene,
                    probe=probe,
                    measured=values[shot],
                    samples=(samples or {}).get(shot, _NO_SAMPLES),
                    flagged=shot in flagged,
                    off=offsets.get(shot),
                )
            )
        return inputs

    def _paths(self, shots: Sequence[ShotInput]) -> dict[str, Any]:
        jobs = [
            PathJob(
                shot=s.id,
                source=self._artefacts[s.id].path,
                before=self._artefacts[s.id].conform,
                backend=self._backend,
            )
            for s in shots
        ]
        seen = self._looked("follow the camera", follow_camera, jobs)
        return {
            "paths": {shot: path for shot, (path, _) in seen.items()},
            "faces": {shot: faces for shot, (_, faces) in seen.items()},
        }

    def _samples(self) -> dict[ShotId, NDArray[np.uint8]]:
        jobs = [SampleJob(shot=shot, source=a.path) for shot, a in self._artefacts.items()]
        found = self._looked("fit the set", take_samples, jobs)
        return {shot: found[shot] for shot in self._artefacts}

    def _sharpened(self, inputs: Sequence[ShotInput]) -> Mapping[ShotId, Sharpen | None]:
        settings = self._template.sharpen
        if settings.strength == 0:
            return {}
        jobs = [
            SharpenJob(
                shot=shot,
                source=self._artefacts[shot].path,
                frame_count=self._artefacts[shot].frame_count,
                band=band,
                settings=settings,
            )
            for shot, band in bands(inputs, settings).items()
        ]
        solved = self._looked("fit sharpness", fit_sharpen, jobs)
        return SharpenStage().fit(inputs, settings, solved=solved)

    def _graded(
        self, inputs: Sequence[ShotInput], samples: Mapping[ShotId, NDArray[np.uint8]]
    ) -> Mapping[ShotId, Grade | None]:
        look = self._template
        hero = look.hero or self._verdict.hero
        flagged = {s.id for s in inputs if s.flagged}
        return GradeStage().fit(
            inputs,
            look.grade,
            hero=ShotId(hero) if hero in samples and hero not in flagged else None,
            pre=_table(look.grade.pre_lut, look.grade.pre_lut_sha256),
            look=_table(look.grade.look_lut, look.grade.look_lut_sha256),
            drift_limit_de=look.limits.drift_de,
        )

    def _looked(
        self, stage: str, look: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> dict[ShotId, Result]:
        """Look at shots on the engine; one that cannot be looked at is set aside."""
        found: dict[ShotId, Result] = {}
        if not jobs:
            return found
        self._say("stage", stage=stage, total=len(jobs))
        for job, result in self._engine.map(look, jobs):
            if isinstance(result, Exception):
                self._quarantine(job.shot, as_finish_error(job.shot, result))
            else:
                found[job.shot] = result
            self._say("shot", stage=stage, shot=job.shot, done=len(found), total=len(jobs))
        return found


def _alone(one: Any) -> Chain | None:
    """Return the chain of a content stage's filter."""
    return None if one is None else Chain(watched=(one,), timing=getattr(one, "timing", None))


def _table(name: str, sha256: str) -> Lut | None:
    return read_cube(Path(name), sha256) if name else None
