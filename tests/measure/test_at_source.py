"""Finished frames read as their source was."""

import math

import cv2
import numpy as np
import pytest
from skimage import data

from finishkit.measure.at_source import at_source_size
from finishkit.measure.sharpness import shot_sharpness


def luma(blur_px):
    picture = cv2.resize(data.astronaut(), (384, 384), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), blur_px)


@pytest.mark.parametrize("blur_px", [0.8, 1.2, 1.6])
@pytest.mark.parametrize("times", [2.0, 5.3])
def test_an_enlarged_frame_reads_as_its_source_did(blur_px, times):
    small = luma(blur_px)
    large = np.asarray(
        cv2.resize(small, None, fx=times, fy=times, interpolation=cv2.INTER_LANCZOS4), np.uint8
    )
    own, found = shot_sharpness([small]), shot_sharpness([at_source_size(large, 384)])
    assert found.log2_r == pytest.approx(own.log2_r, abs=0.12)
    plain = shot_sharpness([large]).log2_r + math.log2(times)
    assert abs(found.log2_r - own.log2_r) < abs(plain - own.log2_r)


def test_a_frame_that_is_no_larger_is_left_alone():
    small = luma(1.0)
    assert at_source_size(small, 384) is small
    assert at_source_size(small, 500) is small
