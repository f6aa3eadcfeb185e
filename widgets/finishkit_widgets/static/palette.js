/**
 * The colours of an episode: a stacked bar a shot, a row a scene.
 *
 * @typedef {{shot: string, label: string, failed: boolean, colours: [string, number][],
 *   de: number | null, action: string, badge: string, why: string}} Shot
 * @typedef {{scene: string, alone: boolean, median: string, shots: Shot[]}} Scene
 * @typedef {{scenes: Scene[], selected: string, words: Record<string, string>}} State
 */

/** The colours of a shot in words. @param {Shot} shot @param {Scene} scene */
function paletteSaid(words, shot, scene) {
  const colours = shot.colours.map(([hex, share]) =>
    fkFill(words.colour, { hex, percent: Math.round(100 * share) })).join(", ");
  const distance = shot.de !== null ? fkFill(words.distance, { de: shot.de.toFixed(1) })
    : scene.alone ? words.alone : "";
  return { colours: colours || (shot.failed ? words.no_colours : words.waiting), distance };
}

function render({ model, el }) {
  const root = fkMake("div", "fk fk-palette", { "data-testid": "fk-palette" });
  const list = fkMake("div", "fk-palette-list", { role: "listbox", "data-testid": "fk-palettes" });
  const shown = fkMake("div", "fk-palette-shown", { "data-testid": "fk-palette-shown" });
  const legend = fkMake("p", "fk-palette-legend fk-quiet");
  const trouble = fkTrouble(model);
  root.append(list, shown, legend, trouble.place);
  el.append(root);

  const all = () => [...list.querySelectorAll("[role=option]")];
  const of = (shot) => all().find((option) => option.dataset.shot === shot);
  /** What was chosen here and not yet heard back: echoes of older choices are not drawn. */
  let asked = { shot: "", until: 0 };
  let current = model.get("selected");

  function bar(shot) {
    const segments = shot.colours.map(([hex, share]) => {
      const segment = fkMake("span", "fk-palette-colour", { "data-hex": hex,
        title: fkFill(model.get("words").colour, { hex, percent: Math.round(100 * share) }) });
      segment.style.cssText = `background:${hex};flex-grow:${share}`;
      return segment;
    });
    return fkMake("div", "fk-palette-bar", { "aria-hidden": "true" }, ...segments);
  }

  function option(words, shot, scene) {
    const said = paletteSaid(words, shot, scene);
    const why = shot.why ? fkFill(words.off_colour, { why: shot.why }) : "";
    const label = [fkFill(words.shown, { shot: shot.shot, colours: said.colours }), said.distance, why]
      .filter((part) => part).join(words.stop);
    const de = fkMake("div", "fk-palette-de", {}, shot.de === null ? "–" : shot.de.toFixed(1));
    if (shot.badge)
      de.prepend(fkMake("span", "fk-badge", { "data-action": shot.action }, shot.badge[0]), " ");
    return fkMake("div", "fk-palette-shot", { role: "option", "data-shot": shot.shot, tabindex: "-1",
      "aria-selected": "false", "aria-label": label, title: label },
      bar(shot), de, fkMake("div", "fk-palette-name fk-quiet", {}, shot.label));
  }

  function head(words, scene, name) {
    const made = fkMake("div", "fk-palette-head", { "aria-hidden": "true" }, fkMake("b", "", {}, name));
    if (scene.median) {
      const dot = fkMake("span", "fk-palette-dot");
      dot.style.background = scene.median;
      const said = fkMake("span", "fk-quiet", { title: fkFill(words.median_long, { hex: scene.median }) },
        scene.median);
      made.append(dot, said);
    }
    return made;
  }

  function drawScenes() {
    const words = model.get("words");
    const focused = list.contains(document.activeElement);
    list.setAttribute("aria-label", words.palettes);
    legend.textContent = words.legend;
    list.replaceChildren(...model.get("scenes").map((scene) => {
      const name = /^\d+$/.test(scene.scene) ? fkFill(words.scene_number, { name: scene.scene })
        : scene.scene.replaceAll("_", " ");
      const label = fkFill(words.scene, { scene: name });
      return fkMake("div", "fk-palette-scene", { role: "group", "aria-label": label },
        head(words, scene, name),
        fkMake("div", "fk-palette-row", { role: "presentation" },
          ...scene.shots.map((shot) => option(words, shot, scene))));
    }));
    drawSelected();
    if (focused) of(current)?.focus({ preventScroll: true });
  }

  function drawSelected() {
    const chosen = of(current);
    for (const shot of all()) {
      shot.setAttribute("aria-selected", String(shot === chosen));
      shot.tabIndex = shot === (chosen ?? all()[0]) ? 0 : -1;
    }
    drawShown();
  }

  /** The selected shot's colours as text: a hex code must be readable and copied, not only hovered. */
  function drawShown() {
    const words = model.get("words");
    const scene = model.get("scenes").find((s) => s.shots.some((shot) => shot.shot === current));
    const shot = scene?.shots.find((s) => s.shot === current);
    shown.replaceChildren();
    if (!shot) return;
    const { colours, distance } = paletteSaid(words, shot, scene);
    shown.append(fkMake("b", "", {}, shot.label));
    for (const [hex, share] of shot.colours) {
      const dot = fkMake("span", "fk-palette-dot");
      dot.style.background = hex;
      const text = fkFill(words.colour, { hex, percent: Math.round(100 * share) });
      shown.append(fkMake("span", "fk-palette-code", {}, dot, text));
    }
    if (!shot.colours.length) shown.append(fkMake("span", "fk-quiet", {}, colours));
    if (distance) shown.append(fkMake("span", "", {}, distance));
    if (shot.why) {
      const badge = fkMake("span", "fk-badge", { "data-action": shot.action }, shot.badge);
      shown.append(fkMake("span", "", {}, badge, ` ${shot.why}`));
    }
  }

  function choose(shot) {
    if (!shot) return;
    current = shot.dataset.shot;
    asked = { shot: current, until: Date.now() + 1000 };
    fkAct(model, "select", { shot: current });
    drawSelected();
    shot.focus();
  }

  function drawHeard() {
    const heard = model.get("selected");
    if (asked.shot && heard !== asked.shot && Date.now() < asked.until) return;
    asked = { shot: "", until: 0 };
    current = heard;
    const held = list.contains(document.activeElement);
    drawSelected();
    if (held) of(current)?.focus();
  }

  /** The shot above or below: the nearest of the next row. @param {number} way -1 or 1 */
  function across(from, way) {
    const box = from.getBoundingClientRect();
    const middle = (b) => (b.left + b.right) / 2;
    const rows = all().map((shot) => [shot, shot.getBoundingClientRect()])
      .filter(([, b]) => (way < 0 ? b.bottom <= box.top : b.top >= box.bottom));
    const edge = way < 0 ? Math.max(...rows.map(([, b]) => b.top)) : Math.min(...rows.map(([, b]) => b.top));
    const row = rows.filter(([, b]) => Math.abs(b.top - edge) < 4);
    const near = ([, b]) => Math.abs(middle(b) - middle(box));
    return row.sort((one, two) => near(one) - near(two))[0]?.[0];
  }

  const stopKeys = fkKeys(root, (event) => {
    const target = event.target.closest("[role=option]");
    if (!target) return false;
    const [shots, at] = [all(), all().indexOf(target)];
    const flagged = (forward) => { asked = { shot: "", until: 0 }; fkAct(model, "next_flagged", { forward }); };
    const to = {
      ArrowLeft: () => shots[at - 1], ArrowRight: () => shots[at + 1],
      ArrowUp: () => across(target, -1), ArrowDown: () => across(target, 1),
      Home: () => shots[0], End: () => shots.at(-1), Enter: () => target, " ": () => target,
      n: () => flagged(true), N: () => flagged(false),
    }[event.key];
    if (!to) return false;
    choose(to());
    return true;
  });
  const onClick = (event) => choose(event.target.closest("[role=option]"));
  list.addEventListener("click", onClick);
  const stop = fkFollow(model, { scenes: drawScenes, trouble: trouble.draw,
    trouble_details: trouble.draw });
  model.on("change:words", drawScenes);
  model.on("change:selected", drawHeard);

  return () => {
    stop();
    model.off("change:words", drawScenes);
    model.off("change:selected", drawHeard);
    stopKeys();
    list.removeEventListener("click", onClick);
    root.remove();
  };
}

export default { render };
