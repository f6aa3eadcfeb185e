/** Under the picture: the controls, the verdict with a person's word on it, and the list of keys. */

const FK_KEY_SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };

/** @param {{act: (name: string) => void, go: (frame: number) => void}} given */
function fkBar(words, given) {
  const button = (name, press = name) => {
    const made = fkMake("button", "", { type: "button", "data-testid": `fk-do-${name}` });
    made.addEventListener("click", () => given.act(press));
    return made;
  };
  const play = button("play");
  const count = fkMake("span", "fk-player-count", { "data-testid": "fk-count" });
  const scrub = fkMake("input", "fk-player-scrub", { type: "range", min: "0", step: "1", "data-testid": "fk-scrub" });
  scrub.addEventListener("input", () => given.go(Number(scrub.value)));
  const modes = FK_MODES.map((mode) => [mode, button(mode)]);
  const views = fkMake("div", "fk-player-group", { role: "group" }, ...modes.map(([, made]) => made));
  const toggles = ["loop", "loupe", "zone", "phone"].map((name) => [name, button(name)]);
  const sides = ["draft", "finished"].map((name) => [name, button(name)]);
  const compared = fkMake("div", "fk-player-group", { role: "group" }, ...sides.map(([, made]) => made));
  const keys = button("keys");
  const place = fkMake("div", "fk-player-bar", { "data-testid": "fk-bar" },
    scrub, play, count, views, compared, ...toggles.map(([, made]) => made), keys);
  return {
    place,
    frame(at, of) {
      count.textContent = fkFill(words().frame_of, { n: at + 1, count: of });
      scrub.max = String(Math.max(0, of - 1));
      scrub.value = String(at);
      scrub.setAttribute("aria-valuetext", count.textContent);
    },
    playing(yes, ready) {
      const name = words()[yes ? "pause" : "play"];
      if (play.getAttribute("aria-label") !== name || play.disabled === ready) {
        play.textContent = yes ? "❚❚" : "▶";
        play.setAttribute("aria-label", name);
        play.title = name;
        play.disabled = !ready;
      }
    },
    words() {
      const said = words();
      views.setAttribute("aria-label", said.view);
      compared.setAttribute("aria-label", said.compared);
      scrub.setAttribute("aria-label", said.scrub);
      for (const [mode, made] of modes) made.textContent = said[mode];
      keys.textContent = "?";
      keys.setAttribute("aria-label", said.keys);
      keys.title = said.keys;
    },
    choices(model) {
      const said = words();
      const press = (made, on) => made.setAttribute("aria-pressed", String(on));
      for (const [mode, made] of modes) press(made, mode === model.get("mode"));
      for (const [name, made] of toggles) {
        made.textContent = said[name];
        press(made, Boolean(model.get(name)));
      }
      const zone = model.get("zones").find((one) => one.id === model.get("zone"));
      if (zone) toggles[2][1].textContent = fkFill(said.zone_of, zone);
      compared.hidden = !model.get("finished");
      for (const [name, made] of sides) {
        made.textContent = said[name === "finished" && model.get("finished") === "other" ? "finished_other" : name];
        press(made, name === model.get("after"));
      }
    },
  };
}

/** The verdict on the shot, and what a person said of it. */
function fkVerdict(model, act) {
  const badge = fkMake("span", "fk-badge", { "data-testid": "fk-verdict" });
  const why = fkMake("span", "fk-player-why", { "data-testid": "fk-why" });
  const own = fkMake("span", "fk-player-own", { "data-testid": "fk-own" });
  const about = fkMake("p", "fk-player-about fk-quiet", { "data-testid": "fk-about" });
  const buttons = ["regenerate", "accept", "unflag", "note"].map((name) => {
    const made = fkMake("button", "", { type: "button", "data-testid": `fk-do-${name}` });
    made.addEventListener("click", () => act(name));
    return [name, made];
  });
  const input = fkMake("input", "", { type: "text", maxlength: "500", "data-testid": "fk-note" });
  const keep = fkMake("button", "", { type: "submit" });
  const form = fkMake("form", "fk-player-note", {}, input, keep);
  form.hidden = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fkAct(model, "flag", { mark: model.get("verdict").mark, note: input.value });
    close();
    buttons[3][1].focus({ preventScroll: true });
  });
  function close() {
    const was = !form.hidden;
    form.hidden = true;
    return was;
  }
  const text = fkMake("div", "fk-player-said", {}, badge, why, own);
  const marks = fkMake("div", "fk-player-marks", {}, ...buttons.map(([, made]) => made));
  const place = fkMake("div", "fk-player-verdict", {}, text, marks, form, about);
  return {
    place,
    close,
    write() {
      form.hidden = false;
      input.value = model.get("verdict").note;
      input.focus({ preventScroll: true });
    },
    draw() {
      const said = model.get("verdict");
      const words = model.get("words");
      badge.dataset.action = said.action;
      badge.textContent = `${said.shape} ${model.get("shot")} ${words[said.action]}`;
      why.textContent = [said.hook ? `(${words.hook})` : "", ...said.reasons, ...said.unknown].filter(Boolean).join(" ");
      own.textContent = [
        said.mark ? fkFill(words.you_said, { mark: words[said.mark] }) : "",
        said.note ? fkFill(words.noted, said) : "",
      ].filter(Boolean).join(" · ");
      for (const [name, made] of buttons) {
        made.textContent = words[`${name}_it`];
        if (name === "regenerate" || name === "accept") made.setAttribute("aria-pressed", String(said.mark === name));
      }
      const other = model.get("after") === "finished" && model.get("finished") === "other";
      about.textContent = words[other ? "about_other" : `about_${model.get("after")}`];
      input.setAttribute("aria-label", fkFill(words.note_label, { shot: model.get("shot") }));
      keep.textContent = words.save;
    },
  };
}

/** The keymap as a dialogue inside the widget. */
function fkKeyList(model) {
  const list = fkMake("dl");
  const title = fkMake("strong");
  const shut = fkMake("button", "", { type: "button", "data-testid": "fk-keys-close" });
  const place = fkMake("div", "fk-player-keys", { role: "dialog", "data-testid": "fk-keys" },
    fkMake("div", "fk-player-keys-head", {}, title, shut), list);
  place.hidden = true;
  let from = null;
  shut.addEventListener("click", () => close());
  function close() {
    if (place.hidden) return false;
    place.hidden = true;
    from?.focus?.({ preventScroll: true });
    return true;
  }
  function draw() {
    const words = model.get("words");
    title.textContent = words.keys;
    place.setAttribute("aria-label", words.keys);
    shut.textContent = words.close;
    const sign = (key) => key.replace(/Arrow\w+/, (arrow) => FK_KEY_SIGNS[arrow]);
    const rows = Object.entries(model.get("keymap")).filter(([, keys]) => keys.length);
    list.replaceChildren(
      ...[...rows, ["", ["Esc"]]].flatMap(([action, keys]) => [
        fkMake("dt", "", {}, ...keys.map((key) => fkMake("kbd", "", {}, sign(key)))),
        fkMake("dd", "", {}, action ? words[`do_${action}`] : words.escape),
      ]),
    );
  }
  return {
    place, close, draw,
    toggle() {
      if (close()) return;
      from = document.activeElement;
      place.hidden = false;
      shut.focus({ preventScroll: true });
    },
  };
}
