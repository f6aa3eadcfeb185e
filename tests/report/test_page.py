"""The page: escaped, self-contained, with the right pictures and words."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from finishkit.frames import read_frames
from finishkit.report import summary_lines, write_report
from finishkit.report.page import render_page
from finishkit.report.pictures import (
    MAX_JPEG_BYTES,
    THUMB_PX,
    Pictures,
    as_thumb,
    boxed,
    neighbour,
    read_pictures,
)
from finishkit.report.plots import BOTTOM, TOP, UNKNOWN_Y, strip_plots
from finishkit.report.wording import cut_causes, lede, short_labels

RAW = {
    "ep_shot_003": {"eff_px": 200.0, "eff_r": 0.42},
    "ep_shot_006": {"id_dist": 0.85},
    "ep_shot_002": {"id_dist": None, "id_spread": None},
}

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "{{7*7}}",
    "{% raw %}{{ config }}{% endraw %}",
    "{# gone #}",
    "</style><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!-- comment",
    "--><script>alert(1)</script>",
    "<![CDATA[x]]>",
    "]]><b>x</b>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>",
    "<link rel=stylesheet href=//evil.example/a.css>",
    '" style="position:fixed;inset:0',
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext></mtext></math>",
    "<textarea>",
    "</table></main></body></html>",
    "<plaintext>",
    "<template><p>x</template>",
    "<object data=x>",
    "<embed src=x>",
    "<form action=//evil.example><button>x",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "\u202egpj.exe",
    "\x00\x1b[31m\x07",
    "a\ud800b",
    "`${alert(1)}`",
    "%3Cscript%3E",
    "<x" + "y" * 3000 + ">",
)


class Tags(HTMLParser):
    """Every element with the names of its attributes, and the attributes that can load."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.unnamed: list[str] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, tuple(name for name, _ in attrs)))
        values = dict(attrs)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]
        self.styles += [v or "" for k, v in attrs if k == "style"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img" and not values.get("alt"):
            self.unnamed.append(tag)
        if tag == "th" and "scope" not in values:
            self.unnamed.append(tag)

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        self.text.append(data)


def test_there_are_forty_hostile_strings():
    assert len(HOSTILE) == len(set(HOSTILE)) == 40


@pytest.fixture(scope="module")
def benign(make):
    report = make(raw=RAW, finished={}, torn=True, words=" xy").report
    return Tags(render_page(report, Pictures()))


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_in_every_field_add_no_element_and_no_attribute(make, benign, words):
    report = make(raw=RAW, finished={}, torn=True, words=" " + words).report
    html = render_page(report, Pictures())
    hostile = Tags(html)
    assert hostile.seen == benign.seen
    assert hostile.comments == []
    assert all(link.startswith("#") for link in hostile.links)
    assert all(re.fullmatch(r"(height|width|left):[\d.]+%", style) for style in hostile.styles)
    html.encode("utf-8")


def test_hostile_words_are_shown_as_words(make):
    html = render_page(make(raw=RAW, words=" <b>{{7*7}}</b>").report, Pictures())
    text = "".join(Tags(html).text)
    assert "ADA <b>{{7*7}}</b>" in text
    assert "a woman at a table <b>{{7*7}}</b>" in text


def test_page_is_one_file_that_loads_nothing(make, tmp_path):
    made = make(raw=RAW, finished={}, torn=True)
    page = write_report(
        made.report,
        tmp_path,
        sources=made.sources,
        finished_files=made.finished,
        references=made.references,
    )
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<script", html)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    tags = Tags(html)
    # 8 shots before and after, the reference, two faces, and both sides of each cut that is left.
    images = [link for link in tags.links if link.startswith("data:image/jpeg;base64,")]
    assert len(images) >= 8 * 2 + 3
    assert tags.unnamed == []
    assert tags.headings[0] == 1
    steps = zip(tags.headings, tags.headings[1:], strict=False)
    assert all(b - a <= 1 for a, b in steps)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("report.json", "report.html", "shots.csv", "cuts.csv", "regenerate.csv"),
        "contact_sheet.png",
    }


def test_pictures_are_the_middle_frames_at_thumbnail_size(make, clips):
    made = make(raw=RAW, finished={}, torn=True)
    told = []
    pictures = read_pictures(
        made.report,
        sources=made.sources,
        finished_files=made.finished,
        references=made.references,
        progress=lambda done, total, shot: told.append((done, total, shot)),
    )
    assert set(pictures.before) == set(pictures.after) == {s.shot for s in made.report.shots[:8]}
    (expected,) = read_frames(clips / "done" / "ep_shot_004.mp4", dtype="uint8", indices=[3])
    np.testing.assert_array_equal(pictures.after["ep_shot_004"], expected.data[0])
    assert min(pictures.references["ADA"][0].shape[:2]) == 270
    assert told[0] == (0, 8, "")
    assert told[-1] == (8, 8, "ep_shot_008")


def test_the_wrong_face_and_a_right_one_beside_it_are_boxed(make):
    made = make(raw=RAW)
    assert neighbour(made.report, "ep_shot_006", "ADA") == "ep_shot_005"
    assert neighbour(made.report, "ep_shot_001", "ADA") == "ep_shot_003"
    pictures = read_pictures(made.report, sources=made.sources, finished_files={}, references={})
    assert set(pictures.faces) == {("ep_shot_006", "ADA"), ("ep_shot_005", "ADA")}
    face = pictures.faces["ep_shot_006", "ADA"]
    np.testing.assert_array_equal(face[60, 41:89], np.tile([255, 214, 10], (48, 1)))


