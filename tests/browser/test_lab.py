"""The whole path in a real JupyterLab: kernel, comm, view, keys, file on disk."""

import json
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from finishkit.preview import open_preview
from finishkit.template import load_template

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHROMA = """() => {
  const image = document.querySelector('[data-testid=fk-after]');
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
DARK = """() => {
  window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'});
  return 1;
}"""
SHOWN = "document.querySelector('[data-testid=fk-compare]')?.dataset.afterShown"


def _copy(notebook: str, root: Path, values: dict[str, str]) -> None:
    """Copy a notebook with other parameters, as papermill would set them."""
    made = json.loads((NOTEBOOKS / notebook).read_text(encoding="utf-8"))
    cell = next(c for c in made["cells"] if "parameters" in c["metadata"].get("tags", []))
    cell["source"] = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    (root / notebook).write_text(json.dumps(made), encoding="utf-8")


def _wait_for_next(page: Page, shown: str) -> None:
    page.wait_for_function(f"{SHOWN} !== {shown!r}", timeout=20_000)


def test_tune_and_lock(lab, episode: Path, tmp_path: Path):
    # Measured here once, so that the notebook finds everything in its cache.
    open_preview(episode, lab.root, jobs=1)
    target = lab.root / "my_show.toml"
    values = {"episode": str(episode), "genre": "romance", "template": str(target)}
    _copy("20_tune_template.ipynb", lab.root, values)
    page = lab.open("20_tune_template.ipynb")
    try:
        lab.run_all(page)
        done = page.locator(".jp-OutputArea-output", has_text="Not locked yet.")
        done.first.wait_for(timeout=120_000)
        page.wait_for_function(f"{SHOWN} !== undefined", timeout=30_000)

        handle = page.locator(".fk-grade-saturation .noUi-handle")
        handle.scroll_into_view_if_needed()
        before, shown = page.evaluate(CHROMA), page.evaluate(SHOWN)
        handle.focus()
        for _ in range(10):
            handle.press("ArrowRight")
        expect(page.locator(".fk-status")).to_contain_text("1 setting changed from romance")
        expect(page.locator(".fk-grade-saturation .widget-readout")).to_have_text("1.24")
        _wait_for_next(page, shown)
        # From 1.04 to 1.24 at strength 0.95: the last of ten pictures has arrived.
        page.wait_for_function(f"({CHROMA})() > {before * 1.15}", timeout=20_000)
        assert page.evaluate(CHROMA) == pytest.approx(before * (1.24 / 1.04) ** 0.95, rel=0.02)

        _keys_never_reach_the_notebook(page)
        _selection_is_shared(page)
        page.screenshot(path=tmp_path / "light.png")

        page.locator(".fk-ask-lock").click()
        page.locator(".fk-confirm-lock").click()
        expect(page.locator(".fk-sealed")).to_contain_text("Duplicate to change")
        template = load_template(target)
        assert template.grade.saturation == 1.24
        assert template.hero in ("shot_1", "shot_2", "shot_3")
        expect(page.locator(".fk-sealed")).to_contain_text(template.sha256[:8])
        expect(page.locator(".fk-grade-saturation .noUi-target")).to_have_attribute(
            "disabled", "true"
        )
        page.evaluate(DARK)
        page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
        page.wait_for_timeout(500)
        page.screenshot(path=tmp_path / "dark.png")
        page.locator(".fk-duplicate").click()
        expect(page.locator(".fk-ask-lock")).to_be_visible()
        assert load_template(target) == template
    finally:
        page.screenshot(path=tmp_path / "last.png")
        page.close()
    assert lab.wrong == []


def _keys_never_reach_the_notebook(page: Page) -> None:
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    for place in (
        page.get_by_test_id("fk-wipe"),
        page.locator(".fk-grade-contrast .noUi-handle"),
        page.locator(".fk-filmstrip-shot").first,
    ):
        place.scroll_into_view_if_needed()
        place.focus()
        for key in ("a", "d", "d", "x"):
            page.keyboard.press(key)
    page.get_by_test_id("fk-wipe").press("ArrowRight")
    expect(page.get_by_test_id("fk-wipe")).to_have_attribute("aria-valuenow", "52")
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    page.evaluate("window.jupyterapp.shell.currentWidget.context.model.dirty = true")
    page.keyboard.press("Control+s")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context.model.dirty === false", timeout=10_000
    )


def _selection_is_shared(page: Page) -> None:
    third = page.locator(".fk-filmstrip-shot").nth(2)
    third.click()
    expect(third).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("fk-after")).to_have_attribute(
        "alt", "shot_3, frame 12, after", timeout=20_000
    )


def test_drift_plot_selects_by_click_and_keys(lab, episode: Path):
    open_preview(episode, lab.root, jobs=1)
    cells = (
        "from finishkit.preview import open_preview\n"
        "from finishkit_widgets import DriftPlot, Filmstrip, share_selection\n"
        f"preview = open_preview({str(episode)!r}, '.')\n"
        "strip, drift = Filmstrip(preview), DriftPlot(preview.measurements, preview.verdict)\n"
        "share_selection(strip, drift)\n"
        "strip",
        "drift",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / "drift.ipynb")
    page = lab.open("drift.ipynb")
    try:
        lab.run_all(page)
        plot = page.locator(".jupyter-matplotlib-canvas-div canvas").last
        plot.wait_for(timeout=60_000)
        current = page.locator(".fk-drift tr[aria-current=true]")
        expect(current).to_contain_text("shot_1")
        box = plot.bounding_box()
        assert box is not None
        # The last of three shots is at the right of the plot.
        page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.5)
        expect(current).to_contain_text("shot_3")
        expect(page.locator(".fk-filmstrip-shot").nth(2)).to_have_attribute("aria-selected", "true")
        cells_before = page.locator(".jp-Notebook .jp-Cell").count()
        page.keyboard.press("ArrowLeft")
        expect(current).to_contain_text("shot_2")
        for key in ("a", "d", "d"):
            page.keyboard.press(key)
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells_before
        page.locator(".fk-metric select").select_option("Exposure")
        expect(page.locator(".fk-drift th", has_text="ev, stops")).to_be_visible()
    finally:
        page.close()
    assert lab.wrong == []
