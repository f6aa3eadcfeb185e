"""G6: a source, a file between passes, a cache, a LUT or the manifest is harmed behind our back.

Most trials harm a file between two runs, the others at a random moment of a run. Silent is a run
that calls a shot finished whose bytes, or whose figures in the report, are not those of a run that
was left alone. A source is harmed only once it was checked: before, it is simply another
source.
"""

import json
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from finishkit.errors import FinishError
from finishkit.progress import Event, Progress
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.stages.lut import build_lut, write_cube
from finishkit.store import Store
from finishkit.template import load_template
from tests import synth
from tests.torture.killing import light_template, made
from tests.torture.outcome import Outcome, Say

LANES = 2
SHOTS = 2
BETWEEN = 0.67
"""Share of the trials that harm a file between two runs."""


def flip(path: Path, rng: random.Random) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(path: Path, rng: random.Random) -> None:
    """Leave the first part only."""
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(1, len(data))])


def swap(path: Path, rng: random.Random) -> None:
    """Put another whole file of its kind there, where there is one."""
    others = [p for p in sorted(path.parent.glob(f"*{path.suffix}")) if p != path and p.is_file()]
    if others:
        shutil.copy(rng.choice(others), path)
    else:
        flip(path, rng)


def lose(path: Path, rng: random.Random) -> None:
    """Take it away."""
    del rng
    path.unlink()


