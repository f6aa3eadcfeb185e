"""The kernel a batch runs its notebook in."""

import sys
from pathlib import Path
from typing import Any


def this_python(sockets: Path) -> type[Any]:
    """Return a kernel manager for this very interpreter.

    Parameters
    ----------
    sockets : Path
        A folder of its own with a short name.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        """The kernel is this very interpreter; a kernelspec of the user's may be another."""

        # Unix sockets: no port that another process could take, and no warning about encryption.
        transport = "ipc"
        # Without a file of its own jupyter_client calls them kernel-ipc-1 ... in the current
        # folder, and two batches started there talk to each other's kernels.
        connection_file = str(sockets / "k.json")

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="finishkit",
                language="python",
            )

    return ThisPython
