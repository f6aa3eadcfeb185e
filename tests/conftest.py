"""What several test files share."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import quiet

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The words the tests look for, on whatever machine.
os.environ["FINISHKIT_LANG"] = "en"
# No test reaches for the network, nor does any Python process that a test starts.
_INSIDE = str(Path(__file__).parent / "inside")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_INSIDE, os.environ.get("PYTHONPATH")]))
os.environ["QUIET_LOG"] = str(Path(tempfile.mkdtemp(prefix="quiet-")) / "network.log")
quiet.listen(Path(os.environ["QUIET_LOG"]))

FOOTAGE = os.environ.get("FINISHKIT_FOOTAGE", "")

LONG = (
    "tests/torture/test_kills.py",
    "tests/browser/test_journey.py",
    "tests/browser/test_lab.py",
    "tests/verdict/test_identity_footage.py",
    "tests/hostile/test_measure_hostile.py",
    "tests/test_finishing.py",
    "tests/torture/",
)
"""Files of few and long tests. They begin first: left for the end, one of two lanes would be done
minutes before the other."""


def pytest_collection_modifyitems(config, items):
    """Leave out what this machine cannot run; a missing browser is handled where it is used.

    Deselected, not skipped: a skip in CI would hide that nothing ran.
    """
    items.sort(key=lambda item: _rank(item.nodeid))
    left = []
    for item in items:
        if "footage" in item.keywords and not Path(FOOTAGE or "/nonexistent").is_dir():
            left.append(item)
        if "gpu" in item.keywords and not _has_gpu():
            left.append(item)
        if "reference" in item.keywords and not _has_reference():
            left.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [i for i in items if i not in left]


def _rank(nodeid: str) -> int:
    return next((i for i, long in enumerate(LONG) if nodeid.startswith(long)), len(LONG))


def _has_gpu() -> bool:
    return Path("/dev/nvidia0").exists()


def _has_reference() -> bool:
    """One of the packages is enough: where another is missing, that is to be seen."""
    wanted = "reference" in os.environ.get("FINISHKIT_REQUIRE", "")
    return wanted or any(importlib.util.find_spec(name) for name in ("realesrgan", "gfpgan"))


@pytest.fixture
def footage() -> Path:
    return Path(FOOTAGE)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Keep decoded weights between tests, and out of the user's home."""
    cache = tmp_path_factory.getbasetemp().parent / "finishkit-cache"
    monkeypatch.setenv("FINISHKIT_CACHE", str(cache))
    monkeypatch.delenv("FINISHKIT_FACES", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    yield
    log = Path(os.environ["QUIET_LOG"])
    assert not quiet.attempts(log), "something reached for the network"
    shutil.rmtree(log.parent)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One real Chromium for the whole suite; missing, it skips, or fails where it is required."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if "browser" in os.environ.get("FINISHKIT_REQUIRE", ""):
            pytest.fail("FINISHKIT_REQUIRE asks for a browser and there is no chromium")
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield running
        running.close()
