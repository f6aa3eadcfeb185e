"""The batch monitor over a folder whose events are known."""

import fcntl
import json
import time

import pytest

from finishkit.preview import Preview
from finishkit_widgets import monitor as module
from finishkit_widgets.monitor import BatchMonitor
from finishkit_widgets.session import Session

STAGES = [["measure", 5], ["upscale+grade", 5], ["master", 1]]


def _event(folder, kind, ago_s, **more):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.jsonl").open("a") as file:
        file.write(json.dumps({"kind": kind, "time_s": time.time() - ago_s, **more}) + "\n")


def _begin(folder, ago_s=100):
    facts = {"shots": 5, "stages": STAGES, "template": "romance", "template_sha256": "c0ffee" * 10}
    _event(folder, "begin", ago_s, facts=facts)


@pytest.fixture
def session(preview: Preview, tmp_path) -> Session:
    return Session(preview, tmp_path / "out", path=tmp_path / "t.toml", language="en")


@pytest.fixture
def held(session: Session):
    session.folder.mkdir(parents=True, exist_ok=True)
    with (session.folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield session.folder


def _figures(monitor: BatchMonitor) -> dict[str, str]:
    return {f["name"]: f["value"] for f in monitor.state["figures"]}


def _hear(monitor: BatchMonitor, name: str) -> None:
    monitor._handle_custom_msg({"do": name}, [])


def test_start_waits_for_a_locked_template_and_says_why(session: Session):
    monitor = session.batch()
    assert monitor.state["can_start"] is False
    assert monitor.state["why_not"].startswith("Lock the template first")
    assert _figures(monitor) == {"finished": "0", "set aside": "0", "left": "5"}
    session.lock()
    assert monitor.state["can_start"] is True
    assert monitor.state["why_not"] == ""


def test_a_click_on_start_without_a_template_is_answered(session: Session):
    monitor = session.batch()
    _hear(monitor, "start")
    assert "Lock the template first" in monitor.trouble
    _hear(monitor, "pause")
    assert "nothing to pause" in monitor.trouble
    _hear(monitor, "open_report")
    assert "no report" in monitor.trouble
    _hear(monitor, "close")
    assert "does not know 'close'" in monitor.trouble


def test_a_run_under_way_is_shown_by_a_new_monitor(session: Session, held):
    _begin(held)
    _event(held, "stage", 100, stage="upscale+grade", total=5)
    for done, ago in ((1, 80), (2, 60), (3, 40)):
        _event(held, "shot", ago, stage="upscale+grade", shot=f"s{done}", done=done, total=5)
    _event(held, "quarantine", 30, shot="s5", text="s5: decoding breaks off.")
    for monitor in (session.batch(), BatchMonitor(session)):
        shown = monitor.state
        assert (shown["phase"], shown["can_pause"], shown["can_start"]) == ("running", True, False)
        assert shown["error"] == "s5: decoding breaks off."
        figures = _figures(monitor)
        assert figures["shots an hour"] == "108"
        # Two at 20 s; the first of them is overdue.
        assert figures["time left"] == "≈ 20 s"
        assert [s["is"] for s in shown["stages"]] == ["over", "now", "ahead"]
        assert shown["template"] == "template romance, seal c0ffeec0ffee"
        assert "Time left: ≈ 20 s" in monitor.summary()
        still = monitor.still_html()
        for word in ("s5: decoding breaks off.", "upscale and grade", "3/5", "108"):
            assert word in still


def test_the_pause_button_writes_the_request(session: Session, held):
    _begin(held)
    monitor = session.batch()
    _hear(monitor, "pause")
    assert monitor.trouble == ""
    assert (held / "pause.request").exists()
    assert monitor.state["phase"] == "pausing"
    assert monitor.state["can_pause"] is False
    monitor.close()


def test_the_folder_is_read_only_while_somebody_looks(session: Session, held, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.02)
    monkeypatch.setattr(module, "LOOKED_S", 0.3)
    _begin(held)
    monitor = session.batch()
    assert monitor._poller is None
    _hear(monitor, "look")
    poller = monitor._poller
    assert poller is not None
    _event(held, "stage", 0, stage="measure", total=5)
    _event(held, "shot", 0, stage="measure", shot="s1", done=1, total=5)
    deadline = time.monotonic() + 5
    while monitor.state["stages"][0]["done"] != 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert monitor.state["stages"][0]["done"] == 1
    poller.join(5)
    assert not poller.is_alive()
    _hear(monitor, "look")
    assert monitor._poller is not poller
    again = monitor._poller
    monitor.close()
    assert again is not None
    again.join(5)
    assert not again.is_alive()


def test_the_report_is_sent_and_a_huge_one_only_named(session: Session, monkeypatch):
    session.report_path.parent.mkdir(parents=True, exist_ok=True)
    session.report_path.write_text("<p>the report</p>")
    monitor = session.batch()
    assert monitor.state["has_report"]
    sent = []
    monkeypatch.setattr(
        monitor, "send", lambda content, buffers=None: sent.append((content, buffers))
    )
    _hear(monitor, "open_report")
    monkeypatch.setattr(module, "MOST_REPORT_BYTES", 3)
    _hear(monitor, "open_report")
    assert [b for _, b in sent] == [[b"<p>the report</p>"], None]
    assert "too large" in sent[1][0]["text"]


@pytest.mark.parametrize(
    ("kind", "more", "label"),
    [("paused", {"text": "x"}, "Go on"), ("end", {"facts": {"exit_code": 0}}, "Run again")],
)
def test_the_start_button_says_what_it_would_do(session: Session, kind, more, label):
    _begin(session.folder)
    _event(session.folder, kind, 50, **more)
    assert session.batch().state["start_label"] == label


def test_chinese(session: Session, held):
    _begin(held)
    monitor = session.batch()
    session.language = "zh"
    assert monitor.state["phase_text"] == "运行中"
    assert monitor.summary().startswith("ep：运行中。")
    assert _figures(monitor)["剩余时间"] == "未知"


def test_unknown_keywords_are_refused(session: Session):
    with pytest.raises(TypeError, match="no keyword"):
        session.batch(colour="red")
