"""What can be set: one frozen class a stage, units in the names, bounds on every value."""

from typing import Annotated, Literal, Self

from annotated_types import Interval
from pydantic import AfterValidator, Field, model_validator

from finishkit.brought import known_upscaler
from finishkit.values import Value

Strength = Annotated[float, Interval(ge=0, le=1), Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Without control characters: it goes into messages, reports and file names."""


class FacesSettings(Value):
    """Restore faces in the aligned crop, never further than identity allows."""

    strength: Strength = 0.40
    """Share of the engine's answer that is added, where identity allows it."""
    engine: Literal[
        "detail", "gfpgan", "restoreformer", "restoreformer-pp", "codeformer", "reference"
    ] = "detail"
    """``detail`` gives back what blur took; the others are nets whose weights you bring;
    ``reference`` is GFPGAN as its own package runs it, to compare with."""
    protect: Literal["off", "on", "strong"] = "on"
    """How far eyes and mouth are kept from a net's answer; ``detail`` invents nothing and needs
    none."""
    max_identity_shift: Annotated[Finite, Interval(ge=0, le=1)] = 0.12
    """Largest distance between the embedding of a face before and after, dlib units; for another
    backend in proportion to its own limit between persons."""
    detect_every_frames: Annotated[int, Interval(ge=1, le=48)] = 6


class DeflickerSettings(Value):
    """Even out brightness and colour that jump from frame to frame."""

    strength: Strength = 0.60
    window_frames: Annotated[int, Interval(ge=3, le=31)] = 7
    threshold_lstar: Annotated[Finite, Interval(ge=0, le=10)] = 0.25
    """Shots measured below this are left as they are."""
    flash_lstar: Annotated[Finite, Interval(ge=2, le=100)] = 12.0
    """A change of light this large from one frame to the next is meant, and kept: a flash, a
    strobe, a lamp switched. Genres that live on them set it lower."""


class StabiliseSettings(Value):
    """Take the shake out of the camera's path; pans and the genre's handheld feel stay."""

    strength: Strength = 0.30
    """Share of the shake that is taken out."""
    max_crop_pct: Annotated[Finite, Interval(ge=0, le=20)] = 5.0
    """Most that may be cut away at the edges, percent of the short side."""
    threshold_pct: Annotated[Finite, Interval(ge=0, le=10)] = 0.5
    """Shots that shake less than this (``shake_pct``) are left as they are."""


class InterpolateSettings(Value):
    """Repair the cadence: repeats become the motion between their neighbours, rates are met."""

    strength: Strength = 1.0
    """0 leaves repeats, and meets the master's rate with the nearest frames."""
    confidence_min: Strength = 0.70
    """Where forward and backward flow agree, in the worst part of the picture, on less than this
    share of what can be seen, the nearest frame is shown."""
    retime: Literal["auto", "exact", "nearest"] = "auto"
    """How shots of another rate come to the master's: every frame at its exact moment; the nearest
    frame, as drawn pictures want; or exact but between near rates (24 and 25) eased, which keeps
    most frames untouched."""
    engine: Literal["dis", "rife"] = "dis"
    rife_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    """Digest of the RIFE net, an ONNX file that you bring; with ``engine = "rife"``."""


class UpscaleSettings(Value):
    """Enlarge to the master's size."""

    model: Annotated[str, AfterValidator(known_upscaler)] = "realesr-animevideov3"
    """A net finishkit knows or one that you have added (``finishkit models list``), or
    ``lanczos``."""
    model_sha256: Digest = ""
    """Digest of a net of your own, set by locking: another net under its name is refused."""
    engine: Literal["finishkit", "reference"] = "finishkit"
    """``reference`` runs the net as its own package does, to compare with: slow."""
    strength: Strength = 0.65
    """Share of the net in the blend with a Lanczos enlargement; 0 is Lanczos alone. Above 0.8 faces
    look drawn: lids become lines, stubble and moles go."""
    net_budget_mpx: Annotated[Finite, Interval(ge=0, le=1e7)] = 0.0
    """Megapixels of source frames the net may be spent on, scene by scene from the hook on; the
    other scenes are enlarged by Lanczos. 0: the net on every shot."""
    tile_px: Annotated[int, Interval(ge=0, le=4096)] = 0
    """Tile side at the source's size; 0 chooses by memory."""
    gpu_memory_gb: Annotated[float, Interval(ge=0, le=1024), Field(allow_inf_nan=False)] = 0.0
    """Most of the GPU's memory that the net may take, in all processes together; 0: all of it but a
    tenth. Without a GPU it means nothing."""


class SharpenSettings(Value):
    """Bring each shot's effective resolution into a band round its scene's, both ways."""

    strength: Strength = 0.80
    """Share of the gap to the band that is closed."""
    target_oct: Annotated[Finite, Interval(ge=-1, le=1)] = 0.0
    """Crisper (positive) or softer look than the scene's own centre, octaves."""
    band_oct: Annotated[Finite, Interval(ge=0.02, le=1)] = 0.15
    """Half width of the band: a shot inside it is left as it is, none is left above it."""
    skin_share: Strength = 0.50
    """Share of the sharpening that faces are given."""


class GrainSettings(Value):
    """One grain over the whole set: what a shot lacks is added, too much of it is lowered."""

    strength: Strength = 1.0
    sigma_codes: Annotated[Finite, Interval(ge=0, le=8)] = 1.0
    """Standard deviation of the grain of the finished set, 8-bit codes of luma."""
    denoise: Strength = 0.30
    """How far a shot with more than that may be cleaned."""


class GradeSettings(Value):
    """Bring each shot to its scene, then the scene to the genre's look."""

    strength: Strength = 0.90
    matching: Literal["scene", "off"] = "scene"
    max_wb_oct: Annotated[Finite, Interval(ge=0, le=1)] = 0.5
    max_ev: Annotated[Finite, Interval(ge=0, le=2)] = 0.7
    max_gain: Annotated[Finite, Interval(ge=1, le=2)] = 1.8
    """Bound on contrast and saturation trims, as a ratio either way."""
    skin_protect: Strength = 0.5
    """Share of a match that skin is kept from where it would move skin away from its scene's."""
    even_out: Strength = 0.8
    """Share of a slow change of colour within a shot that is taken out, where ``limits.drift_de``
    is passed."""
    pre_lut: Annotated[OneLine, Field(max_length=1000)] = ""
    """A ``.cube`` beside the template, applied before the match: the technical transform of all."""
    look_lut: Annotated[OneLine, Field(max_length=1000)] = ""
    """A ``.cube`` beside the template, applied after match and look: the group's creative one."""
    pre_lut_sha256: Digest = ""
    look_lut_sha256: Digest = ""
    """Digests of the two files, set by locking: another file under the same name is refused."""
    saturation: Annotated[Finite, Interval(ge=0.5, le=1.5)] = 1.0
    contrast: Annotated[Finite, Interval(ge=0.5, le=1.5)] = 1.0
    temperature_k: Annotated[Finite, Interval(ge=-1500, le=1500)] = 0.0
    """Warmer (positive) or cooler look, in kelvin around 6500."""
    blacks_ire: Annotated[Finite, Interval(ge=-5, le=10)] = 0.0
    """Lifted (positive) or crushed blacks."""


class MasterSettings(Value):
    """One size, one rate, one encoding for all shots."""

    width_px: Annotated[int, Interval(ge=144, le=4320), Field(multiple_of=2)] = 2160
    height_px: Annotated[int, Interval(ge=256, le=7680), Field(multiple_of=2)] = 3840
    rate_fps: Literal["source", "23.976", "24", "25", "29.97", "30"] = "source"
    """``source``: the rate most shots of the episode have."""
    fit: Literal["crop", "pad"] = "crop"
    crf: Annotated[int, Interval(ge=0, le=40)] = 16
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        "veryfast"
    )
    cubes: bool = False
    """Write every shot's grade as ``luts/<shot>.cube`` too, to go on with in a grading system."""
    encoder_threads: Annotated[int, Interval(ge=1, le=16)] = 2
    """Fixed here, not taken from the machine: x264 gives other bytes for other counts."""


class GatesSettings(Value):
    """How much harm a stage may do to a shot before it is tried weaker, then left out."""

    flicker_ratio: Annotated[Finite, Interval(ge=1, le=2)] = 1.05
    """Flicker out over flicker in."""
    colour_de: Annotated[Finite, Interval(ge=0.1, le=20)] = 2.0
    """Change of low-frequency colour by a stage that is not there to change colour, dE76."""


class Weights(Value):
    """How much each family counts in the genre's reading of the score."""

    face: Strength = 0.30
    motion: Strength = 0.20
    detail: Strength = 0.25
    colour: Strength = 0.25

    @model_validator(mode="after")
    def _one_whole(self) -> Self:
        total = self.face + self.motion + self.detail + self.colour
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the four weights add up to {total:g}, not to 1")
        return self
