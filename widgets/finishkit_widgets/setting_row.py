"""One setting of a draft as a row: its name, its control, a mark when changed, a reset."""

import html
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets
from annotated_types import Interval
from pydantic.fields import FieldInfo

from finishkit.template import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a row shows of one setting; bounds and choices come from the template itself.

    Attributes
    ----------
    path : str
        Dotted name, such as ``grade.saturation``.
    label : str
    step : float
        One arrow key. 0: a list of choices, no number.
    unit : str
    at_once : bool
        False: applied on release, since what it changes takes longer to solve than a drag lasts.
    """

    path: str
    label: str
    step: float = 0.0
    unit: str = ""
    at_once: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings under one heading.

    Attributes
    ----------
    title : str
    settings : tuple of Setting
    """

    title: str
    settings: tuple[Setting, ...]


GROUPS = (
    Group(
        title="Colour",
        settings=(
            Setting(path="grade.strength", label="Match and look", step=0.05, at_once=False),
            Setting(path="grade.matching", label="Match shots to"),
            Setting(path="grade.temperature_k", label="Warmth", step=50, unit="K"),
            Setting(path="grade.contrast", label="Contrast", step=0.02),
            Setting(path="grade.saturation", label="Saturation", step=0.02),
            Setting(path="grade.blacks_ire", label="Blacks", step=0.5, unit="IRE"),
            Setting(path="grade.skin_protect", label="Keep skin", step=0.05, at_once=False),
            Setting(path="grade.even_out", label="Even out drift", step=0.05),
            Setting(
                path="grade.max_wb_oct",
                label="White balance ≤",
                step=0.05,
                unit="oct",
                at_once=False,
            ),
            Setting(path="grade.max_ev", label="Exposure ≤", step=0.1, unit="EV", at_once=False),
            Setting(
                path="grade.max_gain",
                label="Contrast, colour ≤",
                step=0.05,
                unit="×",
                at_once=False,
            ),
        ),
    ),
    Group(
        title="Sharpness and grain",
        settings=(
            Setting(path="sharpen.strength", label="Bring to scene", step=0.05),
            Setting(path="sharpen.target_oct", label="Crisper, softer", step=0.05, unit="oct"),
            Setting(path="sharpen.band_oct", label="Leave within ±", step=0.01, unit="oct"),
            Setting(path="sharpen.skin_share", label="On skin", step=0.05),
            Setting(path="grain.sigma_codes", label="Grain", step=0.1, unit="codes"),
            Setting(path="grain.strength", label="Match grain", step=0.05),
            Setting(path="grain.denoise", label="Clean up to", step=0.05),
        ),
    ),
    Group(
        title="Faces",
        settings=(
            Setting(path="faces.strength", label="Detail", step=0.05),
            Setting(path="faces.max_identity_shift", label="Identity shift ≤", step=0.01),
            Setting(path="faces.detect_every_frames", label="Look every", step=1, unit="frames"),
            Setting(path="faces.engine", label="Engine"),
            Setting(path="faces.protect", label="Keep eyes and mouth"),
        ),
    ),
    Group(
        title="Deflicker",
        settings=(
            Setting(path="deflicker.strength", label="Even out", step=0.05),
            Setting(path="deflicker.window_frames", label="Over", step=2, unit="frames"),
            Setting(path="deflicker.threshold_lstar", label="Only above", step=0.05, unit="L*"),
            Setting(path="deflicker.flash_lstar", label="A flash from", step=1, unit="L*"),
        ),
    ),
    Group(
        title="Motion",
        settings=(
            Setting(path="stabilise.strength", label="Steady", step=0.05),
            Setting(path="stabilise.max_crop_pct", label="Crop ≤", step=0.5, unit="%"),
            Setting(path="stabilise.threshold_pct", label="Only above", step=0.1, unit="%"),
            Setting(path="interpolate.strength", label="Replace repeats", step=0.05),
            Setting(path="interpolate.confidence_min", label="Only when sure", step=0.05),
            Setting(path="interpolate.retime", label="Other rates"),
        ),
    ),
    Group(
        title="Upscale",
        settings=(
            Setting(path="upscale.model", label="Model"),
            Setting(path="upscale.strength", label="Share of the net", step=0.05),
        ),
    ),
    Group(
        title="Gates",
        settings=(
            Setting(path="gates.flicker_ratio", label="Flicker may rise", step=0.01, unit="×"),
            Setting(path="gates.colour_de", label="Colour may move", step=0.1, unit="ΔE"),
        ),
    ),
    Group(
        title="Master",
        settings=(
            Setting(path="master.width_px", label="Width", step=2, unit="px"),
            Setting(path="master.height_px", label="Height", step=2, unit="px"),
            Setting(path="master.rate_fps", label="Frames per second"),
            Setting(path="master.fit", label="Other shapes"),
            Setting(path="master.crf", label="Compression", step=1, unit="crf"),
        ),
    ),
)
"""What can be tuned. Colour first: it is what the preview shows at once."""


