"""The front ends as anywidget wants them: one module and one style sheet a widget, no bundler."""

from pathlib import Path

from finishkit_widgets.badges import badge_css

STATIC = Path(__file__).parent / "static"


def esm(name: str) -> str:
    """Return a widget's module, after what all front ends share.

    Parameters
    ----------
    name : str
        Of the file in ``static``. Modules from a blob cannot import one another, so what
        ``common.js`` and the widget's own ``name_*.js`` define is simply there.
    """
    parts = sorted(path.name for path in STATIC.glob(f"{name}_*.js"))
    return "".join(_read(part) for part in ("common.js", *parts, f"{name}.js"))


def css(name: str) -> str:
    """Return a widget's style sheet, after the colours and marks all front ends share.

    Parameters
    ----------
    name : str
        Of the file in ``static``.
    """
    return badge_css() + _read("common.css") + _read(f"{name}.css")


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
