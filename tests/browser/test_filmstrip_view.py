"""The filmstrip's front end in a real browser, over a fake model."""

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from finishkit_widgets.badges import BADGES
from finishkit_widgets.pictures import sheet_bytes
from finishkit_widgets.texts import words
from tests.browser.views import axe_violations, mount, sent_bytes

pytestmark = pytest.mark.browser

ACTIONS = ["ok", "fix", "ok", "regenerate", "check", "ok"] * 4
SCENES = ["1_suite"] * 9 + ["2_shore"] * 7 + ["3_cafe"] * 8
CAST = [["ANNA"], ["BEN"], []] * 8
COLOURS = [(10 * i, 240 - 9 * i, (80 * i) % 240) for i in range(24)]
SHEET_THERE = "document.querySelector('.fk-filmstrip').dataset.sheets === '1'"
WHY = "Softer than its scene: about 41% of the detail."


def _state(language: str = "en", **changed: object) -> dict[str, object]:
    items = [
        {
            "shot": f"S{at + 1:03d}",
            "label": f"{at + 1:03d}",
            "scene": SCENES[at],
            "cast": CAST[at],
            "hook": at < 2,
            "action": action,
            "shape": BADGES[action].shape,
            "letter": BADGES[action].letter,
            "why": "" if action == "ok" else WHY,
        }
        for at, action in enumerate(ACTIONS)
    ]
    marks = {i["shot"]: {"mark": "", "note": "", "needs": i["action"] != "ok"} for i in items}
    tiles = [np.full((256, 144, 3), colour, np.uint8) for colour in COLOURS]
    state: dict[str, object] = {
        "items": items,
        "marks": marks,
        "sheet": sent_bytes(sheet_bytes(tiles, (144, 256), 10)),
        "columns": 10,
        "tile_px": [72, 128],
        "left": 0,
        "selected": "S001",
        "filter": "all",
        "orientation": "horizontal",
        "words": words("filmstrip", language),
        "trouble": "",
        "trouble_details": "",
    }
    return {**state, **changed}


@pytest.fixture
def strip(page: Page) -> Page:
    mount(page, "filmstrip", _state())
    return page


def _shots(page: Page) -> Locator:
    return page.get_by_role("option")


def _shot(page: Page, shot: str) -> Locator:
    return page.locator(f"[role=option][data-shot={shot}]")


def _shown(page: Page) -> list[str | None]:
    return [s.get_attribute("data-shot") for s in _shots(page).all() if s.is_visible()]


def _focused(page: Page) -> str:
    return page.evaluate("document.activeElement.dataset.shot ?? ''")


def _selected(page: Page) -> list[str]:
    return page.evaluate(
        "[...document.querySelectorAll('[aria-selected=true]')].map(s => s.dataset.shot)"
    )


def _asked(page: Page) -> object:
    return page.evaluate("sent.at(-1)")


def _colour_in(page: Page, place: Locator) -> np.ndarray:
    box = place.bounding_box()
    assert box is not None
    seen = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    y, x = int(box["y"] + box["height"] / 2), int(box["x"] + box["width"] / 2)
    return seen[y, x, ::-1].astype(int)


def test_badges_stand_in_cut_order_under_their_scenes(strip: Page):
    names = _shots(strip).locator(".fk-filmstrip-caption").all_inner_texts()
    assert [n.split() for n in names[:4]] == [
        ["001", "●O"], ["002", "◆F"], ["003", "●O"], ["004", "■R"],
    ]  # fmt: skip
    groups = strip.locator(".fk-filmstrip-scene")
    assert [g.get_attribute("aria-label") for g in groups.all()] == [
        "Scene 1 suite", "Scene 2 shore", "Scene 3 cafe",
    ]  # fmt: skip
    assert [g.get_by_role("option").count() for g in groups.all()] == [9, 7, 8]
    expect(_shots(strip).nth(1)).to_have_attribute("title", f"S002, fix, in the hook. {WHY}")
    expect(_shots(strip).nth(1)).to_have_attribute("aria-label", f"S002, fix, in the hook. {WHY}")


@pytest.mark.parametrize("orientation", ["horizontal", "vertical"])
def test_each_shot_shows_its_own_tile(page: Page, orientation: str):
    mount(page, "filmstrip", _state(orientation=orientation))
    page.wait_for_function(SHEET_THERE)
    for at in (0, 9, 10, 13, 23):
        page.evaluate(f"model.set('selected', 'S{at + 1:03d}')")
        place = _shots(page).nth(at).locator(".fk-filmstrip-picture")
        assert np.abs(_colour_in(page, place) - COLOURS[at]).max() <= 4


