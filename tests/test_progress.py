import io
import json

import pytest

from finishkit.progress import JsonLines, Pace, Progress, Terminal, duration_text


def test_pace_gives_rate_and_time_left():
    pace = Pace(window_s=600)
    assert pace.per_hour is None
    assert pace.eta_s(10) is None
    for done, now in ((0, 0.0), (1, 30.0), (2, 60.0)):
        pace.update(done, now)
    assert pace.per_hour == pytest.approx(120)
    assert pace.eta_s(10) == pytest.approx(240)


def test_pace_forgets_a_slow_start():
    pace = Pace(window_s=100)
    for done, now in ((0, 0.0), (1, 1000.0), (2, 1010.0), (3, 1020.0)):
        pace.update(done, now)
    assert pace.per_hour == pytest.approx(360)


def test_events_reach_every_sink(tmp_path):
    stream = io.StringIO()
    say = Progress(JsonLines(tmp_path / "e.jsonl"), Terminal(stream))
    count = say.counter("measure")
    count(0, 2, "")
    count(1, 2, "a")
    count(2, 2, "b")
    say("quarantine", shot="c", text="c.mp4: it is a text")
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [(e["kind"], e["done"]) for e in events] == [
        ("stage", 0), ("shot", 1), ("shot", 2), ("quarantine", 0)
    ]  # fmt: skip
    shown = stream.getvalue()
    assert "2/2 shots" in shown
    assert "quarantined c: c.mp4: it is a text" in shown
    assert "\x1b" not in shown, "no control codes where nobody looks"


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.4, "7 s"), (89, "89 s"), (600, "10 min"), (7800, "2 h 10 min")]
)
def test_durations_as_people_say_them(seconds, text):
    assert duration_text(seconds) == text
