"""Each view alone in a real browser, over a fake model: no kernel, no network."""

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from finishkit_widgets.pictures import jpeg_bytes
from finishkit_widgets.texts import words
from tests.browser.views import THEMES, axe_violations, mount, picture, sent_bytes

pytestmark = pytest.mark.browser


@pytest.fixture
def compare(page: Page) -> Page:
    state = {
        "before": picture((200, 0, 0)),
        "after": picture((0, 0, 200)),
        "mode": "wipe",
        "position": 0.5,
        "before_label": "before",
        "after_label": "romance",
        "alt": "S003, frame 12",
    }
    mount(page, "compare", state)
    page.wait_for_function("document.querySelector('.fk-compare').dataset.afterShown === '1'")
    page.wait_for_function("document.querySelector('.fk-compare').dataset.beforeShown === '1'")
    return page


def _colour_at(page: Page, share: float) -> tuple[int, ...]:
    box = page.get_by_test_id("fk-after").bounding_box()
    assert box is not None
    shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    y, x = int(box["y"] + box["height"] * 0.8), int(box["x"] + box["width"] * share)
    return tuple(int(v) for v in shot[y, x, ::-1])


def test_wipe_shows_before_on_the_left_and_after_on_the_right(compare: Page):
    assert _colour_at(compare, 0.2) == (200, 0, 0)
    assert _colour_at(compare, 0.8) == (0, 0, 200)


def test_wipe_follows_the_pointer(compare: Page):
    box = compare.get_by_test_id("fk-after").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    compare.mouse.move(box["x"] + box["width"] * 0.5, middle)
    compare.mouse.down()
    compare.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=4)
    compare.mouse.up()
    expect(compare.get_by_test_id("fk-wipe")).to_have_attribute("aria-valuenow", "90")
    assert _colour_at(compare, 0.8) == (200, 0, 0)


def test_wipe_moves_by_keys_and_tells_the_kernel(compare: Page):
    handle = compare.get_by_test_id("fk-wipe")
    handle.focus()
    for key, percent in (
        ("ArrowRight", "52"),
        ("Shift+ArrowRight", "62"),
        ("PageDown", "52"),
        ("[", "47"),
        ("Home", "0"),
        ("ArrowLeft", "0"),
        ("End", "100"),
    ):
        handle.press(key)
        expect(handle).to_have_attribute("aria-valuenow", percent)
    assert compare.evaluate("saved.at(-1).position") == 1
    expect(handle).to_have_attribute("aria-valuetext", "before 100 %, after 0 %")


def test_modes(compare: Page):
    before, after = compare.get_by_test_id("fk-before"), compare.get_by_test_id("fk-after")
    compare.get_by_test_id("fk-mode-side").click()
    assert compare.evaluate("saved.at(-1).mode") == "side"
    one, two = before.bounding_box(), after.bounding_box()
    assert one is not None
    assert two is not None
    assert one["x"] + one["width"] <= two["x"]
    compare.get_by_test_id("fk-mode-after").click()
    expect(before).to_be_hidden()
    expect(compare.get_by_test_id("fk-wipe")).to_be_hidden()
    compare.keyboard.press("\\")
    expect(before).to_be_visible()
    expect(after).to_be_hidden()
    expect(compare.get_by_test_id("fk-mode-before")).to_have_attribute("aria-pressed", "true")


def test_only_keys_with_a_modifier_reach_the_page(compare: Page):
    compare.get_by_test_id("fk-wipe").focus()
    for key in ("d", "d", "a", "x", "Enter"):
        compare.keyboard.press(key)
    assert compare.evaluate("outside") == []
    compare.keyboard.press("Control+s")
    compare.keyboard.press("Escape")
    assert compare.evaluate("outside") == ["Control", "s", "Escape"]


def test_a_new_picture_replaces_the_old_one(compare: Page):
    compare.evaluate("model.set('after', model.get('before'))")
    compare.wait_for_function("document.querySelector('.fk-compare').dataset.afterShown === '2'")
    assert _colour_at(compare, 0.8) == (200, 0, 0)


def test_a_broken_picture_is_said(compare: Page):
    compare.evaluate("model.set('after', new DataView(new ArrayBuffer(20)))")
    expect(compare.get_by_role("alert")).to_have_text("The after picture cannot be shown.")
    assert _colour_at(compare, 0.8) == (0, 0, 200)


def test_compare_cleans_up(compare: Page):
    assert compare.evaluate("model.listeners()") > 0
    compare.evaluate("cleanup()")
    assert compare.evaluate("model.listeners()") == 0
    assert compare.locator(".fk-compare").count() == 0


