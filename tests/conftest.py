"""What several test files share."""

import os
from pathlib import Path

import pytest

FOOTAGE = os.environ.get("FINISHKIT_FOOTAGE", "")


def pytest_collection_modifyitems(config, items):
    """Leave out what this machine cannot run; a missing browser is handled where it is used.

    Deselected, not skipped: a skip in CI would hide that nothing ran.
    """
    left = []
    for item in items:
        if "footage" in item.keywords and not Path(FOOTAGE or "/nonexistent").is_dir():
            left.append(item)
        if "gpu" in item.keywords and not _has_gpu():
            left.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [i for i in items if i not in left]


def _has_gpu() -> bool:
    return Path("/dev/nvidia0").exists()


@pytest.fixture
def footage() -> Path:
    return Path(FOOTAGE)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Keep decoded weights between tests, and out of the user's home."""
    cache = tmp_path_factory.getbasetemp().parent / "finishkit-cache"
    monkeypatch.setenv("FINISHKIT_CACHE", str(cache))
