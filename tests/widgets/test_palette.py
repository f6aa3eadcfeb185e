"""The palette strip and the colours it shows, without a browser."""

import base64
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from finishkit.preview import Preview
from finishkit.preview.palette import Palette as Colours
from finishkit.preview.palette import distance_de, hex_of, palette_of, scene_median
from finishkit.verdict import Reason
from finishkit_widgets.palette import Palette
from finishkit_widgets.session import Session
from tests.widgets.coloured import coloured, picture_of

FIVE = [
    ((240, 235, 220), 0.30),
    ((200, 150, 40), 0.10),
    ((60, 140, 90), 0.25),
    ((150, 40, 50), 0.15),
    ((20, 24, 70), 0.20),
]
"""From light to dark."""
GREYS = (100, 120, 160)


def _rgb(code: str) -> np.ndarray:
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])


def _expect(colours: Colours, bands, codes: int, share: float) -> None:
    assert len(colours.swatches) == len(bands)
    for swatch, (colour, part) in zip(colours.swatches, bands, strict=True):
        assert np.abs(_rgb(swatch.hex) - colour).max() <= codes
        assert swatch.share == pytest.approx(part, abs=share)
    assert sum(s.share for s in colours.swatches) == pytest.approx(1)


def _lightness(grey: int) -> float:
    """CIE 15 and IEC 61966-2-1, for a neutral colour."""
    unit = grey / 255
    light = unit / 12.92 if unit <= 0.04045 else ((unit + 0.055) / 1.055) ** 2.4
    return 116 * light ** (1 / 3) - 16


def _grey_de(one: int, two: int) -> float:
    """CIEDE2000 between two greys: only the lightness term is left of it."""
    first, second = _lightness(one), _lightness(two)
    off = ((first + second) / 2 - 50) ** 2
    return abs(first - second) / (1 + 0.015 * off / math.sqrt(20 + off))


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    """Four shots of scene a (three greys and one of them again), one alone in b."""
    flat = [("a", [((g, g, g), 1.0)]) for g in (*GREYS, GREYS[1])]
    return coloured(tmp_path_factory.mktemp("colours") / "ep", [*flat, ("b", FIVE)])


def test_known_colours_are_found_with_their_shares():
    _expect(palette_of(picture_of(FIVE)), FIVE, codes=1, share=0.01)


def test_noise_is_not_another_colour_and_every_run_gives_the_same():
    two = [((180, 120, 90), 0.6), ((30, 60, 110), 0.4)]
    noise = np.random.default_rng(5).normal(0, 2, (256, 144, 3))
    picture = np.clip(picture_of(two) + noise, 0, 255).astype(np.uint8)
    first = palette_of(picture)
    _expect(first, two, codes=3, share=0.01)
    assert all(palette_of(picture.copy()) == first for _ in range(3))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 0, 255), (7, 9, 200)])
def test_one_colour_is_one_swatch(colour):
    found = palette_of(np.full((40, 30, 3), colour, np.uint8))
    _expect(found, [(colour, 1.0)], codes=1, share=0)
    assert hex_of(found.mean) == "#{:02x}{:02x}{:02x}".format(*colour)


