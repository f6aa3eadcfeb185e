import os
import shutil
import signal
import time

import av
import pytest

from finishkit import checker
from finishkit import ingest as ingest_module
from finishkit.checker import Checker, Limits, forked
from finishkit.errors import FinishError
from finishkit.frames.probe import require_safe_decoder
from finishkit.ingest import CODES, check_clip, ingest
from finishkit.shots import Shot, ShotId, open_episode
from tests import synth
from tests.torture import corpus
from tests.torture.corpus import with_broken_sound
from tests.torture.mutators import elements


@pytest.fixture(scope="module", autouse=True)
def _one_server():
    """Start one server for the module: a test that needs its own starts one."""
    with Checker() as server:
        SERVERS.append(server)
        yield
        SERVERS.clear()


SERVERS: list[Checker] = []


def _check(path, cache_dir=None):
    return check_clip(Shot(id=ShotId("a"), path=path, scene="1"), SERVERS[0], cache_dir)


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


QUICK = Limits(stall_s=1.0, least_s=2.0)


def _forked(check, path, limits=QUICK):
    return forked(check, path, limits, lambda: None)


def test_a_process_that_dies_hangs_or_runs_on_costs_only_that_clip(clip):
    """The server forks for each clip; here the fork is made to die, to hang, and to trickle."""

    def deadly(path, beat):
        os.kill(os.getpid(), signal.SIGKILL)

    def hanging(path, beat):
        time.sleep(60)

    def stopped(path, beat):
        os.kill(os.getpid(), signal.SIGSTOP)

    def trickling(path, beat):
        beat(0.01)
        while True:
            time.sleep(0.3)
            beat(None)

    def unexpected(path, beat):
        raise IndexError("not foreseen")

    assert _forked(deadly, clip) == {"code": "killed", "text": f"signal {signal.SIGKILL:d}"}
    started = time.monotonic()
    assert _forked(hanging, clip)["code"] == "timeout"
    assert _forked(stopped, clip)["code"] == "timeout"
    assert _forked(trickling, clip)["code"] == "timeout"
    assert time.monotonic() - started < 10
    assert _forked(unexpected, clip) == {"code": "killed", "text": "IndexError"}
    assert _forked(lambda path, beat: {"code": "", "ok": True}, clip)["ok"]


def test_slow_progress_is_progress(clip):
    """What takes longer than the stall limit in all, and never stands still, is let alone."""

    def slow(path, beat):
        beat(60.0)
        for _ in range(6):
            time.sleep(0.3)
            beat(None)
        return {"code": "", "ok": True}

    assert _forked(slow, clip, Limits(stall_s=1.2, least_s=1.0))["ok"]


def test_a_process_that_wants_too_much_memory_costs_only_that_clip(clip):
    def greedy(path, beat):
        return {"code": "", "text": str(len(bytearray(2**33)))}

    assert _forked(greedy, clip) == {"code": "too_large", "text": "more than 4096 MiB"}


def test_a_process_writes_nothing_but_its_answer(clip, tmp_path):
    def writing(path, beat):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        (tmp_path / "out").write_bytes(b"x")
        return {"code": "", "ok": True}

    assert _forked(writing, clip) == {"code": "killed", "text": "OSError"}


def test_a_server_that_dies_is_started_again_and_the_clip_tried_again(clip):
    with Checker() as server:
        assert server.check(clip)["ok"]
        assert server._server is not None
        server._server.kill()
        server._server.wait()
        assert server.check(clip)["ok"]


def test_a_server_that_is_stopped_is_noticed(clip, monkeypatch):
    monkeypatch.setattr(checker, "GRACE_S", 4.0)
    with Checker(Limits(stall_s=0.5)) as server:
        assert server.check(clip)["ok"]
        assert server._server is not None
        server._server.send_signal(signal.SIGSTOP)
        assert server.check(clip)["ok"], "the second try has a server of its own"


def test_what_a_process_says_is_not_believed_when_it_makes_no_sense(clip, monkeypatch):
    for nonsense in (
        {"ok": True, "code": "damaged"},
        {"ok": False, "code": ""},
        {"ok": False, "code": "made_up"},
        {"ok": True, "extra": 1},
        "text",
        {"ok": "perhaps", "code": ""},
    ):
        monkeypatch.setattr(Checker, "check", lambda self, path, said=nonsense: said)
        assert _check(clip).code == "killed", nonsense


def test_a_pipe_is_refused_also_when_it_takes_the_place_of_a_clip(clip, tmp_path, monkeypatch):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    started = time.monotonic()
    assert _check(pipe).code == "not_a_file"
    # As though it had been a clip a moment ago.
    monkeypatch.setattr(ingest_module, "_require_clip", lambda path: None)
    assert _check(pipe).code == "not_a_file"
    assert _check(pipe, tmp_path).code == "not_a_file"
    assert time.monotonic() - started < 10


def test_devices_links_and_what_may_not_be_read_are_refused(clip, tmp_path):
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "gone")
    (tmp_path / "link.mp4").symlink_to(clip)
    with (tmp_path / "sparse.mp4").open("wb") as file:
        file.truncate(50 * 2**30)
    codes = {n: _check(tmp_path / f"{n}.mp4").code
             for n in ("loop", "zero", "nowhere", "sparse", "link")}  # fmt: skip
    assert codes == {"loop": "not_a_file", "zero": "not_a_file", "nowhere": "missing",
                     "sparse": "too_large", "link": ""}  # fmt: skip


def test_every_reason_says_what_is_wrong_and_what_helps(clip, monkeypatch):
    for code in CODES:
        said = {"ok": False, "code": code, "text": "detail"}
        monkeypatch.setattr(Checker, "check", lambda self, path, said=said: said)
        found = _check(clip)
        assert found.code == code
        assert found.text.startswith("a.mp4: ")
        assert found.text.count(". ") == 1, "a sentence, and its cure"
        assert found.text.endswith(".")


def test_sound_that_is_damaged_is_told_and_refuses_nothing(tmp_path):
    whole = corpus.clip("h264_mkv")
    path = tmp_path / "a.mkv"
    path.write_bytes(whole)
    found = _check(path)
    assert (found.ok, found.note) == (True, "")
    assert found.probe is not None
    assert found.probe.sound_start_s == pytest.approx(0, abs=0.03)
    assert found.probe.sound_duration_s == pytest.approx(1, abs=0.03)
    path.write_bytes(with_broken_sound(whole))
    found = _check(path)
    assert found.ok
    assert found.note.startswith("a.mkv: The sound is damaged")


def test_a_clip_cut_at_an_edge_of_matroska_is_short_of_what_it_promises(tmp_path):
    """It promises no number of pictures, only a length."""
    data = corpus.clip("h264_mkv")
    blocks = [end for kind, _, _, end in elements(data) if kind in (0xA3, 0xA0)]
    assert len(blocks) > 20
    path = tmp_path / "a.mkv"
    path.write_bytes(data[: blocks[len(blocks) // 2]])
    assert _check(path).code in ("truncated", "damaged")


def test_what_ffmpeg_is_known_to_do_wrong_is_refused(monkeypatch):
    monkeypatch.setattr(av, "ffmpeg_version_info", "8.1.1")
    with pytest.raises(FinishError, match="pip install") as refused:
        require_safe_decoder()
    assert refused.value.code == "old_decoder"
    for good in ("8.1.2", "n8.2", "9.0", "N-120000-g123"):
        monkeypatch.setattr(av, "ffmpeg_version_info", good)
        require_safe_decoder()
