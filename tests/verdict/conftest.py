"""Real footage, clean and with planted faults, measured once for all tests that judge it."""

import csv
from pathlib import Path

import pytest

from finishkit.measure import Measurements, measure
from finishkit.shots import Episode, open_episode
from tests.conftest import FOOTAGE

SAMPLE = Path(__file__).parents[2] / "sample_shots" / "ep01"


@pytest.fixture(scope="session")
def clean_episode() -> Episode:
    return open_episode(Path(FOOTAGE) / "episodes" / "ep01")


@pytest.fixture(scope="session")
def planted_episode() -> Episode:
    return open_episode(Path(FOOTAGE) / "episodes" / "ep01_planted")


@pytest.fixture(scope="session")
def measured_cache(tmp_path_factory) -> Path:
    """Shared: the untouched shots of the planted episode are those of the clean one."""
    return tmp_path_factory.mktemp("measured")


@pytest.fixture(scope="session")
def clean(clean_episode, measured_cache) -> Measurements:
    return measure(clean_episode, cache_dir=measured_cache, backend="dlib")


@pytest.fixture(scope="session")
def planted(planted_episode, measured_cache) -> Measurements:
    return measure(planted_episode, cache_dir=measured_cache, backend="dlib")


@pytest.fixture(scope="session")
def planted_truth() -> dict[str, dict[str, str]]:
    """Shot id, then the row of ``planted.csv``."""
    table = Path(FOOTAGE) / "episodes" / "ep01_planted" / "planted.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {row["shot"].removesuffix(".mp4"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="session")
def sample() -> Measurements:
    return measure(open_episode(SAMPLE), backend="dlib")
