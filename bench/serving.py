"""A side's half of a comparison: it waits, warm, in a process of its own, for its next turn.

Runs under the peers' interpreter too, so it imports nothing of finishkit.
"""

import json
import os
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "finishkit", "av", "numpy", "opencv-python", "opencv-python-headless", "scikit-image", "scipy",
    "torch", "torchvision", "openvino", "moviepy", "imageio-ffmpeg", "realesrgan", "gfpgan",
    "basicsr", "facexlib", "color-matcher", "spandrel",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return what is installed of everything that could decide a number."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def peak_bytes() -> dict[str, int]:
    """Return the largest resident memory so far: of this process, and of one it started."""
    status = Path("/proc/self/status")
    own = 0
    if status.exists():
        # Not getrusage: what the parent had before exec counts there.
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        own = int(line.split()[1]) * 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"peak_bytes": own, "peak_child_bytes": children}


def _cpu_s() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def serve(side: Any) -> None:
    """Answer the parent's questions, a JSON line each, until it closes the pipe.

    Parameters
    ----------
    side : object
        Its methods are what can be asked for: ``prepare(**given)``, ``run()``, ``save(path)`` and
        whatever else two sides are compared by. They return something JSON can hold, or None.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not come between the answers
    for line in sys.stdin:
        asked = json.loads(line)
        name, given = asked["do"], asked.get("given", {})
        if name == "end":
            answer: dict[str, Any] = {"told": {**peak_bytes(), "versions": versions()}}
        else:
            answer = _answered(side, name, given)
        answers.write(json.dumps(answer) + "\n")
        if name == "end":
            return


def _answered(side: Any, name: str, given: dict[str, Any]) -> dict[str, Any]:
    cpu, begun = _cpu_s(), time.perf_counter()
    try:
        told = getattr(side, name)(**given)
    except ImportError as error:
        return {"missing": error.name or str(error), "text": str(error)}
    except Exception as error:  # whatever a peer raises is its result, told to the parent
        import traceback

        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - begun
    return {"told": told, "seconds": seconds, "cpu_s": _cpu_s() - cpu}