def field_of(path: str) -> FieldInfo:
    """Return the template's own description of a setting.

    Parameters
    ----------
    path : str
        Dotted name.

    Returns
    -------
    field : pydantic FieldInfo
    """
    section, _, key = path.partition(".")
    owner = Look.model_fields[section].annotation
    return typing.cast(Any, owner).model_fields[key]


def bounds_of(path: str) -> tuple[float, float]:
    """Return the smallest and largest value the template takes.

    Parameters
    ----------
    path : str
        Dotted name of a number.

    Returns
    -------
    low, high : float
    """
    metadata = field_of(path).metadata
    low, high = next((m.ge, m.le) for m in metadata if isinstance(m, Interval))
    return typing.cast(float, low), typing.cast(float, high)


class SettingRow(ipywidgets.HBox):
    """A row bound to one setting. It holds no value of its own besides what it shows.

    Parameters
    ----------
    setting : Setting
    value, start : object
        What it is, and what reset goes back to.
    on_change : callable
        Called with the dotted name and the new value when a person moves the control.
    on_reset : callable
        Called with the dotted name.
    """

    def __init__(
        self,
        setting: Setting,
        value: Any,
        start: Any,
        on_change: Callable[[str, Any], None],
        on_reset: Callable[[str], None],
    ) -> None:
        self.setting = setting
        self._told = False
        self.control = _control(setting, value)
        self.control.add_class("fk-control")
        self._mark = ipywidgets.HTML(layout=ipywidgets.Layout(width="14px", flex="none"))
        label = setting.label + (f", {setting.unit}" if setting.unit else "")
        name = ipywidgets.HTML(
            f'<span class="fk-note" title="{html.escape(setting.path, quote=True)}">'
            f"{html.escape(label)}</span>",
            layout=ipywidgets.Layout(width="150px", flex="none"),
        )
        self._reset = ipywidgets.Button(
            description="↺", layout=ipywidgets.Layout(width="32px", flex="none")
        )
        self._reset.on_click(lambda _: on_reset(setting.path))

        def moved(change: dict[str, Any]) -> None:
            new = change["new"]
            if not self._told:
                on_change(setting.path, _tidy(new))

        self.control.observe(moved, names="value")
        super().__init__(children=(self._mark, name, self.control, self._reset))
        self.add_class(f"fk-{setting.path.replace('.', '-')}")
        self.show(value, start)

    def show(self, value: Any, start: Any) -> None:
        """Show a value without reporting it back.

        Parameters
        ----------
        value, start : object
            A dot and an open reset button say that they differ.
        """
        self._told = True
        try:
            # Writing the same number tidied would send the slider back to where it was, while the
            # hand that drags it is further on.
            if _tidy(self.control.value) != value:
                self.control.value = value
        finally:
            self._told = False
        changed = value != start
        self._mark.value = '<span class="fk-dot" title="changed">●</span>' if changed else ""
        self._reset.tooltip = f"Reset {self.setting.label} to {start}"
        self._reset.disabled = not changed or bool(self.control.disabled)

    def lock(self, locked: bool) -> None:
        """Open or close the row for changes."""
        self.control.disabled = locked
        self._reset.disabled = locked or not self._mark.value


def _tidy(value: Any) -> Any:
    # A slider adds up its steps: 0.1 + 0.2 must be 0.3 in the template.
    return round(value, 4) if isinstance(value, float) else value


def _control(setting: Setting, value: Any) -> Any:
    layout = ipywidgets.Layout(flex="1 1 auto", min_width="120px", width="auto")
    if not setting.step:
        choices = typing.get_args(field_of(setting.path).annotation)
        return ipywidgets.Dropdown(options=choices, value=value, layout=layout)
    low, high = bounds_of(setting.path)
    if setting.unit == "px":
        return ipywidgets.BoundedIntText(
            min=int(low), max=int(high), step=int(setting.step), value=value, layout=layout
        )
    if isinstance(value, int):
        return ipywidgets.IntSlider(
            min=int(low), max=int(high), step=int(setting.step), value=value, layout=layout
        )
    decimals = 2 if setting.step < 0.1 else 1 if setting.step < 1 else 0
    return ipywidgets.FloatSlider(
        min=low,
        max=high,
        step=setting.step,
        value=value,
        readout_format=f".{decimals}f",
        continuous_update=setting.at_once,
        layout=layout,
    )
