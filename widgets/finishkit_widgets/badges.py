"""The four verdicts as marks: a shape, a letter, a word and a colour, never colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from finishkit.verdict import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """How one verdict is shown everywhere.

    Attributes
    ----------
    shape, letter, word : str
    marker : str
        The same shape as a matplotlib marker.
    light, dark : str
        Hex colour on a light and on a dark page, both at least 4.5:1 against it.
    """

    shape: str
    letter: str
    word: str
    marker: str
    light: str
    dark: str


BADGES: Mapping[Action, Badge] = MappingProxyType(
    {
        "ok": Badge(shape="●", letter="O", word="ok", marker="o", light="#1f7a4d", dark="#7fcf9f"),
        "check": Badge(
            shape="▲", letter="C", word="check", marker="^", light="#8a5a00", dark="#f0b840"
        ),
        "fix": Badge(
            shape="◆", letter="F", word="fix", marker="D", light="#0b6a8e", dark="#5bc0e8"
        ),
        "regenerate": Badge(
            shape="■", letter="R", word="regenerate", marker="s", light="#b3261e", dark="#ff8f86"
        ),
    }
)


def badge_css() -> str:
    """Return the badge colours as CSS variables ``--fk-ok`` and so on, for both themes."""
    light = "".join(f"--fk-{name}:{badge.light};" for name, badge in BADGES.items())
    dark = "".join(f"--fk-{name}:{badge.dark};" for name, badge in BADGES.items())
    marks = "".join(f'.fk-badge[data-action="{name}"]{{color:var(--fk-{name})}}' for name in BADGES)
    return f'body{{{light}}}body[data-jp-theme-light="false"]{{{dark}}}{marks}\n'
