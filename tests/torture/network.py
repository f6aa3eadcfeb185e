"""G16: files that point elsewhere, given to finishkit as clips, shot lists, LUTs and pictures.

A trap on loopback counts who comes: whatever a C library would fetch by itself, it would fetch
there.
Beside each file lies another, which a playlist names: its pictures must not come in either.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from finishkit.errors import FinishError
from finishkit.run import measure_episode
from finishkit.shots import open_episode
from finishkit.template import Draft
from tests import synth
from tests.torture.outcome import Outcome, Say

SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".m4v")
A_TIME = 6
"""Such files in one episode, beside one good shot."""


@contextmanager
def trap() -> Iterator[tuple[str, list[str]]]:
    """Serve on loopback; yield the address and the list of what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *values: object) -> None:
            del values

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def texts(url: str, sibling: Path) -> dict[str, str]:
    """Return playlists and documents that name a URL or another file."""
    name, address = sibling.name, f"{url}/x.ts"
    xml = '<?xml version="1.0"?>'
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n",
        "hls of a file": f"#EXTM3U\n#EXTINF:9,\n{sibling}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {name}\n",
        "concat of a URL": f"ffconcat version 1.0\nfile '{address}'\n",
        "dash": f'{xml}<MPD type="static" mediaPresentationDuration="PT9S"><Period><AdaptationSet'
        f' mimeType="video/mp4"><Representation id="1"><BaseURL>{address}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "svg": f'{xml}<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>',
        "smil": f'<smil><body><video src="{address}"/></body></smil>',
        "asx": f'<ASX version="3.0"><ENTRY><REF HREF="{address}"/></ENTRY></ASX>',
        "pls": f"[playlist]\nFile1={address}\nNumberOfEntries=1\nVersion=2\n",
        "rtsp": f"RTSPtext\n{address.replace('http', 'rtsp')}\n",
        "html": f'<html><body><img src="{address}"></body></html>',
    }


def names(url: str) -> tuple[str, ...]:
    """Return what a shot list might give as a file."""
    return (
        f"{url}/a.mp4",
        "concat:shot_001.mp4|shot_001.mp4",
        "subfile,,start,0,end,0,,:shot_001.mp4",
        "file:shot_001.mp4",
        "pipe:0",
        "tcp://127.0.0.1:9",
        "data:video/mp4;base64,AAAA",
        "crypto:shot_001.mp4",
    )


def run(count: int, seed: int, folder: Path, say: Say) -> Outcome:
    """Give finishkit ``count`` such files; nobody may come to the trap, and each is refused."""
    failures: list[str] = []
    kept = synth.make_episode(folder / "good", shots=1, count=4)
    good = (kept / "shot_001.mp4").read_bytes()
    with trap() as (url, asked):
        for number, start in enumerate(range(0, count, A_TIME)):
            rng = random.Random(f"{seed}:{number}")
            root = folder / str(number) / "ep01"
            root.mkdir(parents=True)
            (root / "shot_001.mp4").write_bytes(good)
            kinds = texts(url, root / "shot_001.mp4")
            for index in range(start, min(start + A_TIME, count)):
                kind = sorted(kinds)[index % len(kinds)]
                (root / f"bad_{index}{rng.choice(SUFFIXES)}").write_text(kinds[kind])
            done = measure_episode(open_episode(root), folder / str(number) / "out", jobs=1)
            failures += [
                f"{seed}:{number} {told.shot} is {told.state}, for {len(told.reasons)} reasons"
                for told in done.report.shots
                if told.state != ("measured" if told.shot == "shot_001" else "quarantined")
                or (told.state == "quarantined" and not told.reasons)
            ]
            say(f"{min(start + A_TIME, count)} files, {len(asked)} came to the trap")
        failures += _named(url, folder, good)
        if asked:
            failures.append(f"the trap was asked for {asked}")
    return Outcome(
        suite="network",
        promises=("G16",),
        trials=count + len(names("")) + 1,
        failures=tuple(failures),
        figures={"came to the trap": len(asked)},
    )


def _named(url: str, folder: Path, good: bytes) -> list[str]:
    """Name what is no file in a shot list, and in a template."""
    failures = []
    for number, name in enumerate(names(url)):
        root = folder / f"named{number}" / "ep01"
        root.mkdir(parents=True)
        (root / "shot_001.mp4").write_bytes(good)
        (root / "shots.csv").write_text(f'shot,file\na,shot_001.mp4\nb,"{name}"\n')
        try:
            done = measure_episode(open_episode(root), root.parent / "out", jobs=1)
        except FinishError:
            continue
        if {s.shot: s.state for s in done.report.shots}.get("b") != "quarantined":
            failures.append(f"a shot list opened {name}")
    draft = Draft.from_genre("baseline")
    try:
        draft.set("grade.look_lut", f"{url}/look.cube")
        draft.lock()
        failures.append("a template was locked with a LUT of the network")
    except FinishError:
        pass
    return failures
