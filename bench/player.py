"""How long somebody waits for the player: first still, playing clip, and how large the clip is.

    python -m bench.player [EPISODE] [OUT]

Medians over shots that were not shown before, from the moment a shot is selected: on the kernel's
side until the source's frame, the frame before and after, and the clip are handed to the page; and
in a real Chromium until its canvas shows them. Without an episode, one of four shots of 720x1280
and 48 frames is made; an episode that was measured into OUT before is not measured again. Exit 1
when the first picture takes longer than a person waits without a sign (1 s), or a clip is larger
than a message may be.
"""

import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright
from skimage import data

from finishkit.frames import Frames, master_encoding, write_frames
from finishkit.preview import open_preview
from finishkit.preview.proxy import MAX_BYTES
from finishkit_widgets.front import esm
from finishkit_widgets.player import Player
from finishkit_widgets.session import Session

SHOTS = 7
TARGET_S = 1.0
LOAD = """async ([code, state]) => {
  const calls = {};
  for (const [name, value] of Object.entries(state))
    if (value?.base64 !== undefined) state[name] = new DataView(
      Uint8Array.from(atob(value.base64), c => c.charCodeAt(0)).buffer);
  const [clip, still] = [state.clip, state.still_before];
  state.clip = state.still_before = new DataView(new ArrayBuffer(0));
  const model = {get: n => state[n], set: (n, v) => { state[n] = v; (calls['change:' + n] ?? [])
    .forEach(c => c()); }, on: (e, c) => (calls[e] ??= []).push(c), off: () => {},
    save_changes: () => {}, send: () => {}};
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const cleanup = (await import(url)).default.render({model, el: document.body});
  const root = document.querySelector('.fk-player');
  const shown = async source => { const begun = performance.now();
    while (root.dataset.source !== source) await new Promise(done => setTimeout(done, 1));
    return performance.now() - begun; };
  state.still_before = still; model.set('still', state.still);
  const first = await shown('still');
  model.set('clip', clip);
  const playing = await shown('clip');
  cleanup();
  return [first, playing];
}"""


def episode(folder: Path) -> Path:
    """Write shots of one scene, 720x1280, 48 frames."""
    rng = np.random.default_rng(1)
    photo = cv2.resize(data.astronaut(), (900, 1500), interpolation=cv2.INTER_CUBIC)

    def frames(number: int) -> Iterator[Frames]:
        for i in range(48):
            view = photo[2 * i : 2 * i + 1280, i : i + 720].astype(np.float32) / 255
            tinted = view * np.array([1, 1 - number / 100, 1], np.float32)
            grainy = tinted + rng.normal(0, 0.004, view.shape)
            picture = np.clip(grainy, 0, 1)[None].astype(np.float32)
            yield Frames(data=picture, pts_s=np.array([i / 24]))

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        encoding = master_encoding(16, "veryfast", 2)
        path = folder / f"s{number}.mp4"
        write_frames(path, frames(number), rate_fps=Fraction(24), encoding=encoding)
    return folder


def state_of(player: Player) -> dict[str, Any]:
    """Return the player's traits as the page gets them."""
    state: dict[str, Any] = {}
    for name in player.keys:
        value = getattr(player, name)
        if isinstance(value, bytes):
            state[name] = {"base64": base64.b64encode(value).decode()}
        elif not name.startswith("_") and isinstance(value, str | int | float | dict | list):
            state[name] = value
    return state


def one(session: Session, player: Player, shot: str, page: Page) -> dict[str, float]:
    """Select a shot, and time what follows."""
    seen: dict[str, float] = {}
    begun = time.perf_counter()

    def note(change: dict[str, Any]) -> None:
        if change["new"]:
            name = change["name"]
            if name == "still":
                name = "both" if change["new"]["after"] else "source"
            seen.setdefault(name, time.perf_counter() - begun)

    player.observe(note, names=["still", "clip"])
    session.select(shot)
    handed = time.perf_counter() - begun
    player.wait(120)
    player.unobserve(note, names=["still", "clip"])
    page.goto("about:blank")
    still_ms, clip_ms = page.evaluate(LOAD, [esm("player"), state_of(player)])
    begun = time.perf_counter()
    player.magnify(0.5, 0.5)
    player.wait(120)
    return {
        "select returns, ms": 1000 * handed,
        "source, ms": 1000 * seen["source"],
        "source on the page, ms": 1000 * seen["source"] + still_ms,
        "both, ms": 1000 * seen["both"],
        "clip, ms": 1000 * seen["clip"],
        "clip on the page, ms": 1000 * seen["clip"] + clip_ms,
        "loupe, ms": 1000 * (time.perf_counter() - begun),
        "clip, KB": len(player.clip) / 1000,
        "stills, KB": (len(player.still_before) + len(player.still_after)) / 1000,
        "loupe, KB": (len(player.loupe_before) + len(player.loupe_after)) / 1000,
        "frames": player.clip_info["frames"],
    }


def main() -> None:
    """Measure, print medians, and say whether they will do."""
    with tempfile.TemporaryDirectory() as made, sync_playwright() as browsers:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else episode(Path(made) / "ep")
        preview = open_preview(folder, sys.argv[2] if len(sys.argv) > 2 else made)
        session = Session(preview, Path(made) / "out")
        session.choose_genre("romance")
        player = Player(session)
        player.attend()
        player.wait(120)
        order = [s.shot for s in preview.verdict.shots if s.shot != session.selected][:SHOTS]
        chromium = browsers.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": 1000, "height": 900})
        runs = [one(session, player, shot, page) for shot in order]
        chromium.close()
        medians = {name: round(statistics.median(r[name] for r in runs), 1) for name in runs[0]}
        slowest = {
            f"slowest {n}": round(max(r[n] for r in runs), 1) for n in ("source, ms", "clip, ms")
        }
        size = player.clip_info
        about = {"shots": len(runs), "half_px": [size["width"], size["height"]]}
        sys.stdout.write(json.dumps({**about, **medians, **slowest}, indent=1) + "\n")
        largest = max(r["clip, KB"] for r in runs)
        sys.exit(int(medians["source, ms"] > 1000 * TARGET_S or largest * 1000 > MAX_BYTES))


if __name__ == "__main__":
    main()
