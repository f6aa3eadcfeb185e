"""Every odd or broken file there is, measured in one call: an outcome each, and nothing else."""

import csv
import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finishkit.ingest import CODES

pytestmark = pytest.mark.slow

LIMIT_S = 400
"""Far above what it takes (about 40 s on two quiet processors): a hang must end the test."""


def digests(folder: Path) -> dict[str, str]:
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Every file of the collection in one episode; what came of it."""
    from tests.conftest import FOOTAGE

    episode = tmp_path_factory.mktemp("hostile") / "ep"
    episode.mkdir()
    names = []
    for source in sorted((Path(FOOTAGE) / "hostile").iterdir()):
        target = episode / source.name
        target.mkdir() if source.is_dir() else shutil.copyfile(source, target)
        names.append(source.name)
    shutil.copyfile(Path(FOOTAGE) / "hostile" / "io_realshort.mp4", episode / "-y.mp4")
    names.append("-y.mp4")
    # Listed, so that endings no camera writes are tried as well.
    with (episode / "shots.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("shot", "file"))
        rows.writerows((f"{i:02d}", name) for i, name in enumerate(names))
    before = digests(episode)
    out = episode.parent / "out"
    ended = subprocess.run(
        [sys.executable, "-m", "finishkit", "measure", str(episode), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    report = json.loads((out / "ep" / "report.json").read_text())
    shots = dict(zip(names, sorted(report["shots"], key=lambda s: s["order"]), strict=True))
    refused = {q["file"]: q for q in report["quarantined"]}
    return ended, shots, refused, (before, digests(episode))


@pytest.mark.footage
@pytest.mark.slow
def test_every_file_has_exactly_one_outcome(measured):
    ended, shots, refused, _ = measured
    assert ended.returncode == 3, ended.stderr
    assert len(shots) >= 61
    for name, shot in shots.items():
        assert shot["state"] in {"measured", "quarantined"}, name
        assert (shot["state"] == "quarantined") == (name in refused), name


@pytest.mark.footage
@pytest.mark.slow
def test_the_refused_have_a_reason_and_the_measured_numbers(measured):
    _, shots, refused, _ = measured
    for name, shot in shots.items():
        numbers = [v for v in (shot["raw"] or {}).values() if v is not None]
        if shot["state"] == "quarantined":
            assert refused[name]["code"] in CODES, refused[name]
            assert refused[name]["code"] not in {"killed", "timeout"}, name
            assert name in refused[name]["text"], name
            assert not numbers, name
        else:
            assert numbers, name
            assert all(math.isfinite(v) for v in numbers), name


@pytest.mark.footage
@pytest.mark.slow
def test_known_files_end_as_they_should(measured):
    _, shots, refused, _ = measured
    codes = {
        "der_s_directory.mp4": "not_a_file",
        "der_s_zero_bytes.mp4": "empty",
        "der_s_text_named.mp4": "unreadable",
        "der_s_trunc_noindex.mp4": "unreadable",
        "der_s_trunc_faststart.mp4": "undecodable",
        "der_s_10bit_hevc_pq.mp4": "hdr",
        "m4_video_colr_nclx_hlg.mp4": "hdr",
        "m3_sample_audio_only.mp4": "no_video",
        "tc_transparent.gif": "unreadable",
        "small_FlashVideo.flv": "unreadable",
        "small_AudioVideoInterleave.avi": "unreadable",
    }
    assert {name: refused[name]["code"] for name in codes} == codes
    usable = ("-y.mp4", "der_s_2x2.mp4", "der_s_one_frame.mp4", "der_s_vfr_jitter.mp4",
              "der_s_ffv1_rgb.mkv", "tc_h264_10bits.mp4", "dc_video_180.mov",
              "tc_testsrc2_odd_height_and_width_vp9_10bit.mp4", "mp_no_duration.webm")  # fmt: skip
    assert {name: shots[name]["state"] for name in usable} == dict.fromkeys(usable, "measured")


@pytest.mark.footage
@pytest.mark.slow
def test_sources_are_only_read(measured):
    before, after = measured[3]
    assert before == after