@pytest.mark.parametrize("theme", THEMES)
def test_compare_is_accessible(page: Page, theme: str):
    pictures = {"before": picture((200, 0, 0)), "after": picture((0, 0, 200))}
    labels = {"before_label": "before", "after_label": "x", "alt": "S1"}
    state = {**pictures, **labels, "mode": "wipe", "position": 0.5}
    mount(page, "compare", state, theme=theme)
    page.wait_for_function("document.querySelector('.fk-compare').dataset.afterShown === '1'")
    assert axe_violations(page) == []


PANEL = """
  <div class="fk fk-panel"><div class="fk-row"><span class="fk-row-name">Saturation</span>
  <input id="inside" type="range"><div class="widget-readout" contenteditable="true">1.0</div>
  <button class="fk-reset" title="Back to 1">x</button></div></div>"""


def test_surroundings_report_the_theme_keep_keys_in_and_name_controls(page: Page):
    mount(page, "surroundings", {"dark": False, "panel": "fk-panel"}, around=PANEL, sheet="panel")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function("model.get('dark') === true")
    # The view hides its own element; what matters here is the key, so show the panel again.
    page.evaluate("document.querySelector('.fk-panel').style.display = 'block'")
    expect(page.locator("#inside")).to_have_attribute("aria-label", "Saturation")
    expect(page.locator(".widget-readout")).to_have_attribute("role", "textbox")
    expect(page.locator(".fk-reset")).to_have_attribute("aria-label", "Saturation: Back to 1")
    page.locator("#inside").focus()
    page.keyboard.press("d")
    page.keyboard.press("Control+s")
    assert page.evaluate("outside") == ["Control", "s"]
    page.evaluate("cleanup()")
    page.keyboard.press("d")
    assert page.evaluate("outside") == ["Control", "s", "d"]


@pytest.fixture(params=THEMES)
def tabs(page: Page, request: pytest.FixtureRequest) -> Page:
    names = ["template", "cast", "palette", "batch"]
    said = {"names": names, "selected": "template", "words": words("app", "en")}
    mount(page, "tabs", said, theme=request.param)
    return page


def test_tabs_are_one_stop_and_move_by_keys(tabs: Page):
    expect(tabs.get_by_role("tab")).to_have_text(["Template", "Cast", "Palette", "Batch"])
    tabs.keyboard.press("Tab")
    for key, name in (
        ("ArrowRight", "cast"),
        ("End", "batch"),
        ("ArrowRight", "template"),
        ("ArrowLeft", "batch"),
        ("Home", "template"),
    ):
        tabs.keyboard.press(key)
        assert tabs.evaluate("saved.at(-1).selected") == name
        assert tabs.evaluate("document.activeElement.dataset.tab") == name
        expect(tabs.locator("[aria-selected=true]")).to_have_count(1)
    tabs.keyboard.press("d")
    assert "d" not in tabs.evaluate("outside")
    tabs.get_by_role("tab", name="Palette").click()
    assert tabs.evaluate("saved.at(-1).selected") == "palette"
    assert axe_violations(tabs) == []
    tabs.evaluate("cleanup()")
    assert tabs.evaluate("model.listeners()") == 0


@pytest.mark.parametrize("theme", THEMES)
def test_pinned_frames_ask_for_their_frame_and_show_their_part_of_the_sheet(page: Page, theme: str):
    both = np.full((192, 216, 3), (200, 0, 0), np.uint8)
    both[:, 108:] = (0, 0, 200)
    items = [
        {"shot": "S1", "frame": 3, "why": "dark", "alt": "dark: S1"},
        {"shot": "S2", "frame": 7, "why": "face", "alt": "face: S2"},
    ]
    state = {"items": items, "sheet": sent_bytes(jpeg_bytes(both, 95)), "tile_px": [108, 192],
             "words": words("tuner", "en"), "trouble": "", "trouble_details": ""}  # fmt: skip
    mount(page, "pinned", state, theme=theme)
    second = page.get_by_role("button", name="face: S2")
    box = second.locator(".fk-pin-picture").bounding_box()
    assert box is not None
    shot = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    blue, _, red = (int(v) for v in shot[int(box["y"] + 40), int(box["x"] + 20)])
    assert (blue > 180, red < 20) == (True, True)
    second.click()
    page.get_by_test_id("fk-pin-this").click()
    assert page.evaluate("sent") == [{"do": "select", "shot": "S2", "frame": 7}, {"do": "pin"}]
    assert axe_violations(page) == []
    page.evaluate("model.set('trouble', 'No such frame.')")
    expect(page.get_by_role("alert")).to_have_text("No such frame.")
    page.evaluate("cleanup()")
    assert page.evaluate("model.listeners()") == 0
