/**
 * The shots of an episode in cut order. Pictures come as one sheet, one tile a shot.
 *
 * @typedef {{shot: string, label: string, action: string, shape: string, letter: string, text: string}} Item
 * @typedef {{sheet: DataView, items: Item[], tile_px: [number, number], selected: string}} State
 */

function render({ model, el }) {
  const list = document.createElement("div");
  list.className = "fk-filmstrip";
  list.dataset.testid = "fk-filmstrip";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-orientation", "horizontal");
  list.setAttribute("aria-label", "Shots in cut order");
  const trouble = document.createElement("div");
  trouble.className = "fk-filmstrip-trouble";
  trouble.setAttribute("role", "alert");
  el.append(list, trouble);
  let sheet = "";

  function drawSheet() {
    if (sheet) URL.revokeObjectURL(sheet);
    const bytes = model.get("sheet");
    sheet = bytes && bytes.byteLength ? URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })) : "";
    list.style.setProperty("--fk-sheet", sheet ? `url("${sheet}")` : "none");
  }

  function drawItems() {
    const [width, height] = model.get("tile_px");
    list.style.setProperty("--fk-tile-width", `${width}px`);
    list.style.setProperty("--fk-tile-height", `${height}px`);
    list.replaceChildren(
      ...model.get("items").map((item, index) => {
        const option = document.createElement("div");
        option.className = "fk-filmstrip-shot";
        option.setAttribute("role", "option");
        option.setAttribute("aria-label", item.text);
        option.title = item.text;
        option.dataset.shot = item.shot;
        option.dataset.action = item.action;
        const picture = document.createElement("div");
        picture.className = "fk-filmstrip-picture";
        picture.style.backgroundPosition = `-${index * width}px 0`;
        const caption = document.createElement("div");
        caption.className = "fk-filmstrip-caption";
        const name = document.createElement("span");
        name.textContent = item.label;
        const badge = document.createElement("span");
        badge.className = "fk-badge";
        badge.dataset.action = item.action;
        badge.textContent = `${item.shape}${item.letter}`;
        caption.append(name, badge);
        option.append(picture, caption);
        return option;
      }),
    );
    drawSelected();
  }

  function drawSelected() {
    const shots = [...list.children];
    const chosen = shots.find((s) => s.dataset.shot === model.get("selected"));
    for (const shot of shots) {
      shot.setAttribute("aria-selected", String(shot === chosen));
      shot.tabIndex = shot === (chosen ?? shots[0]) ? 0 : -1;
    }
    // Only the strip scrolls: scrollIntoView would move the whole notebook under the reader.
    if (chosen) {
      const over = chosen.offsetLeft + chosen.offsetWidth - list.clientWidth - list.scrollLeft;
      if (over > 0) list.scrollLeft += over;
      else if (chosen.offsetLeft < list.scrollLeft) list.scrollLeft = chosen.offsetLeft;
    }
  }

  function choose(shot, focus) {
    if (!shot) return;
    model.set("selected", shot.dataset.shot);
    model.save_changes();
    if (focus) shot.focus({ preventScroll: true });
  }
  const onClick = (event) => choose(event.target.closest("[role=option]"), true);
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Tab" || event.key === "Escape") return;
    // In command mode JupyterLab would take "d d" as: delete this cell.
    event.stopPropagation();
    const shots = [...list.children];
    const at = shots.indexOf(event.target.closest("[role=option]"));
    const flagged = (s) => s.dataset.action !== "ok";
    const to = {
      ArrowLeft: () => shots[at - 1],
      ArrowUp: () => shots[at - 1],
      ArrowRight: () => shots[at + 1],
      ArrowDown: () => shots[at + 1],
      Home: () => shots[0],
      End: () => shots.at(-1),
      n: () => shots.slice(at + 1).find(flagged),
      N: () => shots.slice(0, Math.max(at, 0)).findLast(flagged),
      Enter: () => shots[at],
      " ": () => shots[at],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    choose(to(), true);
  };
  list.addEventListener("click", onClick);
  list.addEventListener("keydown", onKey);
  const drawTrouble = () => (trouble.textContent = model.get("trouble"));
  const draw = { trouble: drawTrouble, sheet: drawSheet, items: drawItems, tile_px: drawItems, selected: drawSelected };
  for (const [name, update] of Object.entries(draw)) model.on(`change:${name}`, update);
  drawSheet();
  drawItems();
  drawTrouble();

  return () => {
    for (const [name, update] of Object.entries(draw)) model.off(`change:${name}`, update);
    list.removeEventListener("click", onClick);
    list.removeEventListener("keydown", onKey);
    if (sheet) URL.revokeObjectURL(sheet);
    list.remove();
    trouble.remove();
  };
}

export default { render };
