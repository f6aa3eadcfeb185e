"""How long a long episode takes to appear: filmstrip, palette and drift plot of 80 shots, 720x1280.

    python -m bench.eighty_shots [EPISODE]

Nothing is measured: the measurements are made up, as if they had been loaded. Without an episode
eight synthetic clips are written, and copied ten times, each copy with other bytes behind the
pictures, so that no thumbnail is found under another's key. Exit 1 when the filmstrip or the drift
plot takes 2 s to appear, or the widgets together hold 10 MB.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import ipywidgets
import numpy as np
from skimage import data

from finishkit.frames import Frames, master_encoding, probe, write_frames
from finishkit.measure import METRICS, Measurements, ShotMeasurement
from finishkit.preview import Preview
from finishkit.shots import Episode, Shot, open_episode
from finishkit.verdict import judge
from finishkit_widgets.filmstrip import Filmstrip
from finishkit_widgets.palette import Palette
from finishkit_widgets.session import Session

SHOTS, CLIPS, FRAMES = 80, 8, 48
TARGET_S, TARGET_BYTES = 2.0, 10_000_000
PATIENCE_S = 300.0


def episode(folder: Path) -> Path:
    """Write 80 clips of two seconds, 720x1280, in eight scenes, and their list."""
    photo = cv2.resize(data.astronaut(), (1000, 1600), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(1)

    def frames(number: int) -> Iterator[Frames]:
        tint = rng.uniform(0.7, 1.0, 3).astype(np.float32)
        for i in range(FRAMES):
            left, top = 5 * i + 4 * number, 6 * i
            view = photo[top : top + 1280, left : left + 720].astype(np.float32) / 255 * tint
            noisy = np.clip(view + rng.normal(0, 0.006, view.shape), 0, 1)
            yield Frames(data=noisy[None].astype(np.float32), pts_s=np.array([i / 24]))

    rows = ["shot,file,scene,characters"]
    for number in range(SHOTS):
        path = folder / f"shot_{number:03d}.mp4"
        if number < CLIPS:
            encoding = master_encoding(23, "veryfast", 2)
            write_frames(path, frames(number), rate_fps=Fraction(24), encoding=encoding)
        else:
            # A box that players skip: other bytes, the same pictures.
            box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
            path.write_bytes((folder / f"shot_{number % CLIPS:03d}.mp4").read_bytes() + box)
        rows.append(f"{path.stem},{path.name},scene {number // 10 + 1},{'AB'[number % 2]}")
    (folder / "shots.csv").write_text("\n".join(rows))
    return folder


def made_up(opened: Episode) -> Measurements:
    """Return measurements with plausible scatter: the widgets only show them."""
    rng = np.random.default_rng(2)

    def measured(shot: Shot) -> ShotMeasurement:
        said = probe(shot.path)
        return ShotMeasurement(
            shot=shot.id,
            order=shot.order,
            scene=shot.scene,
            width_px=said.width_px,
            height_px=said.height_px,
            rate_fps=said.rate_fps,
            frame_count=said.frame_count,
            duration_s=said.duration_s,
            values={metric.name: float(rng.normal(1, 0.1)) for metric in METRICS},
        )

    return Measurements(episode=opened.name, shots=tuple(measured(s) for s in opened))


def state_bytes(widget: ipywidgets.Widget) -> int:
    """Return the size of what the front end holds of a widget, and of those inside it."""
    seen: set[str] = set()

    def size(one: ipywidgets.Widget) -> int:
        if one.model_id in seen:
            return 0
        seen.add(one.model_id)
        total = 0
        for name, value in one.get_state().items():
            if isinstance(value, (bytes, memoryview)):
                total += len(value)
            elif name not in ("_esm", "_css"):
                total += len(json.dumps(value, default=str))
        inside = getattr(one, "children", ())
        return total + sum(size(child) for child in inside)

    return size(widget)


def strip_times(make: Callable[[], Session]) -> dict[str, float]:
    """Return seconds until the strip is constructed, displayed, and has its pictures."""
    session = make()
    begun = time.perf_counter()
    strip = Filmstrip(session)
    strip.get_state()
    times = {"constructed": time.perf_counter() - begun}
    # Until then nothing of a shot is seen but its place: the keyframes come before the middles.
    reader, something = session.thumbnails, threading.Event()
    stop = reader.follow(
        lambda *_: something.set() if len(reader.found) == len(session.episode) else None
    )
    something.wait(PATIENCE_S)
    times["a picture of every shot"] = time.perf_counter() - begun
    strip.wait(PATIENCE_S)
    times["the middle frame of every shot"] = time.perf_counter() - begun
    stop()
    strip.close()
    return {name: round(value, 3) for name, value in times.items()}


def displayed_s(make: Callable[[], Session], widget: Callable[[Session], Any]) -> float:
    """Return seconds until a notebook has the view and the picture that is left behind."""
    session = make()
    begun = time.perf_counter()
    shown = widget(session)
    shown._repr_mimebundle_()
    taken = time.perf_counter() - begun
    shown.close()
    return round(taken, 3)


def palette_s(session: Session) -> float:
    """Return seconds until every shot's colours are there."""
    begun = time.perf_counter()
    palette = Palette(session)
    palette.wait(PATIENCE_S)
    palette.close()
    return round(time.perf_counter() - begun, 3)


def main() -> None:
    """Measure, and say whether a long episode appears in time."""
    with tempfile.TemporaryDirectory() as made:
        show = Path(made) / "ep"
        show.mkdir()
        opened = open_episode(sys.argv[1] if len(sys.argv) > 1 else episode(show))
        measurements = made_up(opened)
        runs = iter(range(1000))

        def fresh(out: str = "") -> Session:
            verdict = judge(measurements)
            preview = Preview(opened, measurements, verdict)
            return Session(preview, Path(made) / (out or f"cold{next(runs)}"), language="en")

        results: dict[str, Any] = {"shots": len(opened)}
        results["filmstrip cold, s"] = strip_times(lambda: fresh("kept"))
        results["filmstrip warm, s"] = strip_times(lambda: fresh("kept"))
        results["filmstrip displayed cold, s"] = displayed_s(fresh, Filmstrip)
        results["filmstrip displayed warm, s"] = displayed_s(lambda: fresh("kept"), Filmstrip)
        results["palette warm, s"] = palette_s(fresh("kept"))
        slowest = results["filmstrip displayed cold, s"]
        session = fresh("kept")
        begun = time.perf_counter()
        drift = session.drift()
        results["drift plot, s"] = round(time.perf_counter() - begun, 3)
        begun = time.perf_counter()
        app = session.app()
        results["the whole app, s"] = round(time.perf_counter() - begun, 3)
        slowest = max(slowest, results["drift plot, s"])
        strip, palette = Filmstrip(session), Palette(session)
        strip.wait(PATIENCE_S)
        palette.wait(PATIENCE_S)
        shown = {"filmstrip": strip, "palette": palette, "drift plot": drift}
        sizes: dict[str, int] = {name: state_bytes(w) for name, w in shown.items()}
        app.strip.wait(PATIENCE_S)
        # It holds a strip and a drift plot of its own; the palette is made when it is opened.
        sizes["the whole app"] = state_bytes(app)
        results["state, bytes"] = sizes
        app.close()
    print(json.dumps(results, indent=1))
    if slowest >= TARGET_S or sum(sizes.values()) >= TARGET_BYTES:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
