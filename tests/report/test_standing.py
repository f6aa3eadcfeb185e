import pytest

from finishkit.report.standing import FILES, record, report_key, stands


@pytest.fixture
def report(make):
    return make().report


def written(folder):
    for name in FILES:
        (folder / name).write_text(name)


def test_a_report_stands_until_something_it_was_made_from_changes(report, tmp_path):
    written(tmp_path)
    key = report_key(report, {"a.mp4": "11"})
    assert not stands(tmp_path, key)
    record(tmp_path, key)
    assert stands(tmp_path, key)
    # Another day, or another speed, is the same report.
    later = report.replace(created="2 Jan 2030", throughput_shots_per_h=7.0)
    assert report_key(later, {"a.mp4": "11"}) == key
    assert report_key(report, {"a.mp4": "12"}) != key
    assert report_key(report.replace(hero="another"), {"a.mp4": "11"}) != key


def test_a_report_that_was_touched_does_not_stand(report, tmp_path):
    written(tmp_path)
    key = report_key(report, {})
    record(tmp_path, key)
    (tmp_path / "report.html").write_text("edited")
    assert not stands(tmp_path, key)
    written(tmp_path)
    assert stands(tmp_path, key)
    (tmp_path / "cuts.csv").unlink()
    assert not stands(tmp_path, key)