@pytest.mark.parametrize(
    ("one", "two", "known"),
    # Sharma, Wu, Dalal (2005), table 1: pairs 1, 7, 17 and 25.
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_the_distance_is_ciede2000_to_the_median(one, two, known):
    assert distance_de(one, two) == pytest.approx(known, abs=1e-4)
    assert distance_de(two, one) == pytest.approx(known, abs=1e-4)
    # Two of three agree: they are the scene.
    median = scene_median([one, one, two])
    assert median == pytest.approx(one)
    assert distance_de(two, median) == pytest.approx(known, abs=1e-4)


def test_a_shot_has_the_colours_of_its_middle_frame(show: Preview, tmp_path: Path):
    palette = Palette(Session(show, tmp_path))
    assert palette.wait(60)
    found = palette.colours("c05")
    assert found is not None
    _expect(found, FIVE, codes=3, share=0.02)
    shot = palette.scenes[1]["shots"][0]
    assert [code for code, _ in shot["colours"]] == [s.hex for s in found.swatches]
    assert [part for _, part in shot["colours"]] == pytest.approx([f[1] for f in FIVE], abs=0.02)


def test_distances_to_the_scene_are_those_of_the_formula(show: Preview, tmp_path: Path):
    palette = Palette(Session(show, tmp_path))
    assert palette.wait(60)
    scene, alone = palette.scenes
    assert (scene["scene"], alone["scene"]) == ("a", "b")
    # Of 100, 120, 120 and 160 the median is 120; JPEG and video cost a code.
    assert np.abs(_rgb(scene["median"]) - GREYS[1]).max() <= 2
    for shot, grey in zip(scene["shots"], (*GREYS, GREYS[1]), strict=True):
        assert shot["de"] == pytest.approx(_grey_de(grey, GREYS[1]), abs=0.6)
    assert scene["shots"][2]["de"] > 12
    # Nothing to compare with: no number, rather than a perfect one.
    assert alone["alone"] is True
    assert alone["shots"][0]["de"] is None
    assert alone["median"] == ""


def test_kept_thumbnails_give_the_same_colours(show: Preview, tmp_path: Path):
    first = Palette(Session(show, tmp_path))
    assert first.wait(60)
    again = Palette(Session(show, tmp_path))
    assert again.wait(60)
    assert again.scenes == first.scenes


def test_a_lost_clip_is_said_and_the_others_are_compared(tmp_path: Path):
    preview = coloured(tmp_path / "ep", [("a", [((g, g, g), 1.0)]) for g in GREYS])
    preview.episode.shots[0].path.unlink()
    palette = Palette(Session(preview, tmp_path / "runs"))
    assert palette.wait(60)
    assert "c01.mp4 cannot be read" in palette.trouble
    lost, one, two = palette.scenes[0]["shots"]
    assert lost["failed"] is True
    assert lost["colours"] == []
    assert one["de"] == pytest.approx(two["de"], rel=0.2)
    assert one["de"] > 4


def test_the_palette_follows_the_session_and_selects_by_it(show: Preview, tmp_path: Path):
    session = Session(show, tmp_path, language="en")
    palette = Palette(session)
    palette._handle_custom_msg({"do": "select", "shot": "c03"}, [])
    assert session.selected == palette.selected == "c03"
    session.flag("c05", "regenerate")
    palette._handle_custom_msg({"do": "next_flagged", "forward": True}, [])
    after = [s.shot for s in show.verdict.shots if s.order > 2 and session.needs_someone(s.shot)]
    assert palette.selected == after[0]
    palette._handle_custom_msg({"do": "flag", "mark": "accept"}, [])
    assert "does not know 'flag'" in palette.trouble
    session.language = "zh"
    assert palette.words["alone"] == "场景中唯一的镜头"
    palette.close()
    session.select("c01")
    assert palette.selected == after[0]
    with pytest.raises(TypeError, match="no keyword 'colors'"):
        Palette(session, colors=5)


def test_only_flagged_colours_get_a_badge(preview: Preview, tmp_path: Path):
    palette = Palette(Session(preview, tmp_path))
    shots = {s["shot"]: s for scene in palette.scenes for s in scene["shots"]}
    flagged = {s.shot: s for s in preview.verdict.shots if s.off_colour}
    assert "s4" in flagged
    for name, shot in shots.items():
        assert bool(shot["badge"]) == (name in flagged)
    reasons: tuple[Reason, ...] = flagged["s4"].reasons
    assert any(reason.text in shots["s4"]["why"] for reason in reasons)


def test_bars_and_codes_are_left_behind(show: Preview, tmp_path: Path):
    palette = Palette(Session(show, tmp_path, language="en"))
    assert palette.wait(60)
    data, _ = palette._repr_mimebundle_()
    urls = re.findall(r'src="data:image/png;base64,([^"]+)"', data["text/html"])
    assert len(urls) == 2
    raw = np.frombuffer(base64.b64decode(urls[1]), np.uint8)
    bar = cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    top = 0.0
    for colour, share in FIVE:
        at = round((top + share / 2) * len(bar))
        assert np.abs(bar[at, 10].astype(int) - colour).max() <= 3
        top += share
    worst = max(palette.scenes[0]["shots"], key=lambda s: s["de"])
    assert palette.summary() == (
        f"Colours of 5 of 5 shots. Furthest from its scene: c03, ΔE {worst['de']:.1f}."
    )
    swatches = palette.scenes[1]["shots"][0]["colours"]
    assert all(f"{code} {round(100 * part)} %" in data["text/html"] for code, part in swatches)