def test_a_file_that_was_never_measured_is_not_opened(make, monkeypatch):
    made = make(torn=True)
    opened = []

    def spy(path, **options):
        opened.append(path.stem)
        return read_frames(path, **options)

    monkeypatch.setattr("finishkit.report.pictures.read_frames", spy)
    read_pictures(made.report, sources=made.sources, finished_files={}, references={})
    assert sorted(opened) == [s.shot for s in made.report.shots[:8]]


def test_missing_and_broken_files_cost_their_picture_only(make, tmp_path):
    made = make(raw=RAW)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"x" * 100)
    sources = {**made.sources, "ep_shot_001": broken, "ep_shot_004": tmp_path / "gone.mp4"}
    text = tmp_path / "ref.png"
    text.write_text("no picture")
    page = write_report(made.report, tmp_path / "out", sources=sources, references={"ADA": (text,)})
    text = "".join(Tags(page.read_text(encoding="utf-8")).text)
    # Both shots in the strip; whatever the cuts show of them comes on top.
    assert text.count("no picture") >= 2


def test_thumbnails_stay_small_even_of_noise():
    noise = np.random.default_rng(1).integers(0, 255, (267, 150, 3), dtype=np.uint8)
    thumb = as_thumb(noise)
    assert len(thumb.uri) * 3 / 4 <= MAX_JPEG_BYTES
    assert (thumb.width_px, thumb.height_px) == (THUMB_PX, 267)


def test_box_is_scaled_with_the_frame_and_kept_inside():
    frame = np.full((160, 90, 3), 128, np.uint8)
    drawn = boxed(frame, (-50.0, 100.0, 500.0, 700.0), native_width_px=900)
    ys, xs = np.nonzero((drawn == (255, 214, 10)).all(axis=2))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (1, 50, 10, 70)
    assert (frame == 128).all()


def test_plots_put_flagged_shots_outside_the_band(make):
    plots = {p.name: p for p in strip_plots(make(raw=RAW).report)}
    soft = plots["eff_px"].marks[2]
    band = plots["eff_px"].bands[2]
    assert soft.kind == "fix"
    assert soft.y > band.y + band.height
    assert [m.kind for m in plots["eff_px"].marks].count("ok") == 7
    assert plots["id_dist"].marks[5].kind == "regenerate"
    assert plots["id_dist"].marks[1].kind == "unknown"
    assert plots["id_dist"].marks[1].y == UNKNOWN_Y
    assert plots["eff_px"].summary == "Real resolution of 8 shots, 1 outside their limit."
    assert [s.name for s in plots["ev"].scenes] == ["kitchen", "garden"]
    for plot in plots.values():
        assert all(TOP <= m.y <= UNKNOWN_Y for m in plot.marks)
        assert all(TOP <= y <= BOTTOM for y, _ in plot.ticks)
        assert 2 <= len(plot.ticks) <= 7


def test_hook_shots_have_a_tighter_band(make):
    plot = next(p for p in strip_plots(make().report) if p.name == "ev")
    assert plot.bands[0].height == pytest.approx(0.7 * plot.bands[2].height, abs=0.2)
    assert plot.hook_width == pytest.approx(2 / 8 * 506, abs=0.1)


def test_finished_marks_remember_where_they_came_from(make):
    plot = next(p for p in strip_plots(make(raw=RAW, finished={}).report) if p.name == "eff_px")
    mark = plot.marks[2]
    assert mark.kind == "ok"
    assert mark.raw_y is not None
    assert mark.raw_y > mark.y
    assert mark.tip == "003: 200 → 400 px"


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("s01_shot_014", "s01_shot_015"), ["014", "015"]),
        (("shot_9", "shot_10"), ["9", "10"]),
        (("a1", "a12"), ["1", "12"]),
        (("shot", "shot_2"), ["shot", "shot_2"]),
        (("only_1",), ["only_1"]),
        (("x", "y"), ["x", "y"]),
    ],
)
def test_short_labels_keep_numbers_whole(names, labels):
    assert list(short_labels(names).values()) == labels


def test_words_say_what_is_left_to_do(make):
    assert lede(make().report) == "Nothing is left to do: every shot holds beside its neighbours."
    report = make(raw=RAW, torn=True).report
    assert lede(report) == (
        "1 shot needs a new take (006); 1 file could not be used (009); 1 shot is for you to look"
        " at (002); 1 shot can be corrected (003)."
    )
    assert cut_causes(report.cuts[1]) == "sharpness"
    text = summary_lines(report)
    assert "regenerate: 1 (new takes needed)" in text
    assert "hook, first 2 shots: 1 of 2 to check" in text
    assert "✕ quarantined ep_shot_009  It cannot be opened. Export it again." in text


def test_contact_sheet_shows_the_clips_on_neutral_grey(make, tmp_path):
    made = make(finished={})
    write_report(
        made.report, tmp_path, sources=made.sources, finished_files=made.finished, references={}
    )
    with Image.open(tmp_path / "contact_sheet.png") as image:
        sheet = np.asarray(image.convert("RGB"))
    assert (sheet[-1, -1] == 128).all()
    (raw,) = read_frames(made.sources[made.episode.shots[0].id], dtype="uint8", indices=[3])
    shown = sheet[54 : 54 + 213, 12 : 12 + 120].astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose(shown, raw.data[0].mean(axis=(0, 1)), atol=3)
