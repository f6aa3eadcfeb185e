"""A cluster of this machine's own: the same results, whoever is lost."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from finishkit.crew import Patience
from finishkit.engines import open_engine, parts
from finishkit.engines.dask import LOSSES, DaskEngine
from finishkit.engines.errand import ClusterError
from finishkit.engines.own_cluster import own_cluster
from finishkit.environment import environment
from finishkit.errors import FinishError
from finishkit.pause import Paused
from tests.engines.deeds import Deed, perform

SHORT = Patience(idle_s=2.0, busy_s=60.0, loading_s=2.0, grace_s=0.5)


@pytest.fixture(scope="module")
def cluster():
    with own_cluster(2, gpus=0) as running:
        yield running


@pytest.fixture
def engine(cluster):
    with DaskEngine(cluster.scheduler_address, patience=SHORT) as opened:
        yield opened


def family():
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def workers(engine):
    """Return the process numbers of the Dask workers."""
    with contextlib.suppress(OSError, TimeoutError):
        return sorted(engine.client.run(os.getpid).values())
    return []


def test_all_that_can_befall_an_item_befalls_it_alone(engine, tmp_path):
    deeds = [Deed("a", part=tmp_path / ".a.part.mp4"), Deed("b", "die"), Deed("c", "refuse"),
             Deed("d", "die once", tmp_path / "mark"), Deed("e", "fail"), Deed("f", "fail oddly"),
             Deed("g", "unpicklable"), Deed("h", "sleep")]  # fmt: skip
    before = workers(engine)
    found = {d.shot: a for d, a in engine.map(perform, deeds)}
    assert {s: getattr(a, "code", type(a).__name__) for s, a in found.items()} == {
        "a": "int", "b": "killed", "c": "no_frames", "d": "int", "e": "ZeroDivisionError",
        "f": "stage_failed", "g": "AttributeError", "h": "timeout",
    }  # fmt: skip
    assert str(found["b"]).startswith("Shot b: the process that worked on it died twice (SIGKILL")
    assert (tmp_path / ".a.part.mp4").read_text() == "a done"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.part.mp4", "mark"]
    assert workers(engine) == before


def test_a_lost_worker_costs_nothing(engine, tmp_path):
    deeds = [Deed(f"s{i}", "beat slowly", part=tmp_path / f".s{i}.part.mkv") for i in range(4)]

    def kill():
        time.sleep(1.5)
        os.kill(before[0], signal.SIGKILL)

    before = workers(engine)
    killer = threading.Thread(target=kill)
    killer.start()
    done = {d.shot: a for d, a in engine.map(perform, deeds)}
    killer.join()
    assert all(type(a) is int for a in done.values())
    assert sorted(done) == [d.shot for d in deeds]
    assert sorted(p.name for p in tmp_path.iterdir()) == [d.part.name for d in deeds]
    assert workers(engine) != before


@pytest.mark.slow
def test_what_kills_its_worker_is_given_up_and_not_what_waits_beside_it(engine, tmp_path):
    begun = {name: tmp_path / name for name in "abcdef"}
    deeds = [
        Deed(name, "kill the worker" if name == "b" else "work", begun=mark)
        for name, mark in begun.items()
    ]
    found = {d.shot: getattr(a, "code", type(a).__name__) for d, a in engine.map(perform, deeds)}
    assert found == {**dict.fromkeys("acdef", "int"), "b": "killed"}
    assert LOSSES <= len(begun["b"].read_text().splitlines()) < LOSSES + 4


def test_work_that_was_done_before_is_done_again(engine, tmp_path, monkeypatch):
    """Dask still holds the first answer, whose file is gone: its key must not be asked again."""
    monkeypatch.setattr(parts, "SHARED_S", 1.0)
    held, submit = [], engine.client.submit
    monkeypatch.setattr(
        engine.client, "submit", lambda *a, **k: held.append(submit(*a, **k)) or held[-1]
    )
    deed = Deed("a", part=tmp_path / ".a.part.mp4")
    for _ in range(2):
        assert [d.shot for d, _ in engine.map(perform, [deed])] == ["a"]
        assert deed.part.read_text() == "a done"
        deed.part.unlink()


def test_everything_listens_on_the_loopback_only(engine):
    list(engine.map(perform, [Deed("a")]))
    heard = [c.laddr.ip for p in family() for c in p.net_connections("inet")
             if c.status == psutil.CONN_LISTEN]  # fmt: skip
    assert len(heard) >= 5
    assert set(heard) <= {"127.0.0.1", "::1"}


def test_what_no_worker_has_is_refused_with_how_to_offer_it(engine):
    with pytest.raises(FinishError, match=r"needs GPU=1, and no worker.*offered: CPU, IO") as told:
        list(engine.map(perform, [Deed("a")], needs={"GPU": 1}))
    assert '--resources "GPU=1"' in str(told.value)
    assert told.value.code == "no_such_resource"
    assert engine.offers == {"CPU", "IO"}
    with pytest.raises(FinishError, match="needs CPU=2"):
        list(engine.map(perform, [Deed("a")], needs={"CPU": 2}))
    assert len(list(engine.map(perform, [Deed("a")], needs={"CPU": 1, "IO": 1}))) == 1


def test_a_pause_takes_back_what_nobody_has_begun(cluster):
    asked = []
    with DaskEngine(cluster.scheduler_address, paused=lambda: bool(asked)) as engine:
        going = engine.map(perform, [Deed(f"{i}", "beat slowly") for i in range(9)])
        done = [next(going)]
        asked.append(True)
        with pytest.raises(Paused):
            done.extend(going)
        assert len(done) <= 5
        asked.clear()
        assert len(list(engine.map(perform, [Deed("a")]))) == 1


def test_a_worker_that_sees_another_folder_is_found_out(engine, tmp_path, monkeypatch):
    def elsewhere(path, data, encoding=None):
        return len(data)  # as on a machine where the folder is not mounted

    monkeypatch.setattr(Path, "write_text", elsewhere)
    with pytest.raises(ClusterError, match=r"does not see .* Share that folder.*Worker tcp"):
        list(engine.map(perform, [Deed("a", part=tmp_path / ".a.part.mp4")]))


def test_a_worker_with_other_versions_is_found_out(cluster, monkeypatch):
    monkeypatch.setattr("finishkit.engines.dask.environment", lambda: {"av": "1.2.3"})
    with pytest.raises(ClusterError, match=r"has av \d.* instead of 1.2.3") as told:
        DaskEngine(cluster.scheduler_address)
    assert told.value.code == "cluster_mismatch"


def test_a_worker_with_a_gpu_may_work_for_a_machine_without(cluster, monkeypatch):
    other = environment() | {"upscaling": "some other engine"}
    monkeypatch.setattr("finishkit.engines.dask.environment", lambda: other)
    with DaskEngine(cluster.scheduler_address) as engine:
        assert len(list(engine.map(perform, [Deed("a")]))) == 1


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setattr("finishkit.engines.dask.CONNECT_S", 1.0)
    with pytest.raises(FinishError, match=r"No Dask scheduler answers at tcp://") as told:
        open_engine("dask:tcp://127.0.0.1:9")
    assert told.value.code == "cluster_unreachable"


def test_a_scheduler_without_workers():
    with own_cluster(0, gpus=0) as empty:
        with pytest.raises(FinishError, match="has no worker, for 1 s now") as told:
            DaskEngine(empty.scheduler_address, wait_s=1.0)
        assert told.value.code == "no_workers"


def test_the_own_cluster_ends_with_its_engine():
    before = {p.pid for p in family()}
    engine = open_engine("dask:local", 1)
    assert engine.offers == {"CPU", "IO"}
    engine.close()
    assert {p.pid for p in family() if p.status() != psutil.STATUS_ZOMBIE} <= before


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(FinishError, match=r'pip install "finishkit\[cluster\]"'):
        open_engine("dask:local")
