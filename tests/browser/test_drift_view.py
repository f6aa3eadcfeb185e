"""The drift plot, the cast matrix and their tables: small front ends alone, then a whole lab."""

import csv
import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from finishkit.preview import open_preview
from finishkit_widgets.front import css, esm
from tests.browser.lab import DARK
from tests.browser.views import axe_violations, mount, picture

pytestmark = pytest.mark.browser

ROOM = """async ([code, css]) => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  const panel = document.createElement('div');
  panel.className = 'fk fk-panel';
  panel.style.width = '500px';
  panel.innerHTML = '<div class="jupyter-matplotlib-canvas-div" tabindex="0"></div>'
    + '<div class="dt-layout-table" style="height:60px;overflow:auto"><table><tbody>'
    + '<tr style="height:30px"><td>row</td></tr>'.repeat(20) + '</tbody></table></div>';
  const state = {width_px: 0, label: 'Exposure of every shot'};
  const calls = new Set();
  window.saved = [];
  window.model = {
    get: name => state[name],
    set: (name, value) => { state[name] = value; calls.forEach(call => call()); },
    on: (_, call) => calls.add(call), off: (_, call) => calls.delete(call),
    save_changes: () => window.saved.push(state.width_px),
    listeners: () => calls.size,
  };
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const widget = (await import(url)).default;
  const el = document.createElement('div');
  window.cleanup = widget.render({model: window.model, el});
  // As in ipywidgets: a view is rendered first and put into the page afterwards.
  panel.append(el);
  document.body.append(panel);
}"""
"""A panel with a plot and a table as ipympl and itables make them, and the room inside."""


@pytest.fixture
def room(page: Page) -> Page:
    page.goto("about:blank")
    page.evaluate(ROOM, [esm("room"), css("room")])
    return page


def test_room_says_how_wide_the_panel_is(room: Page):
    room.wait_for_function("window.saved.length === 1")
    assert room.evaluate("window.saved") == [500]
    panel = room.locator(".fk-panel")
    # A scroll bar that comes and goes is no other room; a hidden tab is none at all.
    panel.evaluate("panel => { panel.style.width = '505px'; }")
    panel.evaluate("panel => { panel.style.display = 'none'; }")
    panel.evaluate("panel => { panel.style.cssText = 'width: 320px'; }")
    room.wait_for_function("window.saved.length === 2")
    assert room.evaluate("window.saved") == [500, 320]


def test_room_names_the_plot_and_follows_its_label(room: Page):
    plot = room.locator(".jupyter-matplotlib-canvas-div")
    expect(plot).to_have_attribute("aria-label", "Exposure of every shot")
    expect(plot).to_have_attribute("role", "application")
    room.evaluate("window.model.set('label', 'Noise of every shot')")
    expect(plot).to_have_attribute("aria-label", "Noise of every shot")
    assert axe_violations(room, ".jupyter-matplotlib-canvas-div") == []


def test_room_brings_the_chosen_row_into_sight(room: Page):
    row = room.locator("tr").nth(15)
    row.evaluate("row => row.classList.add('selected')")
    expect(row).to_have_attribute("aria-current", "true")
    scrolled = "document.querySelector('.dt-layout-table').scrollTop"
    # 16 rows of at least 30 px end at the foot of a box of 60.
    assert room.evaluate(scrolled) >= 16 * 30 - 60
    row.evaluate("row => row.classList.remove('selected')")
    expect(row).not_to_have_attribute("aria-current", "true")
    first = room.locator("tr").first
    first.evaluate("row => row.classList.add('selected')")
    expect(first).to_have_attribute("aria-current", "true")
    assert room.evaluate(scrolled) < 5


def test_room_lets_rows_be_chosen_by_keys(room: Page):
    room.evaluate(
        """() => { document.querySelector('tbody').onclick =
          event => { window.chosen = event.target.closest('tr'); }; }"""
    )
    rows = room.locator("tr")
    expect(rows.first).to_have_attribute("tabindex", "0")
    assert rows.evaluate_all("rows => rows.filter(row => row.tabIndex === 0).length") == 1
    rows.first.focus()
    for _ in range(3):
        room.keyboard.press("ArrowDown")
    room.keyboard.press("ArrowUp")
    expect(rows.nth(2)).to_be_focused()
    room.keyboard.press("Enter")
    assert room.evaluate("[...document.querySelectorAll('tr')].indexOf(window.chosen)") == 2
    # At the end there is no further row.
    rows.last.focus()
    room.keyboard.press("ArrowDown")
    expect(rows.last).to_be_focused()


