import os

import pytest

from finishkit.errors import FinishError
from finishkit.measure.identity import backend_choices, choose_backend, load_backend
from finishkit.measure.identity.graph import read_graph
from finishkit.measure.identity.licences import KNOWN, KnownFile, licence_of
from tests import face_nets

SIDECAR = 'licence = "Apache-2.0"\ncommercial = true\n'


def test_alone_there_is_dlib(faces_folder):
    assert choose_backend() == "dlib"
    assert choose_backend(licence="commercial") == "dlib"
    assert [c.name for c in backend_choices()] == ["dlib"]
    assert list(faces_folder.iterdir()) == []


def test_dropping_a_file_in_is_enough(faces_folder):
    path = face_nets.make_recogniser(faces_folder / "mine.onnx")
    backend = load_backend("auto")
    assert backend.name == f"arcface:mine@{read_graph(path).sha256[:12]}+dlib"
    yunet = face_nets.make_yunet(faces_folder / "face_detection_yunet_2026may.onnx")
    assert load_backend("auto").name == (
        f"arcface:mine@{read_graph(path).sha256[:12]}+yunet@{read_graph(yunet).sha256[:12]}"
    )


def test_commercial_work_takes_only_what_says_so(faces_folder):
    path = face_nets.make_recogniser(faces_folder / "mine.onnx")
    assert choose_backend().startswith("arcface:")
    assert choose_backend(licence="commercial") == "dlib"
    with pytest.raises(FinishError, match=r"mine@.*not stated") as caught:
        choose_backend(f"arcface:{path}", licence="commercial")
    assert caught.value.code == "licence"
    path.with_suffix(".toml").write_text(SIDECAR)
    # Licences are read with the file: another file, since one of this process is loaded once.
    other = path.rename(faces_folder / "cleared.onnx")
    path.with_suffix(".toml").rename(other.with_suffix(".toml"))
    assert choose_backend(licence="commercial") == f"arcface:{other},dlib"
    assert "Apache-2.0 (cleared.toml)" in load_backend("auto").licence


def test_packs_come_first_and_never_for_commercial_work(faces_folder):
    pack = faces_folder / "buffalo_x"
    pack.mkdir()
    face_nets.make_scrfd(pack / "det.onnx")
    recogniser = face_nets.make_recogniser(pack / "w.onnx")
    assert choose_backend() == f"insightface:{pack}"
    assert choose_backend(licence="commercial") == "dlib"
    assert [c.asked for c in backend_choices()] == [
        f"insightface:{pack}", f"arcface:{recogniser},dlib", "dlib",
    ]  # fmt: skip
    with pytest.raises(FinishError, match="buffalo_x") as caught:
        choose_backend(f"insightface:{pack}", licence="commercial")
    assert caught.value.code == "licence"


def test_known_files_stand_in_their_order_before_strangers(faces_folder, monkeypatch):
    import finishkit.measure.identity.choose as module
    import finishkit.measure.identity.licences as licences

    paths = [face_nets.make_recogniser(faces_folder / f"{n}.onnx", side=s)
             for n, s in (("a", 112), ("b", 224), ("c", 336))]  # fmt: skip
    known = {
        read_graph(paths[2]).sha256: KnownFile(name="best", licence="free", commercial=True),
        read_graph(paths[1]).sha256: KnownFile(name="next", licence="none", commercial=False),
    }
    monkeypatch.setattr(module, "KNOWN", known)
    monkeypatch.setattr(licences, "KNOWN", known)
    got = [c.asked.removeprefix("arcface:") for c in backend_choices()]
    assert got == [f"{paths[2]},dlib", f"{paths[1]},dlib", f"{paths[0]},dlib", "dlib"]
    assert choose_backend(licence="commercial") == f"arcface:{paths[2]},dlib"


def test_the_environment_stands_for_auto_and_for_nothing_else(faces_folder, monkeypatch):
    path = face_nets.make_recogniser(faces_folder / "mine.onnx")
    monkeypatch.setenv("FINISHKIT_FACES", "dlib")
    assert choose_backend() == "dlib"
    assert choose_backend(f"arcface:{path}") == f"arcface:{path},dlib"
    monkeypatch.setenv("FINISHKIT_FACES", f"arcface:{path}")
    assert choose_backend("dlib") == "dlib"
    with pytest.raises(FinishError) as caught:
        choose_backend(licence="commercial")
    assert caught.value.code == "licence"


def test_what_is_settled_stays_settled_and_holds_no_relative_path(tmp_path, monkeypatch):
    face_nets.make_recogniser(tmp_path / "a.onnx")
    face_nets.make_yunet(tmp_path / "yunet.onnx")
    monkeypatch.chdir(tmp_path)
    settled = choose_backend("arcface:a.onnx")
    assert settled == f"arcface:{tmp_path / 'a.onnx'},yunet:{tmp_path / 'yunet.onnx'}"
    alone = choose_backend("arcface:a.onnx,dlib")
    monkeypatch.chdir(os.sep)
    assert choose_backend(settled) == settled
    assert choose_backend(alone) == alone == f"arcface:{tmp_path / 'a.onnx'},dlib"
    assert load_backend(settled) is load_backend(settled)
    assert load_backend(alone).name != load_backend(settled).name


def test_a_broken_file_dropped_in_is_not_left_in_silence(faces_folder):
    (faces_folder / "broken.onnx").write_bytes(b"<html>not found</html>")
    with pytest.raises(FinishError, match=r"broken\.onnx is no ONNX file"):
        choose_backend()
    assert choose_backend("dlib") == "dlib"


@pytest.mark.parametrize("asked", ["nobody", "", "arcface", "insightface", "dlib:x"])
def test_unknown_backends_are_refused_with_those_there_are(asked):
    with pytest.raises(FinishError, match=r"arcface:FILE\.onnx") as caught:
        choose_backend(asked)
    assert caught.value.code == "no_such_backend"


def test_published_files_are_known_by_their_bytes_and_nothing_overrules_it(recogniser, monkeypatch):
    graph = read_graph(recogniser)
    recogniser.with_suffix(".toml").write_text(SIDECAR)
    assert licence_of(graph).commercial
    known = KnownFile(name="pack", licence="non-commercial", commercial=False)
    monkeypatch.setitem(KNOWN, graph.sha256, known)
    assert licence_of(graph) is known


@pytest.mark.parametrize(
    "text", ["licence = 3", 'licence = "MIT"', SIDECAR + "more = 1", "licence =", "\x00"]
)
def test_a_sidecar_that_cannot_be_understood_is_no_permission(recogniser, text):
    recogniser.with_suffix(".toml").write_text(text)
    with pytest.raises(FinishError, match=r"small\.toml cannot be understood") as caught:
        licence_of(read_graph(recogniser))
    assert caught.value.code == "bad_sidecar"


def test_the_table_of_known_files_says_who_may_sell():
    free = {k.name for k in KNOWN.values() if k.commercial}
    assert free == {"AuraFace v1 (glintr100.onnx)", "YuNet 2026may", "YuNet 2023mar"}
    assert all(len(digest) == 64 for digest in KNOWN)
