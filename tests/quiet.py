"""G16: no test, and no process that a test starts, reaches for the network.

An audit hook sees what Python asks of sockets. What C libraries ask for on their own it does not
see: for those ``tests/torture/network.py`` lays traps.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Any

LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.")


def listen(log: Path) -> None:
    """Refuse, and write down, every step of this process towards the network.

    Parameters
    ----------
    log : Path
        One line an attempt, appended.
    """

    def refuse(what: str, where: Any) -> None:
        line = f"{what} {where!r} by process {os.getpid()}: {' '.join(sys.orig_argv)[:300]}\n"
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(handle, line.encode())
        os.close(handle)
        raise OSError(f"the tests allow no network: {what} {where!r}")

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.bind"):
            own, address = values[0], values[1]
            # A datagram socket that is connected sends nothing: so the own address is found out.
            if event == "socket.connect" and own.type == socket.SOCK_DGRAM:
                return
            if own.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                refuse(event, address)
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = values[0]
            if host not in (None, "", b"", socket.gethostname()) and not is_loopback(host):
                refuse(event, host)

    sys.addaudithook(hook)


def is_loopback(host: str | bytes) -> bool:
    """Whether an address stays on this machine."""
    text = host.decode() if isinstance(host, bytes) else host
    return text.startswith(LOOPBACK)


def attempts(log: Path) -> list[str]:
    """Return what was written down."""
    return log.read_text().splitlines() if log.exists() else []
