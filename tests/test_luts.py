"""The LUT files of a template: carried with it, sealed by content."""

import pytest

from finishkit.errors import FinishError
from finishkit.stages.lut import build_lut, write_cube
from finishkit.template import Draft, load_look, load_template


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / "luts" / "film.cube"
    path.parent.mkdir()
    write_cube(path, build_lut(lambda nodes: nodes**1.1, 5))
    return path


def locked(cube, **changes):
    draft = Draft()
    draft.set("grade.look_lut", str(cube))
    for name, value in changes.items():
        draft.set(name, value)
    return draft.lock()


def test_a_template_takes_its_lut_along(cube, tmp_path):
    template = locked(cube)
    (tmp_path / "show").mkdir()
    saved = template.save(tmp_path / "show" / "romance.toml")
    assert 'look_lut = "film.cube"' in saved.read_text()
    assert str(tmp_path) not in saved.read_text(), "a template travels"
    cube.unlink()
    moved = tmp_path / "elsewhere"
    (tmp_path / "show").rename(moved)
    again = load_template(moved / "romance.toml")
    assert again.sha256 == template.sha256
    assert again.grade.look_lut == str(moved / "film.cube")
    assert load_look(moved / "romance.toml").grade.look_lut == str(moved / "film.cube")


def test_another_lut_is_another_template(cube):
    before = locked(cube).sha256
    write_cube(cube, build_lut(lambda nodes: nodes**1.2, 5))
    assert locked(cube).sha256 != before


def test_a_changed_or_lost_lut_is_refused(cube, tmp_path):
    saved = locked(cube).save(tmp_path / "romance.toml")
    kept = tmp_path / "film.cube"
    kept.write_text(kept.read_text().replace("0.", "0.0", 1))
    with pytest.raises(FinishError, match=r"film\.cube is not the file") as changed:
        load_template(saved)
    assert changed.value.code == "lut_changed"
    kept.unlink()
    with pytest.raises(FinishError, match="cannot be read") as lost:
        load_template(saved)
    assert lost.value.code == "lut_missing"


def test_a_file_of_the_same_name_is_left_alone(cube, tmp_path):
    other = tmp_path / "film.cube"
    other.write_text("somebody's")
    saved = locked(cube).save(tmp_path / "romance.toml")
    assert other.read_text() == "somebody's"
    assert load_template(saved).grade.look_lut != str(other)


def test_locking_names_a_missing_lut(tmp_path):
    with pytest.raises(FinishError, match=r"none\.cube cannot be read"):
        locked(tmp_path / "none.cube")
