"""The player in a real browser: every frame of a clip carries its number, and is read back."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from finishkit.preview import Preview, open_preview
from finishkit.preview.proxy import Proxy, make_proxy
from finishkit.template import Look
from finishkit_widgets.keymap import merged
from finishkit_widgets.safe_zones import bands, load_safe_zones
from finishkit_widgets.texts import words
from tests.browser import views
from tests.test_proxy import BITS, COUNT, RATE, numbered, write

pytestmark = pytest.mark.browser

# The numbers that stand in the canvas: in the left half and, side by side, in the right.
NUMBERS = """([bits]) => {
  const root = document.querySelector('.fk-player');
  const canvas = document.querySelector('[data-testid=fk-canvas]');
  const side = root.querySelector('.fk-player-stage').dataset.mode === 'side';
  const width = side ? (canvas.width - 8) / 2 : canvas.width;
  const row = canvas.getContext('2d').getImageData(0, canvas.height / 2, canvas.width, 1).data;
  const read = start => Array.from({length: bits}, (_, bit) =>
    row[4 * (start + Math.floor(width * (2 * bit + 1) / (2 * bits))) + 1] > 128 ? 1 << bit : 0)
    .reduce((sum, one) => sum + one, 0);
  return {before: read(0), after: side ? read(width + 8) : read(0),
          shown: Number(root.dataset.shown), source: root.dataset.source,
          count: document.querySelector('[data-testid=fk-count]').textContent};
}"""
COUNTED_URLS = """() => {
  window.urls = new Set();
  const [make, drop] = [URL.createObjectURL, URL.revokeObjectURL];
  URL.createObjectURL = blob => { const url = make.call(URL, blob); urls.add(url); return url; };
  URL.revokeObjectURL = url => { urls.delete(url); drop.call(URL, url); };
}"""


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    folder = tmp_path_factory.mktemp("numbered") / "ep"
    write(folder / "n.mp4", numbered(COUNT))
    return open_preview(folder, tmp_path_factory.mktemp("runs"), jobs=1)


@pytest.fixture(scope="module")
def proxy(preview: Preview) -> Proxy:
    return make_proxy(preview, "n", Look())


def state(clip: Proxy | None = None, **given: Any) -> dict[str, Any]:
    """Return what the kernel sends of a shot; a grey still where there is no clip."""
    about = {} if clip is None else {
        "shot": "n", "after": "draft", "frames": clip.frame_count, "fps": float(clip.rate_fps),
        "width": clip.width_px, "height": clip.height_px, "stride": clip.stride_px,
    }  # fmt: skip
    return {
        "shot": "n",
        "frame": 15,
        "frame_count": COUNT,
        "rate_fps": float(RATE),
        "verdict": {
            "action": "regenerate", "shape": "■", "letter": "R", "hook": False,
            "reasons": ["The face moves."], "unknown": [], "mark": "", "note": "",
        },
        "still": {"shot": "n", "frame": 15, "after": "draft"},
        "still_before": views.picture((100, 120, 60), 144, 256),
        "still_after": views.picture((110, 100, 60), 144, 256),
        "clip_info": about,
        "clip": views.sent_bytes(clip.data if clip else b""),
        "making": -1 if clip else 40,
        "stale": False,
        "after": "draft",
        "finished": "",
        "loupe_info": {},
        "loupe_before": views.sent_bytes(b""),
        "loupe_after": views.sent_bytes(b""),
        "zones": [bands(zone) for zone in load_safe_zones()],
        "mode": "side",
        "position": 0.5,
        "zone": "",
        "phone": False,
        "loupe": False,
        "loop": True,
        "keymap": merged({}),
        "words": words("player", "en"),
        "trouble": "",
        "trouble_details": "",
        **given,
    }  # fmt: skip


def shown(page: Page, frame: int) -> dict[str, Any]:
    """Wait until the player says it shows a frame, and read what it really shows."""
    page.wait_for_function(
        "frame => document.querySelector('.fk-player').dataset.shown === String(frame)", arg=frame
    )
    return page.evaluate(NUMBERS, [BITS])


def opened(page: Page, clip: Proxy, **given: Any) -> None:
    views.mount(page, "player", state(clip, **given))
    page.wait_for_function("document.querySelector('.fk-player').dataset.source === 'clip'")
    page.get_by_test_id("fk-stage").focus()


def sent(page: Page) -> list[dict[str, Any]]:
    return page.evaluate("window.sent")


def test_every_frame_stepped_to_is_that_frame_in_both_halves(page: Page, proxy: Proxy):
    opened(page, proxy)
    assert shown(page, 15)["before"] == 15
    page.keyboard.press("Home")
    seen = [shown(page, 0)]
    for number in range(1, COUNT):
        page.keyboard.press("ArrowRight")
        seen.append(shown(page, number))
    page.keyboard.press("ArrowRight")  # the end holds
    for number in range(COUNT - 2, -1, -1):
        page.keyboard.press("ArrowLeft")
        seen.append(shown(page, number))
    wanted = [*range(COUNT), *range(COUNT - 2, -1, -1)]
    assert [s["before"] for s in seen] == wanted
    assert [s["after"] for s in seen] == wanted
    assert [s["count"] for s in seen] == [f"frame {n + 1} / {COUNT}" for n in wanted]
    assert {s["source"] for s in seen} == {"clip"}


def test_every_frame_jumped_to_is_that_frame(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.keyboard.press("End")
    assert shown(page, COUNT - 1)["after"] == COUNT - 1
    page.keyboard.press("Shift+ArrowLeft")
    assert shown(page, COUNT - 1 - RATE)["after"] == COUNT - 1 - RATE
    page.keyboard.press("Shift+ArrowRight")
    assert shown(page, COUNT - 1)["before"] == COUNT - 1
    for number in np.random.default_rng(5).permutation(COUNT):
        page.get_by_test_id("fk-scrub").fill(str(number))
        seen = shown(page, int(number))
        assert (seen["before"], seen["after"]) == (number, number)


def test_a_held_key_ends_on_the_frame_that_was_asked_for_last(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.keyboard.press("Home")
    shown(page, 0)
    for _ in range(11):
        page.keyboard.down("ArrowRight")
    assert shown(page, 11)["after"] == 11


def test_while_it_plays_the_counter_tells_the_frame_on_show(page: Page, proxy: Proxy):
    opened(page, proxy)
    assert page.evaluate(NUMBERS, [BITS])["shown"] == 15
    assert page.get_by_test_id("fk-do-play").get_attribute("aria-label") == "Play"
    page.keyboard.press("k")
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Pause")
    seen = page.evaluate(
        f"""async bits => {{
          const read = {NUMBERS};
          const found = [];
          while (found.length < 120) {{
            await new Promise(requestAnimationFrame);
            found.push(read([bits]));
          }}
          return found;
        }}""",
        BITS,
    )
    assert len({s["shown"] for s in seen}) > COUNT // 2
    assert [s["before"] for s in seen] == [s["shown"] for s in seen]
    assert [s["after"] for s in seen] == [s["shown"] for s in seen]
    page.keyboard.press("Space")
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Play")
    page.keyboard.press("ArrowLeft")  # the kernel has frame 15, and is told only of another
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("window.sent.some(s => s.do === 'select')")
    rest = page.evaluate(NUMBERS, [BITS])
    assert sent(page)[-1] == {"do": "select", "shot": "n", "frame": rest["before"]}


def test_backwards_and_the_loop(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.keyboard.press("Home")
    shown(page, 0)
    page.keyboard.press("j")
    seen = shown(page, COUNT - 3)  # it goes on while it is read
    assert seen["before"] == seen["after"] == seen["shown"]
    page.keyboard.press("k")
    page.evaluate("model.set('loop', false)")
    page.keyboard.press("End")
    shown(page, COUNT - 1)
    page.keyboard.press("l")
    page.wait_for_function(f"document.querySelector('.fk-player').dataset.shown < {COUNT - 1}")
    assert shown(page, COUNT - 1)["before"] == COUNT - 1
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Play")


def test_stepping_moves_the_session_and_the_session_moves_the_player(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.sent.some(s => s.do === 'select')")
    assert sent(page)[-1] == {"do": "select", "shot": "n", "frame": 16}
    page.evaluate("model.set('frame', 16)")  # what the kernel answers
    page.evaluate("model.set('frame', 4)")
    assert shown(page, 4)["before"] == 4
    # An old answer does not pull back who is further already.
    page.evaluate("window.sent.length = 0")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("window.sent.length === 1")
    page.keyboard.press("ArrowRight")
    shown(page, 6)
    page.evaluate("model.set('frame', 5)")
    page.wait_for_function("window.sent.length === 2")
    assert page.evaluate(NUMBERS, [BITS])["before"] == 6


def test_nothing_plays_by_itself(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.evaluate("model.set('shot', 'm'); model.set('clip', model.get('clip'))")
    page.wait_for_function("document.querySelector('.fk-player').dataset.source === 'clip'")
    page.wait_for_function("new Promise(done => setTimeout(() => done(true), 300))")
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Play")
    assert page.evaluate(NUMBERS, [BITS])["before"] == 15


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_who_watches_goes_on_watching_unless_motion_is_unwelcome(page, proxy, motion):
    page.emulate_media(reduced_motion=motion)
    opened(page, proxy)
    page.keyboard.press("Space")
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Pause")
    page.evaluate("model.set('shot', 'm'); model.set('clip', model.get('clip'))")
    page.wait_for_function("document.querySelector('.fk-player').dataset.source === 'clip'")
    label = "Pause" if motion == "no-preference" else "Play"
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", label)


# Pictures


def pixel(page: Page, x: float, y: float = 0.5) -> list[int]:
    return page.evaluate(
        """([x, y]) => { const c = document.querySelector('[data-testid=fk-canvas]');
        return [...c.getContext('2d').getImageData(Math.floor(x * c.width),
          Math.floor(y * c.height), 1, 1).data].slice(0, 3); }""",
        [x, y],
    )


@pytest.fixture
def still(page: Page) -> Page:
    views.mount(page, "player", state(mode="wipe"))
    page.wait_for_function("document.querySelector('.fk-player').dataset.source === 'still'")
    page.get_by_test_id("fk-stage").focus()
    return page


def test_a_still_stands_there_while_the_clip_is_made(still: Page):
    expect(still.get_by_test_id("fk-progress")).to_have_text("making the clip 40 %")
    assert (pixel(still, 0.25), pixel(still, 0.75)) == ([100, 120, 60], [110, 100, 60])
    expect(still.get_by_test_id("fk-do-play")).to_be_disabled()
    still.keyboard.press("ArrowRight")
    still.wait_for_function("window.sent.some(s => s.do === 'select')")
    assert sent(still)[-1] == {"do": "select", "shot": "n", "frame": 16}
    still.evaluate("model.set('stale', true); model.set('making', 55)")
    expect(still.get_by_test_id("fk-progress")).to_have_text("updating 55 %")
    still.evaluate("model.set('making', -1)")
    expect(still.get_by_test_id("fk-progress")).to_be_hidden()


def test_the_source_alone_is_no_comparison(still: Page):
    still.evaluate(
        "model.set('still_after', new DataView(new ArrayBuffer(0)));"
        " model.set('still', {shot: 'n', frame: 15, after: ''})"
    )
    expect(still.get_by_test_id("fk-after-label")).to_be_hidden()
    expect(still.get_by_test_id("fk-wipe")).to_be_hidden()
    assert pixel(still, 0.75) == [100, 120, 60]


def test_modes(still: Page):
    before, after, four = [100, 120, 60], [110, 100, 60], [40, 80, 0]
    for mode, left, right in (
        ("before", before, before),
        ("after", after, after),
        ("side", before, after),
        ("difference", four, four),
        ("wipe", before, after),
    ):
        still.get_by_test_id(f"fk-do-{mode}").click()
        assert (pixel(still, 0.25), pixel(still, 0.75)) == (left, right), mode
        expect(still.get_by_test_id(f"fk-do-{mode}")).to_have_attribute("aria-pressed", "true")
    still.get_by_test_id("fk-do-difference").click()
    expect(still.get_by_test_id("fk-after-label")).to_contain_text("×4")
    still.get_by_test_id("fk-stage").focus()
    still.keyboard.press("w")
    still.keyboard.down("b")
    assert pixel(still, 0.75) == before
    expect(still.get_by_test_id("fk-after-label")).to_be_hidden()
    still.keyboard.up("b")
    assert pixel(still, 0.75) == after
    assert still.evaluate("model.get('mode')") == "wipe"
    still.keyboard.press("\\")
    assert pixel(still, 0.75) == before
    still.keyboard.press("\\")
    assert pixel(still, 0.25) == after


def test_the_wipe_is_a_slider(still: Page):
    wipe = still.get_by_test_id("fk-wipe")
    expect(wipe).to_have_attribute("aria-valuetext", "before 50 %")
    still.keyboard.press("]")
    expect(wipe).to_have_attribute("aria-valuenow", "55")
    wipe.focus()
    still.keyboard.press("ArrowLeft")
    expect(wipe).to_have_attribute("aria-valuenow", "53")
    still.keyboard.press("Home")
    assert pixel(still, 0.01) == [110, 100, 60]
    box = still.get_by_test_id("fk-canvas").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] * 0.8
    still.mouse.move(box["x"] + box["width"] * 0.5, y)
    still.mouse.down()
    still.mouse.move(box["x"] + box["width"] * 0.8, y)
    still.mouse.up()
    expect(wipe).to_have_attribute("aria-valuenow", "80")
    assert (pixel(still, 0.75), pixel(still, 0.85)) == ([100, 120, 60], [110, 100, 60])
    assert still.evaluate("saved.at(-1).position") == pytest.approx(0.8, abs=0.01)


def test_a_newer_still_takes_the_place_of_an_old_clip(page: Page, proxy: Proxy):
    opened(page, proxy)
    page.evaluate("model.set('stale', true)")
    assert page.evaluate(NUMBERS, [BITS])["source"] == "still"
    assert pixel(page, 0.25) == [100, 120, 60]
    page.evaluate("model.set('stale', false)")
    assert page.evaluate(NUMBERS, [BITS])["before"] == 15


# Loupe, safe zone, phone


def test_the_loupe_shows_full_size_pixels_or_none(page: Page, proxy: Proxy):
    opened(page, proxy, mode="wipe")
    page.keyboard.press("z")
    expect(page.get_by_test_id("fk-loupe-label")).to_have_text("fetching full-size pixels")
    empty = """() => ['before', 'after'].every(side => {
      const c = document.querySelector(`[data-testid=fk-loupe-${side}]`);
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.every(v => v === 0);
    })"""
    assert page.evaluate(empty)
    page.wait_for_function("window.sent.some(s => s.do === 'magnify')")
    assert sent(page)[-1] == {"do": "magnify", "x": 0.5, "y": 0.4}
    answer = """([before, after, frame]) => {
      model.set('loupe_before', fkBytes(before)); model.set('loupe_after', fkBytes(after));
      model.set('loupe_info', {shot: 'n', frame, kind: 'master', box: [200, 300, 768, 768],
        size: [1080, 1920]}); }"""
    pictures = [views.picture(colour, 768, 768)["base64"] for colour in ((9, 8, 7), (6, 5, 4))]
    page.evaluate(answer, [*pictures, 14])  # of another frame
    expect(page.get_by_test_id("fk-loupe-label")).to_have_text("fetching full-size pixels")
    page.evaluate(answer, [*pictures, 15])
    expect(page.get_by_test_id("fk-loupe-label")).to_contain_text("1:1 master pixels")
    for side, colour in (("before", [9, 8, 7]), ("after", [6, 5, 4])):
        got = page.evaluate(
            f"""() => {{ const c = document.querySelector('[data-testid=fk-loupe-{side}]');
            return [c.width * c.height, ...c.getContext('2d').getImageData(c.width - 1,
              c.height - 1, 1, 1).data.slice(0, 3)]; }}"""
        )
        assert got[1:] == colour
    # One pixel of the picture is one of the screen.
    box = page.get_by_test_id("fk-loupe-before").bounding_box()
    assert box is not None
    assert got[0] == box["width"] * box["height"]
    page.keyboard.press("ArrowRight")
    shown(page, 16)
    expect(page.get_by_test_id("fk-loupe-label")).to_have_text("fetching full-size pixels")
    assert page.evaluate(empty)
    page.keyboard.press("k")
    expect(page.get_by_test_id("fk-loupe-label")).to_contain_text("pause to see 1:1")
    page.keyboard.press("k")
    page.get_by_test_id("fk-loupe-mark").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_test_id("fk-loupe-mark")).to_have_attribute(
        "aria-label", "Loupe at 50 % across, 41 % down; arrows move it"
    )


def test_safe_zones_lie_where_the_data_says(still: Page):
    page = still
    page.keyboard.press("s")
    expect(page.get_by_test_id("fk-do-zone")).to_have_text("safe zone: TikTok")
    zone = {z.id: z for z in load_safe_zones()}["tiktok"]
    expect(page.get_by_test_id("fk-zone")).to_contain_text(zone.dated.isoformat())
    expect(page.get_by_test_id("fk-zone")).to_contain_text("not certified")
    picture = page.get_by_test_id("fk-canvas").bounding_box()
    assert picture is not None
    boxes = {
        edge: page.locator(f"[data-edge={edge}]").bounding_box()
        for edge in ("top", "right", "bottom")
    }
    assert boxes["top"]["height"] / picture["height"] == pytest.approx(
        zone.top_px / 1920, abs=0.003
    )
    assert boxes["bottom"]["height"] / picture["height"] == pytest.approx(
        zone.bottom_px / 1920, abs=0.003
    )
    assert boxes["right"]["width"] / picture["width"] == pytest.approx(
        zone.right_px / 1080, abs=0.003
    )
    assert page.locator("[data-edge=left]").count() == 0
    for name in ("Reels", "Shorts"):
        page.keyboard.press("s")
        expect(page.get_by_test_id("fk-do-zone")).to_have_text(f"safe zone: {name}")
    page.keyboard.press("s")
    expect(page.get_by_test_id("fk-zone")).to_be_hidden()


def test_on_a_phone(still: Page):
    still.keyboard.press("p")
    box = still.locator(".fk-player-phone").bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (390, 844)
    picture = still.get_by_test_id("fk-canvas").bounding_box()
    assert picture is not None
    assert round(picture["width"]) == 390
    expect(still.get_by_test_id("fk-chrome")).to_be_visible()
    still.keyboard.press("p")
    expect(still.get_by_test_id("fk-chrome")).to_be_hidden()


# Keys, words, manners


def test_keys_ask_the_kernel(still: Page):
    for key, asked in (
        ("ArrowUp", {"do": "step", "shots": -1}),
        ("ArrowDown", {"do": "step", "shots": 1}),
        ("n", {"do": "next_flagged", "forward": True}),
        ("Shift+N", {"do": "next_flagged", "forward": False}),
        ("r", {"do": "flag", "mark": "regenerate"}),
        ("a", {"do": "flag", "mark": "accept"}),
        ("u", {"do": "unflag"}),
    ):
        still.keyboard.press(key)
        assert sent(still)[-1] == asked
    still.keyboard.press("m")
    expect(still.get_by_test_id("fk-note")).to_be_focused()
    still.keyboard.type("left hand: nab ru")  # letters that are keys elsewhere
    still.keyboard.press("Enter")
    assert sent(still)[-1] == {"do": "flag", "mark": "", "note": "left hand: nab ru"}
    expect(still.get_by_test_id("fk-note")).to_be_hidden()


def test_own_keys(page: Page):
    views.mount(page, "player", state(keymap=merged({"accept": ["g"], "unflag": []})))
    page.get_by_test_id("fk-stage").focus()
    for key in ("a", "u", "g"):
        page.keyboard.press(key)
    assert sent(page)[1:] == [{"do": "flag", "mark": "accept"}]


def test_keys_stay_inside_and_the_pages_own_pass(still: Page):
    for key in ("d", "d", "x", "Space", "ArrowDown", "?"):
        still.keyboard.press(key)
    assert still.evaluate("window.outside") == []
    expect(still.get_by_test_id("fk-keys")).to_contain_text("previous shot that needs somebody")
    still.keyboard.press("Escape")
    expect(still.get_by_test_id("fk-keys")).to_be_hidden()
    expect(still.get_by_test_id("fk-stage")).to_be_focused()
    still.keyboard.press("Control+s")
    still.keyboard.press("Tab")
    assert "s" in still.evaluate("window.outside")
    assert still.evaluate("window.outside.at(-1)") == "Tab"
    still.get_by_test_id("fk-stage").focus()
    still.keyboard.press("Escape")
    assert still.evaluate("document.activeElement === document.body")


def test_a_button_is_pressed_by_its_own_keys(still: Page):
    still.get_by_test_id("fk-do-phone").focus()
    still.keyboard.press("Space")
    assert still.evaluate("model.get('phone')") is True
    still.keyboard.press("Enter")
    assert still.evaluate("model.get('phone')") is False


def test_verdict_flag_and_what_is_read_aloud(still: Page):
    expect(still.get_by_test_id("fk-verdict")).to_have_text("■ n regenerate")
    expect(still.get_by_test_id("fk-why")).to_have_text("The face moves.")
    live = still.get_by_test_id("fk-live")
    expect(live).to_have_attribute("aria-live", "polite")
    still.keyboard.press("ArrowRight")
    still.wait_for_function("window.sent.some(s => s.do === 'select')")
    expect(live).to_have_text("")  # not at every frame
    still.evaluate("model.set('verdict', {...model.get('verdict'), mark: 'accept', note: 'ok so'})")
    expect(live).to_have_text("n: regenerate. you: accepted")
    expect(still.get_by_test_id("fk-own")).to_have_text("you: accepted · note: ok so")


def test_what_the_other_half_is(still: Page):
    expect(still.get_by_test_id("fk-about")).to_contain_text("colour, sharpness and grain")
    expect(still.get_by_test_id("fk-do-finished")).to_be_hidden()
    still.evaluate("model.set('finished', 'other'); model.set('after', 'finished')")
    expect(still.get_by_test_id("fk-after-label")).to_have_text("after: finished")
    expect(still.get_by_test_id("fk-do-finished")).to_have_text("finished, another template")
    still.get_by_test_id("fk-do-draft").click()
    assert sent(still)[-1] == {"do": "compare_with", "after": "draft"}


def test_in_chinese(page: Page):
    views.mount(page, "player", state(words=words("player", "zh")))
    expect(page.get_by_test_id("fk-count")).to_have_text("第 16 / 30 帧")
    expect(page.get_by_test_id("fk-do-wipe")).to_have_text("划像")
    expect(page.get_by_test_id("fk-about")).to_contain_text("只在成片中可见")
    page.evaluate("words => model.set('words', words)", words("player", "en"))
    expect(page.get_by_test_id("fk-do-wipe")).to_have_text("wipe")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(page: Page, theme: Any):
    views.mount(page, "player", state(mode="wipe", zone="reels", loupe=True), theme=theme)
    page.wait_for_function("document.querySelector('.fk-player').dataset.source === 'still'")
    assert views.axe_violations(page, ".fk-player") == []
    colour = "getComputedStyle(document.querySelector('.fk-player-stage')).backgroundColor"
    assert page.evaluate(colour) == "rgb(128, 128, 128)"
    for button in page.locator(".fk-player button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24


def test_a_narrow_page_is_not_scrolled_sideways(page: Page, proxy: Proxy):
    page.set_viewport_size({"width": 360, "height": 800})
    opened(page, proxy, loupe=True)
    for mode in ("side", "wipe"):
        page.get_by_test_id(f"fk-do-{mode}").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_leaves_nothing_behind(page: Page, proxy: Proxy):
    page.add_init_script(f"({COUNTED_URLS})()")
    opened(page, proxy, mode="wipe", loupe=True)
    page.keyboard.press("Space")
    expect(page.get_by_test_id("fk-do-play")).to_have_attribute("aria-label", "Pause")
    assert page.evaluate("urls.size") == 1
    page.evaluate("window.cleanup()")
    assert page.evaluate("model.listeners()") == 0
    assert page.evaluate("urls.size") == 0
    assert page.locator(".fk-player").count() == 0


def test_a_clip_that_does_not_play_is_said(still: Page):
    still.evaluate(
        "model.set('clip_info', {shot: 'n', frames: 30, fps: 24, width: 144, height: 256,"
        " stride: 144}); model.set('clip', fkBytes(btoa('no clip at all')))"
    )
    expect(still.get_by_test_id("fk-progress")).to_contain_text("cannot play the clip")
    assert pixel(still, 0.25) == [100, 120, 60]
