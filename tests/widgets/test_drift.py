"""The drift plot and its table, without a browser: what is drawn carries what was measured."""

import base64
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.collections import LineCollection, PathCollection, PolyCollection

from finishkit.measure import METRICS
from finishkit.preview import Preview
from finishkit.verdict.scales import per_unit
from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift import Drift
from finishkit_widgets.session import Session

SHOTS = ["s1", "s2", "s3", "s4", "s5"]


@pytest.fixture
def session(preview: Preview, tmp_path: Path) -> Session:
    return Session(preview, tmp_path, language="en")


def _drawn(drift: Drift, name: str) -> PathCollection | None:
    found = [c for c in drift.plot.axes.collections if c.get_gid() == name]
    assert len(found) <= 1
    return found[0] if found else None  # type: ignore[return-value]


def _press(drift: Drift, x: float, y: float) -> None:
    drift.plot.canvas.draw()
    at = drift.plot.axes.transData.transform((x, y))
    event = MouseEvent("button_press_event", drift.plot.canvas, *at, 1)  # type: ignore[arg-type]
    drift.plot.canvas.callbacks.process("button_press_event", event)


def _type(drift: Drift, key: str) -> None:
    event = KeyEvent("key_press_event", drift.plot.canvas, key)  # type: ignore[arg-type]
    drift.plot.canvas.callbacks.process("key_press_event", event)


def test_the_marks_carry_the_values(session: Session):
    drift = session.drift(metric="wb_b")
    seen: dict[float, tuple[float, str]] = {}
    for action, badge in BADGES.items():
        marks = _drawn(drift, f"fk-{action}")
        if marks is None:
            continue
        for x, y in np.asarray(marks.get_offsets()):
            seen[float(x)] = (float(y), action)
        assert len(marks.get_facecolors()) == 1
        assert _hex(marks.get_facecolors()[0]) == badge.light
    # The last shot is alone in its scene: there is nothing to compare it with.
    assert sorted(seen) == [0, 1, 2, 3]
    for x, judged in enumerate(session.verdict.shots[:4]):
        assert seen[x] == (judged.z["wb_b"], judged.action)
    low, high = drift.plot.axes.get_ylim()
    assert low < seen[3][0] < high


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colour[:3])


def test_what_was_not_judged_is_hollow_and_at_the_foot(session: Session):
    drift = session.drift(metric="id_dist")
    blank = [c for c in drift.plot.axes.collections if str(c.get_gid()).endswith("-unjudged")]
    places = np.concatenate([np.asarray(c.get_offsets()) for c in blank])
    assert sorted(places[:, 0]) == [0, 1, 2, 3, 4]
    assert set(places[:, 1]) == {0.045}
    assert all(len(c.get_facecolors()) == 0 for c in blank)
    assert "5 could not be judged" in drift.summary()


def test_band_scenes_and_selection_are_drawn_where_they_are(session: Session):
    drift = session.drift(metric="wb_b")
    session.select("s4")
    band = next(c for c in drift.plot.axes.collections if c.get_gid() == "fk-band")
    assert isinstance(band, PolyCollection)
    heights = np.concatenate([path.vertices for path in band.get_paths()])[:, 1]
    assert (heights.min(), heights.max()) == (-2.0, 2.0)
    scenes = next(c for c in drift.plot.axes.collections if c.get_gid() == "fk-scenes")
    assert isinstance(scenes, LineCollection)
    assert [segment[0][0] for segment in scenes.get_segments()] == [3.5]
    line = next(x for x in drift.plot.axes.lines if x.get_gid() == "fk-selected")
    assert list(line.get_xdata()) == [3, 3]
    assert {"a", "b"} <= {text.get_text() for text in drift.plot.axes.texts}


def test_every_metric_draws_in_both_themes(session: Session):
    drift = session.drift()
    for dark in (True, False):
        drift._page.dark = dark
        for metric in METRICS:
            drift.metric = metric.name
            drift.plot.canvas.draw()
    assert drift.notice.value == ""


def test_click_and_keys_select_everywhere(session: Session):
    drift = session.drift(metric="ev")
    _press(drift, 3.2, 0.5)
    assert session.selected == "s4"
    _type(drift, "left")
    assert session.selected == "s3"
    _type(drift, "right")
    _type(drift, "right")
    _type(drift, "right")
    assert session.selected == "s5"
    flagged = [s.shot for s in session.verdict.shots if s.action != "ok"]
    _type(drift, "left")
    session.select("s1")
    _type(drift, "n")
    assert session.selected == next(s for s in flagged if s > "s1")
    session.select("s5")
    _type(drift, "N")
    assert session.selected == [s for s in flagged if s < "s5"][-1]
    assert drift.notice.value == ""


def test_a_click_beside_the_axes_does_nothing(session: Session):
    drift = session.drift()
    session.select("s2")
    event = MouseEvent("button_press_event", drift.plot.canvas, 2, 2, 1)  # type: ignore[arg-type]
    drift.plot.canvas.callbacks.process("button_press_event", event)
    assert session.selected == "s2"


