"""One setting of a draft as a row: its name, its control, a mark when changed, a reset."""

import html
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets
from annotated_types import Interval
from pydantic.fields import FieldInfo

from finishkit.brought import upscaler_names
from finishkit.template import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a row shows of one setting; bounds and choices come from the template itself.

    Attributes
    ----------
    path : str
        Dotted name, such as ``grade.saturation``; in the table of words its label has this name.
    step : float
        One arrow key. 0: a list of choices, no number.
    unit : str
    at_once : bool
        False: applied on release, since what it changes takes longer to solve than a drag lasts.
    """

    path: str
    step: float = 0.0
    unit: str = ""
    at_once: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings under one heading.

    Attributes
    ----------
    name : str
        In the table of words its heading is ``group.<name>``.
    settings : tuple of Setting
    """

    name: str
    settings: tuple[Setting, ...]


GROUPS = (
    Group(
        name="colour",
        settings=(
            Setting(path="grade.strength", step=0.05, at_once=False),
            Setting(path="grade.matching"),
            Setting(path="grade.temperature_k", step=50, unit="K"),
            Setting(path="grade.contrast", step=0.02),
            Setting(path="grade.saturation", step=0.02),
            Setting(path="grade.blacks_ire", step=0.5, unit="IRE"),
            Setting(path="grade.skin_protect", step=0.05, at_once=False),
            Setting(path="grade.even_out", step=0.05),
            Setting(
                path="grade.max_wb_oct",
                step=0.05,
                unit="oct",
                at_once=False,
            ),
            Setting(path="grade.max_ev", step=0.1, unit="EV", at_once=False),
            Setting(
                path="grade.max_gain",
                step=0.05,
                unit="×",
                at_once=False,
            ),
        ),
    ),
    Group(
        name="sharpness",
        settings=(
            Setting(path="sharpen.strength", step=0.05),
            Setting(path="sharpen.target_oct", step=0.05, unit="oct"),
            Setting(path="sharpen.band_oct", step=0.01, unit="oct"),
            Setting(path="sharpen.skin_share", step=0.05),
            Setting(path="grain.sigma_codes", step=0.1, unit="codes"),
            Setting(path="grain.strength", step=0.05),
            Setting(path="grain.denoise", step=0.05),
        ),
    ),
    Group(
        name="faces",
        settings=(
            Setting(path="faces.strength", step=0.05),
            Setting(path="faces.max_identity_shift", step=0.01),
            Setting(path="faces.detect_every_frames", step=1, unit="frames"),
            Setting(path="faces.engine"),
            Setting(path="faces.protect"),
        ),
    ),
    Group(
        name="deflicker",
        settings=(
            Setting(path="deflicker.strength", step=0.05),
            Setting(path="deflicker.window_frames", step=2, unit="frames"),
            Setting(path="deflicker.threshold_lstar", step=0.05, unit="L*"),
            Setting(path="deflicker.flash_lstar", step=1, unit="L*"),
        ),
    ),
    Group(
        name="motion",
        settings=(
            Setting(path="stabilise.strength", step=0.05),
            Setting(path="stabilise.max_crop_pct", step=0.5, unit="%"),
            Setting(path="stabilise.threshold_pct", step=0.1, unit="%"),
            Setting(path="interpolate.strength", step=0.05),
            Setting(path="interpolate.confidence_min", step=0.05),
            Setting(path="interpolate.retime"),
        ),
    ),
    Group(
        name="upscale",
        settings=(
            Setting(path="upscale.model"),
            Setting(path="upscale.strength", step=0.05),
        ),
    ),
    Group(
        name="gates",
        settings=(
            Setting(path="gates.flicker_ratio", step=0.01, unit="×"),
            Setting(path="gates.colour_de", step=0.1, unit="ΔE"),
        ),
    ),
    Group(
        name="master",
        settings=(
            Setting(path="master.width_px", step=2, unit="px"),
            Setting(path="master.height_px", step=2, unit="px"),
            Setting(path="master.rate_fps"),
            Setting(path="master.fit"),
            Setting(path="master.crf", step=1, unit="crf"),
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
    words : mapping of str to str
        The tuner's.
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
        words: Mapping[str, str],
        value: Any,
        start: Any,
        on_change: Callable[[str, Any], None],
        on_reset: Callable[[str], None],
    ) -> None:
        self.setting = setting
        self._words = words
        self._told = False
        self.control = _control(setting, value)
        self.control.add_class("fk-control")
        unit = html.escape(setting.unit)
        self._label = html.escape(words[setting.path]) + (
            f' <span class="fk-unit">{unit}</span>' if unit else ""
        )
        self._name = ipywidgets.HTML(layout=ipywidgets.Layout(width="144px", flex="none"))
        self._reset = ipywidgets.Button(
            description="↺", layout=ipywidgets.Layout(width="28px", flex="none")
        )
        self._reset.add_class("fk-reset")
        self._reset.on_click(lambda _: on_reset(setting.path))

        def moved(change: dict[str, Any]) -> None:
            new = change["new"]
            if not self._told:
                on_change(setting.path, _tidy(new))

        self.control.observe(moved, names="value")
        super().__init__(children=(self._name, self.control, self._reset))
        self.add_class("fk-row")
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
        self.changed = value != start
        said = html.escape(self._words["changed"], quote=True)
        dot = f'<span class="fk-dot" role="img" aria-label="{said}">●</span>'
        self._name.value = (
            f'<span class="fk-mark">{dot if self.changed else ""}</span><span class="fk-row-name"'
            f' title="{html.escape(self.setting.path, quote=True)}">{self._label}</span>'
        )
        self._reset.tooltip = self._words["reset"].format(value=start)
        self._reset.disabled = not self.changed or bool(self.control.disabled)

    def lock(self, locked: bool) -> None:
        """Open or close the row for changes."""
        self.control.disabled = locked
        self._reset.disabled = locked or not self.changed


def _tidy(value: Any) -> Any:
    # A slider adds up its steps: 0.1 + 0.2 must be 0.3 in the template.
    return round(value, 4) if isinstance(value, float) else value


def _control(setting: Setting, value: Any) -> Any:
    layout = ipywidgets.Layout(flex="1 1 auto", min_width="120px", width="auto")
    if not setting.step:
        choices = typing.get_args(field_of(setting.path).annotation) or upscaler_names()
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