def test_room_leaves_nothing_behind(room: Page):
    room.wait_for_function("window.saved.length === 1")
    room.evaluate("window.cleanup()")
    assert room.evaluate("window.model.listeners()") == 0
    room.locator(".fk-panel").evaluate("panel => { panel.style.width = '300px'; }")
    room.locator("tr").nth(3).evaluate("row => row.classList.add('selected')")
    room.evaluate("() => new Promise(done => setTimeout(done, 100))")
    assert room.evaluate("window.saved") == [500]
    expect(room.locator("tr").nth(3)).not_to_have_attribute("aria-current", "true")


def _stills(*colours: tuple[int, int, int]) -> dict:
    pictures = [
        {"data": picture(colour), "alt": f"frame {n}", "caption": f"<b>caption {n}"}
        for n, colour in enumerate(colours)
    ]
    return {"pictures": pictures, "note": ""}


def _mount_stills(page: Page, state: dict, theme: str = "light") -> None:
    mount(page, "stills", {"pictures": [], "note": ""}, theme=theme)
    _set_stills(page, state)


def _set_stills(page: Page, state: dict) -> None:
    page.evaluate(
        """pictures => window.model.set('pictures',
          pictures.map(still => ({...still, data: window.fkBytes(still.data.base64)})))""",
        state["pictures"],
    )


def _colour(image: Locator) -> list[int]:
    return image.evaluate(
        """async image => {
          await image.decode();
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 1;
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }"""
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_stills_show_each_picture_with_its_words(page: Page, theme: str):
    _mount_stills(page, _stills((200, 10, 10), (10, 10, 200)), theme)
    images = page.locator(".fk-stills img")
    expect(images).to_have_count(2)
    assert _colour(images.nth(0)) == [200, 10, 10]
    assert _colour(images.nth(1)) == [10, 10, 200]
    expect(images.nth(1)).to_have_attribute("alt", "frame 1")
    expect(page.locator("figcaption").nth(1)).to_have_text("<b>caption 1")
    assert axe_violations(page) == []
    ground = page.locator(".fk-stills").evaluate("root => getComputedStyle(root).backgroundColor")
    assert ground == "rgb(128, 128, 128)"


def test_stills_take_new_pictures_and_leave_no_url(page: Page):
    page.add_init_script(
        """window.urls = new Set();
        const make = URL.createObjectURL, drop = URL.revokeObjectURL;
        URL.createObjectURL = blob => { const u = make.call(URL, blob); urls.add(u); return u; };
        URL.revokeObjectURL = url => { urls.delete(url); drop.call(URL, url); };"""
    )
    _mount_stills(page, _stills((200, 10, 10), (10, 10, 200)))
    _set_stills(page, _stills((10, 200, 10)))
    images = page.locator(".fk-stills img")
    expect(images).to_have_count(1)
    assert _colour(images.first) == [10, 200, 10]
    assert page.evaluate("window.urls.size") == 1
    page.evaluate("window.model.set('note', 'No picture shows BEN.')")
    expect(page.locator(".fk-stills p")).to_have_text("No picture shows BEN.")
    page.evaluate("window.cleanup()")
    assert page.evaluate("window.urls.size") == 0
    assert page.evaluate("window.model.listeners()") == 0


def _notebook(root: Path, name: str, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, root / name)


@pytest.mark.slow
def test_drift_plot_and_table_select_each_other_in_a_lab(lab, episode: Path, tmp_path: Path):
    open_preview(episode, lab.root, jobs=1)
    _notebook(
        lab.root,
        "drift.ipynb",
        "from finishkit_widgets.session import open_session\n"
        f"session = open_session({str(episode)!r}, '.', language='en')\n"
        "session.select('shot_1')",
        "session.drift(metric='ev')",
    )
    page = lab.open("drift.ipynb")
    try:
        lab.run_all(page)
        plot = page.locator(".jupyter-matplotlib-canvas-div canvas").last
        plot.wait_for(timeout=60_000)
        row = page.locator(".fk-drift tbody tr.selected")
        expect(row).to_contain_text("shot_1")
        expect(row).to_have_attribute("aria-current", "true")
        said = page.locator(".fk-drift .fk-said [role=status]")
        expect(said).to_contain_text("1 is")
        # As wide as its cell, whatever its first size was.
        panel = page.locator(".fk-drift").bounding_box()
        page.wait_for_function(
            "width => Math.abs(document.querySelector('.jupyter-matplotlib-canvas-div canvas')"
            ".getBoundingClientRect().width - width) < 12",
            arg=panel["width"],
        )
        box = plot.bounding_box()
        assert box is not None
        # The last of three shots is at the right of the plot.
        page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5)
        expect(row).to_contain_text("shot_3")
        cells_before = page.locator(".jp-Notebook .jp-Cell").count()
        page.keyboard.press("ArrowLeft")
        expect(row).to_contain_text("shot_2")
        for key in ("a", "d", "d", "x"):
            page.keyboard.press(key)
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells_before

        page.locator(".fk-drift tbody tr", has_text="shot_1").click()
        expect(said).to_contain_text("1 is")
        page.locator(".fk-drift .dt-search input").fill("shot_3")
        expect(page.locator(".fk-drift tbody tr")).to_have_count(1)
        page.locator(".fk-drift .dt-search input").fill("")
        # Another metric is another table; a row of it still selects.
        page.locator(".fk-metric select").select_option("Contrast")
        expect(page.locator(".fk-drift th", has_text="Contrast, oct")).to_be_visible()
        page.locator(".fk-drift tbody tr", has_text="shot_2").click()
        expect(said).to_contain_text("2 is")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("shot_2")
        # The table is worked with the keys alone as well.
        page.locator(".fk-drift tbody tr", has_text="shot_2").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(row).to_contain_text("shot_3")
        expect(said).to_contain_text("3 is")
        with page.expect_download() as saved:
            page.locator(".fk-drift button", has_text="Save CSV").click()
        _is_the_table(saved.value.path())
        page.evaluate(DARK)
        page.wait_for_selector('body[data-jp-theme-light="false"]', state="attached")
        assert axe_violations(page, ".fk-drift") == []
    finally:
        page.screenshot(path=tmp_path / "last.png")
        page.close()
    assert lab.wrong == []


