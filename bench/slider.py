"""From a key on a slider to the picture on the screen, in a real JupyterLab in a real browser.

    python -m bench.slider

Medians over values that were not shown before, at 540x960: key down -> kernel -> picture decoded.
Then a drag over forty values: how long after the hand lets go the last picture stands, and how many
pictures come after it (a queue would bring many). Exit 1 when a median misses the target.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

from bench.preview import episode
from finishkit.measure import measure
from finishkit.shots import open_episode
from tests.browser.lab import Lab, running_lab

REPEATS = 25
TARGET_MS = 120
SLIDERS = {"grade": "grade-saturation", "sharpen": "sharpen-strength"}
WATCH = """() => {
  const root = document.querySelector('[data-testid=fk-compare]');
  window.fkShown = [];
  new MutationObserver(() => window.fkShown.push(performance.now()))
    .observe(root, {attributes: true, attributeFilter: ['data-after-shown']});
  window.fkKey = 0;
  document.addEventListener('keydown', () => { window.fkKey = performance.now(); }, true);
}"""


def main() -> int:
    """Run it and print JSON."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "root"
        clips = episode(_made(root / "ep"))
        # Measured before, as it is when somebody tunes.
        measure(open_episode(clips), cache_dir=root / "runs" / "ep" / "work" / "measure")
        _notebook(root / "slider.ipynb")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        with running_lab(browser, root, _made(Path(folder) / "state")) as lab:
            found = _measured(lab)
    print(json.dumps(found, indent=1))
    return int(any(found[name]["median_ms"] > TARGET_MS for name in SLIDERS))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _notebook(path: Path) -> None:
    cell = (
        "from finishkit_widgets import open_session\n"
        "fk = open_session('ep', 'runs', genre='romance', language='en')\n"
        "fk.select('s1')\n"
        "tuner = fk.tuner()\n"
        "tuner.follow.wait()\n"
        "tuner.follow.box.value = False\n"
        "tuner"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


def _measured(lab: Lab) -> dict[str, Any]:
    page = lab.open("slider.ipynb")
    lab.run_all(page)
    page.wait_for_selector("[data-testid=fk-compare][data-after-shown]", timeout=120_000)
    page.wait_for_timeout(3000)
    page.evaluate(WATCH)
    found: dict[str, Any] = {name: _by_key(page, row) for name, row in SLIDERS.items()}
    found["drag"] = _drag(page, SLIDERS["grade"])
    found["target_ms"] = TARGET_MS
    page.close()
    return found


def _by_key(page: Page, row: str) -> dict[str, float]:
    group = {"sharpen": "Sharpness and grain"}.get(row.split("-")[0])
    if group:
        page.get_by_text(group).first.click()
    handle = page.locator(f".fk-{row} .noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    times = []
    for number in range(REPEATS):
        page.evaluate("window.fkShown.length = 0")
        # Down first: the sharpness begins near its upper end.
        handle.press("ArrowLeft" if number < REPEATS // 2 else "ArrowRight")
        page.wait_for_function("window.fkShown.length > 0", timeout=10_000)
        times.append(page.evaluate("window.fkShown[0] - window.fkKey"))
        page.wait_for_timeout(400)
    kept = sorted(times[2:])
    return {
        "median_ms": round(statistics.median(kept), 1),
        "p90_ms": round(kept[int(len(kept) * 0.9)], 1),
        "best_ms": round(kept[0], 1),
    }


def _drag(page: Page, row: str) -> dict[str, float]:
    page.get_by_text("Colour", exact=False).first.click()
    handle = page.locator(f".fk-{row} .noUi-handle")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("window.fkShown.length = 0")
    for step in range(40):
        page.mouse.move(x + step, y)
        page.wait_for_timeout(16)
    during = page.evaluate("window.fkShown.length")
    page.evaluate("window.fkReleased = performance.now(), window.fkShown.length = 0")
    page.mouse.up()
    page.wait_for_timeout(1500)
    after: list[float] = page.evaluate("window.fkShown.map(t => t - window.fkReleased)")
    return {
        "values": 40,
        "pictures_during": during,
        "pictures_after_release": len(after),
        "last_picture_after_release_ms": round(max(after, default=0.0), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
