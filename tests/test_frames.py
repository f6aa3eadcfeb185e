import hashlib
import itertools
import os
from fractions import Fraction

import av
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.frames import (
    MEZZANINE,
    Frames,
    decode_report,
    join_shots,
    master_encoding,
    probe,
    read_frames,
    untagged_matrix,
    write_frames,
)
from tests import synth

PATCHES = np.array(
    [[200, 30, 30], [30, 200, 30], [30, 30, 200], [128, 128, 128], [255, 255, 255], [0, 0, 0],
     [224, 172, 140]]
)  # fmt: skip


def _patches() -> np.ndarray:
    row = np.repeat(PATCHES / 255, 32, axis=0).astype(np.float32)
    return np.repeat(np.repeat(row[None], 64, axis=0)[None], 6, axis=0)


def _seen(path) -> np.ndarray:
    frames = next(read_frames(path))
    return frames.data[2, 32, 16::32] * 255


@pytest.mark.parametrize(
    ("encoding", "name", "codes"),
    [(MEZZANINE, "a.mkv", 0.35), (master_encoding(8, "veryfast", 1), "a.mp4", 1.5)],
)
def test_colours_survive_a_round_trip(tmp_path, encoding, name, codes):
    path = tmp_path / name
    write_frames(path, synth.chunks(_patches()), rate_fps=Fraction(24), encoding=encoding)
    assert np.abs(_seen(path) - PATCHES).max() <= codes
    seen = probe(path)
    assert (seen.matrix, seen.colour_tagged, seen.full_range) == ("bt709", True, False)


def test_five_passes_through_the_mezzanine_do_not_shift_colour(tmp_path):
    source = tmp_path / "0.mkv"
    write_frames(source, synth.chunks(_patches()), rate_fps=Fraction(24), encoding=MEZZANINE)
    for turn in range(5):
        target = tmp_path / f"{turn + 1}.mkv"
        write_frames(target, read_frames(source), rate_fps=Fraction(24), encoding=MEZZANINE)
        source = target
    assert np.abs(_seen(source) - PATCHES).max() <= 0.6


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast", "medium"])
@pytest.mark.parametrize("threads", [1, 2])
def test_equal_pictures_are_equal_bytes(tmp_path, preset, threads):
    """libx264's macroblock tree made this fail in most runs of five."""
    pictures = synth.panning(count=12, height=512, width=288)
    digests = set()
    for _ in range(5):
        path = tmp_path / "a.mp4"
        encoding = master_encoding(16, preset, threads)
        write_frames(path, synth.chunks(pictures), rate_fps=Fraction(24), encoding=encoding)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_mezzanine_is_lossless_and_repeats(tmp_path):
    digests = set()
    for turn in range(3):
        path = tmp_path / f"{turn}.mkv"
        write_frames(path, synth.chunks(synth.panning()), rate_fps=Fraction(24), encoding=MEZZANINE)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
    again = tmp_path / "again.mkv"
    write_frames(again, read_frames(path), rate_fps=Fraction(24), encoding=MEZZANINE)
    once = np.concatenate([f.data for f in read_frames(path)])
    twice = np.concatenate([f.data for f in read_frames(again)])
    assert np.abs(once - twice).max() * 1023 < 1.01


def test_float_and_byte_readers_agree(tmp_path):
    # On grey: the quick reader repeats chroma samples where the exact one interpolates them.
    grey = np.repeat(synth.panning().mean(axis=3, keepdims=True), 3, axis=3)
    path = synth.write_clip(tmp_path / "a.mp4", grey, sound=False)
    exact = np.concatenate([f.data for f in read_frames(path)])
    quick = np.concatenate([f.data for f in read_frames(path, dtype="uint8")])
    difference = np.abs(exact * 255 - quick)
    assert difference.mean() < 0.5
    assert difference.max() < 2.1


def test_indices_give_those_very_frames(tmp_path):
    data = np.stack([np.full((64, 64, 3), i * 10 / 255, np.float32) for i in range(20)])
    path = synth.write_clip(tmp_path / "a.mp4", data, sound=False)
    picked = np.concatenate([f.data for f in read_frames(path, indices=[3, 11, 17])])
    assert np.round(picked[:, 30, 30, 0] * 255).tolist() == pytest.approx([30, 110, 170], abs=1.5)
    assert list(read_frames(path, indices=[])) == []


