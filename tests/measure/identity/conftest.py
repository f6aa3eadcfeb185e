from pathlib import Path

import pytest

from tests import face_nets


@pytest.fixture
def recogniser(tmp_path) -> Path:
    return face_nets.make_recogniser(tmp_path / "small.onnx")


@pytest.fixture
def faces_folder(tmp_path, monkeypatch) -> Path:
    """The folder a user drops face models into, of this test alone."""
    monkeypatch.setenv("FINISHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FINISHKIT_FACES", raising=False)
    folder = tmp_path / "cache" / "models" / "faces"
    folder.mkdir(parents=True)
    return folder
