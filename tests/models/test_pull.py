"""Fetching: what is asked, what is refused, and what a person is told."""

import errno
import os
import random
import subprocess
import sys

import pytest

from finishkit.errors import FinishError
from finishkit.models import CARDS
from finishkit.models import pull as module
from finishkit.models.addresses import MIRROR, addresses
from finishkit.models.pull import Patience, pull
from tests.torture.pulls import PATIENCE, Server, some_card

CONTENT = random.Random(0).randbytes(200_000)
CARD = some_card(CONTENT)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    monkeypatch.delenv(MIRROR, raising=False)
    return tmp_path / "models"


def serving(*script):
    return Server(CONTENT, list(script), random.Random(1))


def test_what_broke_off_is_taken_up_where_it_ended(folder):
    seen = []
    with serving("cut", "good") as server:
        path = pull(CARD, mirror=server.address, patience=PATIENCE, seen=lambda *p: seen.append(p))
        (_, first), (_, second) = server.asked
    assert path.read_bytes() == CONTENT
    assert first == ""
    assert second.startswith("bytes=")
    assert int(second[6:-1]) in {here for here, _ in seen}
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in folder.iterdir()] == [CARD.source]


def test_a_part_outlives_the_process_and_what_is_here_is_not_asked_for(folder):
    with (
        serving("cut", "always_cut") as server,
        pytest.raises(FinishError, match="are kept") as told,
    ):
        pull(CARD, mirror=server.address, patience=PATIENCE)
    assert told.value.code == "pull_failed"
    part = (folder / f"{CARD.source}.part").stat().st_size
    with serving("good") as server:
        pull(CARD, mirror=server.address, patience=PATIENCE)
        assert len(server.asked) == 1
        pull(CARD, mirror=server.address, patience=PATIENCE)
        assert len(server.asked) == 1
    assert 0 < part < len(CONTENT)


def test_ctrl_c_keeps_the_part(folder):
    def stop(here, whole):
        raise KeyboardInterrupt

    with serving("good") as server, pytest.raises(KeyboardInterrupt):
        pull(CARD, mirror=server.address, seen=stop)
    assert (folder / f"{CARD.source}.part").stat().st_size > 0


def test_wrong_bytes_are_deleted_and_said(folder):
    with serving("swapped") as server, pytest.raises(FinishError, match="It was deleted") as caught:
        pull(CARD, mirror=server.address, patience=PATIENCE)
    assert caught.value.code == "weights_changed"
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_said_with_the_bytes_that_are_needed(folder, monkeypatch):
    def full(self, piece):
        raise module._write_failed(folder, CARD, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(module._Pull, "_append", full)
    with serving("good") as server, pytest.raises(FinishError, match="200000 bytes") as caught:
        pull(CARD, mirror=server.address)
    assert caught.value.code == "disk_full"


def test_a_pull_for_which_there_is_no_room_asks_nobody():
    huge = CARD.model_copy(update={"size_bytes": 2**60})
    with serving("good") as server:
        with pytest.raises(FinishError, match="bytes are free") as caught:
            pull(huge, mirror=server.address)
        assert server.asked == []
    assert caught.value.code == "disk_full"


def test_two_pulls_of_one_file_do_not_mix(folder):
    busy = []

    def meanwhile(here, whole):
        with pytest.raises(FinishError, match="Another process") as caught:
            pull(CARD, mirror=server.address)
        busy.append(caught.value.code)

    with serving("good") as server:
        pull(CARD, mirror=server.address, seen=meanwhile)
    assert set(busy) == {"busy"}


@pytest.mark.parametrize(
    "mirror",
    ["http://example.org/m", "ftp://127.0.0.1/m", "file:///m", "https://user:word@example.org",
     "https://", "http://127.0.0.1.example.org", "http://[::1", "m"],
)  # fmt: skip
def test_a_mirror_is_https_or_this_machine(mirror):
    with pytest.raises(FinishError, match="https://") as caught:
        addresses(CARD, mirror)
    assert caught.value.code == "bad_mirror"


def test_addresses_are_the_publishers_or_the_mirrors():
    assert all(url.startswith("https://github.com/") for url in addresses(CARD))
    assert addresses(CARD, "https://m.example.org/x/") == (
        f"https://m.example.org/x/{CARD.source}",
    )
    assert addresses(CARD, "http://localhost:1/") == (f"http://localhost:1/{CARD.source}",)
    with pytest.raises(FinishError, match="comes with a package"):
        addresses(CARDS["realesrgan-x4plus"])


def test_a_server_that_points_to_plain_http_is_given_up():
    with serving("to_http") as server, pytest.raises(FinishError, match="which is not https"):
        pull(CARD, mirror=server.address, patience=PATIENCE)


def test_a_server_that_sends_nothing_is_given_up_after_its_tries():
    with serving("always_stalls") as server:
        with pytest.raises(FinishError, match=r"no byte came for 0\.2 s"):
            pull(CARD, mirror=server.address, patience=Patience(stall_s=0.2, pause_s=0, tries=2))
        assert len(server.asked) == 2


def command(folder, *given, mirror=""):
    env = {**os.environ, MIRROR: mirror, "FINISHKIT_CACHE": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "finishkit", "models", *given],
        env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_shows_the_licence_and_wants_it_accepted(tmp_path):
    with serving("gone_404") as server:
        asked = command(tmp_path, "pull", "codeformer-v0.1.0", mirror=server.address)
        assert asked.returncode == 1
        assert server.asked == []
        assert "S-Lab License" in asked.stdout
        assert "377 MB" in asked.stdout
        assert "May the pictures be sold: no" in asked.stdout
        assert "--accept-licence" in asked.stderr
        tried = command(tmp_path, "pull", "codeformer-v0.1.0", "--yes", mirror=server.address)
        assert tried.returncode == 1
        assert "the server answered 404" in tried.stderr
        assert [path for path, _ in server.asked] == ["/codeformer.pth"]
    unknown = command(tmp_path, "pull", "realesrgan-x4plus", "--yes")
    offered = [card.name for card in CARDS.values() if card.urls]
    assert f"There are: {', '.join(offered)}." in unknown.stderr
    assert "gfpgan-v1.4" in offered


def test_verify_reads_every_byte_and_ends_with_1_for_a_wrong_one(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "codeformer.pth").write_bytes(b"x")
    (models / "GFPGANv1.4.pth.part").write_bytes(b"x")
    (models / "faces").mkdir()
    (models / "faces" / "a.onnx").write_bytes(b"x")
    told = command(tmp_path, "verify")
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    marks = {line[2:].split()[0]: line[0] for line in lines}
    assert marks["codeformer-v0.1.0"] == marks["a.onnx"] == "✕"
    assert marks["restoreformer"] == "○"
    assert any(line.startswith("◐ gfpgan-v1.4") for line in lines)
    assert marks["realesrgan-x4plus"] == "●"
