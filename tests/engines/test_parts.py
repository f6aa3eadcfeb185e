"""Folders that workers on other machines write to."""

import threading
import time

from finishkit.engines.parts import desks, take_over


def test_what_won_is_taken_and_all_else_goes(tmp_path):
    part = tmp_path / ".shot_001.part.mp4"
    with desks({tmp_path}) as notes:
        note, said = notes[tmp_path]
        assert note.read_text() == said
        note.with_name("one.mp4").write_bytes(b"won")
        note.with_name("two.mp4").write_bytes(b"lost")
        take_over(note.with_name("one.mp4"), 3, part)
    assert part.read_bytes() == b"won"
    assert list(tmp_path.iterdir()) == [part]


def test_an_attempt_that_goes_on_afterwards_leaves_nothing(tmp_path):
    over = threading.Event()
    deadline = time.monotonic() + 60

    def go_on(desk):
        number = 0
        while time.monotonic() < deadline:
            number += 1
            try:
                (desk / f"{number}.mp4").write_bytes(b"late")
            except FileNotFoundError:
                over.set()
                return

    with desks({tmp_path}) as notes:
        desk = notes[tmp_path][0].parent
        late = threading.Thread(target=go_on, args=(desk,))
        late.start()
        time.sleep(0.05)
        left = time.monotonic()
    late.join()
    assert time.monotonic() - left < 30
    assert over.is_set()
    assert not list(tmp_path.iterdir())
