/** Where the picture stands: canvas, wipe, labels, safe zone, phone. It only draws. */

const FK_GAP_PX = 8;
const FK_MODES = ["wipe", "side", "before", "after", "difference"];

/**
 * Draw a pair of pictures in one mode.
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number, part: Function}} pair part(side, x, width) gives the
 *   arguments of drawImage up to the target: image, x, y, w, h
 */
function fkPaint(canvas, pair, mode, position) {
  const { width, height } = pair;
  const whole = mode === "side" ? 2 * width + FK_GAP_PX : width;
  if (canvas.width !== whole || canvas.height !== height)
    Object.assign(canvas, { width: whole, height });
  const g = canvas.getContext("2d", { alpha: false });
  const put = (side, x, w, to) => w > 0 && g.drawImage(...pair.part(side, x, w), to, 0, w, height);
  if (mode === "wipe") {
    const at = Math.round(width * position);
    put("before", 0, at, 0);
    put("after", at, width - at, at);
  } else if (mode === "side") {
    g.fillStyle = "#808080";
    g.fillRect(width, 0, FK_GAP_PX, height);
    put("before", 0, width, 0);
    put("after", 0, width, width + FK_GAP_PX);
  } else if (mode === "difference") {
    put("before", 0, width, 0);
    g.globalCompositeOperation = "difference";
    put("after", 0, width, 0);
    // Twice itself, twice: four times the difference.
    g.globalCompositeOperation = "lighter";
    for (let i = 0; i < 2; i++) g.drawImage(canvas, 0, 0);
    g.globalCompositeOperation = "source-over";
  } else put(mode, 0, width, 0);
}

/** The clip's two halves as a pair. */
const fkClipPair = (clip) => ({
  width: clip.info.width,
  height: clip.info.height,
  part: (side, x, w) => [
    clip.picture, x + (side === "after" ? clip.info.stride : 0), 0, w, clip.info.height,
  ],
});

/** Two stills as a pair, in the size of the first. */
const fkStillPair = (bitmaps) => ({
  width: bitmaps[0].width,
  height: bitmaps[0].height,
  part: (side, x, w) => [bitmaps[side === "after" ? 1 : 0], x, 0, w, bitmaps[0].height],
});

function fkStage(words, saved) {
  const canvas = fkMake("canvas", "", { "data-testid": "fk-canvas", role: "img" });
  const handle = fkMake("div", "fk-player-handle", {
    "data-testid": "fk-wipe", role: "slider", tabindex: "0",
    "aria-valuemin": "0", "aria-valuemax": "100",
  });
  const labels = {
    before: fkMake("span", "fk-player-label fk-player-label-before", { "data-testid": "fk-before-label" }),
    after: fkMake("span", "fk-player-label fk-player-label-after", { "data-testid": "fk-after-label" }),
  };
  const zone = fkMake("div", "fk-player-zone", { "data-testid": "fk-zone" });
  const chrome = fkMake("div", "fk-player-chrome", { "aria-hidden": "true", "data-testid": "fk-chrome" });
  const rail = fkMake("div", "fk-player-rail", {}, ...Array.from({ length: 4 }, () => fkMake("i")));
  const lines = fkMake("div", "fk-player-caption");
  chrome.append(fkMake("div", "fk-player-tabs", {}, ...Array.from({ length: 3 }, () => fkMake("i"))), rail, lines);
  const frame = fkMake("div", "fk-player-frame", {}, canvas, zone, labels.before, labels.after, handle);
  const progress = fkMake("div", "fk-player-progress", { "data-testid": "fk-progress" });
  const nav = fkMake("div", "fk-player-nav", { "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => fkMake("i")));
  const phone = fkMake("div", "fk-player-phone", {}, frame, chrome, nav);
  const place = fkMake("div", "fk-player-stage", {
    tabindex: "0", role: "group", "data-testid": "fk-stage",
  }, phone, progress);

  return {
    place, frame, canvas, handle, labels,
    /** Width of one picture, as a share of what is on show. */
    share: () => (place.dataset.mode === "side" ? (canvas.width - FK_GAP_PX) / 2 / canvas.width : 1),
    words() {
      const said = words();
      place.setAttribute("aria-label", said.player);
      handle.setAttribute("aria-label", said.handle);
      labels.before.textContent = said.before;
      lines.textContent = said.caption;
    },
    shape(width, height) {
      frame.style.setProperty("--fk-ratio", String(width / height));
    },
    wipe(position) {
      const percent = Math.round(100 * position);
      handle.style.left = `${100 * position}%`;
      handle.setAttribute("aria-valuenow", String(percent));
      handle.setAttribute("aria-valuetext", fkFill(words().handle_at, { percent }));
    },
    say(text, percent) {
      progress.textContent = text;
      progress.style.setProperty("--fk-done", `${percent}%`);
      progress.hidden = !text;
    },
    drawZone(band) {
      zone.hidden = !band;
      if (!band) return zone.replaceChildren();
      const share = (value) => `${100 * value}%`;
      const edges = [
        ["top", { inset: `0 0 auto 0`, height: share(band.top) }],
        ["bottom", { inset: `auto 0 0 0`, height: share(band.bottom) }],
        ["left", { top: share(band.top), bottom: share(band.bottom), left: "0", width: share(band.left) }],
        ["right", { top: share(band.top), bottom: share(band.bottom), right: "0", width: share(band.right) }],
      ];
      const label = fkMake("span", "fk-player-zone-label", { title: band.source });
      label.textContent = fkFill(words().zone_label, band);
      zone.replaceChildren(
        ...edges.filter(([edge]) => band[edge] > 0).map(([edge, style]) => {
          const strip = fkMake("div", "fk-player-band", { "data-edge": edge });
          Object.assign(strip.style, style);
          if (edge === "bottom") strip.append(label);
          return strip;
        }),
      );
      if (!label.isConnected && !label.parentNode) zone.append(label);
    },
    /** Move the wipe with the pointer: anywhere on the picture, or by its handle. */
    drag(allowed) {
      const to = (event) => {
        const box = frame.getBoundingClientRect();
        if (box.width) saved("position", Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
      };
      const down = (event) => {
        if (event.button !== 0 || !allowed(event)) return;
        event.preventDefault();
        handle.focus({ preventScroll: true });
        frame.setPointerCapture(event.pointerId);
        to(event);
      };
      const move = (event) => frame.hasPointerCapture(event.pointerId) && to(event);
      frame.addEventListener("pointerdown", down);
      frame.addEventListener("pointermove", move);
      return () => {
        frame.removeEventListener("pointerdown", down);
        frame.removeEventListener("pointermove", move);
      };
    },
  };
}