def test_table_and_session_select_each_other_without_a_loop(session: Session):
    drift = session.drift(metric="ev")
    calls: list[str] = []
    session.observe(lambda change: calls.append(change["new"]), names="selected")
    session.select("s2")
    assert drift.table.selected_rows == [1]
    # As the front end says it: the old row lets go, the new one is chosen.
    drift.table.set_state({"selected_rows": []})
    assert session.selected == "s2"
    drift.table.set_state({"selected_rows": [3]})
    assert session.selected == "s4"
    assert drift.table.selected_rows == [3]
    assert calls == ["s2", "s4"]
    drift.table.set_state({"selected_rows": [99]})
    assert session.selected == "s4"
    assert "IndexError" in drift.notice.value


def test_the_table_has_the_numbers_and_sorts_by_them(session: Session):
    drift = session.drift(metric="wb_b")
    shown = drift.table._dt_args["table_html"]
    assert shown.count("<tr>") == 6
    value = session.measurements["s4"].values["wb_b"]
    z = session.verdict["s4"].z["wb_b"]
    assert f'data-order="{round(value, 6)}"' in shown  # type: ignore[arg-type]
    assert f'data-order="{z}">{z:+.1f}</td>' in shown
    assert "±2.0 z" in shown
    assert "White balance, blue −" in shown
    drift.metric = "flick_g"
    assert "0.05" in drift.table._dt_args["table_html"]


def test_the_sentence_says_by_how_much(session: Session):
    drift = session.drift(metric="wb_b")
    session.select("s4")
    said = re.search(r"4 is ([\d.]+) octaves yellower than its scene", drift.summary())
    assert said is not None
    reason = next(r for r in session.verdict["s4"].reasons if r.metric == "wb_b")
    assert float(said[1]) == pytest.approx(abs(reason.value) / per_unit("wb_b"), abs=0.006)
    # What was planted: blue codes times 0.75, which is that to the power of 2.2 in light.
    assert float(said[1]) == pytest.approx(-2.2 * math.log2(0.75), abs=0.15)
    assert "1 of 4 shots lie outside the shaded band: 4. 1 could not be judged." in drift.summary()
    session.select("s2")
    assert re.search(r"2 is like its scene, z [+−]\d", drift.summary())
    badge = BADGES[session.verdict["s2"].action]
    assert f">{badge.shape}{badge.letter}<" in drift._sentence.value


def test_a_persons_flags_are_marked(session: Session):
    drift = session.drift()
    assert _drawn(drift, "fk-person-regenerate") is None
    session.flag("s2", "regenerate", "blinks")
    session.flag("s5", "accept")
    flag, accepted = _drawn(drift, "fk-person-regenerate"), _drawn(drift, "fk-person-accept")
    assert flag is not None
    assert accepted is not None
    assert np.asarray(flag.get_offsets())[:, 0].tolist() == [1]
    assert np.asarray(accepted.get_offsets())[:, 0].tolist() == [4]
    session.unflag("s2")
    assert _drawn(drift, "fk-person-regenerate") is None


def test_the_plot_takes_the_width_of_the_page(session: Session):
    drift = session.drift()
    drift._room.width_px = 500
    assert drift.plot.size_px[0] == 500
    assert drift.plot._figure.get_size_inches()[0] * 100 == pytest.approx(500)
    drift._room.width_px = 100
    assert drift.plot.size_px[0] == 280


def test_it_leaves_a_picture_and_the_table_behind(session: Session):
    drift = session.drift(metric="wb_b")
    drift._page.dark = True
    session.select("s3")
    still = drift.still_html()
    url = re.search(r'src="data:image/png;base64,([^"]+)"', still)
    assert url is not None
    data = np.frombuffer(base64.b64decode(url[1]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] == round(drift.plot.size_px[0] * 1.5)
    assert tuple(picture[0, 0]) == (255, 255, 255)
    assert still.count('<tr aria-current="') == 5
    current = re.search(r'<tr aria-current="true">(.*?)</tr>', still)
    assert current is not None
    assert "<td>s3</td>" in current[1]
    bundle = drift._repr_mimebundle_()[0]
    assert "<table" in bundle["text/html"]


def test_it_speaks_chinese_and_back(session: Session):
    drift = session.drift(metric="ev")
    session.language = "zh"
    assert "与所在场景的偏差" in drift._heading.value
    assert drift._choice.label == "曝光"
    assert drift.metric == "ev"
    assert "镜头" in drift.table._dt_args["table_html"]
    session.language = "en"
    assert "Distance from the scene" in drift._heading.value


def test_unknown_keywords_are_refused_and_closing_stops_watching(session: Session):
    with pytest.raises(TypeError, match=r"no keyword 'metrik'\. Did you mean 'metric'"):
        session.drift(metrik="ev")
    drift = session.drift()
    drift.close()
    before = drift._sentence.value
    session.select("s5")
    assert drift._sentence.value == before