def test_tiles_are_grey_until_the_sheet_comes(page: Page):
    full = _state()
    mount(page, "filmstrip", _state(sheet=sent_bytes(b""), left=24))
    place = _shots(page).nth(3).locator(".fk-filmstrip-picture")
    assert (_colour_in(page, place) == 128).all()
    expect(page.get_by_role("listbox")).to_have_attribute("aria-busy", "true")
    page.evaluate(
        "data => { model.set('sheet', fkBytes(data)); model.set('left', 0); }",
        full["sheet"]["base64"],  # type: ignore[index]
    )
    expect(page.get_by_role("listbox")).to_have_attribute("aria-busy", "false")
    expect(place).to_be_visible()
    page.wait_for_function(SHEET_THERE)
    assert np.abs(_colour_in(page, place) - COLOURS[3]).max() <= 4


def test_keys_move_and_ask_the_session(strip: Page):
    _shots(strip).nth(2).click()
    assert _asked(strip) == {"do": "select", "shot": "S003"}
    for key, shot in (
        ("ArrowLeft", "S002"),
        ("ArrowUp", "S001"),
        ("ArrowDown", "S002"),
        ("ArrowRight", "S003"),
        ("End", "S024"),
        ("ArrowRight", "S024"),
        ("Shift+N", "S023"),
        ("Home", "S001"),
        ("n", "S002"),
        ("n", "S004"),
        ("Enter", "S004"),
    ):
        before = strip.evaluate("sent.length")
        strip.keyboard.press(key)
        assert _focused(strip) == shot
        assert _selected(strip) == [shot]
        moved = strip.evaluate("sent.length") - before
        assert moved == (0 if (key, shot) == ("ArrowRight", "S024") else 1)
        assert _asked(strip) == {"do": "select", "shot": shot}
    # One stop for Tab in the list.
    assert strip.locator("[role=option][tabindex='0']").count() == 1
    assert strip.evaluate("saved") == []


def test_flags_are_asked_for_and_said(strip: Page):
    _shots(strip).nth(4).focus()
    for key, asked, said in (
        ("r", {"do": "flag", "shot": "S005", "mark": "regenerate"}, "005: you: regenerate"),
        ("a", {"do": "flag", "shot": "S005", "mark": "accept"}, "005: you: accepted"),
        ("u", {"do": "unflag", "shot": "S005"}, "005: your flag is taken away"),
    ):
        strip.keyboard.press(key)
        assert _asked(strip) == asked
        expect(strip.get_by_role("status")).to_have_text(said)
    assert _focused(strip) == "S005"


def test_a_flag_has_a_shape_and_a_letter_and_leaves_the_focus(strip: Page):
    _shots(strip).nth(4).focus()
    strip.evaluate(
        "model.set('marks', {...model.get('marks'),"
        " S005: {mark: 'accept', note: 'fine', needs: false},"
        " S006: {mark: 'regenerate', note: '', needs: true}})"
    )
    pills = strip.locator(".fk-filmstrip-said:visible")
    assert [text.replace("\ufe0e", "") for text in pills.all_inner_texts()] == ["✓A✎", "⚑R"]
    label = _shots(strip).nth(4).get_attribute("aria-label")
    assert label == f"S005, check, you: accepted, note: fine. {WHY}"
    assert _focused(strip) == "S005"
    expect(strip.get_by_role("button", name="Flagged 12")).to_be_visible()


def test_chips_filter_and_count(strip: Page):
    def chip(name: str) -> Locator:
        return strip.get_by_role("button", name=name, exact=True)

    expect(chip("All 24")).to_have_attribute("aria-pressed", "true")
    chip("Flagged 12").click()
    assert strip.evaluate("saved.at(-1).filter") == "flagged"
    expect(chip("Flagged 12")).to_have_attribute("aria-pressed", "true")
    expect(chip("All 24")).to_have_attribute("aria-pressed", "false")
    assert _shown(strip) == [f"S{i + 1:03d}" for i, a in enumerate(ACTIONS) if a != "ok"]
    expect(strip.get_by_role("status")).to_have_text("12 of 24 shots shown")
    chip("Hook 2").click()
    assert _shown(strip) == ["S001", "S002"]
    chip("2 shore 7").click()
    assert strip.evaluate("saved.at(-1).filter") == "scene:2_shore"
    assert _shown(strip) == [f"S{n:03d}" for n in range(10, 17)]
    expect(strip.locator(".fk-filmstrip-scene:visible")).to_have_count(1)
    chip("BEN 8").click()
    assert _shown(strip) == [f"S{n:03d}" for n in range(2, 25, 3)]
    # Arrows go from one shown shot to the next.
    _shot(strip, "S002").focus()
    strip.keyboard.press("ArrowRight")
    assert _focused(strip) == "S005"


