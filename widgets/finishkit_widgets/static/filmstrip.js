/**
 * The shots of an episode in cut order. Pictures come as one sheet, one tile a shot.
 *
 * @typedef {{shot: string, label: string, scene: string, cast: string[], hook: boolean,
 *   action: string, shape: string, letter: string, why: string}} Item
 * @typedef {{mark: "regenerate" | "accept" | "", note: string, needs: boolean}} Mark
 * @typedef {{sheet: DataView, columns: number, tile_px: [number, number], items: Item[],
 *   marks: Record<string, Mark>, selected: string, filter: string, left: number,
 *   orientation: "horizontal" | "vertical", words: Record<string, string>}} State
 */

/** Under so many pixels of page or app, a column beside the picture has no room. */
const NARROW_PX = 600;
/** What a person said, as a shape and a letter; the text form of the signs, never an emoji. */
const SAID = { regenerate: "\u2691\uFE0ER", accept: "\u2713\uFE0EA", note: "\u270E\uFE0E" };

/** A scene's name as it is said; folders are often called "2_shore", and one scene "1". */
const sceneName = (words, name) =>
  /^\d+$/.test(name) ? fkFill(words.scene_number, { name }) : name.replaceAll("_", " ");

/** Whether a filter shows a shot. @param {string} filter @param {Item} item @param {Mark} mark */
function passes(filter, item, mark) {
  if (filter === "all") return true;
  if (filter === "flagged") return mark.needs;
  if (filter === "hook") return item.hook;
  const [kind, name] = [filter.slice(0, filter.indexOf(":")), filter.slice(filter.indexOf(":") + 1)];
  return kind === "scene" ? item.scene === name : item.cast.includes(name);
}

/**
 * The chips that say which shots are shown, as a toolbar: one stop for Tab, arrows inside.
 * @param {(filter: string) => void} choose
 */
function chipBar(model, choose) {
  let open = false;
  const bar = fkMake("div", "fk-filmstrip-chips", { role: "toolbar", "data-testid": "fk-filters" });
  // In a column the scenes and characters are folded away: only what is seen takes the focus.
  const all = () => [...bar.querySelectorAll("button")].filter((chip) => chip.offsetParent || !bar.offsetParent);
  const rove = (chosen) => bar.querySelectorAll("button").forEach((chip) => (chip.tabIndex = chip === chosen ? 0 : -1));

  function draw() {
    const [words, items, marks] = [model.get("words"), model.get("items"), model.get("marks")];
    const focused = document.activeElement?.closest?.("button")?.dataset.filter;
    const within = bar.contains(document.activeElement);
    const chip = (filter, text, ...classes) => {
      const n = items.filter((item) => passes(filter, item, marks[item.shot])).length;
      const pressed = String(filter === model.get("filter"));
      const button = fkMake("button", ["fk-chip", ...classes].join(" "), {
        type: "button", "data-filter": filter, "aria-pressed": pressed });
      button.append(text, fkMake("span", "fk-chip-count", {}, ` ${n}`));
      return button;
    };
    const scenes = [...new Set(items.map((item) => item.scene))];
    const cast = [...new Set(items.flatMap((item) => item.cast))];
    const said = (text) => fkMake("span", "fk-chip-kind fk-quiet", { "aria-hidden": "true" }, text);
    const row = (kind, ...chips) => fkMake("div", "fk-chip-row", { role: "group", "aria-label": kind },
      ...chips);
    bar.setAttribute("aria-label", words.filters);
    const more = fkMake("button", "fk-chip fk-chip-more", { type: "button", "data-filter": "more",
      "aria-expanded": String(open) }, words.more, open ? " ▴" : " ▾");
    bar.dataset.open = String(open || model.get("filter").includes(":"));
    bar.replaceChildren(row(words.filters, chip("all", words.all), chip("flagged", words.flagged),
      chip("hook", words.hook), more));
    if (scenes.length > 1)
      bar.append(row(words.scenes, said(words.scenes),
        ...scenes.map((name) => chip(`scene:${name}`, sceneName(words, name)))));
    if (cast.length)
      bar.append(row(words.cast, said(words.cast), ...cast.map((name) => chip(`cast:${name}`, name))));
    rove(all().find((c) => c.getAttribute("aria-pressed") === "true") ?? all()[0]);
    if (within) all().find((c) => c.dataset.filter === focused)?.focus({ preventScroll: true });
  }

  /** @returns {boolean} whether the key was used */
  function onKey(event) {
    const chips = all();
    const at = chips.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
      Home: 0, End: chips.length - 1 }[event.key];
    if (at < 0 || to === undefined) return false;
    const next = chips[Math.min(chips.length - 1, Math.max(0, to))];
    rove(next);
    next.focus();
    return true;
  }
  const onClick = (event) => {
    const chip = event.target.closest("button");
    if (chip?.dataset.filter === "more") {
      open = !open;
      draw();
    } else if (chip) choose(chip.dataset.filter);
  };
  bar.addEventListener("click", onClick);
  return { bar, draw, onKey, release: () => bar.removeEventListener("click", onClick) };
}

