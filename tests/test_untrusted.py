import os
import time

import pytest

from finishkit import untrusted


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    began = time.monotonic()
    for name in ("pipe", "../" + tmp_path.name, "nowhere", "a\0b"):
        with pytest.raises(OSError, match=r".") as caught:
            untrusted.read_bytes(tmp_path / name, 10)
        assert caught.value.strerror
    with pytest.raises(OSError, match="no regular file"):
        untrusted.read_bytes(tmp_path / "pipe", 10)
    assert time.monotonic() - began < 1


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    assert untrusted.read_bytes(tmp_path / "a", 10) == b"0123456789"
    with pytest.raises(untrusted.TooLargeError):
        untrusted.read_bytes(tmp_path / "a", 9)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", '{"a": -Infinity}', "{", "", b"\xff", "9" * 9999]
)
def test_bad_json_is_one_kind_of_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        untrusted.parse_json(text)


def test_a_strangers_text_is_shown_short_and_without_control_characters():
    assert untrusted.shown("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert len(untrusted.shown("x" * 500)) == untrusted.SHOWN
    assert untrusted.shown(["é"]) == "['é']"


def test_a_private_file_holds_exactly_the_bytes_and_cannot_be_changed():
    with untrusted.private_file(b"checked") as path, open(path, "rb") as file:  # noqa: PTH123
        assert file.read() == b"checked"
        with pytest.raises(OSError, match=r"permitted|busy"), open(path, "wb") as other:  # noqa: PTH123
            other.write(b"swapped")
        file.seek(0)
        assert file.read() == b"checked"
