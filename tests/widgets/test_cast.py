"""The cast matrix without a browser: every cell, click and picture against a cast that is known."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.collections import PolyCollection
from matplotlib.image import AxesImage

from finishkit.errors import FinishError
from finishkit.frames import Frames, master_encoding, write_frames
from finishkit.measure import CharacterIdentity, CharacterLook
from finishkit.preview import Preview
from finishkit.shots import Character, Episode, Shot, ShotId
from finishkit.verdict import judge
from finishkit_widgets.cast import CastMatrix
from finishkit_widgets.cast_pictures import CastPictures, with_box
from finishkit_widgets.session import Session

BOX = (20.0, 30.0, 60.0, 80.0)
FAR = {"s1": 0.85, "s2": 0.18, "s4": 0.20}
"""Of ANN, whose limit is 0.52."""


def _face(character: str, dist: float | None, faces: int = 8) -> CharacterIdentity:
    worst = {"worst_frame": 9, "worst_box": BOX} if faces else {}
    return CharacterIdentity.model_validate(
        {"character": character, "id_dist": dist, "n_faces": faces, **worst}
    )


def _look(character: str, **known) -> CharacterLook:
    said = {"source": "pictures", "limit": 0.52, "spread_limit": 0.42, "margin": 0.07, **known}
    return CharacterLook.model_validate({"character": character, **said})


@pytest.fixture
def cast_preview(preview: Preview, tmp_path: Path) -> Preview:
    """ANN in s1, s2 and s4, with a picture; BEN in s2 (no reference) and s3 (no usable face)."""
    picture = tmp_path / "ann.png"
    cv2.imwrite(str(picture), np.full((60, 40, 3), (10, 20, 200), np.uint8))
    faces = {
        "s1": (_face("ANN", FAR["s1"]),),
        "s2": (_face("ANN", FAR["s2"]), _face("BEN", None)),
        "s3": (_face("BEN", None, faces=0),),
        "s4": (_face("ANN", FAR["s4"]),),
    }
    shots = tuple(
        s.model_copy(update={"identities": faces.get(s.shot, ())})
        for s in preview.measurements.shots
    )
    looks = (_look("ANN", n_shots=3), _look("BEN", source="shots", limit=0.4, accepted=("s2",)))
    measured = preview.measurements.model_copy(update={"shots": shots, "looks": looks})
    episode = replace(
        preview.episode,
        characters=(Character(name="ANN", reference_images=(picture,)), Character(name="BEN")),
    )
    return Preview(episode, measured, judge(measured))


@pytest.fixture
def session(cast_preview: Preview, tmp_path: Path) -> Session:
    return Session(cast_preview, tmp_path, language="en")


def _squares(cast: CastMatrix, name: str) -> set[tuple[float, float]]:
    """Return the centres of the squares drawn under a name."""
    found = [c for c in cast.plot.axes.collections if c.get_gid() == name]
    assert all(isinstance(c, PolyCollection) for c in found)
    paths = [path for c in found for path in c.get_paths()]
    return {tuple(np.round(p.vertices[:4].mean(axis=0), 6).tolist()) for p in paths}  # type: ignore[misc]


def _press(cast: CastMatrix, x: float, y: float) -> None:
    cast.plot.canvas.draw()
    at = cast.plot.axes.transData.transform((x, y))
    event = MouseEvent("button_press_event", cast.plot.canvas, *at, 1)  # type: ignore[arg-type]
    cast.plot.canvas.callbacks.process("button_press_event", event)


def _type(cast: CastMatrix, *keys: str) -> None:
    for key in keys:
        event = KeyEvent("key_press_event", cast.plot.canvas, key)  # type: ignore[arg-type]
        cast.plot.canvas.callbacks.process("key_press_event", event)


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def test_the_matrix_carries_the_distances(session: Session):
    cast = session.cast()
    (image,) = (i for i in cast.plot.axes.images if isinstance(i, AxesImage))
    drawn = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
    assert drawn.shape == (2, 5)
    np.testing.assert_array_equal(drawn[0], [0.85, 0.18, np.nan, 0.20, np.nan])
    assert np.isnan(drawn[1]).all()
    assert image.get_cmap().name == "cividis"
    low, high = image.get_clim()
    assert low == 0
    assert high >= 0.85


def test_what_has_no_distance_is_hatched_and_what_is_too_far_outlined(session: Session):
    cast = session.cast()
    assert _squares(cast, "fk-not-listed") == {(2, 0), (4, 0), (0, 1), (3, 1), (4, 1)}
    assert _squares(cast, "fk-no-distance") == {(1, 1), (2, 1)}
    assert _squares(cast, "fk-far") == {(0, 0)}
    hatched = [c for c in cast.plot.axes.collections if c.get_gid() == "fk-not-listed"]
    assert hatched[0].get_hatch()


def test_numbers_are_printed_and_can_be_read_on_their_cell(session: Session):
    cast = session.cast()
    said = {text.get_text(): text for text in cast.plot.axes.texts}
    assert set(said) == {"0.85", "0.18", "0.20", "?"}
    assert said["0.85"].get_position() == (0, 0)
    # Cividis ends in yellow and begins in dark blue.
    assert said["0.85"].get_color() == "#000000"
    assert said["0.18"].get_color() == "#ffffff"
    cast._room.width_px = 280
    assert {text.get_text() for text in cast.plot.axes.texts} >= {"0.85"}


def test_a_click_selects_shot_frame_and_character(session: Session):
    cast = session.cast()
    session.select("s5")
    _press(cast, 0.2, 0.3)
    assert (session.selected, session.frame, cast.character) == ("s1", 9, "ANN")
    _press(cast, 1.0, 1.0)
    assert (session.selected, cast.character) == ("s2", "BEN")
    # Nobody is listed there: the shot is shown, in its middle.
    _press(cast, 4.0, 0.0)
    assert (session.selected, session.frame, cast.character) == ("s5", 6, "ANN")
    assert cast.notice.value == ""


def test_arrow_keys_go_to_shots_and_characters(session: Session):
    cast = session.cast()
    cast.look_at("ANN", "s1")
    _type(cast, "left")
    assert session.selected == "s1"
    _type(cast, "right")
    assert (session.selected, cast.character) == ("s2", "ANN")
    _type(cast, "down", "down")
    assert (session.selected, cast.character) == ("s2", "BEN")
    _type(cast, "right", "right", "right", "right")
    assert (session.selected, cast.character) == ("s5", "BEN")
    _type(cast, "up")
    assert cast.character == "ANN"
    _type(cast, "N")
    assert session.selected != "s5"
    assert cast.notice.value == ""


def test_it_follows_the_session(session: Session):
    cast = session.cast()
    session.select("s1")
    assert cast.character == "ANN"
    session.select("s3")
    assert cast.character == "BEN"
    session.select("s2")
    assert cast.character == "BEN"
    assert _squares(cast, "fk-selected") == {(1, 1)}


def test_table_and_session_select_each_other_without_a_loop(session: Session):
    cast = session.cast()
    cast.look_at("ANN", "s2")
    listed = [(c.character, c.shot) for c in cast._listed]
    assert cast.table.selected_rows == [listed.index(("ANN", "s2"))]
    calls: list[str] = []
    session.observe(lambda change: calls.append(change["new"]), names="selected")
    cast.table.set_state({"selected_rows": []})
    cast.table.set_state({"selected_rows": [listed.index(("BEN", "s3"))]})
    assert (session.selected, cast.character) == ("s3", "BEN")
    assert calls == ["s3"]
    session.select("s5")
    assert cast.table.selected_rows == []
    shown = cast.table._dt_args["table_html"]
    assert shown.count("<tr>") == 1 + len(listed)
    assert 'data-order="0.85">0.85</td>' in shown


def test_the_sentence_names_distance_limit_and_the_other_shots(session: Session):
    cast = session.cast()
    cast.look_at("ANN", "s1")
    said = "ANN's face is 0.85 from the reference, limit 0.52; in ANN's other shots 0.19."
    assert said in cast.summary()
    assert "1 of 3 faces are further" in cast.summary()
    cast.look_at("ANN", "s2")
    assert "within the limit of 0.52" in cast.summary()
    cast.look_at("BEN", "s2")
    assert "nothing to compare BEN with" in cast.summary()
    cast.look_at("BEN", "s3")
    assert "3 shows no usable face of BEN" in cast.summary()
    session.language = "zh"
    assert "没有 BEN 的可用脸部" in cast._sentence.value


def test_the_worst_frame_lies_beside_the_reference(session: Session):
    cast = session.cast()
    cast.look_at("ANN", "s1")
    frame, face, reference = cast.stills.pictures
    assert "frame 9" in frame["alt"]
    assert "ANN" in reference["alt"]
    assert _decoded(frame["data"]).shape[:2] == (160, 90)
    # 50 px high and 40 wide, with 0.35 of 50 round it, as far as the picture goes.
    assert _decoded(face["data"]).shape[:2] == (80 + 18 - (30 - 18), 60 + 18 - (20 - 18))
    assert _decoded(reference["data"])[30, 20].tolist() == pytest.approx([200, 20, 10], abs=4)
    # BEN has no picture: an accepted shot shows who is meant, unless it is the one looked at.
    cast.look_at("BEN", "s3")
    assert len(cast.stills.pictures) == 2
    assert "an accepted shot" in cast.stills.pictures[1]["alt"]
    cast.look_at("BEN", "s2")
    assert cast.stills.note == "No picture shows what BEN should look like."


def test_the_box_is_drawn_at_the_right_pixels(tmp_path: Path):
    grey = np.full((2, 1280, 720, 3), 0.25, np.float32)
    write_frames(
        tmp_path / "s1.mp4",
        [Frames(data=grey, pts_s=np.arange(2) / 24)],
        rate_fps=Fraction(24),
        encoding=master_encoding(12, "ultrafast", 1),
    )
    shot = Shot(id=ShotId("s1"), path=tmp_path / "s1.mp4", scene="a")
    pictures = CastPictures(Episode(name="ep", root=tmp_path, shots=(shot,)))
    drawn = pictures.boxed("s1", 1, (200.0, 300.0, 400.0, 560.0))
    assert drawn.shape == (640, 360, 3)
    rows, columns = np.nonzero((drawn == 255).all(axis=2))
    # Half the size; the line is two pixels wide.
    assert _span(columns) == (pytest.approx(100, abs=1), pytest.approx(200, abs=1))
    assert _span(rows) == (pytest.approx(150, abs=1), pytest.approx(280, abs=1))
    assert (drawn[215, 150] < 100).all()


def _span(places: np.ndarray) -> Sequence[int]:
    return int(places.min()), int(places.max())


def test_a_box_that_reaches_beyond_the_picture_keeps_its_sides_inside():
    picture = np.zeros((100, 60, 3), np.uint8)
    drawn = with_box(picture, (-30, 20, 90, 60), 1.0)
    assert (drawn[40, 1] == 255).all()
    assert (drawn[40, 58] == 255).all()
    assert not picture.any()


def test_without_a_cast_it_says_what_to_write(preview: Preview, tmp_path: Path):
    session = Session(preview, tmp_path, language="en")
    cast = session.cast()
    said = cast.summary()
    assert "shots.csv" in said
    assert "characters.csv" in said
    assert str(preview.episode.root) in said
    assert said in cast._sentence.value.replace("&#x27;", "'")
    assert cast.plot.canvas not in cast.children
    session.select("s4")
    assert cast.notice.value == ""
    assert "shots.csv" in cast.still_html()


def test_a_cast_that_was_listed_but_not_measured_names_the_doctor(preview: Preview, tmp_path: Path):
    shots = tuple(replace(shot, characters=("ANN",)) for shot in preview.episode)
    episode = replace(preview.episode, shots=shots)
    session = Session(Preview(episode, preview.measurements, preview.verdict), tmp_path)
    session.language = "en"
    assert "finishkit doctor" in session.cast().summary()
    session.language = "zh"
    assert "finishkit doctor" in session.cast().summary()


def test_a_grouped_cast_says_that_names_are_made_up(session: Session, cast_preview: Preview):
    assert "Nobody is listed" not in session.cast()._legend.value
    looks = tuple(
        look.model_copy(update={"grouped": True}) for look in cast_preview.measurements.looks
    )
    session.preview.measurements = cast_preview.measurements.model_copy(update={"looks": looks})
    assert "Nobody is listed" in session.cast()._legend.value


def test_a_reference_that_is_gone_is_said_and_nothing_breaks(session: Session):
    cast = session.cast()
    session.select("s5")
    session.episode.character("ANN").reference_images[0].unlink()
    cast.look_at("BEN", "s3")
    _press(cast, 0.0, 0.0)
    assert "cannot be read" in cast.notice.value
    assert session.selected == "s1"
    session.select("s3")
    assert cast.notice.value == ""


def test_names_that_do_not_exist_are_refused(session: Session):
    cast = session.cast()
    with pytest.raises(FinishError, match="There are: ANN, BEN"):
        cast.look_at("CAT", "s1")
    with pytest.raises(FinishError, match="s9"):
        cast.look_at("ANN", "s9")
    with pytest.raises(TypeError, match="no keyword"):
        session.cast(charakter="ANN")


def test_it_leaves_pictures_and_the_table_behind(session: Session):
    cast = session.cast()
    cast._page.dark = True
    cast.look_at("ANN", "s1")
    still = cast.still_html()
    matrix = re.search(r'src="data:image/png;base64,([^"]+)"', still)
    assert matrix is not None
    assert tuple(_decoded(base64.b64decode(matrix[1]))[0, 0]) == (255, 255, 255)
    assert still.count('src="data:image/jpeg') == 3
    assert still.count('<tr aria-current="') == 5
    current = re.search(r'<tr aria-current="true">(.*?)</tr>', still)
    assert current is not None
    assert "0.85" in current[1]


def test_more_than_twenty_columns_print_only_what_is_too_far(session: Session):
    cast = session.cast()
    cast.rows = tuple(row * 5 for row in cast.rows)
    cast._room.width_px = 1200
    printed = [text.get_text() for text in cast.plot.axes.texts if text.get_text() != "?"]
    assert printed == ["0.85"] * 5
