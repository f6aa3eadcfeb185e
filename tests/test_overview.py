"""The page over all episodes: true at any time, and nothing in it runs."""

from finishkit.overview import EpisodeResult, EpisodeRow, Overview, Trouble, gather, overview_lines
from finishkit.overview_page import OverviewPages, load_overview, refreshed, render_overview
from finishkit.store import Store

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'


def test_whatever_stands_in_names_and_reasons_is_text():
    trouble = Trouble(shot=HOSTILE, code="damaged", text=HOSTILE)
    row = EpisodeRow(
        episode=HOSTILE, state="attention", exit_code=3, shots=2, finished=1, text=HOSTILE,
        quarantined=(trouble,), regenerate=(trouble,), resume=HOSTILE,
        report='javascript:alert(1)/"onclick=x', master="ep01/master.mp4",
    )  # fmt: skip
    page = render_overview(Overview(written_s=0.0, template=HOSTILE, rows=(row,), resume=HOSTILE))
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert 'href="./javascript%3Aalert' in page
    assert "http" not in page.replace("http-equiv", "")


def _finished(folder):
    store = Store(folder)
    store.plan(folder.name, ("a", "b"))
    store.part("master.mp4").write_bytes(b"x")
    store.commit("master.mp4", key="k", check=lambda _: None)
    store.mark("a", "finished")
    store.mark("b", "quarantined", "damaged", "b.mp4: The decoder met errors.")


def test_the_manifest_decides_and_what_did_not_begin_is_not_called_finished(tmp_path):
    _finished(tmp_path / "ep01")
    result = EpisodeResult(
        episode="ep01", folder=str(tmp_path / "ep01"), exit_code=3, notebook="", text="",
        ended_s=1.0,
    )  # fmt: skip
    overview = gather(
        tmp_path, ["ep01", "ep02"], {"ep01": result}, resume={"ep02": "go on"}, resume_all="go on"
    )
    first, second = overview.rows
    assert (first.state, first.exit_code, first.shots, first.finished) == ("attention", 3, 2, 1)
    assert [t.shot for t in first.quarantined] == ["b"]
    assert first.master == "ep01/master.mp4"
    assert (second.state, second.exit_code, second.resume) == ("waiting", 1, "go on")
    assert overview.exit_code == 1
    said = overview_lines(overview, tmp_path)
    assert "needs you" in said
    assert "quarantined b: b.mp4" in said
    assert "To go on: go on" in said
    assert not (tmp_path / "ep02").exists()


def test_episodes_of_earlier_nights_stay_on_the_page(tmp_path):
    said = []
    OverviewPages([(tmp_path, "ep01", "one")], template="romance").write([], "one", said.append)
    OverviewPages([(tmp_path, "ep02", "two")], template="romance").write([], "two", said.append)
    overview = load_overview(tmp_path)
    assert overview is not None
    assert [row.episode for row in overview.rows] == ["ep01", "ep02"]
    again = refreshed(tmp_path)
    assert again is not None
    assert again.rows == overview.rows
    assert said == []
    assert refreshed(tmp_path / "ep01") is None
