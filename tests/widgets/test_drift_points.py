"""What the drift plot shows, as numbers, words and marks, without a widget."""

import re
import time

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from finishkit.measure import METRICS, CharacterIdentity, CharacterLook
from finishkit.preview import Preview
from finishkit.verdict import Limits
from finishkit_widgets.badges import BADGES
from finishkit_widgets.drift_marks import draw_drift
from finishkit_widgets.drift_points import DriftPoint, drift_points, short_names
from finishkit_widgets.drift_words import row
from finishkit_widgets.figure import INKS, elided, legible
from finishkit_widgets.texts import words

SHOTS = ["s1", "s2", "s3", "s4", "s5"]


def test_points_are_robust_z_for_what_is_judged_against_the_scene(preview: Preview):
    measured, verdict = preview.measurements, preview.verdict
    blue = drift_points(measured, verdict, "wb_b")
    assert [p.shot for p in blue] == SHOTS
    assert [p.label for p in blue] == ["1", "2", "3", "4", "5"]
    assert blue[3].height == verdict["s4"].z["wb_b"]
    assert blue[3].height is not None
    assert blue[3].height < -3.5
    assert blue[3].outside
    assert not blue[1].outside
    flicker = drift_points(measured, verdict, "flick_g")
    assert {p.height for p in flicker} == {0.05}
    assert {p.height for p in drift_points(measured, verdict, "id_dist")} == {None}


def test_bands_are_the_limits_each_shot_was_judged_by(preview: Preview):
    limits = Limits(z=2.5, flick_g=0.2, white_ev=0.5, hook_factor=0.5)

    def bands(metric: str) -> list[tuple[float, float] | None]:
        return [p.band for p in drift_points(measured, verdict, metric, limits)]

    measured = preview.measurements
    verdict = preview.verdict.model_copy(
        update={
            "shots": tuple(
                s.model_copy(update={"hook": s.shot == "s1"}) for s in preview.verdict.shots
            )
        }
    )
    assert bands("wb_b") == [(-2.5, 2.5)] * 5
    assert bands("flick_g") == [(0.0, 0.1), *[(0.0, 0.2)] * 4]
    assert bands("white_ev") == [(-0.25, 0.0), *[(-0.5, 0.0)] * 4]
    assert bands("fps_eff") == [None] * 5


def test_the_limit_of_a_face_is_its_characters_own(preview: Preview):
    faces = {"s1": (("ANN", 0.3), ("BEN", 0.4)), "s2": (("ANN", 0.3),)}
    shots = tuple(
        shot.model_copy(
            update={
                "identities": tuple(
                    CharacterIdentity(character=who, id_dist=dist, n_faces=5)
                    for who, dist in faces.get(shot.shot, ())
                )
            }
        )
        for shot in preview.measurements.shots
    )
    looks = tuple(
        CharacterLook(character=name, source="pictures", limit=limit, spread_limit=0.4, margin=0.05)
        for name, limit in (("ANN", 0.45), ("BEN", 0.35))
    )
    measured = preview.measurements.model_copy(update={"shots": shots, "looks": looks})
    points = drift_points(measured, preview.verdict, "id_dist")
    assert points[0].band == (0.0, 0.35)
    assert points[1].band == (0.0, 0.45)
    assert points[2].band == (0.0, 0.52)
    halved = drift_points(measured, preview.verdict, "id_dist", Limits(id_dist=0.26))
    assert halved[0].band == (0.0, pytest.approx(0.175))


def test_short_names_keep_what_differs():
    assert short_names(["s01_shot_002", "s01_shot_010"]) == ["002", "010"]
    assert short_names(["a", "ab"]) == ["a", "ab"]
    assert short_names(["only"]) == ["only"]


def test_the_words_name_every_metric_as_the_engine_does():
    english, chinese = words("drift", "en"), words("drift", "zh")
    for metric in METRICS:
        assert english[f"metric_{metric.name}"] == metric.label
        assert english[f"about_{metric.name}"] == metric.description
        for key in (f"metric_{metric.name}", f"about_{metric.name}"):
            assert re.search("[\u4e00-\u9fff]", chinese[key])


def test_names_of_people_are_escaped(preview: Preview):
    point = drift_points(preview.measurements, preview.verdict, "ev")[0]
    cells = row(
        DriftPoint(
            shot="<i>",
            scene='<img src="x">',
            label="1",
            action=point.action,
            value=1.0,
            height=1.0,
            band=None,
        ),
        preview.verdict["s1"],
        "ev",
        words("drift", "en"),
    )
    shown = "".join(cell.html() for cell in cells)
    assert "<img" not in shown
    assert "<i>" not in shown


def _episode_of(count: int, scene: str = "scene") -> list[DriftPoint]:
    rng = np.random.default_rng(3)
    actions = list(BADGES)
    return [
        DriftPoint(
            shot=f"s{i:03d}",
            scene=f"{scene} {i // 9}",
            label=f"{i:03d}",
            action=actions[i % 4],
            value=float(z),
            height=None if i % 11 == 5 else float(z),
            band=(-2.0, 2.0),
        )
        for i, z in enumerate(rng.normal(0, 2, count))
    ]


def _draw(points: list[DriftPoint]) -> Figure:
    figure = Figure(figsize=(8.6, 3), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw_drift(
        axes, INKS[True], points, selected=7, marks={}, relative=True, decimals=2, width_px=800
    )
    figure.canvas.draw()
    return figure


def test_eighty_shots_draw_in_well_under_a_second():
    points = _episode_of(80)
    _draw(points)
    start = time.perf_counter()
    figure = _draw(points)
    assert time.perf_counter() - start < 1.0
    # A call for a kind of mark, not for a shot.
    marks = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    assert len(marks) <= 8
    assert sum(len(np.asarray(c.get_offsets())) for c in marks) == 80


def test_shots_very_far_off_do_not_press_the_others_together():
    points = _episode_of(10)
    far = DriftPoint(**{**{n: getattr(points[3], n) for n in DriftPoint.__slots__}, "height": 90.0})
    axes = _draw([*points[:3], far, *points[4:]]).axes[0]
    assert axes.get_ylim()[1] > 90
    inside = axes.transAxes.inverted().transform(axes.transData.transform((0, 2.0)))[1]
    # On a plain scale the band would end at 0.51 of the height.
    assert inside > 0.6


def test_names_this_machine_has_no_letters_for_become_numbers():
    _draw(_episode_of(20, "\U000f0000"))  # no font has these; a missing letter would warn
    assert legible("\U000f0000", "#1") == "#1"
    assert legible("suite", "#1") == "suite"
    assert elided("3_workshop", 30, 6) == "3_wo…"
    assert elided("3_workshop", 100, 6) == "3_workshop"
    assert elided("3_workshop", 12, 6) == ""


def test_ink_can_be_read_on_its_paper(contrast):
    for ink in INKS.values():
        for colour in (ink.text, ink.quiet, ink.accent):
            assert contrast(colour, ink.paper) >= 4.5


@pytest.fixture
def contrast():
    def light(code: str) -> float:
        unit = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def of(one: str, other: str) -> float:
        high, low = sorted((light(one), light(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    return of
