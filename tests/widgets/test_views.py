"""Compare, badges and pictures without a browser."""

import base64
import re

import cv2
import numpy as np
import pytest
import traitlets

import finishkit_widgets
from finishkit_widgets import Compare
from finishkit_widgets.badges import BADGES
from finishkit_widgets.pictures import fitted, jpeg_bytes


def _flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((96, 54, 3), colour, np.uint8)


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _contrast(colour: str, ground: str) -> float:
    def luminance(code: str) -> float:
        unit = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
        return float(light @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_public_names_are_sorted():
    assert finishkit_widgets.__all__ == sorted(finishkit_widgets.__all__)


def test_badges_differ_in_shape_letter_and_word_and_can_be_read():
    assert len({b.shape for b in BADGES.values()}) == len(BADGES)
    assert len({b.letter for b in BADGES.values()}) == len(BADGES)
    for badge in BADGES.values():
        # WCAG 2.2, 1.4.3, on the grounds of JupyterLab's light and dark theme.
        assert _contrast(badge.light, "#ffffff") >= 4.5
        assert _contrast(badge.dark, "#111111") >= 4.5


def test_jpeg_keeps_colours():
    data = jpeg_bytes(_flat((200, 60, 30)))
    assert np.abs(_decoded(data).astype(int) - (200, 60, 30)).max() <= 2


def test_fitted_never_crops():
    tile = fitted(np.full((100, 300, 3), 250, np.uint8), 72, 128)
    assert tile.shape == (128, 72, 3)
    assert (tile[64] == 250).all()
    assert (tile[0] == 128).all()


def test_compare_shows_arrays():
    compare = Compare()
    compare.show(_flat((250, 0, 0)), _flat((0, 0, 250)))
    assert _decoded(compare.before)[48, 27].argmax() == 0
    assert _decoded(compare.after)[48, 27].argmax() == 2
    with pytest.raises(ValueError, match="not the same frame"):
        compare.show(_flat((0, 0, 0)), np.zeros((4, 4, 3), np.uint8))


def test_compare_checks_its_traits():
    compare = Compare(position=7.0)
    assert compare.position == 1.0
    with pytest.raises(traitlets.TraitError):
        compare.mode = "blend"
    with pytest.raises(TypeError, match=r"no keyword 'bfore'. Did you mean 'before'"):
        Compare(bfore=b"")


def test_compare_leaves_a_picture_behind():
    compare = Compare(after_label="<b>", alt='S"1')
    compare.show(_flat((250, 0, 0)), _flat((0, 0, 250)))
    data, _ = compare._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    urls = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', data["text/html"])
    assert [_decoded(base64.b64decode(u))[50, 50].argmax() for u in urls] == [0, 2]
    assert "&lt;b&gt;" in data["text/html"]
    assert "<b>" not in data["text/html"]
