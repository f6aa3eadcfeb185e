import json
import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.kept import keep, kept
from finishkit.store import FAULT_POINTS, Store, digest, sha256_file, write_bytes


def _make(store: Store, name: str, data: bytes, key: str = "k"):
    store.part(name).write_bytes(data)
    return store.commit(name, key=key, check=lambda path: None)


def test_a_committed_file_is_current_until_anything_changes(tmp_path):
    store = Store(tmp_path)
    entry = _make(store, "shots/a.mp4", b"pictures", "k1")
    assert (tmp_path / "shots" / "a.mp4").read_bytes() == b"pictures"
    assert store.current("shots/a.mp4", "k1") == entry
    assert store.current("shots/a.mp4", "k2") is None
    # Same size, other bytes: size and time say nothing, the digest does.
    (tmp_path / "shots" / "a.mp4").write_bytes(b"picturez")
    assert store.current("shots/a.mp4", "k1") is None
    assert store.verify() == ("shots/a.mp4",)


def test_a_refused_part_never_gets_the_final_name(tmp_path):
    store = Store(tmp_path)
    _make(store, "a.mp4", b"old")

    def refuse(path):
        raise FinishError("half a file")

    store.part("a.mp4").write_bytes(b"new")
    with pytest.raises(FinishError):
        store.commit("a.mp4", key="k2", check=refuse)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert store.current("a.mp4", "k") is not None


def test_an_output_that_is_a_link_to_a_source_leaves_the_source_alone(tmp_path):
    source = tmp_path / "source.mp4"
    source.write_bytes(b"precious")
    out = tmp_path / "out"
    store = Store(out)
    (out / "soft.mp4").symlink_to(source)
    os.link(source, out / "hard.mp4")
    for name in ("soft.mp4", "hard.mp4"):
        _make(store, name, b"finished")
        assert source.read_bytes() == b"precious"
        assert (out / name).read_bytes() == b"finished"


@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_any_point_of_a_commit_nothing_half_stands(tmp_path, point):
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from finishkit.store import Store
        def die(at):
            if at == {point!r}:
                os.kill(os.getpid(), signal.SIGKILL)
        store = Store(Path({str(tmp_path)!r}))
        with store.locked():
            store.fault = die
            store.part("a.bin").write_bytes(b"x" * 1000)
            store.commit("a.bin", key="k", check=lambda p: None)
    """)
    child = subprocess.run([sys.executable, "-c", script], check=False)
    assert child.returncode == -9
    store = Store(tmp_path)
    final = tmp_path / "a.bin"
    assert not final.exists() or final.read_bytes() == b"x" * 1000
    recorded = FAULT_POINTS.index(point) >= FAULT_POINTS.index("manifest_renamed")
    assert (store.current("a.bin", "k") is not None) == recorded
    with store.locked():
        assert not list(tmp_path.rglob(".*.part*"))
        assert store.current("a.bin", "k") or _make(store, "a.bin", b"x" * 1000)
    assert store.current("a.bin", "k") is not None


def test_two_runs_never_share_a_folder_and_a_killed_one_lets_go(tmp_path):
    script = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from finishkit.store import Store
        with Store(Path({str(tmp_path)!r})).locked():
            print("mine", flush=True)
            time.sleep(60)
    """)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    started = time.monotonic()
    with (
        pytest.raises(FinishError, match=f"process {child.pid}") as caught,
        Store(tmp_path).locked(),
    ):
        pass
    assert caught.value.code == "locked"
    assert time.monotonic() - started < 5
    child.kill()
    child.wait()
    child.stdout.close()
    with Store(tmp_path).locked():
        pass


def test_what_a_killed_run_has_left_is_swept_up(tmp_path):
    store = Store(tmp_path / "out")
    store.part("shots/one.mp4").write_bytes(b"half")
    desk = store.part("shots/two").with_name(".desk-1.part")
    desk.mkdir()
    (desk / "three.mp4").write_bytes(b"half")
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.mp4").write_bytes(b"whole")
    link = desk.with_name(".link.part")
    link.symlink_to(other)
    with store.locked():
        assert not list((tmp_path / "out" / "shots").iterdir())
    assert (other / "kept.mp4").exists()


