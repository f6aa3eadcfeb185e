"""Make the pictures of docs/tour.md: JupyterLab on the sample episode, walked as the test does.

    python -m calibration.tour_pictures [--out docs/tour]

Takes about six minutes on two cores; most of it is the finishing of the fourteen shots.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from finishkit.preview import open_preview
from tests.browser.journey import copy_notebook, finish_and_report, sample_scene, tune_and_lock
from tests.browser.lab import Lab, running_lab

WIDTH_PX, HEIGHT_PX = 1480, 1060
QUALITY = 88
# Relative, as in a show: no path of this machine gets into a picture.
EPISODE, TEMPLATE = "episodes/ep01", Path("templates/my_show.toml")


def main() -> int:
    """Walk and shoot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/tour"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, state = Path(folder) / "show", Path(folder) / "state"
        root.mkdir()
        state.mkdir()
        clips = sample_scene(root / EPISODE, shots=14)
        open_preview(clips, root / "runs")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        with running_lab(browser, root, state) as lab:
            _walk(lab, root, out)
            # Last, since the dark theme stays.
            _app(lab, root, out)
    return 0


def _app(lab: Lab, root: Path, out: Path) -> None:
    values = {"episode": EPISODE, "out": "runs"}
    page = lab.open(copy_notebook("00_start.ipynb", root, values), WIDTH_PX, HEIGHT_PX)
    lab.run_all(page)
    page.locator(".fk-app").wait_for(timeout=120_000)
    _wide(page)
    page.locator(".fk-app").evaluate("node => node.scrollIntoView({block: 'start'})")
    page.get_by_test_id("fk-filmstrip").get_by_role("option").nth(8).click()
    page.wait_for_timeout(6000)
    _shoot(page, out / "app.jpg")
    for tab in ("cast", "palette"):
        page.get_by_test_id("fk-tabs").locator(f"[data-tab={tab}]").click()
        page.wait_for_timeout(2500)
        _shoot(page, out / f"{tab}.jpg")
    page.locator(".fk-drift").evaluate("node => node.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)
    _shoot(page, out / "drift.jpg")
    lab.dark(page)
    page.get_by_test_id("fk-tabs").locator("[data-tab=template]").click()
    page.locator(".fk-app").evaluate("node => node.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(2500)
    _shoot(page, out / "app_dark.jpg")
    page.close()


def _walk(lab: Lab, root: Path, out: Path) -> None:
    values = {"episode": EPISODE, "out": "runs", "genre": "romance", "template": str(TEMPLATE)}
    page = lab.open(copy_notebook("20_tune_template.ipynb", root, values), WIDTH_PX, HEIGHT_PX)
    _wide(page)

    def snap(at: Page, name: str) -> None:
        at.wait_for_timeout(1500)
        _shoot(at, out / f"{name}.jpg")

    tune_and_lock(lab, page, snap, TEMPLATE)
    finish_and_report(page, snap, timeout_s=900)
    page.close()


def _wide(page: Page) -> None:
    page.evaluate(
        "() => { window.jupyterapp.commands.execute('application:toggle-left-area'); return 1; }"
    )


def _shoot(page: Page, path: Path) -> None:
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    sys.exit(main())
