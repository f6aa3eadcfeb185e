"""A widget's front end alone on a blank page, over a fake model: no kernel, no network."""

import base64
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page

from finishkit_widgets.front import css, esm

THEMES = {"light": "true", "dark": "false"}
"""What JupyterLab writes into ``data-jp-theme-light``."""

_MOUNT = """async ([code, state, css, light, paper, around]) => {
  document.body.innerHTML = around;
  document.body.dataset.jpThemeLight = light;
  document.body.style.background = paper;
  document.body.style.setProperty('--jp-layout-color1', paper);
  document.body.style.setProperty('--jp-layout-color2', light === 'true' ? '#f5f6f8' : '#1e2329');
  document.body.style.setProperty('--jp-ui-font-color1', light === 'true' ? '#1f2328' : '#e6e9ec');
  document.body.style.setProperty('--jp-border-color2', light === 'true' ? '#d9dce0' : '#3a424b');
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const widget = (await import(url)).default;
  URL.revokeObjectURL(url);
  const bytes = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  window.fkBytes = bytes;
  for (const [name, value] of Object.entries(state))
    if (value?.base64 !== undefined) state[name] = bytes(value.base64);
  const calls = {};
  window.outside = [];
  document.addEventListener('keydown', e => window.outside.push(e.key));
  window.saved = [];
  window.sent = [];
  window.model = {
    get: name => state[name],
    set: (name, value) => {
      state[name] = value;
      (calls['change:' + name] ?? []).forEach(call => call());
    },
    on: (event, call) => (calls[event] ??= []).push(call),
    off: (event, call) => { calls[event] = (calls[event] ?? []).filter(c => c !== call); },
    save_changes: () => window.saved.push({...state}),
    send: content => window.sent.push(content),
    hear: (content, buffers) => (calls['msg:custom'] ?? []).forEach(c => c(content, buffers ?? [])),
    listeners: () => Object.values(calls).flat().length,
  };
  const el = document.querySelector('.fk-panel') ?? document.body;
  window.cleanup = await widget.render({model: window.model, el});
}"""


def mount(
    page: Page,
    name: str,
    state: dict[str, Any],
    *,
    theme: str = "light",
    around: str = "",
    sheet: str = "",
) -> None:
    """Render a front end on a blank page.

    Afterwards the page has ``model`` (set a trait as the kernel would, ``hear`` a message),
    ``saved`` (states at each save), ``sent`` (messages to the kernel), ``outside`` (keys that left
    the widget), ``cleanup`` and ``fkBytes`` (base64 to bytes).

    Parameters
    ----------
    page : Page
    name : str
        Of the module, such as ``filmstrip``.
    state : dict
        Its traits; bytes from :func:`picture`.
    theme : {'light', 'dark'}, optional
    around : str, optional
        HTML of a page with a ``.fk-panel`` to render into; an empty page by default.
    sheet : str, optional
        Name of its style sheet; the module's by default.
    """
    page.goto("about:blank")
    paper = {"light": "#ffffff", "dark": "#15191e"}[theme]
    page.evaluate(_MOUNT, [esm(name), state, css(sheet or name), THEMES[theme], paper, around])


def sent_bytes(data: bytes) -> dict[str, str]:
    """Return bytes as :func:`mount` takes them in a state."""
    return {"base64": base64.b64encode(data).decode()}


def picture(
    colour: tuple[int, int, int], width_px: int = 54, height_px: int = 96
) -> dict[str, str]:
    """Return a plain PNG for a state; ``colour`` is R, G, B in 0 to 255."""
    done, data = cv2.imencode(".png", np.full((height_px, width_px, 3), colour[::-1], np.uint8))
    assert done
    return sent_bytes(data.tobytes())


def axe_violations(page: Page, within: str = "body") -> list[str]:
    """Return what axe-core calls a serious or critical violation, a line each.

    Parameters
    ----------
    page : Page
    within : str, optional
        CSS selector of what is looked at.
    """
    source = Path(str(resources.files("axe_playwright_python") / "axe.min.js"))
    page.evaluate(source.read_text(encoding="utf-8"))
    found = page.evaluate(
        "async within => (await axe.run(within, {resultTypes: ['violations']})).violations", within
    )
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: {n['html'][:160]}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for n in v["nodes"]
    ]
