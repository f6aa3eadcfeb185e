"""Compare, Filmstrip and DriftPlot without a browser."""

import base64
import html
import re

import cv2
import numpy as np
import pytest
import traitlets
from matplotlib.backend_bases import MouseEvent

import finishkit_widgets
from finishkit.measure import METRICS
from finishkit.preview import Preview
from finishkit.verdict import Limits
from finishkit_widgets import Compare, DriftPlot, Filmstrip, share_selection
from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift import band_of, drift_points
from finishkit_widgets.pictures import fitted, jpeg_bytes


def _flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((96, 54, 3), colour, np.uint8)


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _contrast(colour: str, ground: str) -> float:
    def luminance(code: str) -> float:
        unit = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
        return float(light @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_public_names_are_sorted():
    assert finishkit_widgets.__all__ == sorted(finishkit_widgets.__all__)


def test_badges_differ_in_shape_letter_and_word_and_can_be_read():
    assert len({b.shape for b in BADGES.values()}) == len(BADGES)
    assert len({b.letter for b in BADGES.values()}) == len(BADGES)
    for badge in BADGES.values():
        # WCAG 2.2, 1.4.3, on the grounds of JupyterLab's light and dark theme.
        assert _contrast(badge.light, "#ffffff") >= 4.5
        assert _contrast(badge.dark, "#111111") >= 4.5


def test_jpeg_keeps_colours():
    data = jpeg_bytes(_flat((200, 60, 30)))
    assert np.abs(_decoded(data).astype(int) - (200, 60, 30)).max() <= 2


def test_fitted_never_crops():
    tile = fitted(np.full((100, 300, 3), 250, np.uint8), 72, 128)
    assert tile.shape == (128, 72, 3)
    assert (tile[64] == 250).all()
    assert (tile[0] == 128).all()


def test_compare_shows_arrays():
    compare = Compare()
    compare.show(_flat((250, 0, 0)), _flat((0, 0, 250)))
    assert _decoded(compare.before)[48, 27].argmax() == 0
    assert _decoded(compare.after)[48, 27].argmax() == 2
    with pytest.raises(ValueError, match="not the same frame"):
        compare.show(_flat((0, 0, 0)), np.zeros((4, 4, 3), np.uint8))


def test_compare_checks_its_traits():
    compare = Compare(position=7.0)
    assert compare.position == 1.0
    with pytest.raises(traitlets.TraitError):
        compare.mode = "blend"
    with pytest.raises(TypeError, match=r"no keyword 'bfore'. Did you mean 'before'"):
        Compare(bfore=b"")


def test_compare_leaves_a_picture_behind():
    compare = Compare(after_label="<b>", alt='S"1')
    compare.show(_flat((250, 0, 0)), _flat((0, 0, 250)))
    data, _ = compare._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', data["text/html"])
    assert [_decoded(base64.b64decode(u))[50, 50].argmax() for u in urls] == [0, 2]
    assert "&lt;b&gt;" in data["text/html"]
    assert "<b>" not in data["text/html"]


def test_filmstrip_has_a_tile_a_shot_in_cut_order(preview: Preview):
    strip = Filmstrip(preview)
    assert [i["shot"] for i in strip.items] == ["s1", "s2", "s3", "s4", "s5"]
    assert [i["label"] for i in strip.items] == ["1", "2", "3", "4", "5"]
    sheet = _decoded(strip.sheet)
    assert sheet.shape == (128, 5 * 72, 3)
    # The fourth shot lacks blue.
    blue = [sheet[:, i * 72 : (i + 1) * 72, 2].mean() for i in range(5)]
    assert int(np.argmin(blue)) == 3
    for item, judged in zip(strip.items, preview.verdict.shots, strict=True):
        assert item["shape"] == BADGES[judged.action].shape
        assert all(reason.text in item["text"] for reason in judged.reasons)


def test_filmstrip_refuses_a_shot_that_is_not_there(preview: Preview):
    strip = Filmstrip(preview)
    with pytest.raises(traitlets.TraitError, match="no shot 's9'"):
        strip.selected = "s9"
    assert strip.selected == "s1"


def test_drift_points_are_robust_z_for_what_is_judged_against_the_scene(preview: Preview):
    measured, verdict = preview.measurements, preview.verdict
    blue = drift_points(measured, verdict, "wb_b")
    assert [p.shot for p in blue] == ["s1", "s2", "s3", "s4", "s5"]
    assert blue[3].height == verdict["s4"].z["wb_b"]
    assert blue[3].height is not None
    assert blue[3].height < -3.5
    flicker = drift_points(measured, verdict, "flick_g")
    assert {p.height for p in flicker} == {0.05}
    assert {p.height for p in drift_points(measured, verdict, "id_dist")} == {None}


def test_bands_are_the_limits():
    limits = Limits(z=2.5, flick_g=0.2)
    assert band_of("wb_b", limits) == (-2.5, 2.5)
    assert band_of("flick_g", limits) == (0.0, 0.2)
    assert band_of("fps_eff", limits) is None


def test_drift_plot_draws_every_metric_in_both_themes(preview: Preview):
    plot = DriftPlot(preview.measurements, preview.verdict)
    for dark in (True, False):
        plot._page.dark = dark
        for metric in METRICS:
            plot.metric = metric.name
            assert html.escape(metric.description) in plot.table.value
            assert len(plot.axes.lines) >= len(preview.episode)
    assert plot.notice.value == ""


def test_drift_plot_selects_by_click(preview: Preview):
    plot = DriftPlot(preview.measurements, preview.verdict, metric="ev")
    strip = Filmstrip(preview)
    share_selection(plot, strip)
    plot.figure.canvas.draw()
    x, y = plot.axes.transData.transform((3.2, 0.0))
    event = MouseEvent("button_press_event", plot.canvas, x, y, 1)
    plot.canvas.callbacks.process("button_press_event", event)
    assert plot.selected == strip.selected == "s4"
    assert 'aria-current="true"' in plot.table.value
    row = re.search(r'<tr aria-current="true">(.*?)</tr>', plot.table.value)
    assert row is not None
    assert "<td>s4</td>" in row[1]
    strip.selected = "s2"
    assert plot.selected == "s2"


def test_drift_plot_leaves_a_picture_and_the_table_behind(preview: Preview):
    plot = DriftPlot(preview.measurements, preview.verdict, metric="wb_b")
    still = plot.still_html()
    url = re.search(r'src="data:image/png;base64,([^"]+)"', still)
    assert url is not None
    picture = _decoded(base64.b64decode(url[1]))
    assert picture.shape[1] == 840
    assert tuple(picture[0, 0]) == (255, 255, 255)
    assert still.count("<tr ") == 5


def test_a_widget_that_cannot_follow_says_so(preview: Preview):
    class Fewer(Filmstrip):
        pass

    strip, other = Filmstrip(preview), Fewer(preview)
    other.items = other.items[:2]
    share_selection(strip, other)
    strip.selected = "s4"
    assert strip.selected == "s4"
    assert other.selected == "s1"
    assert "no shot 's4'" in other.trouble
