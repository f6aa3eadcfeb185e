import json
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from finishkit.errors import FinishError
from finishkit.luts import canonical_sha256
from finishkit.template import (
    Draft,
    Look,
    Template,
    difference,
    genres,
    load_genre,
    load_look,
    load_template,
)


def test_a_locked_template_comes_back_as_it_was(tmp_path):
    draft = Draft.from_genre("romance")
    draft.set("faces.strength", "0.5")
    template = draft.lock(hero="s01e01_shot_007")
    assert load_template(template.save(tmp_path / "t.toml")) == template
    assert template.hero == "s01e01_shot_007"
    assert draft.changes() == {"faces.strength": (0.6, 0.5)}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("saturation = 1.04", "saturation = 1.2", "grade.saturation: 1.04 -> 1.2"),
        ('genre = "romance"', 'genre = "horror"', "genre: 'romance' -> 'horror'"),
        ("width_px = 2160", "width_px = 1080", "master.width_px: 2160 -> 1080"),
    ],
)
def test_an_edit_after_locking_is_refused_with_the_difference(tmp_path, before, after, said):
    path = Draft.from_genre("romance").lock().save(tmp_path / "t.toml")
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(FinishError) as caught:
        load_template(path)
    assert caught.value.code == "edited_after_lock"
    assert said in str(caught.value)


def test_an_edited_seal_does_not_help(tmp_path):
    path = Draft.from_genre("romance").lock().save(tmp_path / "t.toml")
    text = path.read_text().replace("saturation = 1.04", "saturation = 1.2")
    path.write_text(text.replace('"saturation": 1.04', '"saturation": 1.2'))
    with pytest.raises(FinishError, match="changed after it was locked"):
        load_template(path)


def test_an_unlocked_file_is_a_start_and_not_a_template(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('genre = "mine"\n[grade]\nsaturation = 1.1\n')
    assert load_look(path).grade.saturation == 1.1
    with pytest.raises(FinishError) as caught:
        load_template(path)
    assert caught.value.code == "not_locked"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("genre = 3", "genre"),
        ("[faces]\nstrenth = 0.5", "faces.strength"),
        ("[faces]\nstrength = 1.5", "less than or equal to 1"),
        ("[faces]\nstrength = nan", "finite"),
        ("[grade]\nmax_ev = inf", "finite"),
        ("[weights]\nface = 0.9", "add up"),
        ("schema_version = 9", "Update finishkit"),
        ("genre = ", "not a TOML file"),
        ("a = " + "[" * 3000, "larger than a template"),
        ("\n".join("# " + "x" * 70 for _ in range(1200)), "larger than a template"),
        (".".join("a" for _ in range(1500)) + " = 1", "larger than a template"),
        ("[[" * 900, "not a TOML file"),
        ("genre = 'x'\n'x = 1; import os' = 2", "no setting"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path, text, said):
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(FinishError) as caught:
        load_look(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("genre = 'x'\n\n[faces]\n\nstrength = 1.5\n", "line 5: faces.strength = 1.5"),
        ("[faces]\nstrength = 1.5\n", "Allowed: 0 to 1. The default is 0.4."),
        ("faces.strength = 2\n", "line 1: faces.strength = 2"),
        ("genre = 'x'\nfaces = { strength = 2 }\n", "line 2: faces.strength = 2"),
        ("genre = 'x'\n['faces']\n'strength' = 2\n", "line 3: faces.strength"),
        ("[faces]\nstrenth = 0.5\n", "line 2: faces.strenth: There is no setting"),
        ("[faces]\nstrenth = 0.5\n", "Did you mean faces.strength?"),
        ("# a\n[weights]\nface = 0.9\n", "line 2: weights: "),
        ("hero = '''\nfaces = 1\n'''\n[grade]\nmax_ev = 9\n", "line 5: grade.max_ev = 9"),
        ("[faces]\nstrength = 1\n[faces]\n", "line 3: this is not a TOML file"),
        ("[faces]\nstrength = 1\nstrength = 1\n", "line 3: this is not a TOML file"),
        ("[faces]\nstrength = [\n", "line 2: this is not a TOML file"),
        (
            "genre = 'x'\na = " + "[" * 1500,
            "line 2: this is not a TOML file: it is nested too deep",
        ),
        ("genre = 'x'\n" + "a." * 150 + "b = 1", "line 2, is larger"),
        ("[grade]\nlook_lut = '../a.cube'\n", "line 2: grade.look_lut = ../a.cube"),
        ("[grade]\npre_lut = '/etc/passwd'\n", "only files of its own folder"),
        ('[grade]\npre_lut = "a\\u0000b"\n', "line 2: grade.pre_lut = a\\x00b"),
        ("a = 1\n\x1b[2J = 1", "line 2: "),
    ],
)
def test_a_complaint_names_the_line_and_what_is_allowed(tmp_path, text, said):
    path = tmp_path / "t.toml"
    path.write_text(text)
    with pytest.raises(FinishError) as caught:
        load_look(path)
    assert said in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


