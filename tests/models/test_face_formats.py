"""A face net computes in the short format only where its answer stays what it was."""

import numpy as np
import pytest

from finishkit.models import face_nets


@pytest.mark.parametrize(
    ("engine", "error", "device", "used"),
    [
        (("torch", "bfloat16"), 0.001, "cpu", "bfloat16"),
        (("torch", "bfloat16"), 0.01, "cpu", "float32"),
        (("cuda", "float16"), 0.001, "cuda", "float16"),
        (("cuda", "float16"), 0.001, "cpu", "float32"),
        (("openvino", "float32"), 0.0, "cpu", "float32"),
    ],
)
def test_the_short_format_is_tried_once_a_size(monkeypatch, engine, error, device, used):
    asked = []

    def answer(picture, short="float32"):
        asked.append((picture.shape[0], short))
        return picture + np.float32(0 if short == "float32" else error)

    monkeypatch.setattr(face_nets, "net_engine", lambda: engine)
    net = face_nets._in_short_format(answer, device)
    picture = np.full((32, 32, 3), 0.5, np.float32)
    for _ in range(3):
        net(picture)
    assert asked[-3:] == [(32, used)] * 3
    assert len(asked) <= 5
