"""Put first on PYTHONPATH by the tests, and so loaded by every Python process they start.

With ``TORTURE_POINT`` the process dies at that named point of a write; nothing of it is in the
product: ``Store.fault`` does nothing there. With ``QUIET_LOG`` whatever reaches for the network is
refused and written down; see ``tests/quiet.py``.
"""

import importlib.abc
import importlib.machinery
import os
import signal
import sys
from pathlib import Path

_POINT, _NTH = os.environ.get("TORTURE_POINT", ""), int(os.environ.get("TORTURE_NTH", "1"))


def _ancestors() -> list[int]:
    """Return the processes above this one, up to the one that the suite started."""
    found, pid, top = [], os.getppid(), int(os.environ["TORTURE_TOP"])
    while pid > 1 and pid != top:
        found.append(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found[::-1]


class _Counter:
    seen = 0

    def __call__(self, point: str) -> None:
        if point != _POINT:
            return
        self.seen += 1
        if self.seen == _NTH:
            Path(os.environ["TORTURE_SAID"]).write_text(point)
            for pid in _ancestors():
                os.kill(pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


class _Finder(importlib.abc.MetaPathFinder):
    """Let finishkit.store be loaded as ever, and then put the fault into it."""

    def find_spec(self, name, path=None, target=None):
        if name != "finishkit.store":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.Store.fault = staticmethod(_Counter())

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _POINT:
    sys.meta_path.insert(0, _Finder())

if os.environ.get("QUIET_LOG"):
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests import quiet

    sys.path.pop(0)
    quiet.listen(Path(os.environ["QUIET_LOG"]))
