"""The face stage on real shots: who it finds, how strong, whose face it stays, and how steady.

Usage: ``python bench/faces.py EPISODE [--strength .4] [--shift .12] [--every 6] [--sheet X]``.
Every figure but the solved strength is taken here, from the frames that went in and came out, on
every frame: identity from faces detected anew, flicker with a flow of its own.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

from finishkit.frames import Frames, read_frames
from finishkit.measure.identity import Face, is_usable, load_backend
from finishkit.stages import face_crop
from finishkit.stages.face_motion import composed, step
from finishkit.stages.face_steady import FlickerMeter
from finishkit.stages.faces import Faces

SHEET_FACES = 8
SHEET_PX = 420


def as_uint8(picture):
    """Return codes."""
    return np.round(picture * 255).astype(np.uint8)


def main():
    """Run every shot, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("episode", type=Path)
    parser.add_argument("--strength", type=float, default=0.4)
    parser.add_argument("--shift", type=float, default=0.12)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--engine", default="detail")
    parser.add_argument("--backend", default="dlib")
    parser.add_argument("--only", default="")
    parser.add_argument("--frames", type=int, default=10**6)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows, pairs = [], []
    print(
        "shot  faces strength gated | identity max/limit in | flicker own/here | gradient | CPU ms"
    )
    for path in sorted(given.episode.glob("*.mp4")):
        if given.only and given.only not in path.stem:
            continue
        row, pair = one(path, given)
        rows.append(row)
        pairs += pair
        print(
            f"{path.stem[-3:]}  {row['count']:3.0f} {row['strength']:8.3f} {row['gated']:4.0f}  | "
            f"{row['shift']:.3f}/{row['limit']:.3f} {row['within']}/{row['judged']} | "
            f"{row['flicker']:.3f}/{row['flicker_here']:.3f} | "
            f"{row['gradient']:.3f} | {row['cpu_ms']:.0f}",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    if given.sheet:
        sheet(pairs, given.sheet)


def one(path, given):
    """Treat one shot; return its figures and a face before and after."""
    stage = Faces(
        strength=given.strength,
        engine=given.engine,
        max_identity_shift=given.shift,
        detect_every_frames=given.every,
        backend=given.backend,
    )
    backend = load_backend(given.backend)
    source = [f for chunk in read_frames(path, chunk=8) for f in chunk.as_float()]
    source = source[: given.frames]
    began = time.process_time()
    notes = {}
    chunks = (
        Frames(data=np.stack(source[i : i + 8]), pts_s=np.arange(i, min(i + 8, len(source))) / 24)
        for i in range(0, len(source), 8)
    )
    out = [f for chunk in stage(chunks, notes) for f in chunk.data]
    cpu_ms = (time.process_time() - began) / len(source) * 1e3
    shifts, gradients, meter, followed = [], [], FlickerMeter(), None
    seen, pair = [], None
    for i, (a, b) in enumerate(zip(source, out, strict=True)):
        was = as_uint8(a)
        faces = [f for f in backend.detect(was) if is_usable(f)]
        luma = cv2.cvtColor(was, cv2.COLOR_RGB2GRAY)
        last, followed = followed, aligned(followed, luma, faces[0] if faces else None)
        if followed is None or last is None or last[0] != followed[0]:
            meter.gap()
        if followed is not None:
            side_px, _, points, kind = followed
            matrix = face_crop.similarity(points, side_px, kind)
            crops = [face_crop.cut_out(p, matrix, side_px) for p in (a, b)]
            meter.see(*crops)
            gradients.append([gradient(c) for c in crops])
        if faces:
            shifts += [
                backend.distance(backend.embed(was, f), backend.embed(as_uint8(b), f))
                for f in faces
            ]
            seen.append((i, faces[0]))
    if seen:
        i, face = seen[len(seen) // 2]
        pair = [(path.stem[-3:], zoomed(source[i], face), zoomed(out[i], face))]
    limit = notes["faces.identity_limit"]
    g = np.array(gradients or [[1, 1]]).mean(0)
    return {
        "shot": path.stem,
        "count": notes["faces.count"],
        "strength": notes["faces.strength"],
        "gated": notes["faces.gated"],
        "limit": limit,
        "shift": max(shifts, default=0.0),
        "within": sum(s <= limit for s in shifts),
        "judged": len(shifts),
        "flicker": notes["faces.flicker_ratio"],
        "flicker_here": meter.ratio,
        "gradient": float(g[1] / g[0]),
        "cpu_ms": cpu_ms,
    }, pair or []


def aligned(before, luma, face: Face | None):
    """Follow the largest face with the motion of its points alone, found anew where it is lost."""
    if before is not None:
        side_px, last, points, kind = before
        motion = step(last, luma, points, kind)
        if motion is not None:
            moved = composed(motion, np.eye(2, 3))
            return side_px, luma, points @ moved[:, :2].T + moved[:, 2], kind
    if face is None:
        return None
    return face_crop.native_side_px(face.eyes), luma, face.landmarks, face.points


def gradient(crop):
    """Mean step between neighbours over the inner face."""
    luma = crop @ face_crop.LUMA
    inside = face_crop.oval(len(luma))[1:, 1:] > 0.5
    steps = np.abs(np.diff(luma, axis=0))[:, 1:] + np.abs(np.diff(luma, axis=1))[1:]
    return float(steps[inside].mean())


def zoomed(picture, face):
    """Cut a face out, enlarged."""
    left, top, right, bottom = face.box
    reach = 0.62 * max(right - left, bottom - top)
    cx, cy = (left + right) / 2, (top + bottom) / 2
    scale = SHEET_PX / (2 * reach)
    matrix = np.array(
        [[scale, 0, SHEET_PX / 2 - scale * cx], [0, scale, SHEET_PX / 2 - scale * cy]]
    )
    big = cv2.warpAffine(as_uint8(picture), matrix, (SHEET_PX, SHEET_PX), flags=cv2.INTER_CUBIC)
    return big


def sheet(pairs, path):
    """Before over after, a column a face."""
    step = max(1, len(pairs) // SHEET_FACES)
    chosen = pairs[::step][:SHEET_FACES]
    columns = []
    for name, a, b in chosen:
        column = np.vstack([a, b])
        cv2.putText(column, name, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
        columns.append(column)
    half = (len(columns) + 1) // 2
    rows = [np.hstack(columns[:half]), np.hstack(columns[half:])]
    width = max(r.shape[1] for r in rows)
    rows = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
