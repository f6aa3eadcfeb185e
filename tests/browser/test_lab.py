"""Every part in a real JupyterLab, in both themes: it shows, it can be read, nobody is shut out."""

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from finishkit.preview import open_preview
from tests.browser.lab import Lab
from tests.browser.views import axe_violations

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BUILD = Path(__file__).parents[2] / "build" / "widgets"
PARTS = ("filmstrip", "player", "drift", "cast", "palette", "tuner", "batch")
TABS = ("cast", "palette", "batch", "template")


def _notebook(lab: Lab, name: str, cells: list[str]) -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / name)
    return name


def _opened(lab: Lab, episode: Path, name: str, cells: list[str]) -> Page:
    open_preview(episode, lab.root / "runs")
    first = (
        "from finishkit_widgets import open_session\n"
        f"fk = open_session({str(episode)!r}, 'runs', language='en')"
    )
    page = lab.open(_notebook(lab, name, [first, *cells, "print('ALL', 'DONE')"]), 1500, 1200)
    lab.run_all(page)
    page.locator(".jp-OutputArea-output", has_text="ALL DONE").wait_for(timeout=120_000)
    return page


def _shoot(page: Page, name: str) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=BUILD / f"{name}.png")


def test_every_part_alone_in_both_themes(lab: Lab, episode: Path):
    page = _opened(lab, episode, "parts.ipynb", [f"fk.{part}()" for part in PARTS])
    wrong: dict[str, list[str]] = {}
    try:
        for theme in ("light", "dark"):
            if theme == "dark":
                lab.dark(page)
            for number, part in enumerate(PARTS, start=1):
                cell = page.locator(".jp-Notebook .jp-Cell").nth(number)
                shown = cell.locator(".jp-OutputArea-output .fk").first
                cell.scroll_into_view_if_needed()
                expect(shown).to_be_visible(timeout=30_000)
                page.wait_for_timeout(800)
                _shoot(page, f"{part}_{theme}")
                cell.evaluate("(node, name) => node.dataset.part = name", part)
                found = axe_violations(page, f"[data-part={part}] .jp-OutputArea-output")
                if found:
                    wrong[f"{part}, {theme}"] = found
    finally:
        page.close()
    assert wrong == {}
    assert lab.wrong == []


def test_the_app_in_both_themes_and_narrow(lab: Lab, episode: Path):
    page = _opened(lab, episode, "app.ipynb", ["fk.app()"])
    wrong: dict[str, list[str]] = {}
    try:
        app = page.locator(".fk-app")
        app.scroll_into_view_if_needed()
        for theme in ("light", "dark"):
            if theme == "dark":
                lab.dark(page)
            for tab in TABS:
                page.get_by_test_id("fk-tabs").locator(f"[data-tab={tab}]").click()
                page.wait_for_timeout(1200)
                _shoot(page, f"app_{tab}_{theme}")
                found = axe_violations(page, ".fk-app")
                if found:
                    wrong[f"{tab}, {theme}"] = found
        page.get_by_test_id("fk-filmstrip").get_by_role("option").nth(2).click()
        # Every part shows the shot that was clicked.
        expect(page.get_by_test_id("fk-verdict")).to_contain_text("shot_3", timeout=20_000)
        expect(page.locator(".fk-status")).to_contain_text("shot_3", timeout=20_000)
        page.set_viewport_size({"width": 480, "height": 1200})
        page.wait_for_timeout(1200)
        _shoot(page, "app_narrow_dark")
        boxes = [page.locator(f".fk-app-{zone}").bounding_box() for zone in ("left", "middle")]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] + 1
    finally:
        page.close()
    assert wrong == {}
    assert lab.wrong == []


def test_the_app_beside_the_notebook(lab: Lab, episode: Path):
    page = _opened(lab, episode, "beside.ipynb", ["app = fk.app('sidecar')"])
    try:
        # In a panel of its own, outside the notebook.
        expect(page.locator(".fk-app")).to_be_visible(timeout=30_000)
        assert page.locator(".jp-Notebook .fk-app").count() == 0
    finally:
        page.close()
    assert lab.wrong == []
