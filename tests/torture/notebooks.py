"""G21: whatever happens to a notebook, exit code, overview and manifest say the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from finishkit.notebook_run import NOTEBOOK, shipped
from finishkit.overview import Overview
from finishkit.overview_page import refreshed
from finishkit.pause import is_held
from finishkit.store import Store
from tests import synth
from tests.test_finishing import template
from tests.torture import night_driver
from tests.torture.outcome import Outcome, Say

EVENTS = ("dead kernel", "exception", "sys.exit(0)", "cell timeout", "SIGINT", "SIGTERM",
          "SIGKILL", "failed command")  # fmt: skip
CELLS = {
    "dead kernel": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "import ctypes\nctypes.string_at(0)",
        "import os\nos._exit(0)",
    ),
    "exception": ("raise MemoryError('no more')", "1 / 0"),
    "sys.exit(0)": ("import sys\nsys.exit(0)",),
    "cell timeout": ("import time\ntime.sleep(600)",),
    "failed command": ("!false", "%no_such_magic", "!exit 3"),
}
SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
LET_GO_S = 6.0
"""How long after a killed batch its kernel may still hold the folder."""
MAY_PASS = frozenset({"failed command"})
"""Of some of these Jupyter says that all is well, and the episode is finished all the same; others
end the notebook. Either way everything must say the same."""


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Try it ``count`` times: the eight events in turn, before the finishing cell or after it."""
    folder.mkdir(parents=True, exist_ok=True)
    episode = synth.make_episode(folder, shots=2, count=6)
    toml = template(**{"deflicker.strength": 0.0, "stabilise.strength": 0.0}).save(
        folder / "t.toml"
    )

    def one(index: int) -> tuple[str, str, str]:
        return _trial(seed, index, folder / str(index), episode, toml)

    failures: list[str] = []
    codes: dict[str, dict[str, int]] = {name: {} for name in EVENTS}
    with ThreadPoolExecutor(2) as pool:
        for index, (event, code, wrong) in enumerate(pool.map(one, range(count))):
            codes[event][code] = codes[event].get(code, 0) + 1
            if wrong:
                failures.append(f"{seed}:{index} {event}: {wrong}")
            if index % 8 == 7:
                say(f"{index + 1} of {count}, {len(failures)} failures")
    return Outcome(
        suite="notebooks",
        promises=("G21",),
        trials=count,
        failures=tuple(failures),
        figures={"exit codes": {name: seen for name, seen in codes.items() if seen}},
    )


def _trial(seed: int, index: int, folder: Path, episode: Path, toml: Path) -> tuple[str, str, str]:
    rng = random.Random(f"{seed}:{index}")
    event = EVENTS[index % len(EVENTS)]
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # A limit that lets the finishing cell pass on a busy machine would cost minutes a trial.
    late = rng.random() < 0.3 and event != "cell timeout"
    if event in CELLS:
        notebook = _with_cell(rng.choice(CELLS[event]), folder, late=late)
        environment[night_driver.NOTEBOOK] = str(notebook)
    if event == "cell timeout":
        environment[night_driver.TIMEOUT] = "8"
    out = folder / "out"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.torture.night_driver", "batch", str(episode), "-t", str(toml),
         "-O", str(out), "-j", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    if event in SIGNALS:
        # Counted from when the batch has taken the folder: before that nothing has begun.
        _until(lambda: (out / "overview.json").exists() or child.poll() is not None)
        time.sleep(rng.uniform(0.0, 7.0))
        if child.poll() is None:
            child.send_signal(signal.Signals[event])
    try:
        said, errors = child.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return event, "hang", "it did not end"
    return event, str(child.returncode), _wrong(event, late, child.returncode, said + errors, out)


def _wrong(event: str, late: bool, code: int, said: str, out: Path) -> str:
    """Return what does not agree; empty when everything does."""
    folder = out / "ep01"
    deadline = time.monotonic() + LET_GO_S
    while is_held(folder):
        if time.monotonic() > deadline:
            return "the folder is still held: something outlived the batch"
        time.sleep(0.05)
    truth = Store(folder).manifest().exit_code
    written = Overview.model_validate_json((out / "overview.json").read_bytes())
    fresh = refreshed(out)
    assert fresh is not None
    problems = []
    if event == "SIGKILL" and code == -signal.SIGKILL:
        row = fresh.rows[0]  # the batch could write nothing more
        if row.state in ("running", "waiting") and truth != 1:
            problems.append(f"the overview says {row.state}")
    else:
        row = written.rows[0]
        ended_by_itself = code in (0, 1, 3)
        if ended_by_itself and code != truth:
            problems.append(f"exit code {code}, manifest {truth}")
        if not ended_by_itself and code != 128 + signal.Signals[event]:
            problems.append(f"exit code {code}")
        if row.exit_code != truth:
            problems.append(f"overview {row.exit_code}, manifest {truth}")
        if truth == 1 and "finishkit batch " not in said:
            problems.append("no command to go on with is printed")
    if fresh.rows[0].exit_code != truth:
        problems.append(f"overview read again {fresh.rows[0].exit_code}, manifest {truth}")
    if truth == 1 and (folder / "ep01.ipynb").exists():
        problems.append("the notebook's name says finished")
    # nbclient itself prints one when it ends a cell; no cell of the product has a limit.
    if "Traceback" in said and event != "cell timeout":
        problems.append(f"a traceback: {said[-300:]}")
    expected = 0 if late else 1
    if event in CELLS and event not in MAY_PASS and truth != expected:
        problems.append(f"the manifest says {truth} where {expected} is true")
    return "; ".join(problems)


def _with_cell(source: str, folder: Path, *, late: bool) -> Path:
    notebook = nbformat.read(shipped(f"notebooks/{NOTEBOOK}"), as_version=4)
    at = [cell.get("id") for cell in notebook.cells].index("run") + late
    notebook.cells.insert(at, nbformat.v4.new_code_cell(source))
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(notebook))
    return path


def _until(true, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