def test_reading_scales_to_a_short_side_and_never_up(tmp_path):
    path = synth.write_clip(tmp_path / "a.mp4", synth.panning(), sound=False)
    assert next(read_frames(path, short_side_px=72)).data.shape[1:] == (128, 72, 3)
    assert next(read_frames(path, short_side_px=999)).data.shape[1:] == (256, 144, 3)


def test_untagged_files_follow_the_rule_for_their_size(tmp_path):
    assert (untagged_matrix(404, 720), untagged_matrix(320, 568)) == ("bt709", "bt601")
    for height, matrix in ((720, "bt709"), (256, "bt601")):
        path = tmp_path / f"{height}.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = 144, height, "yuv420p"
            picture = np.full((height, 144, 3), (200, 30, 30), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        seen = probe(path)
        assert (seen.matrix, seen.colour_tagged) == (matrix, False)
        # And it can be overridden: the two readings of the same file differ visibly.
        as_709 = next(read_frames(path, matrix="bt709")).data[0, 50, 50]
        as_601 = next(read_frames(path, matrix="bt601")).data[0, 50, 50]
        assert np.abs(as_709 - as_601).max() * 255 > 8


def test_sound_is_carried_packet_by_packet(tmp_path):
    source = synth.write_clip(tmp_path / "a.mp4", synth.panning(count=24))
    target = tmp_path / "b.mp4"
    write_frames(
        target, read_frames(source), rate_fps=Fraction(24), encoding=master_encoding(20, "fast", 1),
        audio_from=source,
    )  # fmt: skip
    assert _sound_bytes(source) == _sound_bytes(target) != b""


def test_sound_an_mp4_does_not_take_is_encoded(tmp_path):
    source = tmp_path / "pcm.mov"
    _with_pcm(synth.write_clip(tmp_path / "a.mp4", synth.panning(count=24)), source)
    target = tmp_path / "b.mp4"
    write_frames(
        target, read_frames(source), rate_fps=Fraction(24), encoding=master_encoding(20, "fast", 1),
        audio_from=source,
    )  # fmt: skip
    with av.open(str(target)) as made:
        assert made.streams.audio[0].codec_context.name == "aac"
    assert _click_frames(target) == pytest.approx([0, 12], abs=0.3)


def _with_pcm(source, target):
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        picture = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("pcm_s16le", rate=48000)
        sound.codec_context.layout = "mono"
        resampler = av.audio.resampler.AudioResampler("s16", "mono", 48000)
        for packet in old.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video":
                packet.stream = picture
                new.mux(packet)
            else:
                for frame in packet.decode():
                    for block in resampler.resample(frame):
                        new.mux(sound.encode(block))
        new.mux(sound.encode(None))


def _sound_bytes(path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(p) for p in container.demux(audio=0))


def _click_frames(path, rate: float = 24.0) -> list[float]:
    blocks, start = [], None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            start = frame.time if start is None else start
            blocks.append(frame.to_ndarray()[0])
    loud = np.flatnonzero(np.abs(np.concatenate(blocks)) > 0.3)
    first = [loud[0], *(b for a, b in itertools.pairwise(loud) if b - a > 2000)]
    return [float((i / 48000 + (start or 0)) * rate) for i in first]


def test_joined_shots_keep_every_frame_and_stay_in_sync(tmp_path):
    counts, sources, shots = [24, 31, 17], [], []
    for i, count in enumerate(counts):
        sources.append(synth.write_clip(tmp_path / f"{i}.mp4", synth.panning(i, count)))
        shots.append(tmp_path / f"f{i}.mp4")
        write_frames(
            shots[-1], read_frames(sources[-1]), rate_fps=Fraction(24),
            encoding=master_encoding(16, "veryfast", 2), audio_from=sources[-1],
        )  # fmt: skip
    master = tmp_path / "master.mp4"
    assert join_shots(master, shots, sources, rate_fps=Fraction(24)) == 72
    report = decode_report(master)
    assert (report.frame_count, report.increasing, report.constant_rate) == (72, True, True)
    assert report.duration_s == pytest.approx(3.0)
    expected = [0, 12, 24, 36, 48, 55, 67]
    assert _click_frames(master) == pytest.approx(expected, abs=0.3)
    joined = np.concatenate([f.data for f in read_frames(master, dtype="uint8")])
    apart = np.concatenate([f.data for s in shots for f in read_frames(s, dtype="uint8")])
    assert (joined == apart).all(), "pictures must be copied, not encoded again"


def test_a_shot_without_sound_is_silent_and_moves_nobody(tmp_path):
    sources = [
        synth.write_clip(tmp_path / "a.mp4", synth.panning(0, 24), sound=False),
        synth.write_clip(tmp_path / "b.mp4", synth.panning(1, 24)),
    ]
    shots = [tmp_path / "fa.mp4", tmp_path / "fb.mp4"]
    for source, shot in zip(sources, shots, strict=True):
        write_frames(
            shot, read_frames(source), rate_fps=Fraction(24),
            encoding=master_encoding(16, "veryfast", 1),
        )  # fmt: skip
    join_shots(tmp_path / "m.mp4", shots, sources, rate_fps=Fraction(24))
    assert _click_frames(tmp_path / "m.mp4") == pytest.approx([24, 36], abs=0.3)


def test_shots_encoded_otherwise_are_not_joined(tmp_path):
    shots = []
    for i, height in enumerate((256, 240)):
        shots.append(tmp_path / f"{i}.mp4")
        write_frames(
            shots[-1], synth.chunks(synth.panning(i, 6, height=height)), rate_fps=Fraction(24),
            encoding=master_encoding(16, "veryfast", 1),
        )  # fmt: skip
    with pytest.raises(FinishError, match="other settings"):
        join_shots(tmp_path / "m.mp4", shots, [None, None], rate_fps=Fraction(24))


def test_frames_are_checked_and_read_only():
    good = Frames(data=np.zeros((2, 4, 4, 3), np.float32), pts_s=np.array([0.0, 0.1]))
    with pytest.raises(ValueError, match="read-only"):
        good.data[0] = 1
    with pytest.raises(ValueError, match="pictures but pts_s"):
        Frames(data=np.zeros((2, 4, 4, 3), np.float32), pts_s=np.array([0.0]))
    with pytest.raises(ValueError, match="float64"):
        Frames(data=np.zeros((1, 4, 4, 3)), pts_s=np.array([0.0]))


def test_odd_sizes_and_missing_folders_are_refused_with_a_sentence(tmp_path):
    odd = synth.chunks(np.zeros((2, 65, 33, 3), np.float32))
    with pytest.raises(FinishError, match="even"):
        write_frames(
            tmp_path / "a.mp4", odd, rate_fps=Fraction(24),
            encoding=master_encoding(20, "fast", 1),
        )  # fmt: skip
    with pytest.raises(FinishError, match="could not be written"):
        write_frames(
            tmp_path / "no" / "a.mkv", synth.chunks(synth.panning(count=2)),
            rate_fps=Fraction(24), encoding=MEZZANINE,
        )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["#EXTM3U\n#EXTINF:1,\n{path}\n", "ffconcat version 1.0\nfile '{name}'\n", "not a video"],
)
def test_playlists_and_texts_named_mp4_open_nothing(tmp_path, text):
    clip = synth.write_clip(tmp_path / "real.mp4", synth.panning(count=4), sound=False)
    for ending in ("mp4", "m3u8"):
        trap = tmp_path / f"trap.{ending}"
        trap.write_text(text.format(path=clip, name=clip.name))
        with pytest.raises(FinishError) as caught:
            probe(trap)
        assert caught.value.code == "unreadable"


def test_a_named_pipe_is_not_opened_by_ingest(tmp_path):
    from finishkit.ingest import check_clip
    from finishkit.shots import Shot, ShotId

    os.mkfifo(tmp_path / "a.mp4")
    found = check_clip(Shot(id=ShotId("a"), path=tmp_path / "a.mp4", scene="1"))
    assert (found.ok, found.code) == (False, "not_a_file")


def test_the_same_file_reads_the_same_every_time(tmp_path):
    """swscale's own threads race at slice borders: eight pixels wrong, by up to 122 codes."""
    rng = np.random.default_rng(0)
    busy = rng.random((24, 384, 216, 3), np.float32)
    path = synth.write_clip(tmp_path / "a.mp4", busy, sound=False)
    once = np.concatenate([f.data for f in read_frames(path)])
    for _ in range(4):
        again = np.concatenate([f.data for f in read_frames(path)])
        assert (again == once).all()