def _is_the_table(path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        heads, *rows = csv.reader(file)
    assert heads[:4] == ["Verdict", "Shot", "Scene", "Contrast, oct"]
    assert [row[1] for row in rows] == ["shot_1", "shot_2", "shot_3"]
    # All of them, whichever is selected, and numbers that a spreadsheet reads as such.
    assert all(abs(float(row[4])) < 50 for row in rows)


CAST = """from finishkit.measure import CharacterIdentity, CharacterLook
def face(dist):
    return CharacterIdentity(character="ANN", id_dist=dist, n_faces=8, worst_frame=3,
                             worst_box=(20, 30, 60, 90))
measured = session.measurements
shots = tuple(shot.model_copy(update={"identities": (face(dist),)})
              for shot, dist in zip(measured.shots, (0.2, 0.85, 0.3)))
look = CharacterLook(character="ANN", source="pictures", limit=0.52, spread_limit=0.42, margin=0.07)
session.preview.measurements = measured.model_copy(update={"shots": shots, "looks": (look,)})
session.cast()"""
"""No face is in the clips: what is measured of them is set."""


@pytest.mark.slow
def test_cast_matrix_shows_the_worst_frame_in_a_lab(lab, episode: Path, tmp_path: Path):
    open_preview(episode, lab.root, jobs=1)
    _notebook(
        lab.root,
        "cast.ipynb",
        "from finishkit_widgets.session import open_session\n"
        f"session = open_session({str(episode)!r}, '.', language='en')",
        CAST,
    )
    page = lab.open("cast.ipynb")
    try:
        lab.run_all(page)
        plot = page.locator(".fk-cast .jupyter-matplotlib-canvas-div canvas").last
        plot.wait_for(timeout=60_000)
        said = page.locator(".fk-cast .fk-said [role=status]")
        box = plot.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 104 + (box["width"] - 112) / 2, box["y"] + 20)
        expect(said).to_contain_text("ANN's face is 0.85 from the reference, limit 0.52")
        images = page.locator(".fk-cast .fk-stills img")
        expect(images.first).to_have_attribute("alt", re.compile("2, frame 3, the face furthest"))
        assert images.first.evaluate("async image => (await image.decode(), image.naturalWidth)")
        cells = page.locator(".jp-Notebook .jp-Cell").count()
        page.keyboard.press("ArrowRight")
        expect(said).to_contain_text("ANN's face is 0.30")
        for key in ("a", "d", "d", "x", "ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
        assert page.locator(".jp-Notebook .jp-Cell").count() == cells
        page.locator(".fk-cast tbody tr", has_text="shot_1").click()
        expect(said).to_contain_text("ANN's face is 0.20")
        assert axe_violations(page, ".fk-cast") == []
    finally:
        page.screenshot(path=tmp_path / "last.png")
        page.close()
    assert lab.wrong == []
