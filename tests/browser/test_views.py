"""Each view alone in a real browser, over a fake model: no kernel, no network."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

import finishkit_widgets

pytestmark = pytest.mark.browser

STATIC = Path(finishkit_widgets.__file__).parent / "static"
MOUNT = """async ([code, state, css]) => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const widget = (await import(url)).default;
  for (const [name, value] of Object.entries(state))
    if (value?.base64) state[name] = new DataView(
      Uint8Array.from(atob(value.base64), c => c.charCodeAt(0)).buffer);
  const calls = {};
  window.outside = [];
  document.addEventListener('keydown', e => window.outside.push(e.key));
  window.saved = [];
  window.model = {
    get: name => state[name],
    set: (name, value) => {
      state[name] = value;
      (calls['change:' + name] ?? []).forEach(call => call());
    },
    on: (event, call) => (calls[event] ??= []).push(call),
    off: (event, call) => { calls[event] = (calls[event] ?? []).filter(c => c !== call); },
    save_changes: () => window.saved.push({position: state.position, mode: state.mode,
                                           selected: state.selected}),
    listeners: () => Object.values(calls).flat().length,
  };
  window.cleanup = await widget.render({model: window.model, el: document.body});
}"""


def _picture(colour: tuple[int, int, int]) -> dict[str, str]:
    done, data = cv2.imencode(".png", np.full((96, 54, 3), colour[::-1], np.uint8))
    assert done
    return {"base64": base64.b64encode(data.tobytes()).decode()}


def _mount(page: Page, name: str, state: dict[str, object]) -> None:
    page.goto("about:blank")
    css = STATIC / f"{name}.css"
    page.evaluate(MOUNT, [(STATIC / f"{name}.js").read_text(), state, css.read_text()])


@pytest.fixture
def compare(page: Page) -> Page:
    state = {
        "before": _picture((200, 0, 0)),
        "after": _picture((0, 0, 200)),
        "mode": "wipe",
        "position": 0.5,
        "before_label": "before",
        "after_label": "romance",
        "alt": "S003, frame 12",
    }
    _mount(page, "compare", state)
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


@pytest.fixture
def filmstrip(page: Page) -> Page:
    badge = {"ok": "●O", "fix": "◆F", "regenerate": "■R"}
    items = [
        {
            "shot": name,
            "label": name[1:],
            "action": act,
            "shape": badge[act][0],
            "letter": badge[act][1],
            "text": name,
        }
        for name, act in (("S001", "ok"), ("S002", "fix"), ("S003", "ok"), ("S004", "regenerate"))
    ]
    state = {
        "sheet": _picture((9, 9, 9)),
        "items": items,
        "tile_px": [72, 128],
        "selected": "S001",
        "trouble": "",
    }
    _mount(page, "filmstrip", state)
    return page


def test_filmstrip_shows_badges_in_cut_order(filmstrip: Page):
    shots = filmstrip.get_by_role("option")
    assert shots.all_inner_texts() == ["001\n●O", "002\n◆F", "003\n●O", "004\n■R"]
    expect(shots.nth(0)).to_have_attribute("aria-selected", "true")
    assert [shots.nth(i).get_attribute("tabindex") for i in range(4)] == ["0", "-1", "-1", "-1"]


def test_filmstrip_selects_by_click_and_keys(filmstrip: Page):
    shots = filmstrip.get_by_role("option")
    shots.nth(2).click()
    assert filmstrip.evaluate("saved.at(-1).selected") == "S003"
    for key, shot in (
        ("ArrowLeft", "S002"),
        ("End", "S004"),
        ("ArrowRight", "S004"),
        ("Shift+N", "S002"),
        ("n", "S004"),
        ("Home", "S001"),
    ):
        filmstrip.keyboard.press(key)
        assert filmstrip.evaluate("model.get('selected')") == shot
        assert filmstrip.evaluate("document.activeElement.dataset.shot") == shot
    assert filmstrip.evaluate("outside").count("n") == 0


def test_filmstrip_follows_the_kernel(filmstrip: Page):
    filmstrip.evaluate("model.set('selected', 'S004')")
    shots = filmstrip.get_by_role("option")
    expect(shots.nth(3)).to_have_attribute("aria-selected", "true")
    expect(shots.nth(0)).to_have_attribute("aria-selected", "false")
    filmstrip.evaluate("model.set('trouble', 'There is no shot S009.')")
    expect(filmstrip.get_by_role("alert")).to_have_text("There is no shot S009.")


@pytest.mark.parametrize("view", ["compare", "filmstrip"])
def test_cleanup_leaves_nothing(view: str, request: pytest.FixtureRequest):
    page = request.getfixturevalue(view)
    assert page.evaluate("model.listeners()") > 0
    page.evaluate("cleanup()")
    assert page.evaluate("model.listeners()") == 0
    assert page.locator(f".fk-{view}").count() == 0


def test_surroundings_report_the_theme_and_keep_keys_in(page: Page):
    page.goto("about:blank")
    page.evaluate(
        "document.body.innerHTML = '<div class=fk-panel><input id=inside type=range></div>'"
    )
    mount = MOUNT.replace("document.body}", "document.querySelector('.fk-panel')}")
    state = {"dark": False, "panel": "fk-panel"}
    page.evaluate(mount, [(STATIC / "surroundings.js").read_text(), state, ""])
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_function("model.get('dark') === true")
    # The view hides its own element; what matters here is the key, so show the panel again.
    page.evaluate("document.querySelector('.fk-panel').style.display = 'block'")
    page.locator("#inside").focus()
    page.keyboard.press("d")
    page.keyboard.press("Control+s")
    assert page.evaluate("outside") == ["Control", "s"]
    page.evaluate("cleanup()")
    page.keyboard.press("d")
    assert page.evaluate("outside") == ["Control", "s", "d"]
