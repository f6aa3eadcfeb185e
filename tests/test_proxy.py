"""A shot as one clip, before beside after: every frame carries its number, so that none can lie."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from finishkit.errors import FinishError
from finishkit.frames import Frames, master_encoding, read_frames, write_frames
from finishkit.preview import Preview, open_preview
from finishkit.preview.halves import make_pair
from finishkit.preview.newest import SupersededError
from finishkit.preview.proxy import GROUP, KEPT, Proxies, Proxy, make_proxy
from finishkit.template import Look

BITS = 6
COUNT = 30
RATE = 24


def numbered(count: int, width: int = 144, height: int = 256) -> np.ndarray:
    """Return frames whose columns are the bits of their number: (count, h, w, 3) float32."""
    frames = np.full((count, height, width, 3), 0.15, np.float32)
    for number in range(count):
        for bit in range(BITS):
            if number >> bit & 1:
                left, right = width * bit // BITS, width * (bit + 1) // BITS
                frames[number, :, left:right] = 0.85
    return frames


def number_of(picture: np.ndarray) -> int:
    """Read the number of a picture, shape (h, w, 3), uint8, from the middle of each column."""
    height, width = picture.shape[:2]
    middle = picture[height // 2, [width * (2 * bit + 1) // (2 * BITS) for bit in range(BITS)], 1]
    return sum(1 << bit for bit, value in enumerate(middle) if value > 128)


def write(path: Path, pictures: np.ndarray, rate: int = RATE, crf: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(len(pictures)) / rate
    write_frames(
        path,
        [Frames(data=pictures, pts_s=times)],
        rate_fps=Fraction(rate),
        encoding=master_encoding(crf, "ultrafast", 1),
    )
    return path


@pytest.fixture(scope="module")
def preview(tmp_path_factory: pytest.TempPathFactory) -> Preview:
    """Shot ``n`` carries numbers, ``wide`` is nearly square, ``noise`` cannot be packed."""
    folder = tmp_path_factory.mktemp("show") / "ep"
    write(folder / "n.mp4", numbered(COUNT))
    write(folder / "wide.mp4", numbered(3, 1000, 1080))
    noise = np.random.default_rng(3).random((24, 256, 144, 3)).astype(np.float32)
    write(folder / "noise.mp4", noise)
    return open_preview(folder, tmp_path_factory.mktemp("runs"), jobs=1)


def opened(proxy: Proxy, tmp_path: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    path = tmp_path / "proxy.mp4"
    path.write_bytes(proxy.data)
    both = [p for chunk in read_frames(path, dtype="uint8") for p in chunk.as_uint8()]
    width = proxy.width_px
    return [p[:, :width] for p in both], [p[:, proxy.stride_px :][:, :width] for p in both]


def test_both_halves_of_every_frame_are_that_frame(preview, tmp_path):
    proxy = make_proxy(preview, "n", Look())
    before, after = opened(proxy, tmp_path)
    assert [number_of(p) for p in before] == list(range(COUNT))
    assert [number_of(p) for p in after] == list(range(COUNT))
    assert (proxy.frame_count, proxy.rate_fps) == (COUNT, RATE)
    assert (proxy.width_px, proxy.height_px, proxy.stride_px) == (144, 256, 144)


def test_the_halves_are_the_source_and_what_the_preview_shows(preview, tmp_path):
    look = Look().replace(grade=Look().grade.replace(contrast=0.8, saturation=0.9))
    proxy = make_proxy(preview, "n", look)
    before, after = opened(proxy, tmp_path)
    pair = make_pair(preview, "n", look, 21)
    assert not np.array_equal(pair.before_picture, pair.after_picture)
    for half, still in ((before, pair.before_picture), (after, pair.after_picture)):
        assert np.abs(half[21].astype(float) - still).mean() < 1.5


def test_a_player_can_seek_it_and_shows_its_colour_right(preview, tmp_path):
    path = tmp_path / "proxy.mp4"
    path.write_bytes(make_proxy(preview, "n", Look()).data)
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")
    with av.open(str(path)) as clip:
        stream = clip.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1
        packets = [p for p in clip.demux(stream) if p.dts is not None]
        assert [p.pts for p in packets] == [p.dts for p in packets]
        assert [i for i, p in enumerate(packets) if p.is_keyframe] == list(range(0, COUNT, GROUP))
        assert [float(p.pts * p.time_base) for p in packets] == pytest.approx(
            [n / RATE for n in range(COUNT)], abs=1e-4
        )


def test_sizes_are_even_and_halves_start_at_a_block(preview):
    proxy = make_proxy(preview, "wide", Look())
    assert (proxy.width_px, proxy.height_px) == (540, 582)  # of 583 rows
    assert proxy.stride_px == 544


@pytest.mark.parametrize("rate", [24, 30, 48, 60])
def test_finished_frames_are_found_by_their_time(preview, tmp_path, rate):
    final = write(tmp_path / "n.mp4", numbered(COUNT * rate // RATE), rate)
    before, after = opened(make_proxy(preview, "n", Look(), finished=final), tmp_path)
    nearest = [round(n * rate / RATE - 1e-6) for n in range(COUNT)]
    assert [number_of(p) for p in before] == list(range(COUNT))
    assert [number_of(p) for p in after] == [n % 2**BITS for n in nearest]
    stills = [make_pair(preview, "n", Look(), n, finished=final) for n in (0, 7, 14, 29)]
    assert [number_of(s.after_picture) for s in stills] == [nearest[s.index] % 64 for s in stills]


def test_a_finished_shot_that_ends_early_keeps_its_last_frame(preview, tmp_path):
    final = write(tmp_path / "n.mp4", numbered(20))
    _, after = opened(make_proxy(preview, "n", Look(), finished=final), tmp_path)
    assert [number_of(p) for p in after] == [min(n, 19) for n in range(COUNT)]
    assert number_of(make_pair(preview, "n", Look(), 29, finished=final).after_picture) == 19


def test_the_source_is_brought_into_the_shape_of_the_master(preview, tmp_path):
    final = write(tmp_path / "n.mp4", numbered(COUNT, 1080, 1440))
    proxy = make_proxy(preview, "n", Look(), finished=final)
    assert (proxy.width_px, proxy.height_px) == (540, 720)
    pair = make_pair(preview, "n", Look(), 5, finished=final, whole=True)
    assert pair.before_picture.shape == pair.after_picture.shape == (1440, 1080, 3)
    assert number_of(pair.before_picture) == number_of(pair.after_picture) == 5
    small = make_pair(preview, "n", Look(), 5, finished=final)
    assert small.before_picture.shape == small.after_picture.shape == (720, 540, 3)


def test_a_whole_pair_holds_the_very_pixels_of_the_source(preview):
    pair = make_pair(preview, "wide", Look(), 2, whole=True)
    path = preview.episode["wide"].path
    (source,) = read_frames(path, indices=[2])
    assert np.array_equal(pair.before_picture, source.as_uint8()[0])
    assert pair.after_picture.shape == (1080, 1000, 3)


def test_work_that_nobody_waits_for_stops_and_leaves_nothing(preview, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[tuple[int, int]] = []

    def go_on() -> None:
        if len(seen) == 5:
            raise SupersededError

    with pytest.raises(SupersededError):
        make_proxy(preview, "n", Look(), progress=lambda *at: seen.append(at), go_on=go_on)
    assert seen == [(n, COUNT) for n in range(1, 6)]
    assert list(tmp_path.iterdir()) == []


def test_it_is_never_larger_than_a_message_may_be(preview):
    free = len(make_proxy(preview, "noise", Look()).data)
    limit = free // 3
    assert len(make_proxy(preview, "noise", Look(), max_bytes=limit).data) <= limit
    with pytest.raises(FinishError, match="larger than") as error:
        make_proxy(preview, "noise", Look(), max_bytes=2000)
    assert error.value.code == "proxy_too_large"


def test_the_newest_wins_and_what_was_made_is_kept(preview):
    proxies, got = Proxies(preview), list[Proxy | Exception]()
    looks = [Look().replace(grade=Look().grade.replace(contrast=c)) for c in (0.8, 0.9, 1.1)]
    jobs = [proxies.start("n", look, None, got.append, patience_s=0.2) for look in looks]
    assert all(job.wait(30) for job in jobs)
    (made,) = got
    assert proxies.kept("n", looks[2]) is made
    assert proxies.kept("n", looks[0]) is None
    # What makes no other pictures makes no other clip.
    other = looks[2].replace(master=looks[2].master.replace(crf=20))
    assert proxies.kept("n", other) is made
    assert proxies.kept("n", looks[2].replace(hero="wide")) is None
    for number in range(KEPT):
        grade = Look().grade.replace(contrast=0.7 + number / 100)
        assert proxies.start("n", Look().replace(grade=grade), None, got.append).wait(30)
    assert proxies.kept("n", looks[2]) is None


def test_an_error_is_handed_over(preview, tmp_path):
    proxies, got = Proxies(preview), list[Proxy | Exception]()
    broken = tmp_path / "n.mp4"
    broken.write_bytes(b"not a clip")
    assert proxies.start("n", Look(), broken, got.append).wait(30)
    assert isinstance(got[0], FinishError)
