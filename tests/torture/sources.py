"""G9: sources are only read, whatever lies where results shall go."""

import hashlib
import os
import random
import shutil
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.run import finish_episode, measure_episode
from finishkit.shots import open_episode
from tests import synth
from tests.torture.killing import light_template
from tests.torture.outcome import Outcome, Say

RESULTS = ("shots/shot_001.mp4", "shots/shot_002.mp4", "master.mp4", "report.html", "report.json",
           "shots.csv", "events.jsonl", "manifest.json", "contact_sheet.png",
           "work/2_deflicker/shot_001.mkv", ".lock")  # fmt: skip
"""Names a run writes to; links to sources lie there before it."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Run ``count`` times with links to the sources in the output folder, or with it inside."""
    kept = synth.make_episode(folder / "kept", shots=2, count=4)
    failures: list[str] = []
    for index in range(count):
        rng = random.Random(f"{seed}:{index}")
        root = folder / str(index)
        episode = root / "show" / "ep01"
        shutil.copytree(kept, episode)
        clips = sorted(episode.glob("*.mp4"))
        inside = rng.random() < 0.3
        out = episode / "finished" if inside else root / "out"
        linked = rng.sample(RESULTS, 4)
        for name in linked:
            place = out / "ep01" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            make = rng.choice((os.symlink, os.link))
            make(rng.choice(clips), place)
        before = _state(episode, out)
        verb = "finish" if rng.random() < 0.7 else "measure"
        try:
            opened = open_episode(episode)
            if verb == "finish":
                finish_episode(opened, light_template().lock(), out, jobs=1)
            else:
                measure_episode(opened, out, jobs=1)
            said = "done"
        except FinishError as error:
            said = f"refused: {error.code}"
        if _state(episode, out) != before:
            failures.append(f"{seed}:{index} {verb}, {said}, links at {linked}: a source changed")
        shutil.rmtree(root)
        say(f"{index + 1} of {count}: {verb}, {said}")
    return Outcome(suite="sources", promises=("G9",), trials=count, failures=tuple(failures))


def _state(episode: Path, out: Path) -> dict[str, tuple[str, int, int]]:
    """Return bytes, time and mode of everything in the episode's folder but the results."""
    return {
        str(p.relative_to(episode)): (
            hashlib.sha256(p.read_bytes()).hexdigest(),
            p.stat().st_mtime_ns,
            p.stat().st_mode,
        )
        for p in sorted(episode.rglob("*"))
        if p.is_file() and out not in p.parents
    }
