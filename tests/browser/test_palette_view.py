"""The palette strip's front end in a real browser, over a fake model."""

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from finishkit_widgets.texts import words
from tests.browser.views import axe_violations, mount

pytestmark = pytest.mark.browser

COLOURS = [
    ["#f0ebdc", 0.3],
    ["#c89628", 0.1],
    ["#3c8c5a", 0.25],
    ["#962832", 0.15],
    ["#141846", 0.2],
]


def _shot(number: int, **changed: object) -> dict[str, object]:
    shot = {
        "shot": f"S{number:03d}",
        "label": f"{number:03d}",
        "failed": False,
        "colours": COLOURS,
        "de": 1.25 * number,
        "action": "ok",
        "badge": "",
        "why": "",
    }
    return {**shot, **changed}


def _state(language: str = "en", **changed: object) -> dict[str, object]:
    flagged = {"action": "fix", "badge": "◆F", "why": "Yellower than its scene."}
    first = [_shot(n, **(flagged if n == 3 else {})) for n in range(1, 9)]
    second = [_shot(9, de=None), _shot(10, de=None, colours=[]),
              _shot(11, de=None, colours=[], failed=True)]  # fmt: skip
    state: dict[str, object] = {
        "scenes": [
            {"scene": "1_suite", "alone": False, "median": "#615c59", "shots": first},
            {"scene": "2_shore", "alone": False, "median": "", "shots": second},
            {"scene": "3", "alone": True, "median": "", "shots": [_shot(12, de=None)]},
        ],
        "selected": "S001",
        "words": words("palette", language),
        "trouble": "",
        "trouble_details": "",
    }
    return {**state, **changed}


@pytest.fixture
def strip(page: Page) -> Page:
    mount(page, "palette", _state())
    return page


def _shots(page: Page) -> Locator:
    return page.get_by_role("option")


def _focused(page: Page) -> str:
    return page.evaluate("document.activeElement.dataset.shot ?? ''")


def _asked(page: Page) -> object:
    return page.evaluate("sent.at(-1)")


