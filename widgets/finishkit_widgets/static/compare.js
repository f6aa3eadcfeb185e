/**
 * Before and after in one place. The kernel makes the pictures, this file only shows them.
 *
 * @typedef {{before: DataView, after: DataView, mode: string, position: number,
 *            before_label: string, after_label: string, alt: string}} State
 */

const MODES = [
  ["wipe", "Wipe"],
  ["side", "Side by side"],
  ["before", "Before"],
  ["after", "After"],
];

/** @param {string} tag @param {string} className @param {Record<string, string>} attributes */
function make(tag, className, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The kind of picture, from its first bytes. @param {DataView} bytes */
const mime = (bytes) => (bytes.getUint8(0) === 0x89 ? "image/png" : "image/jpeg");

/**
 * Show bytes in an image, and keep the old picture until the new one is decoded: no blink.
 * Only the latest of several quick changes is shown.
 */
function picture(image, onShown) {
  let latest = 0;
  let shown = "";
  return {
    show(bytes) {
      const turn = ++latest;
      if (!bytes || !bytes.byteLength) return;
      const url = URL.createObjectURL(new Blob([bytes], { type: mime(bytes) }));
      const next = new Image();
      next.src = url;
      next.decode().then(
        () => {
          if (turn !== latest) return URL.revokeObjectURL(url);
          image.src = url;
          if (shown) URL.revokeObjectURL(shown);
          shown = url;
          onShown(turn);
        },
        () => {
          URL.revokeObjectURL(url);
          if (turn === latest) onShown(-1);
        },
      );
    },
    release() {
      latest = -1;
      if (shown) URL.revokeObjectURL(shown);
    },
  };
}

function render({ model, el }) {
  const root = make("div", "fk-compare", {
    "data-testid": "fk-compare",
    role: "group",
    "aria-label": "Before and after",
  });
  const stage = make("div", "fk-compare-stage");
  const panes = ["before", "after"].map((side) => {
    const pane = make("figure", `fk-compare-pane fk-compare-${side}`);
    const image = make("img", "", { "data-testid": `fk-${side}`, draggable: "false" });
    const label = make("figcaption", "", { "data-testid": `fk-${side}-label` });
    pane.append(image, label);
    return { side, pane, image, label };
  });
  const handle = make("div", "fk-compare-handle", {
    "data-testid": "fk-wipe",
    role: "slider",
    tabindex: "0",
    "aria-label": "Wipe between before and after",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
  });
  const frame = make("div", "fk-compare-frame");
  frame.append(panes[1].pane, panes[0].pane, handle);
  stage.append(frame);
  const bar = make("div", "fk-compare-bar", { role: "group", "aria-label": "View" });
  const buttons = MODES.map(([mode, text]) => {
    const button = make("button", "", { type: "button", "data-testid": `fk-mode-${mode}` });
    button.textContent = text;
    button.addEventListener("click", () => save("mode", mode));
    bar.append(button);
    return { mode, button };
  });
  const trouble = make("span", "fk-compare-trouble", { role: "alert" });
  bar.append(trouble);
  root.append(stage, bar);
  el.append(root);

  const shows = panes.map(({ side, image }) =>
    picture(image, (turn) => {
      root.dataset[`${side}Shown`] = String(turn);
      trouble.textContent = turn < 0 ? `The ${side} picture cannot be shown.` : "";
    }),
  );

  function save(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function move(to) {
    const position = Math.round(Math.min(1, Math.max(0, to)) * 100) / 100;
    if (position !== model.get("position")) save("position", position);
  }

  const draw = {
    before: () => shows[0].show(model.get("before")),
    after: () => shows[1].show(model.get("after")),
    mode() {
      root.dataset.mode = model.get("mode");
      for (const { mode, button } of buttons)
        button.setAttribute("aria-pressed", String(mode === model.get("mode")));
    },
    position() {
      const percent = Math.round(model.get("position") * 100);
      frame.style.setProperty("--fk-wipe", `${percent}%`);
      handle.setAttribute("aria-valuenow", String(percent));
      handle.setAttribute("aria-valuetext", `before ${percent} %, after ${100 - percent} %`);
    },
    before_label: () => (panes[0].label.textContent = model.get("before_label")),
    after_label: () => (panes[1].label.textContent = model.get("after_label")),
    alt() {
      for (const { side, image } of panes) image.alt = `${model.get("alt")}, ${side}`;
    },
  };
  for (const [name, update] of Object.entries(draw)) {
    model.on(`change:${name}`, update);
    update();
  }

  function toPointer(event) {
    const box = frame.getBoundingClientRect();
    if (box.width) move((event.clientX - box.left) / box.width);
  }
  const onDown = (event) => {
    if (event.button !== 0 || model.get("mode") !== "wipe") return;
    event.preventDefault();
    handle.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    toPointer(event);
  };
  const onMove = (event) => {
    if (frame.hasPointerCapture(event.pointerId)) toPointer(event);
  };
  frame.addEventListener("pointerdown", onDown);
  frame.addEventListener("pointermove", onMove);

  const slides = {
    ArrowLeft: (p, big) => p - (big ? 0.1 : 0.02),
    ArrowDown: (p, big) => p - (big ? 0.1 : 0.02),
    ArrowRight: (p, big) => p + (big ? 0.1 : 0.02),
    ArrowUp: (p, big) => p + (big ? 0.1 : 0.02),
    PageDown: (p) => p - 0.1,
    PageUp: (p) => p + 0.1,
    "[": (p) => p - 0.05,
    "]": (p) => p + 0.05,
    Home: () => 0,
    End: () => 1,
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" || event.key === "Escape") return;
    // In command mode JupyterLab would take "d d" as: delete this cell.
    event.stopPropagation();
    if (event.key === "w") save("mode", "wipe");
    else if (event.key === "\\") save("mode", model.get("mode") === "before" ? "after" : "before");
    else if (event.key in slides && model.get("mode") === "wipe")
      move(slides[event.key](model.get("position"), event.shiftKey));
    else return;
    event.preventDefault();
  };
  root.addEventListener("keydown", onKey);

  return () => {
    for (const [name, update] of Object.entries(draw)) model.off(`change:${name}`, update);
    for (const show of shows) show.release();
    root.removeEventListener("keydown", onKey);
    frame.removeEventListener("pointerdown", onDown);
    frame.removeEventListener("pointermove", onMove);
    root.remove();
  };
}

export default { render };