def test_chips_are_one_stop_with_arrows_inside(strip: Page):
    chips = strip.get_by_test_id("fk-filters").get_by_role("button")
    assert strip.locator(".fk-chip[tabindex='0']").count() == 1
    chips.first.focus()
    for key, name in (
        ("ArrowRight", "flagged"),
        ("ArrowRight", "hook"),
        ("ArrowLeft", "flagged"),
        ("End", "cast:BEN"),
        ("Home", "all"),
        ("ArrowRight", "flagged"),
    ):
        strip.keyboard.press(key)
        assert strip.evaluate("document.activeElement.dataset.filter") == name
    strip.keyboard.press("Enter")
    assert strip.evaluate("model.get('filter')") == "flagged"
    assert strip.evaluate("document.activeElement.dataset.filter") == "flagged"
    assert strip.evaluate("sent") == []


def test_a_shot_flagged_away_hands_on_to_the_next(page: Page):
    mount(page, "filmstrip", _state(filter="flagged", selected="S004"))
    _shot(page, "S004").focus()
    page.evaluate(
        "model.set('marks', {...model.get('marks'),"
        " S004: {mark: 'accept', note: '', needs: false}})"
    )
    assert _focused(page) == "S005"
    assert _asked(page) == {"do": "select", "shot": "S005"}
    page.evaluate(
        "model.set('marks', Object.fromEntries(Object.keys(model.get('marks'))"
        ".map(s => [s, {mark: 'accept', note: '', needs: false}])))"
    )
    assert _shown(page) == []
    expect(page.get_by_text("Nothing is flagged any more.")).to_be_visible()


def test_the_strip_follows_the_kernel_but_no_old_echo(strip: Page):
    strip.evaluate("model.set('selected', 'S004')")
    assert _selected(strip) == ["S004"]
    assert _focused(strip) == ""
    _shots(strip).nth(3).focus()
    strip.keyboard.press("ArrowRight")
    strip.keyboard.press("ArrowRight")
    # The kernel answers the first press after the second was made.
    strip.evaluate("model.set('selected', 'S005')")
    assert _selected(strip) == ["S006"]
    strip.evaluate("model.set('selected', 'S006')")
    strip.evaluate("model.set('selected', 'S010')")
    assert _selected(strip) == ["S010"]
    assert _focused(strip) == "S010"
    strip.keyboard.press("ArrowRight")
    strip.evaluate("model.set('trouble', 'There is no shot S011.')")
    expect(strip.get_by_role("alert")).to_have_text("There is no shot S011.")
    assert _selected(strip) == ["S010"]


@pytest.mark.parametrize("orientation", ["horizontal", "vertical"])
def test_only_the_strip_scrolls(page: Page, orientation: str):
    mount(page, "filmstrip", _state(orientation=orientation))
    page.evaluate("document.body.prepend(Object.assign(document.createElement('div'),"
                  " {style: 'height: 500px'}))")  # fmt: skip
    page.evaluate("model.set('selected', 'S024')")
    page.wait_for_function("""() => {
      const [list, shot] = [document.querySelector('[role=listbox]'),
        document.querySelector('[data-shot=S024]')].map(e => e.getBoundingClientRect());
      return shot.left >= list.left && shot.right <= list.right
        && shot.top >= list.top && shot.bottom <= list.bottom;
    }""")
    assert page.evaluate("[scrollX, scrollY]") == [0, 0]
    assert page.evaluate(
        "(l => l.scrollLeft + l.scrollTop)(document.querySelector('[role=listbox]'))"
    )


