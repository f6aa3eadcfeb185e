"""Faces: more definition, the same person, nothing else touched, nothing left to chance."""

import itertools
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from finishkit.errors import FinishError
from finishkit.frames import Frames
from finishkit.measure.identity import Face, load_backend
from finishkit.settings import FacesSettings
from finishkit.stages import face_crop, faces
from finishkit.stages.face_tracks import Track
from finishkit.stages.faces import Faces, FacesStage, paste, steadied

Clip = NDArray[np.float32]
COUNT, EVERY = 7, 3


def astronaut() -> Clip:
    from skimage import data

    return data.astronaut()[0:300, 90:350].astype(np.float32) / 255


def moved(picture: Clip, i: int) -> Clip:
    """A head that drifts and turns a little: 2 px and half a degree a frame."""
    matrix = cv2.getRotationMatrix2D((130, 130), 0.5 * i, 1.0)
    matrix[:, 2] += (2.0 * i - 8, 1.0 * i)
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(
        cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT), np.float32
    )


@pytest.fixture(scope="module")
def sharp() -> Clip:
    return np.stack([moved(astronaut(), i) for i in range(COUNT)])


@pytest.fixture(scope="module")
def soft(sharp: Clip) -> Clip:
    """The same, as a generator gives it: out of focus, with a little grain."""
    rng = np.random.default_rng(4)
    blurred = np.stack([cv2.GaussianBlur(p, (0, 0), 0.8) for p in sharp])
    grain = rng.normal(0, 1.5 / 255, blurred.shape)
    return np.clip(blurred + grain, 0, 1).astype(np.float32)


def chunks(clip: Clip, size: int = 4) -> Iterator[Frames]:
    for i in range(0, len(clip), size):
        part = clip[i : i + size].copy()
        yield Frames(data=part, pts_s=np.arange(i, i + len(part)) / 24 + 0.25)


def treat(
    clip: Clip, strength: float = 0.6, shift: float = 0.12, size: int = 4, every: int = EVERY
) -> tuple[Clip, dict[str, float]]:
    stage = Faces(
        strength=strength, engine="detail", max_identity_shift=shift, detect_every_frames=every
    )
    notes: dict[str, float] = {}
    out = list(stage(chunks(clip, size), notes))
    times = np.concatenate([o.pts_s for o in out])
    np.testing.assert_array_equal(times, np.arange(len(clip)) / 24 + 0.25)
    return np.concatenate([o.as_float() for o in out]), notes


@pytest.fixture(scope="module")
def treated(soft: Clip) -> tuple[Clip, dict[str, float]]:
    before = soft.copy()
    out = treat(soft)
    np.testing.assert_array_equal(soft, before)
    return out


def as_uint8(picture: Clip) -> NDArray[np.uint8]:
    return np.round(picture * 255).astype(np.uint8)


def face_of(picture: Clip) -> Face:
    (face,) = load_backend().detect(as_uint8(picture))
    return face


def box_of(picture: Clip) -> tuple[slice, slice]:
    left, top, right, bottom = (int(edge) for edge in face_of(picture).box)
    return slice(top, bottom), slice(left, right)


def gradient(luma: Clip) -> float:
    return float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean())


