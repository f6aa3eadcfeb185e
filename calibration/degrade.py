"""What happens to pictures, by known amounts."""

import io
from collections.abc import Callable, Iterator
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.uint8]

RATIOS: Final = (0.8, 0.67, 0.5, 0.4, 0.33)
WAYS: Final = {
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
BLUR_SIGMAS: Final = (0.67, 0.9, 1.2)
BLUR_TO_RATIO: Final = 0.45
"""A Gaussian blur of sigma s halves the amplitude of the same frequency as a reduction by 0.45 / s
enlarged again with a cubic does (measured on white noise: 0.42 to 0.47; linear 0.52, Lanczos
0.42)."""
NUISANCE_RATIOS: Final = (1.0, 0.67, 0.5)
LOST_RATIOS: Final = (0.25, 0.2, 0.15, 0.1)
LOST_SIGMAS: Final = (1.6, 2.2, 3.0, 5.0, 10.0)
LOST_NUISANCE_SIGMAS: Final = (2.2, 5.0)


def softened(luma: Luma, ratio: float, way: int = cv2.INTER_CUBIC) -> Luma:
    """Reduce by a ratio and enlarge again."""
    if ratio >= 1:
        return luma
    height, width = luma.shape
    size = (round(width * ratio), round(height * ratio))
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=way)  # type: ignore[return-value]


def noisy(luma: Luma, sigma: float) -> Luma:
    """Add white Gaussian noise, in 8-bit codes."""
    grain = np.random.default_rng(7).normal(0, sigma, luma.shape)
    return np.clip(np.round(luma + grain), 0, 255).astype(np.uint8)


def exposed(luma: Luma, stops: float) -> Luma:
    """Change the exposure in linear light (sRGB's curve)."""
    code = luma / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4) * 2.0**stops
    back = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(np.clip(back, 0, 1) * 255).astype(np.uint8)


def flattened(luma: Luma, contrast: float) -> Luma:
    """Scale the contrast about code 110."""
    return np.round((luma.astype(np.float32) - 110) * contrast + 110).astype(np.uint8)


def compressed(luma: Luma, crf: int) -> Luma:
    """Encode four equal frames with x264 and return the third."""
    height, width = (side // 2 * 2 for side in luma.shape)
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = luma[:height, :width]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        stream.codec_context.thread_count = 1
        for i in range(4):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as coded:
        third = [frame.to_ndarray() for frame in coded.decode(video=0)][2]
    return third[:height].astype(np.uint8)


def blurred_around(luma: Luma) -> Luma:
    """Keep an ellipse in the upper middle, as a face in a close-up, and blur the rest."""
    height, width = luma.shape
    y, x = np.mgrid[:height, :width]
    inside = ((x - width / 2) / (0.3 * width)) ** 2 + ((y - 0.42 * height) / (0.28 * height)) ** 2
    mask = cv2.GaussianBlur((inside < 1).astype(np.float32), (0, 0), 6)
    soft = cv2.GaussianBlur(luma, (0, 0), 4)
    return np.round(luma * mask + soft * (1 - mask)).astype(np.uint8)


def sharpened(luma: Luma) -> Luma:
    """Apply an unsharp mask: amount 0.8, sigma 1.5."""
    picture = luma.astype(np.float32)
    detail = picture - cv2.GaussianBlur(picture, (0, 0), 1.5)
    return np.clip(np.round(picture + 0.8 * detail), 0, 255).astype(np.uint8)


NUISANCES: Final[dict[str, Callable[[Luma], Luma]]] = {
    "noise2": lambda luma: noisy(luma, 2),
    "noise4": lambda luma: noisy(luma, 4),
    "crf23": lambda luma: compressed(luma, 23),
    "crf28": lambda luma: compressed(luma, 28),
    "ev-1.5": lambda luma: exposed(luma, -1.5),
    "contrast0.6": lambda luma: flattened(luma, 0.6),
    "bokeh": blurred_around,
    "sharpened": sharpened,
}


def degradations(luma: Luma, turn: int, max_ratio: float = 1) -> Iterator[tuple[str, float, Luma]]:
    """Give every degradation of one picture: its kind, its true ratio, the picture.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        At least as sharp as ``max_ratio``.
    turn : int
        Which interpolation the nuisances are combined with; alternates over the pictures.
    max_ratio : float
        Degradations that leave more are not given.
    """
    if max_ratio >= 1:
        yield "native", 1.0, luma
    for way, flag in WAYS.items():
        for ratio in (ratio for ratio in RATIOS if ratio <= max_ratio):
            yield f"{way} {ratio}", ratio, softened(luma, ratio, flag)
    for sigma in (sigma for sigma in BLUR_SIGMAS if BLUR_TO_RATIO / sigma <= max_ratio):
        soft = cv2.GaussianBlur(luma, (0, 0), sigma)
        yield f"blur {sigma}", BLUR_TO_RATIO / sigma, soft  # type: ignore[misc]
    flag = list(WAYS.values())[turn % len(WAYS)]
    for ratio in (ratio for ratio in NUISANCE_RATIOS if ratio <= max_ratio):
        soft = softened(luma, ratio, flag)
        for name, apply in NUISANCES.items():
            yield f"{name} {ratio:g}", ratio, apply(soft)


def losses(luma: Luma, turn: int) -> Iterator[tuple[str, float, Luma]]:
    """Give pictures out of all focus: softer than the regression is made for.

    Parameters
    ----------
    luma : ndarray, shape (h, w), dtype uint8
        At least half as sharp as its pixels allow.
    turn : int
        Which interpolation is used; alternates over the pictures.
    """
    flag = list(WAYS.values())[turn % len(WAYS)]
    for ratio in LOST_RATIOS:
        yield f"lost {ratio}", ratio, softened(luma, ratio, flag)
    for sigma in LOST_SIGMAS:
        soft: Luma = cv2.GaussianBlur(luma, (0, 0), sigma)  # type: ignore[assignment]
        yield f"lost blur {sigma}", BLUR_TO_RATIO / sigma, soft
        if sigma in LOST_NUISANCE_SIGMAS:
            yield f"lost noise2 {sigma}", BLUR_TO_RATIO / sigma, noisy(soft, 2)
            yield f"lost crf23 {sigma}", BLUR_TO_RATIO / sigma, compressed(soft, 23)