def test_a_column_becomes_a_row_on_a_narrow_page(page: Page):
    mount(page, "filmstrip", _state(orientation="vertical"))
    listbox = page.get_by_role("listbox")
    expect(listbox).to_have_attribute("aria-orientation", "vertical")
    one, two = (_shots(page).nth(i).bounding_box() for i in (0, 1))
    assert one is not None
    assert two is not None
    assert two["y"] >= one["y"] + one["height"]
    # With room the reason stands beside the picture; scenes and cast are folded away.
    expect(_shots(page).nth(1).get_by_text(WHY)).to_be_visible()
    expect(page.get_by_role("button", name="BEN 8")).to_be_hidden()
    page.get_by_role("button", name="More").click()
    expect(page.get_by_role("button", name="BEN 8")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 700})
    expect(listbox).to_have_attribute("aria-orientation", "horizontal")
    one, two = (_shots(page).nth(i).bounding_box() for i in (0, 1))
    assert one is not None
    assert two is not None
    assert two["x"] >= one["x"] + one["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_column_becomes_a_row_in_a_narrow_app(page: Page):
    mount(page, "filmstrip", _state(orientation="vertical"))
    listbox = page.get_by_role("listbox")
    expect(listbox).to_have_attribute("aria-orientation", "vertical")
    page.evaluate("document.body.classList.add('fk-app'); document.body.style.width = '560px'")
    expect(listbox).to_have_attribute("aria-orientation", "horizontal")
    page.evaluate("document.body.style.width = '640px'")
    expect(listbox).to_have_attribute("aria-orientation", "vertical")


def test_a_row_stays_a_row_inside_the_panels_of_jupyterlab(strip: Page):
    # They write the same attribute on themselves.
    strip.evaluate("document.body.dataset.orientation = 'vertical'")
    one, two = (_shots(strip).nth(i).bounding_box() for i in (0, 1))
    assert one is not None
    assert two is not None
    assert two["y"] == one["y"]
    expect(strip.get_by_role("button", name="BEN 8")).to_be_visible()


def test_only_keys_with_a_modifier_reach_the_page(strip: Page):
    _shots(strip).nth(3).focus()
    for key in ("d", "d", "a", "x", "Enter", "n"):
        strip.keyboard.press(key)
    strip.get_by_role("button", name="All 24").focus()
    for key in ("d", "b", "Enter"):
        strip.keyboard.press(key)
    assert strip.evaluate("outside") == []
    strip.keyboard.press("Control+s")
    strip.keyboard.press("Escape")
    assert strip.evaluate("outside") == ["Control", "s", "Escape"]


def test_every_word_is_chinese_in_chinese(page: Page):
    state = _state("zh", filter="flagged")
    for item in state["items"]:  # type: ignore[attr-defined]
        item["why"] = ""  # the engine's sentences are English
    mount(page, "filmstrip", state)
    page.evaluate("model.set('marks', {...model.get('marks'), S002:"
                  " {mark: 'regenerate', note: '', needs: true}})")  # fmt: skip
    label = _shot(page, "S002").get_attribute("aria-label")
    assert label == "S002，修复，位于开头钩子，您的标记：重新生成"
    said = page.locator("body").inner_text() + " ".join(
        page.evaluate("[...document.querySelectorAll('[aria-label]')].map(e => e.ariaLabel)")
    )
    left = set("".join(c if c.isascii() and c.isalpha() else " " for c in said).split())
    assert left <= {"O", "F", "R", "C", "ANNA", "BEN", "suite", "shore", "cafe"} | {
        f"S{n:03d}" for n in range(25)
    } | {"S"}
    page.evaluate("en => model.set('words', en)", words("filmstrip", "en"))
    expect(page.get_by_role("button", name="Flagged 12")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("orientation", ["horizontal", "vertical"])
def test_nothing_stands_in_the_way(page: Page, theme: str, orientation: str):
    mount(page, "filmstrip", _state(orientation=orientation, filter="flagged"), theme=theme)
    page.evaluate(
        "model.set('marks', {...model.get('marks'),"
        " S004: {mark: 'regenerate', note: 'six fingers', needs: true},"
        " S005: {mark: 'accept', note: '', needs: true}})"
    )
    _shots(page).nth(3).focus()
    assert axe_violations(page) == []
    small = page.evaluate(
        "[...document.querySelectorAll('button, [role=option]')].filter(e => e.offsetParent)"
        ".map(e => e.getBoundingClientRect()).filter(b => b.width < 24 || b.height < 24).length"
    )
    assert small == 0


def test_cleanup_leaves_nothing(page: Page):
    page.add_init_script(
        "window.urls = 0;"
        "for (const [name, by] of [['createObjectURL', 1], ['revokeObjectURL', -1]]) {"
        " const made = URL[name].bind(URL);"
        " URL[name] = given => { urls += by; return made(given); }; }"
    )
    mount(page, "filmstrip", _state())
    assert page.evaluate("model.listeners()") > 0
    page.wait_for_function(SHEET_THERE)
    # In one go: none is decoded before the last has come.
    page.evaluate("for (let i = 0; i < 3; i++) model.set('sheet', model.get('sheet'))")
    # The newest one was put up, and all before it were given back.
    page.wait_for_function("document.querySelector('.fk-filmstrip').dataset.sheets === '2'")
    page.wait_for_function("urls === 1")
    page.evaluate("model.set('sheet', model.get('sheet')); cleanup()")
    assert page.evaluate("model.listeners()") == 0
    page.wait_for_function("urls === 0")
    assert page.locator(".fk-filmstrip").count() == 0
