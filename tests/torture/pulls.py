"""G15, fetching: whatever a server does, a file gets its name whole and right, or not at all.

One server on the loopback interface; its cases' faults are listed request by request. Faults a
server recovers from must end in the file; others in a sentence, and then a good server must do.
"""

import contextlib
import functools
import hashlib
import http.server
import os
import random
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

from finishkit.errors import FinishError
from finishkit.models import CARDS
from finishkit.models.cards import ModelCard
from finishkit.models.pull import Patience, pull
from tests.torture.children import run_cases
from tests.torture.outcome import Outcome, Say

SIZE = 300_000
STALL_S = 0.25
PATIENCE = Patience(stall_s=STALL_S, pause_s=0.01, tries=4)

PASSING = ("cut", "reset", "stall", "no_ranges", "busy_503", "too_many_429", "garbage", "nothing",
           "unknown_length", "other_piece", "no_such_range", "changed_since", "chunked",
           "status_only")  # fmt: skip
FATAL = ("swapped", "swapped_tail", "short_length", "long_length", "endless", "to_http",
         "to_file", "to_ftp", "to_user", "in_circles", "gone_404", "forbidden_403", "squeezed",
         "web_page", "always_cut", "always_stalls", "created_201", "relabelled")  # fmt: skip


class Server:
    """A server that follows a script: the fault of each request, the last for all that follow."""

    def __init__(self, content: bytes, script: list[str], rng: random.Random) -> None:
        self.content, self.script, self.rng = content, script, rng
        self.asked: list[tuple[str, str]] = []
        handler = functools.partial(_Handler, self)
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next(self) -> str:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *given: Any) -> None:
        self.told = server
        super().__init__(*given)

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        self.told.asked.append((self.path, self.headers.get("Range", "")))
        fault = self.told.next()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer(fault)

    def _head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def _start(self) -> int:
        asked = self.headers.get("Range", "")
        fits = self.headers.get("If-Range", '"v1"') == '"v1"'
        return int(asked[6:-1]) if asked and fits else 0

    def _begin(self, start: int, **more: object) -> None:
        size = len(self.told.content)
        if start:
            more["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        headers = {"ETag": '"v1"', "Content_Length": size - start, **more}
        self._head(206 if start else 200, **{k: v for k, v in headers.items() if v is not None})

    def _answer(self, fault: str) -> None:
        rng, content, start = self.told.rng, self.told.content, self._start()
        rest = content[start:]
        piece = rest[: rng.randrange(len(rest) or 1)]
        statuses = {"busy_503": 503, "too_many_429": 429, "gone_404": 404, "forbidden_403": 403,
                    "created_201": 201, "no_such_range": 416 if start else 503}  # fmt: skip
        places = {"to_http": "http://192.0.2.1/a", "to_file": "file:///etc/passwd",
                  "to_ftp": "ftp://127.0.0.1/a", "to_user": self._with_user(),
                  "in_circles": self.path}  # fmt: skip
        if fault in statuses:
            return self._head(statuses[fault], Content_Length=0)
        if fault in places:
            return self._head(302, Location=places[fault], Content_Length=0)
        if fault in ("cut", "reset", "stall", "always_cut", "always_stalls"):
            self._begin(start)
            # A server that never brings a byte more is given up; one that does is asked again.
            self.wfile.write(b"" if fault.startswith("always") else piece)
            self._break_off(fault)
        elif fault == "no_ranges":
            self._begin(0)
            self.wfile.write(content)
        elif fault in ("swapped", "swapped_tail"):
            wrong = bytearray(rest)
            wrong[-1 if fault == "swapped_tail" else rng.randrange(len(wrong))] ^= 1
            self._begin(start)
            self.wfile.write(wrong)
        elif fault in ("short_length", "long_length"):
            off = -1 if fault == "short_length" else 1
            self._begin(start, Content_Length=len(rest) + off)
            self.wfile.write(rest)
        elif fault == "endless":
            self._begin(start, Content_Length=None)
            while True:
                self.wfile.write(content)
        elif fault == "unknown_length":
            self._begin(start, Content_Length=None)
            self.wfile.write(piece)
        elif fault == "chunked":
            self._begin(start, Content_Length=None, Transfer_Encoding="chunked")
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
            self.wfile.write(b"zzz\r\n")
        elif fault == "garbage":
            self.wfile.write(b"\x00\xff" * 50 + b"\r\n\r\n")
        elif fault == "status_only":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        elif fault == "other_piece" and start:
            self._head(206, Content_Range=f"bytes 0-{len(content) - 1}/{len(content)}",
                       Content_Length=len(content))  # fmt: skip
            self.wfile.write(content)
        elif fault == "changed_since":
            # Another file, cut off: its tag keeps its bytes from being mixed with the right ones.
            size = len(content)
            self._head(200, ETag='"v0"', Content_Length=size)
            self.wfile.write(bytes(size // 2))
        elif fault == "relabelled":
            # Another file under the right tag, cut off: only the digest can tell.
            self._head(200, ETag='"v1"', Content_Length=len(content))
            self.wfile.write(bytes(len(content) // 2))
            self.told.script = ["good"]
        elif fault == "squeezed":
            self._begin(start, Content_Encoding="gzip")
            self.wfile.write(rest)
        elif fault == "web_page":
            page = b"<html>Please log in</html>"
            self._head(200, Content_Type="text/html", Content_Length=len(page))
            self.wfile.write(page)
        elif fault in ("nothing", "other_piece"):
            return
        else:
            self._begin(start)
            self.wfile.write(rest)

    def _with_user(self) -> str:
        return self.told.address.replace("http://", "http://user:word@") + "/a"

    def _break_off(self, fault: str) -> None:
        self.wfile.flush()
        if fault.endswith(("stall", "stalls")):
            time.sleep(STALL_S * 2)
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def some_card(content: bytes) -> ModelCard:
    """Return a card of a net whose published file holds this."""
    digest = hashlib.sha256(content).hexdigest()
    return CARDS["gfpgan-v1.4"].model_copy(
        update={"source_sha256": digest, "size_bytes": len(content)}
    )


def case(seed: int, index: int, folder: Path) -> str:
    rng = random.Random(f"{seed}:{index}")
    os.environ["FINISHKIT_CACHE"] = str(folder)
    content = rng.randbytes(rng.randrange(1, SIZE))
    card = some_card(content)
    passes = index % 2 == 0
    # Without ranges the whole file comes: then there is nothing left for a fatal fault to break.
    before = PASSING if passes else tuple(f for f in PASSING if f != "no_ranges")
    script = [rng.choice(before) for _ in range(rng.randrange(3))]
    script += ["good"] if passes else [FATAL[(index // 2) % len(FATAL)]]
    name = "+".join(script)
    target = folder / "models" / card.source
    with Server(content, list(script), rng) as server:
        try:
            pull(card, mirror=server.address, patience=PATIENCE)
        except FinishError as error:
            if target.exists():
                return f"refused: {name}: a file under its name after {error}"
            if passes:
                return f"refused: {name}: {error}"
        else:
            if not passes:
                return f"read: {name}: it came through"
            if (found := _wrong(target, card)) is not None:
                return f"read: {name}: {found}"
            return "recovered"
    with Server(content, ["good"], rng) as server:
        # What is left of the bad server must not stand in the way.
        for last in (False, True):
            try:
                pull(card, mirror=server.address, patience=PATIENCE)
                break
            except FinishError as error:
                if last or error.code != "weights_changed":
                    return f"refused: {name}: then a good server failed: {error}"
    found = _wrong(target, card)
    return f"refused: {name}: {found}" if found else "refused"


def _wrong(target: Path, card: ModelCard) -> str | None:
    if hashlib.sha256(target.read_bytes()).hexdigest() != card.source_sha256:
        return "wrong bytes under its name"
    more = sorted(p.name for p in target.parent.iterdir() if p != target)
    return f"left behind: {more}" if more else None


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    tally = run_cases(
        "pulls", count, seed, folder, limit_s=60, most_s=10, most_mb=100,
        allowed=("socket.getaddrinfo",), say=say,
    )  # fmt: skip
    return Outcome(
        suite="pulls", promises=("G15",), trials=tally.trials, failures=tuple(tally.failures),
        figures={"kinds": dict(sorted(tally.kinds.items())), "faults": len(PASSING) + len(FATAL)},
    )  # fmt: skip
