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

from finishkit.frames import Frames, read_frames
from finishkit.measure.identity import Face, FaceLimits, is_usable, load_backend
from finishkit.settings import FacesSettings
from finishkit.stages import face_crop, faces
from finishkit.stages.face_crop import paste
from finishkit.stages.face_detail import LEAST, definition, softness
from finishkit.stages.face_steady import FlickerMeter, Memory, calmed, steadied
from finishkit.stages.faces import Faces, FacesStage

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


def faces_filter(
    strength: float = 0.6, shift: float = 0.12, every: int = EVERY, backend: str = "dlib"
) -> Faces:
    return Faces(
        strength=strength,
        engine="detail",
        max_identity_shift=shift,
        detect_every_frames=every,
        backend=backend,
    )


def treat(
    clip: Clip, strength: float = 0.6, shift: float = 0.12, size: int = 4, every: int = EVERY
) -> tuple[Clip, dict[str, float]]:
    notes: dict[str, float] = {}
    out = list(faces_filter(strength, shift, every)(chunks(clip, size), notes))
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
        assert gradient(now) > 1.04 * gradient(was)
        assert np.mean((now - want) ** 2) < 0.92 * np.mean((was - want) ** 2)


def test_light_and_colour_of_the_face_stay(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    rows, columns = box_of(soft[3])
    was, now = soft[3][rows, columns], treated[0][3][rows, columns]
    np.testing.assert_allclose(now.mean((0, 1)), was.mean((0, 1)), atol=0.6 / 255)
    coarse = [cv2.GaussianBlur(p, (0, 0), 8) for p in (was, now)]
    assert np.abs(coarse[0] - coarse[1]).max() < 3 / 255


def test_identity_stays_within_the_gate(soft: Clip, treated: tuple[Clip, dict[str, float]]) -> None:
    out, notes = treated
    backend = load_backend()
    for i in (1, 4, COUNT - 1):  # two of them lie between those the stage looks at
        face = face_of(soft[i])
        before, after = (backend.embed(as_uint8(clip[i]), face) for clip in (soft, out))
        assert backend.distance(before, after) <= 0.12
    assert 0 < notes["faces.identity_shift"] <= notes["faces.identity_limit"] == 0.12
    assert notes["faces.strength"] == 0.6
    assert notes["faces.gated"] == 0


def test_outside_the_oval_not_a_bit_changes(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    changed = np.abs(treated[0] - soft).max(-1) > 0
    assert all(frame.any() for frame in changed)
    for i in range(COUNT):
        face = face_of(soft[i])
        side_px = face_crop.native_side_px(face.eyes)
        # An oval a twentieth larger than the one used, for the smoothing of the landmarks.
        cx, cy, rx, ry = face_crop.ELLIPSE
        back = cv2.invertAffineTransform(face_crop.similarity(face.landmarks, side_px))
        angle = np.linspace(0, 2 * np.pi, 90)
        ring = np.stack((cx + 1.08 * rx * np.cos(angle), cy + 1.08 * ry * np.sin(angle)), -1)
        ring = ring * side_px @ back[:, :2].T + back[:, 2]
        inside = np.zeros(changed[i].shape, np.uint8)
        cv2.fillPoly(inside, [np.round(ring).astype(np.int32)], 1)
        assert not (changed[i] & (inside == 0)).any()


def test_a_tight_gate_lowers_the_strength_no_further_than_it_must(
    soft: Clip, treated: tuple[Clip, dict[str, float]]
) -> None:
    full = treated[1]["faces.identity_shift"]
    out, notes = treat(soft[:4], shift=0.6 * full)
    assert 0 < notes["faces.strength"] < 0.6
    assert notes["faces.gated"] >= 1
    assert 0.3 * full < notes["faces.identity_shift"] <= 0.6 * full
    assert np.abs(out - soft[:4]).mean() < 0.95 * np.abs(treated[0][:4] - soft[:4]).mean()


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
    got = list(faces_filter(strength=0)(iter(given), {}))
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
        "faces.identity_limit": 0.12,
        "faces.strength": 0,
        "faces.gated": 0,
        "faces.flicker_ratio": 1,
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
    """Finds the face, and says from the fifth embedding on that everything changes it."""

    limits = FaceLimits(regenerate=0.52, spread=0.42, margin=0.07)

    def __init__(self, _: str) -> None:
        self.real = load_backend()
        self.asked = 0

    def detect(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        return self.real.detect(image)

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        self.asked += 1
        return np.full(1, float(self.asked) if self.asked > 4 else 0.0)

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(abs(a - b).max())


def test_a_strength_that_falls_along_the_track_falls_slowly(
    soft: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "load_backend", Grumpy)
    out, notes = treat(soft, every=4)
    amount = np.abs(out - soft).mean((1, 2, 3))
    assert amount[0] > 0
    assert all(a > b for a, b in itertools.pairwise(amount[2:5])), "a ramp, not a step"
    assert not amount[4:].any(), "at the key that failed, and after it, nothing is added"
    assert (notes["faces.strength"], notes["faces.gated"]) == (0, 1)


class Stranger(Grumpy):
    """Distances twice dlib's."""

    limits = FaceLimits(regenerate=1.04, spread=0.84, margin=0.14)

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float64]:
        return self.real.embed(image, face)

    def distance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return 2 * self.real.distance(a, b)


def test_the_gate_is_in_the_units_of_the_backend_in_use(
    soft: Clip, treated: tuple[Clip, dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(faces, "load_backend", lambda name: asked.append(name) or Stranger(name))
    notes: dict[str, float] = {}
    out = list(faces_filter(backend="arcface:x.onnx,dlib")(chunks(soft), notes))
    assert asked == ["arcface:x.onnx,dlib"]
    np.testing.assert_array_equal(np.concatenate([o.as_float() for o in out]), treated[0])
    assert notes["faces.identity_limit"] == pytest.approx(0.24)
    assert notes["faces.identity_shift"] == pytest.approx(2 * treated[1]["faces.identity_shift"])


def test_faces_do_not_flicker_more(soft: Clip, treated: tuple[Clip, dict[str, float]]) -> None:
    """The clip moves 2 px a frame under grain that is new in every frame."""
    assert treated[1]["faces.flicker_ratio"] <= 1.0


def test_the_meter_sees_flicker_that_was_added() -> None:
    rng = np.random.default_rng(8)
    still = np.repeat(cv2.resize(astronaut()[60:220, 70:230], (96, 96))[None], 12, 0)
    clip = np.clip(still + rng.normal(0, 0.004, still.shape), 0, 1).astype(np.float32)
    flashing = np.clip(clip * (1 + 0.02 * rng.normal(size=(12, 1, 1, 1))), 0, 1).astype(np.float32)
    fading = np.clip(clip * np.linspace(1, 0.9, 12)[:, None, None, None], 0, 1).astype(np.float32)
    ratios = []
    for out in (clip, flashing, fading):
        meter = FlickerMeter()
        for a, b in zip(clip, out, strict=True):
            meter.see(a, b)
        ratios.append(meter.ratio)
    assert ratios[0] == 1
    assert ratios[1] > 1.5
    assert ratios[2] < 1.05, "a fade is no flicker"


def test_nothing_is_made_of_grain_and_no_halo() -> None:
    rng = np.random.default_rng(6)
    grain = np.clip(0.5 + rng.normal(0, 2 / 255, (160, 160, 1)), 0, 1).repeat(3, 2)
    crop = grain.astype(np.float32)
    inner = slice(40, 120)
    added = definition(crop, 1.0)[inner, inner, 0]
    assert added.std() < 0.6 * crop[inner, inner, 0].std()
    edge = np.full((160, 160, 3), 0.3, np.float32)
    edge[:, 80:] = 0.6
    edge = cv2.GaussianBlur(edge, (0, 0), 1.5)
    sharper = edge[..., 0] + definition(edge, 1.0)[..., 0]
    assert (
        np.abs(np.diff(sharper, axis=1)).max() > 1.2 * np.abs(np.diff(edge[..., 0], axis=1)).max()
    )
    assert sharper.min() > 0.27
    assert sharper.max() < 0.63


def test_a_soft_face_is_given_more_than_a_crisp_one() -> None:
    crop = np.ascontiguousarray(astronaut()[40:240, 50:250])
    needs = [softness(cv2.GaussianBlur(crop, (0, 0), s) if s else crop) for s in (0, 1.0, 2.0)]
    assert needs[0] < needs[1] <= needs[2] <= 1
    assert softness(np.full((96, 96, 3), 0.5, np.float32)) == LEAST


def test_the_residual_is_steadied_along_the_flow_and_not_where_the_face_changed() -> None:
    rng = np.random.default_rng(5)
    face = np.ascontiguousarray(astronaut()[60:220, 70:230])
    crops = [np.ascontiguousarray(np.roll(face, 2 * i, axis=1)) for i in range(8)]
    shapes = rng.normal(0, 0.02, (8, 160, 160, 1)).astype(np.float32)
    memory: Memory | None = None
    still: list[Clip] = []
    for crop, raw in zip(crops, shapes, strict=True):
        calm, same, along = calmed(crop, memory)
        one, memory = steadied(crop, calm, raw, memory, same, along)
        still.append(np.roll(one, -2 * len(still), axis=1)[40:120, 40:120])
    jump = [
        np.diff(np.stack(c), axis=0).std() for c in ([s[40:120, 40:120] for s in shapes], still)
    ]
    assert jump[1] < 0.6 * jump[0], "it moves with the face"
    calm, same, _ = calmed(1 - crops[0], memory)
    assert same.mean() < 0.2
    assert np.abs(calm - (1 - crops[0])).mean() < 0.003


def test_protection_holds_back_at_eyes_and_mouth_only() -> None:
    weights = {p: face_crop.trusted(100, p) for p in ("off", "on", "strong")}
    assert (weights["off"] == 1).all()
    for x, y in ((38, 46), (62, 46), (50, 72)):
        assert weights["strong"][y, x] < weights["on"][y, x] < 0.55
    for x, y in ((50, 25), (30, 62), (70, 62), (50, 90)):
        assert weights["strong"][y, x] > 0.95


def test_similarity_puts_the_landmarks_on_the_template() -> None:
    turn = 1.7 * np.exp(1j * 0.4)
    for kind, template in face_crop.TEMPLATES.items():
        z = (template @ (1, 1j)) * 200 * turn + (30 + 50j)
        points = np.stack((z.real, z.imag), -1)
        matrix = face_crop.similarity(points, 128, kind)
        got = points @ matrix[:, :2].T + matrix[:, 2]
        np.testing.assert_allclose(got, template * 128, atol=1e-9)
        eyes = Face(box=(0, 0, 1, 1), landmarks=points, score=1, points=kind).eyes
        assert face_crop.native_side_px(eyes) == pytest.approx(200 * 1.7, abs=4)


def test_paste_clips_a_face_that_leaves_the_frame() -> None:
    frame = np.full((40, 40, 3), 0.5, np.float32)
    residual = np.full((96, 96, 1), 0.2, np.float32)
    for shift in (-20.0, 0.0, 15.0, 500.0):
        points = face_crop.TEMPLATES["corners"] * 60 + shift
        got = paste(frame, residual, face_crop.similarity(points, 96), 1.0)
        assert got.shape == frame.shape
        assert (np.abs(got - frame).max() > 0.1) == (shift < 100)
    assert (frame == 0.5).all()


def test_fit_hands_on_the_settings() -> None:
    stage = FacesStage()
    assert (stage.name, stage.version) == ("faces", 3)
    assert stage.fit([], FacesSettings()) == {}
    shot: Any = SimpleNamespace(id="a")
    (one,) = stage.fit([shot], FacesSettings(strength=0.3)).values()
    assert one is not None
    assert (one.strength, one.detect_every_frames, one.backend) == (0.3, 6, "dlib")
    (other,) = stage.fit([shot], FacesSettings(), "arcface:x.onnx,dlib").values()
    assert other is not None
    assert other.backend == "arcface:x.onnx,dlib"
    assert pickle.loads(pickle.dumps(one)) == one
    assert stage.fit([shot], FacesSettings(strength=0)) == {"a": None}


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize("shot", ["003", "012", "019", "021"])
def test_real_faces_stay_themselves_and_steady(footage: Path, shot: str) -> None:
    """Romance: .60, gate .10. Shot 003 is where identity limits the strength."""
    file = footage / f"episodes/ep01/s01e01_shot_{shot}.mp4"
    source = np.concatenate([c.as_float() for c in read_frames(file)])[:25]
    out, notes = treat(source, strength=0.6, shift=0.10, every=4)
    assert notes["faces.count"] == 1
    assert notes["faces.strength"] > 0.3
    assert notes["faces.flicker_ratio"] <= 1.05
    backend = load_backend()
    judged, gain = 0, []
    for a, b in zip(source, out, strict=True):
        for face in filter(is_usable, backend.detect(as_uint8(a))):
            before, after = (backend.embed(as_uint8(p), face) for p in (a, b))
            assert backend.distance(before, after) <= 0.10
            left, top, right, bottom = (int(edge) for edge in face.box)
            gain.append(gradient(b[top:bottom, left:right]) / gradient(a[top:bottom, left:right]))
            judged += 1
    assert judged >= 12
    assert np.mean(gain) > 1.02
