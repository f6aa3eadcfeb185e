import os
import shutil
import signal
import time

import pytest

from finishkit import checker
from finishkit.checker import Checker
from finishkit.ingest import CODES, check_clip, ingest
from finishkit.shots import Shot, ShotId, open_episode
from tests import synth


def _check(path):
    return check_clip(Shot(id=ShotId("a"), path=path, scene="1"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return synth.write_clip(folder / "a.mp4", synth.panning(count=24), sound=False)


def test_a_good_clip_is_counted_and_hashed(clip):
    found = _check(clip)
    assert found.ok
    assert found.probe is not None
    assert (found.probe.frame_count, found.probe.duration_s) == (24, 1.0)
    assert len(found.sha256) == 64


def test_a_truncated_clip_is_refused(clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[: int(clip.stat().st_size * 0.6)])
    found = _check(cut)
    assert not found.ok
    assert found.code in {"undecodable", "truncated"}
    assert "cut.mp4" in found.text


def test_what_is_no_clip_is_refused_with_its_code(tmp_path):
    (tmp_path / "text.mp4").write_text("Hello, I am a text.")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    codes = {n: _check(tmp_path / f"{n}.mp4").code for n in ("text", "empty", "folder", "none")}
    assert codes == {
        "text": "unreadable", "empty": "empty", "folder": "not_a_file", "none": "missing"
    }  # fmt: skip
    assert _check(tmp_path / "loop.mp4").code in CODES


def test_damaged_picture_data_is_refused(clip, tmp_path):
    """When the decoder notices. In busy pictures it often cannot: no codec here carries checksums.

    From ingest on every byte is hashed; before it, a complaint is all there is to go by.
    """
    whole = clip.read_bytes()
    codes = []
    for eighth in range(3, 8):
        data = bytearray(whole)
        for i in range(len(data) * eighth // 8 - 400, len(data) * eighth // 8, 7):
            data[i] ^= 0xFF
        (tmp_path / "bits.mp4").write_bytes(data)
        codes.append(_check(tmp_path / "bits.mp4").code)
    assert set(codes) <= {"", "damaged", "undecodable", "truncated"}
    assert sum(code in {"damaged", "undecodable", "truncated"} for code in codes) >= 2, codes


def test_bad_shots_do_not_hide_good_ones(clip, tmp_path):
    folder = tmp_path / "ep"
    folder.mkdir()
    shutil.copy(clip, folder / "1.mp4")
    (folder / "2.mp4").write_text("text")
    shutil.copy(clip, folder / "3.mp4")
    seen = []
    found = ingest(open_episode(folder), progress=lambda *a: seen.append(a))
    assert [(k, v.ok) for k, v in found.items()] == [("1", True), ("2", False), ("3", True)]
    assert seen[0] == (0, 3, "")
    assert [s[0] for s in seen] == [0, 1, 2, 3]


@pytest.mark.footage
def test_hostile_files_are_checked_or_refused_never_a_crash(footage):
    found = ingest(open_episode(footage / "hostile"))
    refused = {k: v.code for k, v in found.items() if not v.ok}
    assert set(refused.values()) <= set(CODES)
    assert "killed" not in refused.values()
    assert refused["der_s_text_named"] == "unreadable"
    assert refused["der_s_zero_bytes"] == "empty"
    assert refused["der_s_trunc_faststart"] == "undecodable"
    assert refused["tc_testsrc2_hdr"] == "hdr"
    assert found["dc_video_180"].ok


def test_what_was_decoded_once_is_not_decoded_again(clip, tmp_path, monkeypatch):
    folder, cache = tmp_path / "ep", tmp_path / "cache"
    folder.mkdir()
    shutil.copy(clip, folder / "1.mp4")
    (folder / "2.mp4").write_text("text")
    first = ingest(open_episode(folder), cache_dir=cache)
    assert [v.code for v in first.values()] == ["", "unreadable"]

    def decode_again(self, path):
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr(Checker, "check", decode_again)
    assert ingest(open_episode(folder), cache_dir=cache) == first
    # The same bytes under another name are the same clip, and the sentence names the new one.
    (folder / "2.mp4").rename(folder / "3.mp4")
    again = ingest(open_episode(folder), cache_dir=cache)
    assert again["1"] == first["1"]
    assert "3.mp4" in again["3"].text
    (folder / "1.mp4").write_bytes(clip.read_bytes() + b"\0" * 8)
    with pytest.raises(AssertionError, match="decoded again"):
        ingest(open_episode(folder), cache_dir=cache)


def test_a_process_that_dies_or_hangs_over_a_clip_costs_only_that_clip(clip, tmp_path, monkeypatch):
    """The server forks for each clip; here the fork is made to die, and then to hang."""
    monkeypatch.setattr(checker, "TIMEOUT_S", 1.0)

    def deadly(path):
        os.kill(os.getpid(), signal.SIGSEGV)

    def endless(path):
        time.sleep(60)

    assert checker._forked(deadly, clip) == {"code": "killed"}
    assert checker._forked(endless, clip) == {"code": "timeout"}
    assert checker._forked(lambda path: {"code": "", "ok": True}, clip)["ok"]


def test_a_server_that_dies_is_started_again(clip):
    with Checker() as server:
        assert server.check(clip)["ok"]
        assert server._server is not None
        server._server.kill()
        server._server.wait()
        assert server.check(clip)["code"] == "killed"
        assert server.check(clip)["ok"]