def test_faces_gain_definition_and_come_nearer_to_the_truth(
    sharp: Clip, soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    out, notes = treated
    assert out.shape == soft.shape
    assert notes["faces.count"] == 1
    for i in (0, 2, 4, COUNT - 1):
        rows, columns = box_of(soft[i])
        was, now, want = (clip[i][rows, columns] for clip in (soft, out, sharp))
        assert gradient(now) > 1.015 * gradient(was)
        assert np.mean((now - want) ** 2) < 0.95 * np.mean((was - want) ** 2)


def test_light_and_colour_of_the_face_stay(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    rows, columns = box_of(soft[3])
    was, now = soft[3][rows, columns], treated[0][3][rows, columns]
    np.testing.assert_allclose(now.mean((0, 1)), was.mean((0, 1)), atol=0.6 / 255)
    coarse = [cv2.GaussianBlur(p, (0, 0), 8) for p in (was, now)]
    assert np.abs(coarse[0] - coarse[1]).max() < 2.5 / 255


def test_identity_stays_within_the_gate(soft: Clip, treated: tuple[Clip, dict[str, float]]) -> None:
    out, notes = treated
    backend = load_backend()
    for i in (0, 2, 3, COUNT - 1):
        face = face_of(soft[i])
        before, after = (backend.embed(as_uint8(clip[i]), face) for clip in (soft, out))
        assert backend.distance(before, after) <= 0.12
    assert 0 < notes["faces.identity_shift"] <= 0.12
    assert notes["faces.strength"] == 0.6
    assert notes["faces.gated"] == 0


def test_outside_the_oval_not_a_bit_changes(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    changed = np.abs(treated[0] - soft).max(-1) > 0
    assert all(frame.any() for frame in changed)
    for i in range(COUNT):
        face = face_of(soft[i])
        side_px = face_crop.native_side_px(face.landmarks)
        # An oval a twentieth larger than the one used, for the smoothing of the landmarks.
        cx, cy, rx, ry = face_crop.ELLIPSE
        back = cv2.invertAffineTransform(face_crop.similarity(face.landmarks, side_px))
        angle = np.linspace(0, 2 * np.pi, 90)
        ring = np.stack((cx + 1.08 * rx * np.cos(angle), cy + 1.08 * ry * np.sin(angle)), -1)
        ring = ring * side_px @ back[:, :2].T + back[:, 2]
        inside = np.zeros(changed[i].shape, np.uint8)
        cv2.fillPoly(inside, [np.round(ring).astype(np.int32)], 1)
        assert not (changed[i] & (inside == 0)).any()


def test_a_tight_gate_lowers_the_strength(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    full = treated[1]["faces.identity_shift"]
    out, notes = treat(soft[:4], shift=0.6 * full)
    assert 0 < notes["faces.strength"] < 0.6
    assert notes["faces.gated"] >= 1
    assert notes["faces.identity_shift"] <= 0.6 * full
    assert np.abs(out - soft[:4]).mean() < 0.9 * np.abs(treated[0][:4] - soft[:4]).mean()


def test_a_closed_gate_leaves_the_frames_alone(soft: Clip) -> None:
    out, notes = treat(soft[:4], shift=0.0)
    np.testing.assert_array_equal(out, soft[:4])
    assert notes["faces.strength"] == 0
    assert notes["faces.count"] == 1


def test_the_result_does_not_depend_on_the_chunks(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    np.testing.assert_array_equal(treat(soft, size=1)[0], treated[0])


def test_strength_zero_hands_the_chunks_on(soft: Clip) -> None:
    given = list(chunks(soft))
    stage = Faces(strength=0, engine="detail", max_identity_shift=0.1, detect_every_frames=6)
    got = list(stage(iter(given), {}))
    assert all(a is b for a, b in zip(got, given, strict=True))


def test_one_frame_is_a_shot(soft: Clip) -> None:
    out, notes = treat(soft[:1])
    assert out.shape == soft[:1].shape
    assert np.abs(out - soft[:1]).max() > 0.01
    assert notes["faces.count"] == 1
    assert treat(soft[:2])[0].shape == soft[:2].shape


def test_no_face_or_a_small_one_is_left_alone(soft: Clip) -> None:
    noise = np.random.default_rng(3).random((3, 90, 60, 3), np.float32)
    out, notes = treat(noise)
    np.testing.assert_array_equal(out, noise)
    assert notes == {
        "faces.count": 0,
        "faces.identity_shift": 0,
        "faces.strength": 0,
        "faces.gated": 0,
    }
    small = np.stack([cv2.resize(p, (104, 120), interpolation=cv2.INTER_AREA) for p in soft[:3]])
    small = small.astype(np.float32)
    assert load_backend().detect(as_uint8(small[0])), "there is a face to be left alone"
    np.testing.assert_array_equal(treat(small)[0], small)


def test_a_face_that_appears_fades_in(soft: Clip) -> None:
    rows = slice(60, 200)
    hidden = soft.copy()
    hidden[:3, rows] = 0.5  # covered up to the key at frame 3
    out, _ = treat(hidden)
    amount = np.abs(out - hidden).mean((1, 2, 3))
    assert amount[0] == 0
    assert amount[2] < amount[3]
    assert amount[3] > 0


class Grumpy:
    """Finds the face, and says from the third embedding on that everything changes it."""

    def __init__(self) -> None:
        self.real = load_backend()
        self.asked = 0

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        return self.real.detect(image)

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        self.asked += 1
        return np.full(1, float(self.asked) if self.asked > 2 else 0.0)

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(abs(a - b).max())


def test_a_strength_that_falls_along_the_track_falls_slowly(
    soft: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "load_backend", Grumpy)
    out, notes = treat(soft)
    amount = np.abs(out - soft).mean((1, 2, 3))
    assert amount[0] > 0
    assert all(a > b for a, b in itertools.pairwise(amount[:4])), "a ramp, not a step"
    assert not amount[3:].any(), "at the key that failed, and after it, nothing is added"
    assert (notes["faces.strength"], notes["faces.gated"]) == (0, 1)


def test_texture_is_never_taken_away() -> None:
    """A net that smooths everything adds nothing: faces cannot turn to plastic."""
    crop = astronaut()[60:220, 70:230]

    def smooth(part: Clip) -> Clip:
        out = cv2.GaussianBlur(part[0], (0, 0), 3)
        return np.asarray(cv2.resize(out, None, fx=4, fy=4), np.float32)[None]

    residual = face_crop.definition(crop, smooth)
    assert residual.shape == (160, 160, 1)
    taken = cv2.resize(crop, (160, 160)) - cv2.GaussianBlur(crop, (0, 0), 3)
    assert np.mean(residual**2) < 0.01 * np.mean(taken**2)


def test_the_residual_is_steadied_only_where_the_face_holds_still() -> None:
    rng = np.random.default_rng(5)
    crop = np.full((64, 64, 3), 0.5, np.float32)
    track = Track(side_px=64, box=(0, 0, 1, 1))
    raw = rng.normal(0, 0.02, (12, 64, 64, 1)).astype(np.float32)
    still = np.stack([steadied(track, crop, r) for r in raw])
    jump = [np.diff(clip, axis=0).std() for clip in (raw, still)]
    assert jump[1] < 0.6 * jump[0]
    other = steadied(track, crop + 0.3, raw[0])
    np.testing.assert_allclose(other, raw[0], atol=1e-6)


def test_similarity_puts_the_landmarks_on_the_template() -> None:
    turn = 1.7 * np.exp(1j * 0.4)
    z = (face_crop.TEMPLATE @ (1, 1j)) * 200 * turn + (30 + 50j)
    points = np.stack((z.real, z.imag), -1)
    matrix = face_crop.similarity(points, 128)
    got = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(got, face_crop.TEMPLATE * 128, atol=1e-9)
    assert face_crop.native_side_px(points) == pytest.approx(200 * 1.7, abs=4)


def test_paste_clips_a_face_that_leaves_the_frame() -> None:
    frame = np.full((40, 40, 3), 0.5, np.float32)
    residual = np.full((96, 96, 1), 0.2, np.float32)
    for shift in (-20.0, 0.0, 15.0, 500.0):
        got = paste(frame, residual, face_crop.TEMPLATE * 60 + shift, 1.0)
        assert got.shape == frame.shape
        assert (np.abs(got - frame).max() > 0.1) == (shift < 100)
    assert (frame == 0.5).all()


def test_fit_hands_on_the_settings() -> None:
    stage = FacesStage()
    assert (stage.name, stage.version) == ("faces", 1)
    assert stage.fit([], FacesSettings()) == {}
    shot: Any = SimpleNamespace(id="a")
    (one,) = stage.fit([shot], FacesSettings(strength=0.3)).values()
    assert one is not None
    assert (one.strength, one.detect_every_frames) == (0.3, 6)
    assert pickle.loads(pickle.dumps(one)) == one
    assert stage.fit([shot], FacesSettings(strength=0)) == {"a": None}


def test_the_reference_engine_without_its_weights_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soft: Clip
) -> None:
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path))
    settings = FacesSettings(engine="reference")
    with pytest.raises(FinishError, match=r"GFPGANv1\.4\.pth") as caught:
        FacesStage().fit([], settings)
    assert caught.value.code == "weights_missing"
    with pytest.raises(FinishError, match=r"GFPGANv1\.4\.pth"):
        list(Faces(**dict(settings))(chunks(soft), {}))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "GFPGANv1.4.pth").write_bytes(b"not the weights")
    with pytest.raises(FinishError, match="is not the file"):
        list(Faces(**dict(settings))(chunks(soft), {}))