/** One shot of the list. @param {Item} item @param {number} at its place on the sheet */
function option(item, at, columns, rows) {
  const share = (index, count) => (count > 1 ? `${(100 * index) / (count - 1)}%` : "0%");
  const picture = fkMake("div", "fk-filmstrip-picture", {},
    fkMake("span", "fk-filmstrip-said"), fkMake("span", "fk-filmstrip-hook"));
  picture.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  picture.style.backgroundPosition =
    `${share(at % columns, columns)} ${share(Math.floor(at / columns), rows)}`;
  const badge = fkMake("span", "fk-badge", { "data-action": item.action }, item.shape + item.letter,
    fkMake("span", "fk-filmstrip-verdict"));
  const caption = fkMake("div", "fk-filmstrip-caption", {},
    fkMake("span", "fk-filmstrip-name", {}, item.label), badge);
  return fkMake("div", "fk-filmstrip-shot", { role: "option", "data-shot": item.shot,
    "data-action": item.action, tabindex: "-1", "aria-selected": "false" },
    picture, fkMake("div", "fk-filmstrip-text", {}, caption,
      fkMake("div", "fk-filmstrip-own"),
      fkMake("div", "fk-filmstrip-why fk-quiet", {}, item.why)));
}

/**
 * The sheet behind the tiles. A new one is decoded before it takes the old one's place: while
 * pictures come in, the strip must not flash.
 * @param {HTMLElement} list @param {() => void} shown
 */
function sheetOn(list, shown) {
  let [url, turn] = ["", 0];
  const put = (next) => {
    list.style.setProperty("--fk-sheet", next ? `url("${next}")` : "none");
    if (url) URL.revokeObjectURL(url);
    url = next;
  };
  return {
    show(bytes) {
      const mine = ++turn;
      if (!bytes?.byteLength) return put("");
      const next = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
      const image = new Image();
      image.src = next;
      const then = () => {
        if (mine !== turn) return URL.revokeObjectURL(next);
        put(next);
        shown();
      };
      image.decode().then(then, then);
    },
    release() {
      turn += 1;
      put("");
    },
  };
}

/** What a person said of a shot, in words. @param {Mark} mark */
function saidOf(words, { mark, note }) {
  const said = mark ? [words[`said_${mark}`]] : [];
  return note ? [...said, fkFill(words.said_note, { note })] : said;
}

