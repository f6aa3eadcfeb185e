"""The sound: a quiet chord and room tone for each scene, made of sines and filtered noise."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
_CHORDS_HZ = {
    "quarters": (130.81, 196.00, 246.94, 329.63),
    "pad": (73.42, 110.00, 174.61, 220.00),
    "briefing": (98.00, 146.83, 220.00),
}
_CHORD_LEVEL, _ROOM_LEVEL = 0.020, 0.0035
_FADE_S = 0.010


def score(scene: str, start_s: float, duration_s: float, seed: int) -> NDArray[np.float32]:
    """Return the sound of one shot.

    Parameters
    ----------
    scene : str
        ``quarters``, ``pad`` or ``briefing``.
    start_s : float
        Where the shot begins in its scene: the chord runs on over the cuts.
    duration_s : float
        How long it lasts.
    seed : int
        Of the room tone.

    Returns
    -------
    samples : ndarray, shape (2, n), float32 in [-1, 1], 48 kHz
    """
    count = round(duration_s * RATE_HZ)
    t = start_s + np.arange(count) / RATE_HZ
    both = np.zeros((2, count))
    for i, pitch in enumerate(_CHORDS_HZ[scene]):
        swell = 0.7 + 0.3 * np.sin(2 * np.pi * (0.11 + 0.03 * i) * t + i)
        for side, detune in enumerate((0.9993, 1.0007)):
            tone = np.sin(2 * np.pi * pitch * detune * t) + 0.2 * np.sin(4 * np.pi * pitch * t)
            both[side] += _CHORD_LEVEL * swell * tone / (i + 1) ** 0.7
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((2, count)))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    room = np.fft.irfft(spectrum * np.minimum(1, 180 / np.maximum(hz, 20)), count)
    both += _ROOM_LEVEL * room / room.std()
    # Each clip is also heard alone: without the ramps it would begin and end with a click.
    ramp = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / (_FADE_S * RATE_HZ), 0, 1)
    return (both * ramp).astype(np.float32)


def write_sound(path: Path, samples: NDArray[np.float32]) -> None:
    """Write samples, shape (2, n), as AAC in an MP4 clip.

    :func:`finishkit.frames.write_frames` takes sound from a clip, and a clip has a picture: one
    black frame.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as out:
        picture = out.add_stream("libx264", rate=24)
        picture.width = picture.height = 16
        picture.pix_fmt = "yuv420p"
        sound = out.add_stream("aac", rate=RATE_HZ, layout="stereo")
        sound.bit_rate = 96_000
        out.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), "yuv420p")))
        out.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout="stereo"
        )
        frame.sample_rate = RATE_HZ
        frame.pts = 0
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
