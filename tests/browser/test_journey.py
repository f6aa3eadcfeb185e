"""The whole path in a real JupyterLab: kernel, comm, view, keys, files on disk, batch, report."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from finishkit.preview import open_preview
from finishkit.store import Store
from finishkit.template import load_template
from tests.browser.journey import (
    SHOTS,
    copy_notebook,
    finish_and_report,
    sample_scene,
    tune_and_lock,
)
from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BUILD = Path(__file__).parents[2] / "build" / "journey"


def _snap(page: Page, name: str) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=BUILD / f"{name}.png")


def test_from_open_to_report(lab: Lab):
    root = lab.root / "journey"
    root.mkdir()
    clips, runs, template = sample_scene(root / "ep"), root / "runs", root / "my_show.toml"
    # Measured on an earlier day; notebook 20 finds it.
    open_preview(clips, runs)
    values = {
        "episode": str(clips),
        "out": str(runs),
        "genre": "romance",
        "template": str(template),
    }
    notebook = copy_notebook("20_tune_template.ipynb", root, values)
    page = lab.open(f"journey/{notebook}")
    try:
        walked = tune_and_lock(lab, page, _snap, template)
        # From 1.04 to 1.24 at strength 0.95: the picture moved as far as the slider did.
        ratio = walked.chroma_after / walked.chroma_before
        assert ratio == pytest.approx((1.24 / 1.04) ** 0.95, rel=0.025)
        locked = load_template(template)
        assert locked.genre == "romance"
        assert locked.grade.saturation == 1.24
        assert (locked.upscale.model, locked.master.width_px) == ("lanczos", 360)
        expect(page.locator(".fk-sealed")).to_contain_text(locked.sha256[:8])
        expect(page.locator(".fk-grade-saturation .noUi-target")).to_have_attribute(
            "disabled", "true"
        )
        _keys_never_reach_the_notebook(page)
        took_s = finish_and_report(page, _snap, timeout_s=240)
        manifest = Store(runs / "ep").manifest()
        assert manifest.exit_code in (0, 3)
        assert len(manifest.shots) == SHOTS
        assert (runs / "ep" / "master.mp4").is_file()
        assert load_template(template) == locked
    finally:
        _snap(page, "last")
        page.close()
    (BUILD / "seconds.json").write_text(json.dumps(walked.took_s | took_s))
    assert lab.wrong == []


def _keys_never_reach_the_notebook(page: Page) -> None:
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    for place in (
        page.locator(".fk-tuner").get_by_test_id("fk-wipe"),
        page.locator(".fk-tuner .fk-duplicate"),
        page.get_by_test_id("fk-filmstrip").get_by_role("option").first,
        page.get_by_test_id("fk-player").get_by_test_id("fk-wipe"),
        page.get_by_test_id("fk-monitor").get_by_role("button").first,
    ):
        place.scroll_into_view_if_needed()
        place.focus()
        for key in ("x", "d", "d", "b"):
            page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    page.evaluate("window.jupyterapp.shell.currentWidget.context.model.dirty = true")
    page.keyboard.press("Control+s")
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context.model.dirty === false", timeout=10_000
    )
