"""The table of metrics: one row each, in the order of every file finishkit writes."""

from dataclasses import dataclass
from typing import Literal

Family = Literal["face", "motion", "detail", "colour"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table of metrics.

    Attributes
    ----------
    name : str
        Column name in every file finishkit writes.
    label : str
        What a creator reads.
    unit : str
        Empty for plain ratios.
    higher_is_better : bool or None
        None where only the distance from the neighbours counts.
    family : {'face', 'motion', 'detail', 'colour'}
    decimals : int
        Digits worth showing.
    description : str
        One sentence.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool | None
    family: Family
    decimals: int
    description: str


def _metric(
    name: str,
    label: str,
    unit: str,
    higher_is_better: bool | None,
    family: Family,
    decimals: int,
    description: str,
) -> Metric:
    return Metric(
        name=name,
        label=label,
        unit=unit,
        higher_is_better=higher_is_better,
        family=family,
        decimals=decimals,
        description=description,
    )


METRICS: tuple[Metric, ...] = (
    _metric(
        "eff_px",
        "Real resolution",
        "px",
        True,
        "detail",
        0,
        "Short side the picture looks like it was made at, whatever the size of the file.",
    ),
    _metric(
        "eff_r",
        "Sharpness",
        "",
        True,
        "detail",
        2,
        "Real resolution as a share of the file's own: 1 uses every pixel, 0.5 looks enlarged.",
    ),
    _metric(
        "face_eff_px",
        "Sharpness of the face",
        "px",
        True,
        "detail",
        0,
        "Short side the face looks like it was made at; compare with the same face elsewhere.",
    ),
    _metric(
        "wb_r",
        "White balance, red",
        "oct",
        None,
        "colour",
        2,
        "Red against green in the light of the shot; compare inside a scene.",
    ),
    _metric(
        "wb_b",
        "White balance, blue",
        "oct",
        None,
        "colour",
        2,
        "Blue against green in the light of the shot; compare inside a scene.",
    ),
    _metric(
        "ev",
        "Exposure",
        "stops",
        None,
        "colour",
        2,
        "Brightness of the lit parts of the picture; compare inside a scene.",
    ),
    _metric(
        "con",
        "Contrast",
        "oct",
        None,
        "colour",
        2,
        "Range from the darkest to the brightest percent; compare inside a scene.",
    ),
    _metric(
        "sat",
        "Saturation",
        "oct",
        None,
        "colour",
        2,
        "Strength of the colours; compare inside a scene.",
    ),
    _metric(
        "white_ev",
        "White point",
        "stops",
        True,
        "colour",
        2,
        "How far the brightest part stays below white: 0 reaches it, -0.6 looks dull.",
    ),
    _metric(
        "clip_pct",
        "Burnt out",
        "%",
        False,
        "colour",
        1,
        "Share of the picture with a channel at its ceiling, where nothing can be recovered.",
    ),
    _metric(
        "drift_de",
        "Colour drift within the shot",
        "ΔE",
        False,
        "colour",
        1,
        "How far the colour moves from the start of the shot to its end.",
    ),
    _metric(
        "id_dist",
        "Face: distance to the character",
        "",
        False,
        "face",
        2,
        "How far the face is from the character's reference; the worst of the characters seen.",
    ),
    _metric(
        "id_spread",
        "Face: drift within the shot",
        "",
        False,
        "face",
        2,
        "How far the face strays from its own middle in the course of the shot.",
    ),
    _metric(
        "flick_g",
        "Flicker, whole picture",
        "L*",
        False,
        "motion",
        2,
        "Brightness that jumps from frame to frame, with motion taken out.",
    ),
    _metric(
        "flick_l",
        "Flicker, places",
        "L*",
        False,
        "motion",
        2,
        "Brightness of parts of the picture that jumps against the rest.",
    ),
    _metric(
        "flick_c",
        "Flicker, colour",
        "a*b*",
        False,
        "motion",
        2,
        "Colour that jumps from frame to frame, with motion taken out.",
    ),
    _metric(
        "dup_ratio",
        "Repeated frames",
        "",
        False,
        "motion",
        2,
        "Share of frames that show the one before once more.",
    ),
    _metric(
        "fps_eff",
        "Real frame rate",
        "fps",
        True,
        "motion",
        1,
        "New pictures a second, repeats not counted.",
    ),
    _metric(
        "shake_pct",
        "Shake",
        "%",
        False,
        "motion",
        2,
        "Jitter of the camera from frame to frame, in percent of the short side.",
    ),
    _metric(
        "noise_sigma",
        "Noise",
        "codes",
        False,
        "detail",
        1,
        "Grain in the flattest places, in 8-bit codes.",
    ),
)
"""Every metric, in the order of every file finishkit writes."""
