"""G5: broken clips among good ones. Each is set aside with a reason, the rest is finished."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from finishkit.ingest import CODES
from finishkit.report import Report
from finishkit.run import measure_episode
from finishkit.shots import open_episode
from finishkit.store import sha256_file
from tests import synth
from tests.torture import corpus
from tests.torture.killing import light_template
from tests.torture.outcome import Outcome, Say

AT_ONCE = 5
LIMIT_S = 120.0
"""For one run over five broken clips and two good ones: it takes three seconds."""
EVERY = 10
"""So many runs that only measure for each that finishes, with ``finishkit batch``."""


def _good(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        synth.write_clip(folder / f"good_{i}.mp4", synth.panning(seed=i, count=12))
        for i in range(2)
    ]


def _episode(folder: Path, good: Sequence[Path], bad: Sequence[corpus.Case]) -> dict[str, str]:
    """Lay out an episode; return shot to the case that it is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = ["shot,file,scene"]
    for path in good:
        shutil.copyfile(path, folder / path.name)
    rows.append(f"good_0,{good[0].name},1")
    cases = {}
    for i, one in enumerate(bad):
        (folder / f"bad_{i}{one.suffix}").write_bytes(one.data)
        rows.append(f"bad_{i},bad_{i}{one.suffix},1")
        cases[f"bad_{i}"] = str(one)
    rows.append(f"good_1,{good[1].name},1")
    (folder / "shots.csv").write_text("\n".join(rows) + "\n")
    return cases


def _wrong(report: Report, exit_code: int, cases: dict[str, str], codes: Counter) -> Iterator[str]:
    """Say what a report gets wrong about broken clips."""
    listed = {q.shot: q for q in report.quarantined}
    states = {s.shot: s.state for s in report.shots}
    for shot, name in cases.items():
        aside = listed.get(shot)
        codes[aside.code if aside else "passed"] += 1
        if (states.get(shot) == "quarantined") != (aside is not None):
            yield f"{name}: state {states.get(shot)}, and {'' if aside else 'not '}listed"
        if aside and (not aside.code or not aside.text):
            yield f"{name}: listed without a code or a sentence"
        if aside and aside.code in ("killed", "timeout", "stage_failed"):
            yield f"{name}: {aside.code}: {aside.text}"
        if aside and aside.code in CODES and f"{shot}." not in aside.text:
            yield f"{name}: the sentence does not name the file: {aside.text}"
    for shot in ("good_0", "good_1"):
        if states.get(shot) not in ("measured", "finished"):
            yield f"{', '.join(cases.values())}: the good shot {shot} is {states.get(shot)}"
    trouble = bool(listed) or any(s.action == "regenerate" for s in report.shots)
    if exit_code != (3 if trouble else 0):
        yield f"{', '.join(cases.values())}: exit code {exit_code}"


def _batch(episode: Path, template: Path, out: Path) -> tuple[int, Report, dict[str, str]]:
    """Finish an episode with the real command; return also shot to the digest of its file."""
    shutil.rmtree(out, ignore_errors=True)
    ended = subprocess.run(
        [sys.executable, "-m", "finishkit", "batch", str(episode), "-t", str(template), "-O",
         str(out), "-j", "1"],
        capture_output=True, text=True, timeout=4 * LIMIT_S, check=False,
    )  # fmt: skip
    report = out / episode.name / "report.json"
    if not report.exists():
        raise AssertionError(f"no report: {ended.stdout[-300:]} {ended.stderr[-300:]}")
    found = Report.model_validate_json(report.read_bytes())
    files = {s.shot: s.file for s in found.shots if s.state == "finished"} | {"*": "master.mp4"}
    return ended.returncode, found, {k: sha256_file(report.parent / v) for k, v in files.items()}


def _finishing(
    refused: Sequence[corpus.Case], good: Sequence[Path], folder: Path, alone: dict[str, str]
) -> Iterator[str]:
    """Finish good shots with broken ones between them: their bytes must be those without."""
    named = _episode(folder / "ep", good, refused)
    said = ", ".join(named.values())
    try:
        code, report, digests = _batch(folder / "ep", folder / "look.toml", folder / "batch")
    except Exception as error:
        yield f"{said}: finishkit batch: {type(error).__name__}: {error}"
        return
    yield from _wrong(report, code, named, Counter())
    if digests != alone:
        yield f"{said}: the good shots or the master have other bytes than without broken ones"


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Try ``count`` broken clips, five at a time, and whatever lies on the shelf."""
    good = _good(folder / "good")
    cases = [*corpus.shelf(), *(corpus.case(seed, i) for i in range(count))]
    footage = Path(os.environ.get("FINISHKIT_FOOTAGE", "/nonexistent")) / "hostile"
    if count > AT_ONCE * EVERY and footage.is_dir():
        cases += [corpus.lying(path) for path in sorted(footage.iterdir()) if path.is_file()]
    light_template().lock().save(folder / "look.toml")
    _episode(folder / "ep", good, ())
    code, _, alone = _batch(folder / "ep", folder / "look.toml", folder / "batch")
    failures = [] if code in (0, 3) else [f"good shots alone: exit code {code}"]
    codes: Counter[str] = Counter()
    slowest, batches = 0.0, 0
    refused: list[corpus.Case] = []
    for number, first in enumerate(range(0, len(cases), AT_ONCE)):
        bad = cases[first : first + AT_ONCE]
        named = _episode(folder / "ep", good, bad)
        started = time.monotonic()
        try:
            found = measure_episode(open_episode(folder / "ep"), folder / "out", jobs=1)
        except Exception as error:
            said = ", ".join(named.values())
            failures.append(f"{said}: the run ended with {type(error).__name__}: {error}")
            continue
        took = time.monotonic() - started
        slowest = max(slowest, took)
        failures += _wrong(found.report, found.exit_code, named, codes)
        if took > LIMIT_S:
            failures.append(f"{', '.join(named.values())}: took {took:.0f} s")
        aside = {q.shot for q in found.report.quarantined}
        refused += [one for i, one in enumerate(bad) if f"bad_{i}" in aside]
        if number % EVERY == 0 and refused:
            taken = refused[-(1 + batches % AT_ONCE) :]
            failures += _finishing(taken, good, folder, alone)
            batches += 1
        say(f"{first + len(bad)} of {len(cases)}, {len(failures)} failures")
    return Outcome(
        suite="mutants",
        promises=("G5", "G12"),
        trials=len(cases),
        failures=tuple(failures),
        figures={
            "set_aside": codes.total() - codes["passed"],
            "codes": dict(codes.most_common()),
            "finishing_runs": batches,
            "slowest_measuring_run_s": round(slowest, 1),
        },
    )
