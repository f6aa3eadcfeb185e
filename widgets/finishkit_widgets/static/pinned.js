/**
 * Frames that stay in sight while a look is tuned.
 *
 * @typedef {{items: {shot: string, frame: number, why: string, alt: string}[], sheet: DataView,
 *            tile_px: [number, number], words: Record<string, string>}} State
 */

function render({ model, el }) {
  const root = fkMake("div", "fk fk-pinned", { role: "group", "data-testid": "fk-pinned" });
  const head = fkMake("div", "fk-pinned-head");
  const row = fkMake("div", "fk-pinned-row");
  const add = fkMake("button", "fk-pinned-add", { type: "button", "data-testid": "fk-pin-this" });
  add.addEventListener("click", () => fkAct(model, "pin"));
  const trouble = fkTrouble(model);
  root.append(head, row, trouble.place);
  el.append(root);
  const sheet = fkUrl("image/jpeg");
  const drawSheet = () => {
    const url = sheet.of(model.get("sheet"));
    row.style.setProperty("--fk-sheet", url ? `url("${url}")` : "none");
    root.dataset.shown = String(Number(root.dataset.shown ?? 0) + 1);
  };
  const draw = () => {
    const words = model.get("words");
    const [width, height] = model.get("tile_px");
    root.setAttribute("aria-label", words.pinned);
    head.replaceChildren(fkMake("b", "", {}, words.pinned), fkMake("span", "fk-quiet", {}, ` ${words.pinned_help}`));
    add.textContent = `+ ${words.pin_this}`;
    row.style.setProperty("--fk-tile-width", `${width}px`);
    row.style.setProperty("--fk-tile-height", `${height}px`);
    const frames = model.get("items").map((item, index) => {
      const button = fkMake("button", "fk-pin", { type: "button", title: item.alt, "aria-label": item.alt });
      const picture = fkMake("span", "fk-pin-picture");
      picture.style.backgroundPosition = `-${index * width}px 0`;
      button.append(picture, fkMake("span", "fk-pin-why", {}, item.why));
      button.addEventListener("click", () => fkAct(model, "select", { shot: item.shot, frame: item.frame }));
      return button;
    });
    row.replaceChildren(...frames, add);
  };
  const unfollow = fkFollow(model, {
    sheet: drawSheet, items: draw, words: draw, tile_px: draw,
    trouble: trouble.draw, trouble_details: trouble.draw,
  });
  const unkey = fkKeys(root, () => false);
  return () => {
    unfollow();
    unkey();
    sheet.release();
    root.remove();
  };
}

export default { render };
