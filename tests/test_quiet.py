"""The ear that listens for the network hears: here, and in processes that are started."""

import socket
import subprocess
import sys

import pytest

from tests import quiet

DEED = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=0.1)"


def test_a_child_that_reaches_out_is_refused_and_written_down(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("QUIET_LOG", str(log))
    child = subprocess.run(
        [sys.executable, "-c", DEED], capture_output=True, text=True, check=False
    )
    assert "the tests allow no network" in child.stderr
    assert len(quiet.attempts(log)) == 1
    assert "192.0.2.1" in quiet.attempts(log)[0]


def test_names_are_not_asked_for_either(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("QUIET_LOG", str(log))
    deed = "import socket; socket.getaddrinfo('example.com', 80)"
    subprocess.run([sys.executable, "-c", deed], capture_output=True, check=False)
    assert "example.com" in quiet.attempts(log)[0]


def test_this_machine_may_be_spoken_to():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), (b"::1", True), ("10.0.0.1", False)]
)
def test_what_is_loopback(host, own):
    assert quiet.is_loopback(host) is own
