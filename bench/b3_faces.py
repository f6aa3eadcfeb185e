"""B3: restore one face a frame at 1080x1920, against GFPGANer."""

from typing import Any

import cv2
import numpy as np

from bench.clips import stack
from bench.rows import OURS, Results, Row, Told, Workplace
from bench.sides import Spec

INSTALL = 'pip install "finishkit[reference]" (Python < 3.13)'
MOUTH_DOWN, MOUTH_OUT = 0.95, 0.38
"""Where the corners of a mouth lie, in distances between the eyes."""


def five_points(picture: np.ndarray) -> list[list[float]]:
    """Return eyes, nose and corners of the mouth of the face in a picture, as the peer wants them.

    dlib gives the corners of the eyes and the nose; the mouth is put where mouths are.
    """
    from finishkit.measure.identity import load_backend

    faces = load_backend("dlib").detect(picture)
    if not faces:
        raise RuntimeError("dlib finds no face in the benchmark's own picture")
    marks = np.asarray(max(faces, key=lambda f: f.side_px).landmarks, np.float64)
    corners = marks[np.argsort(marks[:, 1])][:4]  # the nose is the lowest
    nose = marks[np.argmax(marks[:, 1])]
    corners = corners[np.argsort(corners[:, 0])]
    left, right = corners[:2].mean(0), corners[2:].mean(0)
    along = right - left
    down = np.array([-along[1], along[0]])
    mouth = (left + right) / 2 + MOUTH_DOWN * down
    five = [left, right, nose, mouth - MOUTH_OUT * along, mouth + MOUTH_OUT * along]
    return [[float(v) for v in point] for point in five]


def one_face(frames: np.ndarray) -> np.ndarray:
    """Blur the lower half: dlib takes the badge on her suit for a second face, in some frames."""
    half, width = frames.shape[1] // 2, frames.shape[2] // 8 | 1
    for picture in frames:
        picture[half:] = cv2.GaussianBlur(picture[half:], (width, width), 0)
    return frames


def same_net(saved: Results, _told: Told) -> dict[str, Any]:
    """Compare the nets' answers to one crop, with equal weights."""
    found: dict[str, Any] = {"what": "one 512 px crop through both nets, equal random weights"}
    ours = np.load(saved[OURS])
    for name, path in saved.items():
        if name != OURS:
            off = float(np.abs(ours - np.load(path)).max())
            found[f"largest difference to {name}"] = float(f"{off:.3g}")
    return found


def rows(at: Workplace) -> list[Row]:
    """Return the row."""
    size, count, theirs = ((360, 640), 2, 1) if at.tiny else ((1080, 1920), 12, 1)
    frames = one_face(stack(size, count))
    pictures, crop = at.folder / "b3.npy", at.folder / "b3_crop.npy"
    np.save(pictures, frames)
    half = min(size) // 4
    middle = frames[0, size[1] // 4 : size[1] // 4 + 2 * half, half : 3 * half]
    np.save(crop, cv2.resize(middle, (512, 512)).astype(np.float32) / 255)
    weights = str(at.folder / "gfpgan_random.pth")
    given = {"pictures": str(pictures), "weights": weights, "crop": str(crop)}
    landmarks = [five_points(picture) for picture in frames[:theirs]]
    return [
        Row(
            name="B3.gfpgan",
            title=f"restore one face a frame at {size[0]}x{size[1]}, GFPGAN",
            unit="frame",
            sides={
                OURS: Spec(
                    module="bench.ours.faces",
                    given=given,
                    units=count,
                    env={"FINISHKIT_CACHE": str(at.folder / "cache")},
                ),
                "GFPGANer": Spec(
                    module="bench.peers.faces",
                    given={**given, "landmarks": landmarks, "device": at.device},
                    units=theirs,
                    peer=True,
                    install=INSTALL,
                ),
            },
            floors={"GFPGANer": 4.0},
            parameters={
                "width_px": size[0],
                "height_px": size[1],
                "frames": count,
                "frames of the peer": theirs,
                "detect_every_frames": 6,
            },
            compare=same_net,
            notes=(
                "Random weights of the real size on both sides, so only time and the net's answer"
                " can be compared, not faces. The peer's detector runs at full size as in the"
                " package; since random weights find nothing, the place of the face is then given."
                " Ours finds the face with dlib every six frames, follows it in between, judges"
                " identity (its limit lifted) and steadies the residual."
            ),
        )
    ]