def test_exit_code_follows_the_manifest(tmp_path):
    store = Store(tmp_path)
    assert store.manifest().exit_code == 1
    store.plan("ep", ("a", "b"))
    store.mark("a", "finished")
    _make(store, "master.mp4", b"m")
    assert store.manifest().exit_code == 1, "b was not run"
    store.mark("b", "quarantined", "truncated", "b.mp4 is cut short")
    assert store.manifest().exit_code == 1, "the report is not written"
    store.end()
    assert store.manifest().exit_code == 3
    store.mark("b", "finished")
    assert store.manifest().exit_code == 0
    store.mark("a", "finished", "regenerate", "another face")
    assert store.manifest().exit_code == 3
    store.forget("master.mp4")
    assert store.manifest().exit_code == 1


def test_a_flipped_bit_in_the_manifest_costs_its_entry_and_no_other(tmp_path):
    store = Store(tmp_path)
    _make(store, "a.mp4", b"one", "key-of-a")
    _make(store, "b.mp4", b"two", "key-of-b")
    store.plan("ep01", ("a", "b"))
    store.mark("a", "finished")
    text = store.manifest_path.read_text()
    store.manifest_path.write_text(text.replace("key-of-a", "key-of-c"))
    assert set(store.manifest().entries) == {"b.mp4"}
    assert store.manifest().shots["a"].state == "finished"
    # A shot said to be finished by a damaged head is not believed.
    store.manifest_path.write_text(text.replace('"quarantined"', '"finished"', 1).replace(
        '"ep01"', '"ep02"'))  # fmt: skip
    assert store.manifest().shots == {}
    assert store.manifest().exit_code == 1
    assert store.current("b.mp4", "key-of-b") is not None


def test_what_is_kept_and_damaged_is_not_there(tmp_path):
    place = tmp_path / "a.json"
    assert kept(place) is None
    keep(place, b'{"frame_count": 24}')
    assert kept(place) == b'{"frame_count": 24}'
    other = place.rename(tmp_path / "b.json")
    assert kept(other) is None, "what is kept of one is not believed of another"
    place = other.rename(place)
    place.write_bytes(place.read_bytes().replace(b"24", b"25"))
    assert kept(place) is None
    place.write_bytes(b"")
    assert kept(place) is None


def test_a_broken_manifest_is_refused_not_overwritten(tmp_path):
    store = Store(tmp_path)
    store.manifest_path.write_text('{"entries": 3}')
    with pytest.raises(FinishError, match="Move it away"):
        store.manifest()
    assert json.loads(store.manifest_path.read_text()) == {"entries": 3}


def test_write_bytes_replaces_whole_files(tmp_path):
    write_bytes(tmp_path / "a" / "b.json", b"1")
    write_bytes(tmp_path / "a" / "b.json", b"22")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.json"]
    assert (tmp_path / "a" / "b.json").read_bytes() == b"22"


@dataclass(frozen=True)
class _Point:
    x: float
    table: np.ndarray


def test_digest_tells_values_apart():
    table = np.arange(4, dtype=np.float32)
    values = [
        (1, 2), (12,), ("1", "2"), ("12",), (1.0, 2.0), ([1, 2],), ([1], 2), ({"a": 1},),
        ({"a": "1"},), (None,), (True,), (table,), (table.astype(np.float64),),
        (table.reshape(2, 2),), (_Point(1.0, table),), (_Point(1.5, table),),
        (_Point(1.0, table + 1),),
    ]  # fmt: skip
    digests = [digest(*v) for v in values]
    assert len(set(digests)) == len(digests)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(_Point(1.0, table.copy())) == digests[14]


def test_sha256_file_is_the_standard_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == expected


def test_the_same_bytes_are_kept_by_many_threads_at_once(tmp_path):
    kept = tmp_path / "kept.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_bytes(kept, b"{}"), range(200)))
    assert kept.read_bytes() == b"{}"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]
