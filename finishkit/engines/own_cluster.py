"""A Dask cluster of this machine's own."""

import logging
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distributed import SpecCluster

LOOPBACK: Final = "127.0.0.1"


def _gpu_count() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    return len(answer.stdout.split()) if answer.returncode == 0 else 0


def mend(cluster: "SpecCluster") -> None:
    """Start the workers again that are gone for good.

    Parameters
    ----------
    cluster : SpecCluster
        From :func:`own_cluster`.
    """
    if len(cluster.workers) < len(cluster.worker_spec):
        cluster.scale(len(cluster.worker_spec))


def own_cluster(jobs: int | None = None, gpus: int | None = None) -> "SpecCluster":
    """Start a Dask cluster on this machine: on the loopback only, without a dashboard.

    Parameters
    ----------
    jobs : int, optional
        Workers of one thread each; the number of processors by default.
    gpus : int, optional
        One worker more for each; counted by default.
    """
    from dask import config
    from distributed import Nanny, Scheduler, SpecCluster

    # Dask drops a worker for good that needs longer than 15 s to start again, as on a busy machine.
    config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    gpus = _gpu_count() if gpus is None else gpus
    jobs = (os.cpu_count() or 1) if jobs is None else jobs
    quiet = {"host": LOOPBACK, "dashboard": False, "dashboard_address": f"{LOOPBACK}:0"}
    each = {**quiet, "nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    kinds: dict[str, tuple[dict[str, float], str]] = {
        f"cpu-{i}": ({"CPU": 1, "IO": 1}, "") for i in range(jobs)
    }
    kinds |= {f"gpu-{i}": ({"GPU": 1}, str(i)) for i in range(gpus)}
    workers = {
        name: {
            "cls": Nanny,
            "options": {
                **each,
                "resources": resources,
                # A GPU has one owner; without any the machine is left as it is.
                **({"env": {"CUDA_VISIBLE_DEVICES": visible}} if gpus else {}),
            },
        }
        for name, (resources, visible) in kinds.items()
    }
    return SpecCluster(
        workers=workers,
        scheduler={"cls": Scheduler, "options": quiet},
        name="finishkit",
        silence_logs=logging.CRITICAL,  # type: ignore[arg-type] (a level is taken too)
    )