def test_all_wrong_settings_are_named_at_once(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("[faces]\n" + "".join(f"a{i} = 1\n" for i in range(9)))
    with pytest.raises(FinishError) as caught:
        load_look(path)
    assert str(caught.value).count("There is no setting") == 5
    assert str(caught.value).endswith("... and 4 more")


@pytest.mark.parametrize(("raw", "line"), [(b"genre = 'x'\n\n# \xff\n", 3), (b"\xff\xfeg\0", 1)])
def test_another_encoding_is_told_with_its_line(tmp_path, raw, line):
    (tmp_path / "t.toml").write_bytes(raw)
    with pytest.raises(FinishError, match=rf"line {line}: .*not UTF-8"):
        load_look(tmp_path / "t.toml")
    (tmp_path / "t.toml").write_bytes(b"\xef\xbb\xbfgenre = 'x'\r\n")
    assert load_look(tmp_path / "t.toml").genre == "x"


def test_a_draft_checks_every_change_and_keeps_the_old_value():
    draft = Draft()
    with pytest.raises(FinishError, match="will not do"):
        draft.set("faces.strength", 2)
    with pytest.raises(FinishError, match=r"There are: faces\.detect"):
        draft.set("faces.strenght", 0.1)
    with pytest.raises(FinishError, match="no setting"):
        draft.set("nothing", 0.1)
    assert draft.look == Look()
    draft.set("upscale.model", "lanczos")
    draft.reset("upscale.model")
    assert draft.changes() == {}


def test_a_template_is_frozen():
    template = Draft().lock()
    with pytest.raises(ValidationError):
        template.genre = "x"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        template.replace(genre="x" * 100)


def test_there_are_ten_genres_and_others_are_refused():
    assert set(genres()) == {
        *("baseline", "romance", "thriller", "fantasy", "comedy"),
        *("horror", "period", "ceo", "scifi", "anime"),
    }
    assert genres()[0] == "baseline"
    with pytest.raises(FinishError, match="baseline, anime, ceo"):
        load_genre("operetta")


@pytest.mark.parametrize("name", genres()[1:])
def test_a_genre_differs_from_the_baseline_in_five_settings_and_in_its_weights(name):
    base, look = load_genre("baseline").model_dump(), load_genre(name)
    assert look.genre == name
    changed = difference(base, look.model_dump())
    settings = [k for k in changed if k != "genre" and not k.startswith(("weights.", "limits."))]
    assert len(settings) >= 5, f"{name} changes only {settings}"
    assert look.weights != Look().weights


@pytest.mark.parametrize("name", genres()[1:])
def test_a_genre_file_holds_nothing_that_is_the_default_anyway(name):
    text = (resources.files("finishkit.genres") / f"{name}.toml").read_text(encoding="utf-8")
    default = Look().model_dump()
    for section, table in tomllib.loads(text).items():
        if section in ("genre", "weights"):
            continue
        same = [k for k, v in table.items() if default[section][k] == v]
        assert same == [], f"{name}: {section}.{same} is the default"


def test_no_genre_flags_the_grain_it_puts_on():
    for name in genres():
        look = load_genre(name)
        assert look.limits.noise_sigma > look.grain.sigma_codes, name


def test_every_genre_is_explained_with_a_small_picture():
    docs = Path(__file__).parents[1] / "docs"
    text = (docs / "genres.md").read_text(encoding="utf-8")
    for name in genres():
        assert f"\n## {name}\n" in text
        assert f"(genres/{name}.jpg)" in text
        assert (docs / "genres" / f"{name}.jpg").stat().st_size <= 80_000


unit = st.floats(0, 1, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    faces=unit,
    deflicker=unit,
    saturation=st.floats(0.5, 1.5),
    crf=st.integers(0, 40),
    hero=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40),
)
def test_round_trip_of_any_template(tmp_path_factory, faces, deflicker, saturation, crf, hero):
    draft = Draft()
    draft.set("faces.strength", faces)
    draft.set("deflicker.strength", deflicker)
    draft.set("grade.saturation", saturation)
    draft.set("master.crf", crf)
    template = draft.lock(hero=hero)
    path = template.save(tmp_path_factory.mktemp("t") / "t.toml")
    loaded = load_template(path)
    assert isinstance(loaded, Template)
    assert loaded == template
    assert loaded.sha256 == template.sha256


def test_a_template_locked_before_a_setting_existed_still_opens(tmp_path):
    path = Draft.from_genre("romance").lock().save(tmp_path / "t.toml")
    table, _, seal = path.read_text().partition("\n# The seal")
    sealed = json.loads(seal.partition("'''")[2].partition("'''")[0])
    del sealed["gates"]
    table = re.sub(r"\[gates\].*?(?=\n\[)", "", table, flags=re.DOTALL)
    digest = canonical_sha256(sealed)
    old = f"{table}\n[lock]\nsha256 = \"{digest}\"\nvalues = '''\n{json.dumps(sealed)}'''\n"
    path.write_text(old)
    assert load_template(path).gates.flicker_ratio == 1.05
    path.write_text(old.replace("saturation = 1.04", "saturation = 1.4", 1))
    with pytest.raises(FinishError, match=r"grade\.saturation: 1\.04 -> 1\.4"):
        load_template(path)
    path.write_text(old.replace(digest, "0" * 64))
    with pytest.raises(FinishError, match="its seal does not fit"):
        load_template(path)
