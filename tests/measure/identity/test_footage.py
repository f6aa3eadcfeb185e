"""Real faces: people with names, and a cast that generators drew."""

import csv
import itertools
from functools import cache

import cv2
import numpy as np
import pytest
from scipy.stats import rankdata

from finishkit.frames import probe, read_frames
from finishkit.measure.identity import (
    choose_backend,
    is_usable,
    load_backend,
    reference_embedding,
)

pytestmark = pytest.mark.footage
FRAMES = 6
BACKENDS = ["dlib", "arcface"]


def _backend(name, footage):
    if name == "dlib":
        return load_backend("dlib")
    model = footage / "models" / "arcface_mobilefacenet.onnx"
    return load_backend(choose_backend(f"arcface:{model},dlib"))


def _pictures(path):
    if path.suffix in (".jpg", ".png"):
        yield cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        return
    count = probe(path).frame_count
    wanted = [int((i + 0.5) * count / FRAMES) for i in range(FRAMES)]
    for chunk in read_frames(path, dtype="uint8", chunk=1, indices=wanted):
        yield chunk.as_uint8()[0]


@cache
def _faces(path, backend):
    """Embeddings of the largest face of each picture, where it can be compared."""
    found = []
    for picture in _pictures(path):
        faces = backend.detect(picture)
        if faces and is_usable(faces[0]):
            found.append(backend.embed(picture, faces[0]))
    return found


def _auc(same, other):
    ranks = rankdata([*same, *other])[: len(same)]
    return 1 - (ranks.sum() - len(same) * (len(same) + 1) / 2) / (len(same) * len(other))


def _labels(footage, folder):
    with (footage / "manifest.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["identity"] and "+" not in r["identity"]]
    return {footage / r["file"]: r["identity"] for r in rows if r["file"].startswith(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_people_with_names_are_told_apart(footage, name):
    backend = _backend(name, footage)
    faces = [
        (who, vector)
        for path, who in _labels(footage, "faces/").items()
        for vector in _faces(path, backend)
    ]
    same, other = [], []
    for (a, x), (b, y) in itertools.combinations(faces, 2):
        (same if a == b else other).append(backend.distance(x, y))
    assert len(same) >= 90
    assert len(other) >= 800
    assert _auc(same, other) >= 0.995
    # The limit lies between: 0.445 | 0.52 | 0.563 of dlib, 0.384 | 0.60 | 0.644 of ArcFace.
    assert max(same) < backend.limits.regenerate < min(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_the_cast_is_nearest_to_its_own_references(footage, name):
    backend = _backend(name, footage)
    folder = footage / "episodes" / "ep01"
    with (folder / "shots.csv").open(newline="") as file:
        listed = {r["file"]: r["characters"] for r in csv.DictReader(file) if r["characters"]}
    shots = {
        file: (who, np.median(vectors, axis=0))
        for file, who in listed.items()
        if (vectors := _faces(folder / file, backend))
    }
    pictured = {
        path.stem: reference_embedding(list(_pictures(path)), backend)
        for path in (folder / "refs").iterdir()
    }
    nearest, judged = 0, 0
    for file, (who, middle) in shots.items():
        references = dict(pictured)
        for other in {w for w, _ in shots.values()} - set(pictured):
            # Without a picture: the character's other shots, so that none is its own reference.
            rest = [v for f, (w, v) in shots.items() if w == other and f != file]
            if rest:
                references[other] = np.median(rest, axis=0)
        if who in references:
            judged += 1
            distances = {w: backend.distance(middle, v) for w, v in references.items()}
            nearest += min(distances, key=distances.get) == who
    assert judged >= 16
    assert nearest >= 0.95 * judged


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_one_man_of_six_generators_is_ranked_as_an_eye_ranks_him(footage, name):
    backend = _backend(name, footage)
    picture = footage / "episodes" / "ep01" / "refs" / "TUX.jpg"
    reference = reference_embedding(list(_pictures(picture)), backend)
    distances = {}
    for generator in ("ours", "keling", "vidu", "pika", "skyreels", "vace"):
        vectors = _faces(footage / "ai_shots" / f"hc_tux_{generator}.mp4", backend)
        distances[generator] = backend.distance(np.median(vectors, axis=0), reference)
    order = sorted(distances, key=distances.get)
    # Looked at on a contact sheet: three are he, two are doubtful, one is another man.
    assert set(order[:3]) == {"skyreels", "keling", "vidu"}
    assert order[0] == "skyreels"
    assert order[-1] == "ours"
    limits = backend.limits
    assert all(distances[g] < limits.regenerate - limits.margin for g in order[:3])
    assert distances["ours"] > limits.regenerate
