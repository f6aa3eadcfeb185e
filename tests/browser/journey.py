"""A creator's first evening in a real JupyterLab: one walk for the test and for the tour."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, expect

from finishkit.batch import shipped
from tests.browser.lab import Lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SHOTS = 4
"""Of the sample episode: one scene, which two cores finish small in half a minute."""
CHROMA = """() => {
  const image = document.querySelector('.fk-tuner [data-testid=fk-after]');
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) {
    const pixel = data.subarray(i, i + 3);
    sum += Math.max(...pixel) - Math.min(...pixel);
  }
  return sum / (data.length / 4);
}"""
"""Mean spread of the channels of the after picture, codes: what saturation scales."""
SHOWN = "document.querySelector('.fk-tuner [data-testid=fk-compare]')?.dataset.afterShown"

Snap = Callable[[Page, str], None]


@dataclass
class Walked:
    """What the walk saw.

    Attributes
    ----------
    chroma_before, chroma_after : float
        Of the picture, before and after the saturation slider went from 1.04 to 1.24.
    took_s : dict of str to float
        Seconds of each part.
    """

    chroma_before: float = 0.0
    chroma_after: float = 0.0
    took_s: dict[str, float] = field(default_factory=dict)


def sample_scene(folder: Path, shots: int = SHOTS) -> Path:
    """Copy the first shots of the sample episode, with their cast, as an episode of its own."""
    source = shipped("sample_shots/ep01")
    folder.mkdir(parents=True)
    rows = (source / "shots.csv").read_text(encoding="utf-8").splitlines()[: shots + 1]
    (folder / "shots.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for row in rows[1:]:
        shutil.copyfile(source / row.split(",")[1], folder / row.split(",")[1])
    shutil.copyfile(source / "characters.csv", folder / "characters.csv")
    shutil.copytree(source / "refs", folder / "refs")
    return folder


def copy_notebook(name: str, root: Path, values: dict[str, str]) -> str:
    """Copy a notebook with other parameters, as papermill would set them; return its name."""
    made = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    cell = next(c for c in made["cells"] if "parameters" in c["metadata"].get("tags", []))
    cell["source"] = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    (root / name).write_text(json.dumps(made), encoding="utf-8")
    return name


def tune_and_lock(lab: Lab, page: Page, snap: Snap, template: Path) -> Walked:
    """Run all of notebook 20, change genre and slider, step frames, lock."""
    walked = Walked()
    started = time.monotonic()
    lab.run_all(page)
    page.locator(".jp-OutputArea-output", has_text="Not locked yet.").first.wait_for(
        timeout=120_000
    )
    page.wait_for_function(f"{SHOWN} !== undefined", timeout=30_000)
    walked.took_s["open"] = _lap(started)
    started = time.monotonic()
    page.locator(".fk-tuner").evaluate("node => node.scrollIntoView({block: 'start'})")
    snap(page, "tuner")

    status = page.locator(".fk-status")
    page.locator(".fk-genre button", has_text="Thriller").click()
    expect(status).to_contain_text("0 settings changed from thriller", timeout=20_000)
    page.locator(".fk-genre button", has_text="Romance").click()
    expect(status).to_contain_text("0 settings changed from romance", timeout=20_000)
    expect(page.locator(".fk-tuner [data-testid=fk-after-label]")).to_have_text("Romance")

    handle = page.locator(".fk-grade-saturation .noUi-handle")
    handle.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    walked.chroma_before, shown = page.evaluate(CHROMA), page.evaluate(SHOWN)
    handle.focus()
    for _ in range(10):
        handle.press("ArrowRight")
    expect(status).to_contain_text("1 setting changed from romance")
    expect(page.locator(".fk-grade-saturation .widget-readout")).to_have_text("1.24")
    page.wait_for_function(f"{SHOWN} !== {shown!r}", timeout=20_000)
    page.wait_for_function(f"({CHROMA})() > {walked.chroma_before * 1.13}", timeout=20_000)
    walked.chroma_after = page.evaluate(CHROMA)
    snap(page, "slider")
    _make_it_small(page)
    _step_frames(page, snap)
    walked.took_s["tune"] = _lap(started)

    started = time.monotonic()
    page.locator(".fk-ask-lock").scroll_into_view_if_needed()
    page.locator(".fk-ask-lock").click()
    question = page.locator(".fk-lock-question")
    expect(question).to_contain_text("This freezes romance as")
    expect(question).to_contain_text("1.04 → 1.24")
    snap(page, "lock")
    page.locator(".fk-confirm-lock").click()
    expect(page.locator(".fk-sealed")).to_contain_text(str(template), timeout=20_000)
    walked.took_s["lock"] = _lap(started)
    return walked


def finish_and_report(page: Page, snap: Snap, timeout_s: float) -> dict[str, float]:
    """Start the batch on its button, wait for its end, open the report; return the seconds."""
    started, took_s = time.monotonic(), {}
    monitor = page.get_by_test_id("fk-monitor")
    monitor.scroll_into_view_if_needed()
    monitor.get_by_test_id("fk-monitor-start").click()
    expect(monitor.get_by_test_id("fk-monitor-phase")).to_contain_text("running", timeout=30_000)
    expect(monitor.locator("[data-stage=faces][data-is=now]")).to_be_visible(
        timeout=timeout_s * 1000
    )
    page.wait_for_timeout(3000)
    snap(page, "batch")
    expect(monitor.get_by_test_id("fk-monitor-phase")).to_contain_text(
        "inished", timeout=timeout_s * 1000
    )
    took_s["finish"] = _lap(started)
    snap(page, "finished")
    started = time.monotonic()
    monitor.get_by_test_id("fk-monitor-report").click()
    report = page.frame_locator(".fk-monitor-frame")
    expect(report.locator("h1")).to_be_visible(timeout=20_000)
    page.locator(".fk-monitor-frame").evaluate("node => node.scrollIntoView({block: 'start'})")
    snap(page, "report")
    took_s["report"] = _lap(started)
    return took_s


def _make_it_small(page: Page) -> None:
    """Choose a plain enlargement and a small master, as for a draft, by their controls."""
    tuner = page.locator(".fk-tuner")
    tuner.get_by_text("Upscale", exact=True).click()
    page.locator(".fk-upscale-model select").select_option("lanczos")
    tuner.get_by_text("Master", exact=True).click()
    for name, value in (("width_px", "360"), ("height_px", "640")):
        box = page.locator(f".fk-master-{name} input")
        box.fill(value)
        box.press("Enter")
    expect(page.locator(".fk-status")).to_contain_text("4 settings changed from romance")


def _step_frames(page: Page, snap: Snap) -> None:
    player = page.get_by_test_id("fk-player")
    player.scroll_into_view_if_needed()
    count = player.get_by_test_id("fk-count")
    expect(count).to_contain_text("25")
    player.get_by_test_id("fk-stage").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(count).to_contain_text("28", timeout=20_000)
    expect(page.locator(".fk-frame .widget-readout")).to_have_text("27", timeout=20_000)
    snap(page, "player")


def _lap(started: float) -> float:
    return round(time.monotonic() - started, 1)
