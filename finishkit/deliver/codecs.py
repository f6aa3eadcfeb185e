"""How a delivery file is encoded: three codecs, each with closed groups of two seconds."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from finishkit.errors import FinishError
from finishkit.frames import Encoding
from finishkit.frames.encoders import PIXEL_FORMATS, Trial, tried

GROUP_S: Final = 2
"""A group begins so often: players seek, and platforms cut, at its first picture."""
SHOT_THREADS: Final = 4
"""Threads of one encode. Fixed, because x264 gives other bytes for another number; a machine with
more cores works on more shots side by side."""

SVT_PARALLELISM: Final = 2
"""SVT-AV1's own measure of it. Of 48 frames of 2160x3840 the levels 1, 2 and 4 gave the same bytes
in the same time on two cores, and took 2.0, 2.5 and 4.2 GB."""


class Codec(StrEnum):
    """What a delivery file is coded in."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"


class Hardware(StrEnum):
    """Whether a graphics card's encoder is used where one opens."""

    AUTO = "auto"
    OFF = "off"


SOFTWARE: Final = {Codec.H264: "libx264", Codec.HEVC: "libx265", Codec.AV1: "libsvtav1"}
NVENC: Final = {Codec.H264: "h264_nvenc", Codec.HEVC: "hevc_nvenc", Codec.AV1: "av1_nvenc"}
CRF: Final = {Codec.H264: 18, Codec.HEVC: 20, Codec.AV1: 26}
"""Constant rate factor when none is asked for; docs/delivery.md has what each gave on one shot."""
MOST_CRF: Final = {Codec.H264: 51, Codec.HEVC: 51, Codec.AV1: 63}
PRESETS: Final = {"libx264": "medium", "libx265": "fast", "libsvtav1": "8"}
NVENC_AT_ONCE: Final = 2
"""Cards for desks take few encodes at a time (3 with older drivers)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen for a delivery, and why.

    Attributes
    ----------
    codec : Codec
    crf : int
        x264's, x265's and SVT-AV1's constant rate factor; NVENC's constant quality.
    encoder : str
        As FFmpeg calls it.
    note : str
        Why no graphics card's encoder is used; empty when one is, or none was wanted.
    """

    codec: Codec
    crf: int
    encoder: str
    note: str = ""

    @property
    def in_hardware(self) -> bool:
        """Whether a graphics card encodes."""
        return self.encoder in NVENC.values()

    def encoding(self, rate_fps: Fraction) -> Encoding:
        """Return the settings for clips of a rate.

        Parameters
        ----------
        rate_fps : Fraction
            Of the clips.
        """
        group = max(1, round(GROUP_S * rate_fps))
        options = {
            "libx264": _x264,
            "libx265": _x265,
            "libsvtav1": _svt_av1,
        }.get(self.encoder, _nvenc)(self.crf, group)
        return Encoding(
            codec=self.encoder,
            container="mp4",
            pixel_format=PIXEL_FORMATS[self.encoder],
            options=tuple(options.items()),
            threads=SHOT_THREADS,
        )


def choose(codec: Codec, *, crf: int | None = None, hardware: Hardware = Hardware.AUTO) -> Choice:
    """Choose an encoder that opens on this machine.

    Parameters
    ----------
    codec : Codec
        Of the file.
    crf : int, optional
        Lower is larger and better; :data:`CRF` by default.
    hardware : Hardware, optional
        ``auto`` takes NVENC when it opens. Data-centre cards have none.

    Returns
    -------
    choice : Choice

    Raises
    ------
    FinishError
        ``bad_setting`` for a crf that the codec does not have; ``no_encoder`` when none opens.
    """
    crf = CRF[codec] if crf is None else crf
    if not 0 <= crf <= MOST_CRF[codec]:
        raise FinishError(
            f"--crf {crf}: {codec} takes 0 (largest) to {MOST_CRF[codec]} (smallest).",
            "bad_setting",
        )
    card, software = NVENC[codec], SOFTWARE[codec]
    wanted: Sequence[str] = (card, software) if hardware is Hardware.AUTO else (software,)
    trials = tried(*wanted)
    if card in trials and trials[card].opens:
        return Choice(codec=codec, crf=crf, encoder=card)
    if not trials[software].opens:
        raise _no_encoder(codec, trials[software])
    note = (
        f"No NVENC here ({trials[card].why}): encoded on the processor." if card in trials else ""
    )
    return Choice(codec=codec, crf=crf, encoder=software, note=note)


def jobs_at_once(choice: Choice, jobs: int | None) -> int:
    """Return how many shots are encoded side by side.

    Parameters
    ----------
    choice : Choice
        Its encoder's threads are reckoned with.
    jobs : int, optional
        As asked for.
    """
    if jobs is not None:
        return jobs
    if choice.in_hardware:
        return NVENC_AT_ONCE
    return max(1, len(os.sched_getaffinity(0)) // SHOT_THREADS)


def _no_encoder(codec: Codec, trial: Trial) -> FinishError:
    others = [c for c, name in SOFTWARE.items() if c is not codec and tried(name)[name].opens]
    instead = f", or deliver with --codec {' or '.join(others)}" if others else ""
    return FinishError(
        f"{trial.name}, which encodes {codec}, does not open in this PyAV: {trial.why}. PyAV's own"
        f' wheels have it: pip install --force-reinstall "av>=18.1"{instead}.',
        "no_encoder",
    )


def _x264(crf: int, group: int) -> dict[str, str]:
    # cpu-independent: without it the macroblock tree gives other bytes in every run (measured for
    # the master, see finishkit/frames/write.py).
    params = f"open-gop=0:scenecut=0:keyint={group}:min-keyint={group}:cpu-independent=1"
    return {
        "crf": str(crf),
        "preset": PRESETS["libx264"],
        "profile": "high",
        "x264-params": params,
    }


def _x265(crf: int, group: int) -> dict[str, str]:
    # info=0: its settings are not written into every file. pools and frame-threads are those of
    # one shot, not of the machine, so that another machine gives the same bytes.
    params = (
        f"open-gop=0:scenecut=0:keyint={group}:min-keyint={group}:info=0:log-level=none"
        f":pools={SHOT_THREADS}:frame-threads=2"
    )
    return {"crf": str(crf), "preset": PRESETS["libx265"], "x265-params": params}


def _svt_av1(crf: int, group: int) -> dict[str, str]:
    # irefresh-type=2: a group begins with a key frame, and nothing before it is referred to.
    params = f"lp={SVT_PARALLELISM}:keyint={group}:irefresh-type=2:scd=0"
    return {"crf": str(crf), "preset": PRESETS["libsvtav1"], "svtav1-params": params}


def _nvenc(crf: int, group: int) -> dict[str, str]:
    return {
        "preset": "p6",
        "tune": "hq",
        "rc": "vbr",
        "cq": str(max(1, crf)),  # 0 leaves it to the card
        "b": "0",
        "g": str(group),
        "no-scenecut": "1",
        "strict_gop": "1",
        "forced-idr": "1",
    }