HARMS: tuple[Callable[[Path, random.Random], None], ...] = (flip, cut, swap, lose)


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Harm ``count`` files, one a run; see what the run says, and what stands after the next."""
    with ProcessPoolExecutor(LANES, mp_context=get_context("spawn")) as pool:
        lanes = [
            pool.submit(_lane, range(lane, count, LANES), seed, folder / str(lane))
            for lane in range(LANES)
        ]
        results = [result for lane in lanes for result in lane.result()]
    told: dict[str, int] = {}
    for verdict, _ in results:
        told[verdict] = told.get(verdict, 0) + 1
    say(f"{count} trials")
    return Outcome(
        suite="swaps",
        promises=("G6",),
        trials=count,
        failures=tuple(failure for _, failure in results if failure),
        figures={"what became of them": told},
    )


def _lane(indices: range, seed: int, folder: Path) -> list[tuple[str, str]]:
    bench, results = _Bench(folder), []
    for index in indices:
        rng = random.Random(f"{seed}:{index}")
        verdict, failure = bench.trial(rng, rng.random() < BETWEEN)
        results.append((verdict, f"{seed}:{index} {failure}" if failure else ""))
    return results


class _Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        synth.make_episode(folder / "kept", shots=SHOTS, count=6)
        write_cube(folder / "kept" / "look.cube", build_lut(lambda rgb: rgb * 0.98, 5))
        draft = light_template()
        draft.set("grade.look_lut", str(folder / "kept" / "look.cube"))
        draft.lock().save(folder / "kept" / "t.toml")
        self.fresh()
        self.finish(Progress())
        self.truth, self.figures = made(self.out), self.told()
        shutil.copytree(folder / "now" / "runs", folder / "done")

    @property
    def out(self) -> Path:
        return self.folder / "now" / "runs" / "ep01"

    def fresh(self) -> None:
        """Put episode and template back as they were; nothing is finished."""
        shutil.rmtree(self.folder / "now", ignore_errors=True)
        shutil.copytree(self.folder / "kept", self.folder / "now")

    def finish(self, progress: Progress) -> str:
        """Finish, and return what the run says: a code, or nothing."""
        now = self.folder / "now"
        try:
            finish_episode(
                open_episode(now / "ep01"),
                load_template(now / "t.toml"),
                now / "runs",
                jobs=1,
                progress=progress,
            )
        except FinishError as error:
            return error.code or "error"
        states = Store(self.out).manifest().shots.values()
        return next((s.code for s in states if s.state == "quarantined"), "")

    def told(self) -> dict[str, Any]:
        """Return the figures of the report, by shot."""
        report = json.loads((self.out / "report.json").read_text())
        return {
            s["shot"]: {k: s[k] for k in ("raw", "finished", "solved")} for s in report["shots"]
        }

    def trial(self, rng: random.Random, between: bool) -> tuple[str, str]:
        """Return in a word what became of one harmed file, and the failure, if it is one."""
        self.fresh()
        harm = rng.choice(HARMS)
        if between:
            shutil.copytree(self.folder / "done", self.folder / "now" / "runs")
            victim = self.harmed(rng, harm, sources=False)
            code = self.finish(Progress())
        else:
            harmer = _Harmer(self, rng, harm, rng.randrange(1, 40))
            code = self.finish(Progress(harmer))
            victim = harmer.victim
        case = f"{harm.__name__} {victim}, {'between two runs' if between else 'during a run'}"
        if failure := self.silent():
            return "silent", f"{case}: {failure}"
        # Everything as it was: the next run must come to the very bytes.
        for name in ("ep01", "look.cube", "t.toml"):
            _restore(self.folder / "kept" / name, self.folder / "now" / name)
        if code == "bad_manifest":
            (self.out / "manifest.json").unlink()
        again = self.finish(Progress())
        if again or made(self.out) != self.truth:
            return "stuck", f"{case}: said {code!r}, and the next run {again!r}"
        return (f"told as {code}" if code else "made again or not needed"), ""

    def harmed(
        self, rng: random.Random, harm: Callable[[Path, random.Random], None], *, sources: bool
    ) -> str:
        """Harm one file, chosen by its kind first; return its name."""
        now = self.folder / "now"
        kinds = [
            sorted(now.glob("ep01/*.mp4")) if sources else [],
            sorted(now.glob("look.cube")),
            sorted(self.out.glob("work/*_*/*.mkv")),
            sorted(self.out.glob("work/measure/*.json")),
            sorted(self.out.glob("work/ingest/*.json")),
            sorted(now.glob("runs/ep01/shots/*.mp4")),
            sorted(now.glob("runs/ep01/master.mp4")),
            sorted(now.glob("runs/ep01/manifest.json")),
        ]
        there = [files for files in kinds if files]
        victim = rng.choice(rng.choice(there))
        harm(victim, rng)
        return str(victim.relative_to(now))

    def silent(self) -> str:
        """Return what is called finished and is not what it should be."""
        store = Store(self.out)
        try:
            manifest = store.manifest()
        except FinishError:
            return ""
        finished = {s for s, told in manifest.shots.items() if told.state == "finished"}
        if len(finished) < SHOTS or not (self.out / "report.json").is_file():
            return ""
        if manifest.exit_code == 1:
            return ""
        for name in store.verify():
            # Harmed after the last look at it: nothing was told of it in this run, and `verify`
            # tells.
            manifest.entries.pop(name, None)
        for name, entry in manifest.entries.items():
            if name in self.truth and entry.sha256 != self.truth[name]:
                return f"{name} has other bytes"
        figures = self.told()
        changed = [shot for shot in finished if figures.get(shot) != self.figures[shot]]
        return f"the report has other figures for {', '.join(changed)}" if changed else ""


class _Harmer:
    """Harms one file when so many events have passed since the clips were checked."""

    def __init__(
        self,
        bench: _Bench,
        rng: random.Random,
        harm: Callable[[Path, random.Random], None],
        after: int,
    ) -> None:
        self.bench, self.rng, self.harm, self.left = bench, rng, harm, after
        self.victim = "nothing"

    def __call__(self, event: Event) -> None:
        if event.stage in ("", "check"):
            return
        self.left -= 1
        if self.left == 0:
            self.victim = self.bench.harmed(self.rng, self.harm, sources=True)


def _restore(kept: Path, now: Path) -> None:
    if kept.is_dir():
        shutil.rmtree(now, ignore_errors=True)
        shutil.copytree(kept, now)
    else:
        shutil.copy(kept, now)
