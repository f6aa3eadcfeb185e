"""Encoders are tried, not assumed; each gives equal bytes for equal pictures."""

import hashlib
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from finishkit import doctor
from finishkit.deliver import codecs
from finishkit.deliver.codecs import Choice, Codec, Hardware, choose
from finishkit.errors import FinishError
from finishkit.frames import encoders, master_encoding, write_frames
from finishkit.frames.encoders import SOFTWARE_ENCODERS, Trial, tried
from finishkit.frames.likeness import likeness
from finishkit.frames.scheduling import scheduled_as_before
from finishkit.frames.transcode import _given, encode_again
from tests import synth


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    pictures = synth.panning(count=12, height=256, width=144)
    encoding = master_encoding(12, "veryfast", 1)
    write_frames(path, synth.chunks(pictures), rate_fps=Fraction(24), encoding=encoding)
    return path


def test_the_software_encoders_of_the_wheel_open_and_nonsense_does_not():
    found = tried(*SOFTWARE_ENCODERS, "no_such_encoder")
    assert [t.opens for t in found.values()] == [True, True, True, False]
    assert found["no_such_encoder"].why == "not in this build of FFmpeg"


def test_one_that_ends_its_process_is_named_and_the_next_is_still_tried(monkeypatch):
    """As a driver may that does not fit."""
    monkeypatch.setattr(encoders, "_known", dict)
    asked = []

    def child(names):
        asked.append(list(names))
        if names[0] == "fatal":
            return [], "the process that tried it ended with -11"
        return ['{"name": "libx264", "opens": true, "why": ""}'], ""

    monkeypatch.setattr(encoders, "_child", child)
    found = tried("fatal", "libx264")
    assert asked == [["fatal", "libx264"], ["libx264"]]
    assert not found["fatal"].opens
    assert found["fatal"].why == "the process that tried it ended with -11"
    assert found["libx264"].opens


@pytest.mark.parametrize("codec", list(Codec))
def test_equal_pictures_are_equal_bytes(tmp_path, clip, codec):
    encoding = choose(codec, hardware=Hardware.OFF).encoding(Fraction(24))
    digests = set()
    for turn in range(3):
        path = tmp_path / f"{turn}.mp4"
        encode_again(path, clip, rate_fps=Fraction(24), encoding=encoding)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_no_encoder_takes_the_machine_for_itself(tmp_path, clip):
    """For root SVT-AV1 goes real-time, and every test after it would wait for this process."""
    for codec in Codec:
        encoding = choose(codec, hardware=Hardware.OFF).encoding(Fraction(24))
        with scheduled_as_before():
            encode_again(tmp_path / f"{codec}.mp4", clip, rate_fps=Fraction(24), encoding=encoding)
            threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
            assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}


def test_eight_bits_become_ten_by_a_shift_and_nothing_else():
    frame = av.VideoFrame(64, 64, "yuv420p")
    frame.color_range = 1
    codes = np.arange(64 * 64, dtype=np.uint8)
    for plane in frame.planes:
        plane.update(np.resize(codes, plane.buffer_size).tobytes())
    before = [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[:, : p.width].copy()
              for p in frame.planes]  # fmt: skip
    for wide, shift in (("yuv420p10le", 2), ("p010le", 8)):
        after = _given(frame, 0, Fraction(24), wide)
        luma = after.planes[0]
        rows = np.frombuffer(luma, np.uint16).reshape(-1, luma.line_size // 2)[:, :64]
        assert np.array_equal(rows, before[0].astype(np.uint16) << shift)
        chroma = after.planes[1]
        rows = np.frombuffer(chroma, np.uint16).reshape(-1, chroma.line_size // 2)
        due = (
            before[1] if wide == "yuv420p10le" else np.dstack(before[1:]).reshape(32, 64)
        ).astype(np.uint16)
        assert np.array_equal(rows[:, : due.shape[1]], due << shift)


def test_likeness_is_one_to_itself_and_falls_with_bits(tmp_path, clip):
    assert likeness(clip, clip, every=4).ssim_least == 1
    seen = []
    for crf in (12, 30, 45):
        path = tmp_path / f"{crf}.mp4"
        encoding = choose(Codec.H264, crf=crf, hardware=Hardware.OFF).encoding(Fraction(24))
        encode_again(path, clip, rate_fps=Fraction(24), encoding=encoding)
        seen.append(likeness(path, clip, every=4).ssim_mean)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.98 > 0.93 > seen[2]


def test_a_file_with_a_frame_too_few_is_no_encode_of_the_other(tmp_path, clip):
    path = tmp_path / "short.mp4"
    encoding = choose(Codec.H264, hardware=Hardware.OFF).encoding(Fraction(24))
    assert encode_again(path, clip, rate_fps=Fraction(24), encoding=encoding, most_frames=11) == 11
    with pytest.raises(FinishError, match="one ends after 11"):
        likeness(path, clip)


def test_a_card_is_used_where_it_opens_and_told_of_where_it_does_not(monkeypatch):
    """No NVENC here: what is told of one stands in for it, the choice is the product's."""
    opens = {"hevc_nvenc": Trial(name="hevc_nvenc", opens=True),
             "libx265": Trial(name="libx265", opens=True)}  # fmt: skip
    monkeypatch.setattr(codecs, "tried", lambda *names: {n: opens[n] for n in names})
    choice = choose(Codec.HEVC)
    assert (choice.encoder, choice.in_hardware, choice.note) == ("hevc_nvenc", True, "")
    assert choice.encoding(Fraction(24)).pixel_format == "p010le"
    assert choose(Codec.HEVC, hardware=Hardware.OFF).encoder == "libx265"
    opens["hevc_nvenc"] = Trial(name="hevc_nvenc", opens=False, why="Cannot load libcuda.so.1")
    choice = choose(Codec.HEVC)
    assert choice.encoder == "libx265"
    assert choice.note == "No NVENC here (Cannot load libcuda.so.1): encoded on the processor."


@pytest.mark.parametrize("codec", list(Codec))
def test_a_cards_encoder_knows_every_setting_it_would_be_given(codec):
    """What it does with them cannot be seen here; that it has them can."""
    choice = Choice(codec=codec, crf=20, encoder=codecs.NVENC[codec])
    known = av.CodecContext.create(choice.encoder, "w").supported_options
    names = {option.name for option in (*known.generic, *known.private)}
    assert {name for name, _ in choice.encoding(Fraction(24)).options} <= names


def test_a_missing_encoder_is_named_with_the_cure(monkeypatch):
    gone = Trial(name="libsvtav1", opens=False, why="not in this build of FFmpeg")
    others = {n: Trial(name=n, opens=True) for n in SOFTWARE_ENCODERS} | {"libsvtav1": gone}
    monkeypatch.setattr(codecs, "tried", lambda *names: {n: others[n] for n in names})
    with pytest.raises(FinishError, match=r"pip install .*--codec h264 or hevc") as failed:
        choose(Codec.AV1, hardware=Hardware.OFF)
    assert failed.value.code == "no_encoder"


def test_doctor_tells_of_encoders_and_of_the_card():
    said = {f.what: f for f in doctor._encoders()}
    assert (said["encoders"].state, said["encoders"].text) == (
        "ok", "libx264, libx265, libsvtav1",
    )  # fmt: skip
    for what in ("NVENC", "NVDEC"):
        found = said[what]
        assert found.state == "ok" or "none opens (" in found.text
