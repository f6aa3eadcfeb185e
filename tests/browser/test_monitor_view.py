"""The batch monitor's front end in a real browser, over a fake model."""

import pytest
from playwright.sync_api import Page, expect

from finishkit_widgets.texts import words
from tests.browser.views import axe_violations, mount

pytestmark = pytest.mark.browser


def _state(language: str = "en", phase: str = "running", **changed: object) -> dict[str, object]:
    said = words("monitor", language)
    names = ["check", "measure", "faces", "deflicker", "stabilise", "interpolate", "fit the set",
             "upscale+grade", "master", "measure again", "report"]  # fmt: skip
    stages = [
        {
            "name": name,
            "label": said[f"stage.{name}"],
            "done": 12 if at < 7 else 5 if at == 7 else 0,
            "total": 1 if name == "master" else 12,
            "is": "over" if at < 7 else "now" if at == 7 else "ahead",
        }
        for at, name in enumerate(names)
    ]
    figures = [
        (said["done"], "5", said["of_shots"].format(n=12)),
        (said["set_aside"], "1", ""),
        (said["left"], "6", ""),
        (said["rate"], "38", said["rate_note"]),
        (said["time_left"], "≈ 10 min", said["range"].format(low="8 min", high="12 min")),
    ]
    shown = {
        "episode": "ep01",
        "phase": phase,
        "mark": "▶",
        "phase_text": said[f"phase.{phase}"],
        "template": said["template"].format(name="romance", seal="c0ffeec0ffee"),
        "figures": [{"name": n, "value": v, "note": note} for n, v, note in figures],
        "stages": stages,
        "error": "s09.mp4: Decoding breaks off after 41 frames. Export it again.",
        "set_aside": [{"shot": "s09", "text": "Decoding breaks off after 41 frames."}],
        "start_label": said["start"],
        "can_start": False,
        "why_not": "",
        "can_pause": True,
        "has_report": True,
        **changed,
    }
    return {"state": shown, "words": said, "trouble": "", "trouble_details": ""}


def _asked(page: Page) -> list[str]:
    return page.evaluate("sent.map(s => s.do).filter(name => name !== 'look')")


def test_bars_stand_where_the_numbers_say(page: Page):
    mount(page, "monitor", _state())
    bars = page.get_by_role("progressbar")
    assert bars.count() == 11
    bar = bars.nth(7)
    assert bar.get_attribute("aria-label") == "upscale and grade"
    assert (bar.get_attribute("aria-valuenow"), bar.get_attribute("aria-valuemax")) == ("5", "12")
    page.wait_for_timeout(500)
    inside, outside = bar.locator("span").bounding_box(), bar.bounding_box()
    assert inside is not None
    assert outside is not None
    assert inside["width"] / (outside["width"] - 2) == pytest.approx(5 / 12, abs=0.01)
    assert page.locator("[aria-current=step]").get_attribute("data-stage") == "upscale+grade"
    expect(page.get_by_test_id("fk-monitor-error")).to_contain_text("Decoding breaks off")
    expect(page.get_by_role("status")).to_have_text("▶ running")


def test_the_buttons_ask_the_kernel_and_a_disabled_one_says_why(page: Page):
    mount(page, "monitor", _state())
    expect(page.get_by_test_id("fk-monitor-start")).to_be_disabled()
    pause = page.get_by_test_id("fk-monitor-pause")
    pause.click()
    expect(pause).to_be_disabled()
    assert _asked(page) == ["pause"]
    why = words("monitor", "en")["lock_first"]
    idle = _state(phase="idle", why_not=why, can_pause=False, has_report=False, stages=[])
    page.evaluate("state => model.set('state', state)", idle["state"])
    start = page.get_by_test_id("fk-monitor-start")
    expect(start).to_be_disabled()
    described = start.get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == why
    assert page.get_by_role("progressbar").count() == 0
    ready = _state(phase="idle", can_start=True, can_pause=False)
    page.evaluate("state => model.set('state', state)", ready["state"])
    start.click()
    assert _asked(page) == ["pause", "start"]
    # Refused by the kernel: it can be pressed again.
    page.evaluate("model.set('trouble', 'The folder is in use.')")
    expect(page.get_by_role("alert")).to_have_text("The folder is in use.")
    expect(start).to_be_enabled()


def test_the_report_runs_in_a_sandbox_and_closes_again(page: Page):
    mount(page, "monitor", _state())
    button = page.get_by_test_id("fk-monitor-report")
    button.click()
    assert _asked(page) == ["open_report"]
    html = (
        "<h1>Report of ep01</h1><script>let r; try { r = parent.document.title + 'in'; }"
        " catch { r = 'kept out'; } document.querySelector('h1').textContent += ' ' + r;</script>"
    )
    page.evaluate(
        "html => model.hear({say: 'report', text: 'at /x'}, [new TextEncoder().encode(html)])",
        html,
    )
    expect(page.frame_locator("iframe").get_by_role("heading")).to_have_text(
        "Report of ep01 kept out"
    )
    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts"
    expect(button).to_have_text("Close report")
    button.click()
    assert page.locator("iframe").count() == 0
    page.evaluate("model.hear({say: 'report', text: 'too large: /x/report.html'})")
    expect(page.get_by_test_id("fk-monitor-shown")).to_have_text("too large: /x/report.html")


def test_what_a_reader_opened_stays_open_while_it_runs(page: Page):
    mount(page, "monitor", _state())
    aside = page.get_by_test_id("fk-monitor-aside")
    aside.locator("summary").click()
    page.evaluate("state => model.set('state', state)", _state(start_label="Other")["state"])
    expect(aside.get_by_text("Decoding breaks off")).to_be_visible()


def test_it_says_that_somebody_looks_until_it_is_closed(page: Page):
    page.clock.install()
    mount(page, "monitor", _state())
    looks = "sent.filter(s => s.do === 'look').length"
    page.clock.run_for(6100)
    assert page.evaluate(looks) == 3
    assert page.evaluate("model.listeners()") > 0
    page.evaluate("cleanup()")
    page.clock.run_for(9000)
    assert page.evaluate(looks) == 3
    assert page.evaluate("model.listeners()") == 0
    assert page.locator(".fk-monitor").count() == 0


def test_only_keys_with_a_modifier_reach_the_page(page: Page):
    mount(page, "monitor", _state())
    page.get_by_test_id("fk-monitor-report").focus()
    for key in ("d", "d", "a", "x"):
        page.keyboard.press(key)
    assert page.evaluate("outside") == []
    page.keyboard.press("Control+s")
    assert page.evaluate("outside") == ["Control", "s"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 900])
def test_nothing_stands_in_the_way(page: Page, theme: str, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    mount(page, "monitor", _state(), theme=theme)
    assert axe_violations(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    figures = [f.bounding_box() for f in page.locator(".fk-monitor-figures > div").all()]
    assert (len({f["x"] for f in figures if f}) == 1) == (width < 600)
    assert all(
        b["height"] >= 24 for b in (x.bounding_box() for x in page.get_by_role("button").all()) if b
    )


def test_every_word_is_chinese_in_chinese(page: Page):
    mount(page, "monitor", _state("zh", error="", set_aside=[], template=""))
    said = page.locator("body").inner_text()
    for word in ("批处理", "运行中", "放大与调色", "本镜头完成后暂停", "打开报告"):
        assert word in said
    for word in ("shots", "Pause", "running", "report"):
        assert word not in said
