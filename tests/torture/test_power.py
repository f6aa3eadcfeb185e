"""The order of writing, over one small run; and that a wrong order would be seen."""

from finishkit.store import Store
from tests.torture import power


def test_every_step_of_a_run_survives_a_power_cut(tmp_path):
    outcome = power.run(1, 0, tmp_path, lambda _: None)
    assert outcome.failures == ()
    assert outcome.figures["syncs and renames after which was asked"] > 30


def test_a_rename_before_the_flush_is_seen(tmp_path):
    with power.recorded(tmp_path) as disk:
        part = tmp_path / "a.part"
        part.write_bytes(b"x")
        part.replace(tmp_path / "a")
    assert disk.violations == ["a is renamed before its bytes are flushed"]


def test_a_record_before_the_folders_flush_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("finishkit.store._fsync_folder", lambda _: None)
    with power.recorded(tmp_path) as disk:
        store = Store(tmp_path)
        store.part("a.bin").write_bytes(b"x")
        store.commit("a.bin", key="k", check=lambda _: None)
    assert disk.violations == ["the manifest names a.bin, which may not be there"]
