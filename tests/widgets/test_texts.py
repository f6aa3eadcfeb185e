"""The table of words: whole in every language, with the same holes."""

import re
import tomllib
from pathlib import Path

import pytest

import finishkit_widgets
from finishkit_widgets.texts import LANGUAGES, holes, system_language, words

FOLDER = Path(finishkit_widgets.__file__).parent
FILES = sorted((FOLDER / "texts").glob("*.toml"))
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_text_is_there_in_every_language_with_the_same_holes(path: Path):
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    assert table
    for key, said in table.items():
        assert set(said) == set(LANGUAGES), key
        assert all(text.strip() for text in said.values()), key
        assert holes(said["en"]) == holes(said["zh"]), key
        assert not HAN.search(said["en"]), key


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_file_says_again_what_all_share(path: Path):
    common = tomllib.loads((FOLDER / "texts" / "common.toml").read_text(encoding="utf-8"))
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    assert path.stem == "common" or not set(table) & set(common)


def test_unknown_language_is_refused():
    with pytest.raises(KeyError, match="There are: en, zh"):
        words("common", "fr")


@pytest.mark.parametrize(
    ("said", "language"), [("zh_CN.UTF-8", "zh"), ("en_GB.UTF-8", "en"), ("de_DE", "en")]
)
def test_the_machines_language(monkeypatch, said, language):
    for name in ("FINISHKIT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", said)
    assert system_language() == language
    monkeypatch.setenv("FINISHKIT_LANG", "zh")
    assert system_language() == "zh"