def test_bars_have_the_colours_and_heights_of_the_shares(strip: Page):
    bar = _shots(strip).first.locator(".fk-palette-bar")
    box = bar.bounding_box()
    assert box is not None
    seen = cv2.imdecode(np.frombuffer(strip.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    top = 0.0
    for code, share in COLOURS:
        y = int(box["y"] + (top + share / 2) * box["height"])
        found = "#{:02x}{:02x}{:02x}".format(*seen[y, int(box["x"] + box["width"] / 2), ::-1])
        assert found == code
        top += share
    heights = [
        segment.bounding_box()["height"] / box["height"]  # type: ignore[index]
        for segment in bar.locator(".fk-palette-colour").all()
    ]
    assert heights == pytest.approx([share for _, share in COLOURS], abs=0.01)


def test_codes_are_said_on_hover_aloud_and_in_text(strip: Page):
    shot = _shots(strip).nth(2)
    titles = [s.get_attribute("title") for s in shot.locator(".fk-palette-colour").all()]
    assert titles == ["#f0ebdc 30 %", "#c89628 10 %", "#3c8c5a 25 %", "#962832 15 %",
                      "#141846 20 %"]  # fmt: skip
    expect(shot).to_have_attribute(
        "aria-label",
        f"S003: {', '.join(map(str, titles))}. ΔE 3.8 from the scene."
        " Colour flagged: Yellower than its scene.",
    )
    shot.click()
    text = strip.get_by_test_id("fk-palette-shown").inner_text()
    for code, _ in COLOURS:
        assert code in text
    assert "ΔE 3.8 from the scene" in text
    assert "Yellower than its scene." in text


def test_distances_stand_below_and_only_where_there_is_one(strip: Page):
    below = strip.locator(".fk-palette-de").all_inner_texts()
    assert below[:8] == ["1.3", "2.5", "◆ 3.8", "5.0", "6.3", "7.5", "8.8", "10.0"]
    assert below[8:] == ["–"] * 4
    for at, said in ((9, "colours still to be read"), (10, "could not be read"),
                     (11, "alone in its scene")):  # fmt: skip
        assert said in (_shots(strip).nth(at).get_attribute("aria-label") or "")
    expect(strip.get_by_text("#615c59")).to_be_visible()
    assert [g.get_attribute("aria-label") for g in strip.locator(".fk-palette-scene").all()] == [
        "Scene 1 suite", "Scene 2 shore", "Scene scene 3",
    ]  # fmt: skip


def test_keys_and_clicks_select(strip: Page):
    _shots(strip).nth(4).click()
    assert _asked(strip) == {"do": "select", "shot": "S005"}
    expect(_shots(strip).nth(4)).to_have_attribute("aria-selected", "true")
    for key, shot in (
        ("ArrowLeft", "S004"),
        ("ArrowRight", "S005"),
        ("Home", "S001"),
        ("ArrowLeft", "S001"),
        ("End", "S012"),
        ("Enter", "S012"),
    ):
        strip.keyboard.press(key)
        assert _focused(strip) == shot
        assert _asked(strip) == {"do": "select", "shot": shot}
    assert strip.locator("[role=option][tabindex='0']").count() == 1
    for key, forward in (("n", True), ("Shift+N", False)):
        strip.keyboard.press(key)
        assert _asked(strip) == {"do": "next_flagged", "forward": forward}
    strip.evaluate("model.set('selected', 'S003')")
    assert _focused(strip) == "S003"


def test_up_and_down_go_to_the_nearest_bar_of_the_next_row(strip: Page):
    strip.evaluate("document.querySelector('.fk').style.width = '240px'")
    # Four bars of 54 px a row.
    _shots(strip).nth(1).focus()
    strip.keyboard.press("ArrowDown")
    assert _focused(strip) == "S006"
    strip.keyboard.press("ArrowDown")
    assert _focused(strip) == "S010"
    strip.keyboard.press("ArrowUp")
    assert _focused(strip) == "S006"
    strip.keyboard.press("ArrowUp")
    strip.keyboard.press("ArrowUp")
    assert _focused(strip) == "S002"
    boxes = [s.bounding_box() for s in _shots(strip).all()]
    assert max(b["x"] + b["width"] for b in boxes if b) <= 240 + 8


def test_colours_come_in_without_losing_the_place(strip: Page):
    _shots(strip).nth(9).focus()
    strip.keyboard.press("Enter")
    strip.evaluate("""() => {
      const scenes = structuredClone(model.get('scenes'));
      scenes[1].shots[1].colours = [['#102030', 1]];
      model.set('scenes', scenes);
    }""")
    assert _focused(strip) == "S010"
    assert "#102030 100 %" in (_shots(strip).nth(9).get_attribute("aria-label") or "")
    expect(strip.get_by_test_id("fk-palette-shown")).to_contain_text("#102030 100 %")


def test_only_keys_with_a_modifier_reach_the_page(strip: Page):
    _shots(strip).nth(3).focus()
    for key in ("d", "d", "a", "x", "ArrowDown"):
        strip.keyboard.press(key)
    assert strip.evaluate("outside") == []
    strip.keyboard.press("Control+s")
    strip.keyboard.press("Escape")
    assert strip.evaluate("outside") == ["Control", "s", "Escape"]


def test_every_word_is_chinese_in_chinese(page: Page):
    mount(page, "palette", _state("zh", selected="S012"))
    said = page.locator("body").inner_text()
    for word in ("中间帧", "场景 3", "场景中唯一的镜头"):
        assert word in said
    label = _shots(page).nth(0).get_attribute("aria-label") or ""
    assert label.endswith("与场景色差 ΔE 1.3")
    assert "from the scene" not in page.content()
    page.evaluate("en => model.set('words', en)", words("palette", "en"))
    expect(page.get_by_text("alone in its scene", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_the_way(page: Page, theme: str):
    mount(page, "palette", _state(selected="S003"), theme=theme)
    _shots(page).nth(2).focus()
    assert axe_violations(page) == []
    small = page.evaluate(
        "[...document.querySelectorAll('[role=option]')].map(e => e.getBoundingClientRect())"
        ".filter(b => b.width < 24 || b.height < 24).length"
    )
    assert small == 0


def test_trouble_is_said(strip: Page):
    strip.evaluate("model.set('trouble', 'Shot S011: it cannot be read.')")
    expect(strip.get_by_role("alert")).to_have_text("Shot S011: it cannot be read.")


def test_cleanup_leaves_nothing(strip: Page):
    assert strip.evaluate("model.listeners()") > 0
    strip.evaluate("cleanup()")
    assert strip.evaluate("model.listeners()") == 0
    assert strip.locator(".fk-palette").count() == 0