function render({ model, el }) {
  const root = fkMake("div", "fk fk-filmstrip", { "data-testid": "fk-filmstrip" });
  const list = fkMake("div", "fk-filmstrip-list", { role: "listbox", "data-testid": "fk-shots" });
  const empty = fkMake("p", "fk-filmstrip-empty fk-quiet");
  const live = fkMake("div", "fk-filmstrip-live", { role: "status" });
  const trouble = fkTrouble(model);
  const sheet = sheetOn(list, () => (root.dataset.sheets = String(1 + Number(root.dataset.sheets ?? 0))));
  const chips = chipBar(model, (filter) => fkSave(model, "filter", filter));
  root.append(chips.bar, list, empty, trouble.place, live);
  el.append(root);

  const all = () => [...list.querySelectorAll("[role=option]")];
  const shown = () => all().filter((shot) => !shot.hidden);
  const of = (shot) => all().find((s) => s.dataset.shot === shot);
  /** What was chosen here and not yet heard back: echoes of older choices are not drawn. */
  let asked = { shot: "", until: 0 };
  let current = model.get("selected");

  const drawSheet = () => sheet.show(model.get("sheet"));
  const drawLeft = () => list.setAttribute("aria-busy", String(model.get("left") > 0));

  function drawItems() {
    const [words, items, columns] = [model.get("words"), model.get("items"), model.get("columns")];
    const rows = Math.ceil(items.length / columns);
    const [width, height] = model.get("tile_px");
    list.style.setProperty("--fk-tile-width", `${width}px`);
    list.style.setProperty("--fk-tile-height", `${height}px`);
    list.setAttribute("aria-label", words.shots);
    // Read out after the label, and shown beside the shots: which keys there are.
    list.title = words.keys;
    const focused = list.contains(document.activeElement);
    list.replaceChildren();
    let group = null;
    items.forEach((item, at) => {
      if (item.scene !== items[at - 1]?.scene) {
        const name = sceneName(words, item.scene);
        const label = fkFill(words.scene, { scene: name });
        group = fkMake("div", "fk-filmstrip-scene", { role: "group", "aria-label": label },
          fkMake("div", "fk-filmstrip-head", { "aria-hidden": "true" },
            fkMake("span", "", {}, name)));
        list.append(group);
      }
      group.append(option(item, at, columns, rows));
    });
    drawMarks();
    if (focused) of(current)?.focus({ preventScroll: true });
  }

  /** Badges, flags and words: in place, so that the focus stays where it is. */
  function drawMarks() {
    const [words, marks] = [model.get("words"), model.get("marks")];
    for (const item of model.get("items")) {
      const [shot, mark] = [of(item.shot), marks[item.shot]];
      if (!shot) continue;
      const said = saidOf(words, mark);
      const verdict = words[item.action];
      const hooked = item.hook ? [words.label_hook] : [];
      const facts = [fkFill(words.label, { shot: item.shot, verdict }), ...hooked, ...said].join(words.and);
      const label = item.why ? facts + words.stop + item.why : facts;
      shot.setAttribute("aria-label", label);
      shot.title = label;
      shot.dataset.mark = mark.mark;
      const pill = shot.querySelector(".fk-filmstrip-said");
      pill.textContent = (SAID[mark.mark] ?? "") + (mark.note ? SAID.note : "");
      pill.hidden = !pill.textContent;
      shot.querySelector(".fk-filmstrip-own").textContent = said.join(" · ");
      const hook = shot.querySelector(".fk-filmstrip-hook");
      hook.textContent = words.hook;
      hook.hidden = !item.hook;
      shot.querySelector(".fk-filmstrip-verdict").textContent = ` ${verdict}`;
    }
    chips.draw();
    drawFilter();
  }

  function drawFilter() {
    const [words, filter, marks] = [model.get("words"), model.get("filter"), model.get("marks")];
    const before = all();
    const had = before.indexOf(document.activeElement);
    for (const item of model.get("items")) {
      const shot = of(item.shot);
      if (shot) shot.hidden = !passes(filter, item, marks[item.shot]);
    }
    for (const group of list.children) group.hidden = !group.querySelector("[role=option]:not([hidden])");
    empty.textContent = filter === "flagged" ? words.nothing_flagged : words.nothing_shown;
    empty.hidden = shown().length > 0;
    drawSelected();
    // Whoever flags a shot away under the filter goes on with the next one.
    if (had >= 0 && before[had].hidden)
      choose(before.slice(had).find((s) => !s.hidden) ?? shown().at(-1));
  }

  function drawSelected() {
    const visible = shown();
    const chosen = visible.find((s) => s.dataset.shot === current);
    for (const shot of all()) {
      shot.setAttribute("aria-selected", String(shot === chosen));
      shot.tabIndex = shot === (chosen ?? visible[0]) ? 0 : -1;
    }
    reveal(chosen);
  }

  /** Only the strip scrolls: scrollIntoView would move the whole notebook under the reader. */
  function reveal(shot) {
    if (!shot || !list.clientWidth) return;
    const [frame, box] = [list.getBoundingClientRect(), shot.getBoundingClientRect()];
    const head = root.dataset.orientation === "vertical" ? 30 : 0;
    const over = (low, high, from, to) => (low < from ? low - from : high > to ? high - to : 0);
    const by = { left: over(box.left, box.right, frame.left + 6, frame.right - 6),
      top: over(box.top, box.bottom, frame.top + head, frame.bottom - 6) };
    list.scrollBy({ ...by, behavior: "instant" });
  }

  function choose(shot) {
    if (!shot) return;
    current = shot.dataset.shot;
    asked = { shot: current, until: Date.now() + 1000 };
    fkAct(model, "select", { shot: current });
    drawSelected();
    shot.focus({ preventScroll: true });
  }

  function drawHeard() {
    const heard = model.get("selected");
    if (asked.shot && heard !== asked.shot && Date.now() < asked.until) return;
    asked = { shot: "", until: 0 };
    current = heard;
    const held = list.contains(document.activeElement);
    drawSelected();
    if (held) shown().find((s) => s.dataset.shot === current)?.focus({ preventScroll: true });
  }

  function drawTrouble() {
    trouble.draw();
    if (model.get("trouble")) {
      asked = { shot: "", until: 0 };
      drawHeard();
    }
  }

  function say(shot, act, given, text) {
    fkAct(model, act, { shot, ...given });
    const item = model.get("items").find((i) => i.shot === shot);
    live.textContent = `${item.label}: ${text}`;
  }

  const stopKeys = fkKeys(root, (event) => {
    const target = event.target.closest("[role=option]");
    if (!target) return chips.onKey(event);
    const [visible, words, marks] = [shown(), model.get("words"), model.get("marks")];
    const at = visible.indexOf(target);
    const needs = (s) => marks[s.dataset.shot].needs;
    const shot = target.dataset.shot;
    const to = {
      ArrowLeft: () => visible[at - 1], ArrowUp: () => visible[at - 1],
      ArrowRight: () => visible[at + 1], ArrowDown: () => visible[at + 1],
      Home: () => visible[0], End: () => visible.at(-1),
      n: () => visible.slice(at + 1).find(needs), N: () => visible.slice(0, at).findLast(needs),
      Enter: () => target, " ": () => target,
      r: () => say(shot, "flag", { mark: "regenerate" }, words.said_regenerate),
      a: () => say(shot, "flag", { mark: "accept" }, words.said_accept),
      u: () => say(shot, "unflag", {}, words.no_flag),
    }[event.key];
    if (!to) return false;
    choose(to());
    return true;
  });
  const onClick = (event) => choose(event.target.closest("[role=option]"));
  list.addEventListener("click", onClick);

  function orient() {
    const page = el.closest(".fk-app") ?? document.documentElement;
    const narrow = page.getBoundingClientRect().width < NARROW_PX;
    const way = narrow ? "horizontal" : model.get("orientation");
    list.setAttribute("aria-orientation", way);
    if (root.dataset.orientation === way) return;
    root.dataset.orientation = way;
    chips.draw();
    drawSelected();
  }
  // Also when the view is put onto the page: only then has it a size.
  const sizes = new ResizeObserver(() => { orient(); reveal(of(current)); });
  sizes.observe(root);
  addEventListener("resize", orient);

  const stop = fkFollow(model, { orientation: orient, items: drawItems, sheet: drawSheet, left: drawLeft,
    trouble: drawTrouble, trouble_details: trouble.draw });
  const later = { words: drawItems, columns: drawItems, tile_px: drawItems, marks: drawMarks,
    filter: () => { chips.draw(); drawFilter(); sayCount(); }, selected: drawHeard };
  for (const [name, update] of Object.entries(later)) model.on(`change:${name}`, update);

  function sayCount() {
    live.textContent = fkFill(model.get("words").only, { n: shown().length, total: all().length });
  }

  return () => {
    stop();
    for (const [name, update] of Object.entries(later)) model.off(`change:${name}`, update);
    stopKeys();
    chips.release();
    list.removeEventListener("click", onClick);
    removeEventListener("resize", orient);
    sizes.disconnect();
    sheet.release();
    root.remove();
  };
}

export default { render };
