"""The faults that are planted, one a shot, in the finished pictures before they are encoded."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sample_shots.people import Picture, from_linear, rgb, to_linear

Kind = Literal["soft", "white_balance", "exposure", "flicker", "repeated_frames", "identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planted fault.

    Attributes
    ----------
    kind : str
    amount : float
        ``soft``: scale of the round trip. ``white_balance``: octaves of linear light, up in red and
        down in blue. ``exposure``: stops of linear light. ``flicker``: standard deviation of the
        gain of a frame on R'G'B'. ``repeated_frames``: every n-th frame is a copy.
        ``identity``: not used, the face itself is another.
    seed : int
        Of the flicker.
    """

    kind: Kind
    amount: float = 0.0
    seed: int = 0


def flicker_gains(fault: Fault, frame_count: int) -> NDArray[np.float32]:
    """Return the gain of each frame, shape (frame_count,): white noise around 1."""
    noise = np.random.default_rng(fault.seed).standard_normal(48)[:frame_count]
    return (1 + fault.amount * noise).astype(np.float32)


def is_copy(fault: Fault, i: int) -> bool:
    """Tell whether frame ``i`` repeats the one before: frames 3, 7, 11 ... for an amount of 4."""
    return i % int(fault.amount) == int(fault.amount) - 1


def plant(frames: Picture, fault: Fault) -> Picture:
    """Return a shot with a fault.

    Parameters
    ----------
    frames : ndarray, shape (n, h, w, 3), float32 in [0, 1]
        R'G'B', full range; not changed.
    fault : Fault
        What to do to them.

    Returns
    -------
    frames : ndarray, of the same shape and range
    """
    if fault.kind == "soft":
        height, width = frames.shape[1:3]
        small = (round(width * fault.amount), round(height * fault.amount))
        down = [cv2.resize(f, small, interpolation=cv2.INTER_AREA) for f in frames]
        up = [cv2.resize(f, (width, height), interpolation=cv2.INTER_CUBIC) for f in down]
        return np.clip(np.stack(up), 0, 1)
    if fault.kind == "white_balance":
        gains = rgb((2**fault.amount, 1, 2**-fault.amount))
        return from_linear(np.clip(to_linear(frames) * gains, 0, 1))
    if fault.kind == "exposure":
        return from_linear(np.clip(to_linear(frames) * np.float32(2**fault.amount), 0, 1))
    if fault.kind == "flicker":
        return np.clip(frames * flicker_gains(fault, len(frames))[:, None, None, None], 0, 1)
    if fault.kind == "repeated_frames":
        kept = [i - 1 if is_copy(fault, i) else i for i in range(len(frames))]
        return frames[kept]
    return frames
