/**
 * The player: wiring. The clip (player_clip.js) knows frames, the stage (player_stage.js) draws,
 * the loupe (player_loupe.js) magnifies; the kernel decides what is shown.
 *
 * @typedef {{shot: string, frame: number, frame_count: number, rate_fps: number,
 *   still: {shot: string, frame: number, after: string}, still_before: DataView, still_after: DataView,
 *   clip: DataView, clip_info: {frames: number, fps: number, width: number, height: number,
 *   stride: number}, making: number, stale: boolean, mode: string, position: number}} State
 */

function render({ model, el }) {
  const words = () => model.get("words");
  const save = (name, value) => value !== model.get(name) && fkSave(model, name, value);
  const stage = fkStage(words, save);
  const clip = fkClip(onFrame, onState);
  const stills = fkStills(draw);
  const bar = fkBar(words, { act, save, go: (frame) => clip.ready ? clip.go(frame) : tell(frame) });
  const verdict = fkVerdict(model, act);
  const trouble = fkTrouble(model);
  const live = fkMake("div", "fk-player-live", { "aria-live": "polite", "data-testid": "fk-live" });
  const keys = fkKeyList(model);
  const root = fkMake("div", "fk fk-player", { "data-testid": "fk-player" },
    stage.place, bar.place, verdict.place, trouble.place, live);
  stage.place.append(keys.place);
  const loupe = fkLoupe(stage, {
    words,
    ask: (x, y) => fkAct(model, "magnify", { x, y }),
    state: () => ({ on: model.get("loupe"), playing: clip.playing, shot: model.get("shot"), frame: at }),
  });
  el.append(root);

  let at = model.get("frame");
  let held = false;
  let intent = false;
  let telling = 0;
  const echoes = new Set();

  const count = () => model.get("frame_count");
  const mode = () => (held ? "before" : model.get("mode"));

  // What is drawn: the clip, or a still that is newer than it.
  function pair() {
    const about = stills.about;
    const still = about && about.shot === model.get("shot") && about.frame === at;
    const newer = model.get("stale") && !clip.playing;
    if (still && (newer || !clip.ready || clip.shown < 0)) return ["still", fkStillPair(stills.pair)];
    if (clip.ready && clip.shown >= 0) return ["clip", fkClipPair(clip)];
    return about?.shot === model.get("shot") ? ["still", fkStillPair(stills.pair)] : ["", null];
  }
  function draw() {
    const [source, pictures] = pair();
    root.dataset.source = source;
    root.dataset.shown = source === "clip" ? String(clip.shown) : String(stills.about?.frame ?? "");
    // Only the source is there yet: nothing stands in for what follows.
    const half = source === "still" && !stills.about.after;
    stage.place.dataset.mode = half ? "before" : mode();
    if (pictures) {
      fkPaint(stage.canvas, pictures, stage.place.dataset.mode, model.get("position"));
      stage.shape(stage.canvas.width, stage.canvas.height);
    }
    drawWords();
    loupe.draw();
  }
  function drawWords() {
    const said = words();
    const now = stage.place.dataset.mode;
    bar.frame(at, count());
    bar.playing(clip.playing, clip.ready);
    const difference = now === "difference";
    stage.labels.before.hidden = now === "after" || difference;
    stage.labels.after.hidden = now === "before";
    stage.labels.after.textContent = difference ? said.difference_label : said[`after_${model.get("after")}`];
    stage.handle.hidden = now !== "wipe";
    const percent = model.get("making");
    const making = percent >= 0 ? fkFill(said[model.get("stale") ? "updating" : "making"], { percent }) : "";
    stage.say(clip.failed ? said.no_clip : making, Math.max(0, percent));
    stage.canvas.setAttribute("aria-label",
      `${model.get("shot")}, ${fkFill(said.frame_of, { n: at + 1, count: count() })}, ${said[now] ?? now}`);
  }
  function onFrame(frame) {
    at = frame;
    draw();
    if (!clip.playing) tell(frame);
  }
  function onState() {
    draw();
    if (clip.ready && !clip.playing && clip.shown >= 0) tell(clip.shown);
    // Who has pressed play goes on watching from shot to shot; nothing starts by itself.
    if (clip.ready && intent && !clip.playing && clip.shown < 0 && !fkStill()) clip.play(model.get("loop"));
  }
  /** The kernel keeps the frame of a shot at rest. */
  function tell(frame) {
    clearTimeout(telling);
    telling = setTimeout(() => {
      if (frame === model.get("frame") || clip.playing) return;
      echoes.add(frame);
      fkAct(model, "select", { shot: model.get("shot"), frame });
    }, 90);
    if (!clip.ready) {
      at = Math.min(count() - 1, Math.max(0, frame));
      frame = at;
      drawWords();
    }
  }
  function step(by) {
    intent = false;
    if (clip.ready) clip.step(by);
    else tell(Math.min(count() - 1, Math.max(0, at + by)));
  }
  const second = () => Math.max(1, Math.round(model.get("rate_fps")));
  const wipe = (by) => save("position", Math.min(1, Math.max(0, Math.round(100 * (model.get("position") + by)) / 100)));
  const flag = (mark) => fkAct(model, "flag", { mark });

  const doings = {
    play() {
      intent = !clip.playing;
      if (clip.playing) clip.stop();
      else clip.play(model.get("loop"));
    },
    backward: () => clip.playBackwards(model.get("loop")),
    forward() {
      intent = true;
      clip.play(model.get("loop"));
    },
    frame_back: () => step(-1),
    frame_on: () => step(1),
    second_back: () => step(-second()),
    second_on: () => step(second()),
    first: () => step(-count()),
    last: () => step(count()),
    shot_back: () => fkAct(model, "step", { shots: -1 }),
    shot_on: () => fkAct(model, "step", { shots: 1 }),
    flagged_on: () => fkAct(model, "next_flagged", { forward: true }),
    flagged_back: () => fkAct(model, "next_flagged", { forward: false }),
    hold_before() {
      held = true;
      draw();
    },
    toggle: () => save("mode", model.get("mode") === "before" ? "after" : "before"),
    wipe: () => save("mode", "wipe"),
    wipe_left: () => wipe(-0.05),
    wipe_right: () => wipe(0.05),
    loupe: () => save("loupe", !model.get("loupe")),
    zone() {
      const ids = ["", ...model.get("zones").map((zone) => zone.id)];
      save("zone", ids[(ids.indexOf(model.get("zone")) + 1) % ids.length]);
    },
    phone: () => save("phone", !model.get("phone")),
    loop: () => save("loop", !model.get("loop")),
    regenerate: () => flag("regenerate"),
    accept: () => flag("accept"),
    unflag: () => fkAct(model, "unflag"),
    note: () => verdict.write(),
    keys: () => keys.toggle(),
    draft: () => fkAct(model, "compare_with", { after: "draft" }),
    finished: () => fkAct(model, "compare_with", { after: "finished" }),
  };
  function act(name) {
    if (FK_MODES.includes(name)) save("mode", name);
    else doings[name]();
  }

  // Keys
  const named = (event) => {
    const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const sign = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase();
    return event.shiftKey && !(sign && key !== "Space") ? `Shift+${key}` : key;
  };
  const slides = {
    ArrowLeft: (p, far) => p - (far ? 0.1 : 0.02),
    ArrowDown: (p, far) => p - (far ? 0.1 : 0.02),
    ArrowRight: (p, far) => p + (far ? 0.1 : 0.02),
    ArrowUp: (p, far) => p + (far ? 0.1 : 0.02),
    PageDown: (p) => p - 0.1,
    PageUp: (p) => p + 0.1,
    Home: () => 0,
    End: () => 1,
  };
  function onKey(event) {
    const press = event.key === " " || event.key === "Enter";
    if (press && event.target.closest("button")) return false;
    if (event.target === stage.handle && event.key in slides) {
      wipe(slides[event.key](model.get("position"), event.shiftKey) - model.get("position"));
      return true;
    }
    if (event.target === loupe.mark && /^Arrow/.test(event.key)) {
      loupe.nudge(event.key, event.shiftKey);
      return true;
    }
    const key = named(event);
    const found = Object.entries(model.get("keymap")).find(([, those]) => those.includes(key));
    if (!found) return false;
    if (!(event.repeat && found[0] === "hold_before")) doings[found[0]]();
    return true;
  }
  const letGo = () => {
    if (!held) return;
    held = false;
    draw();
  };
  const onUp = (event) => {
    const own = model.get("keymap").hold_before;
    if (own.includes(named(event)) || own.includes(event.key.toLowerCase())) letGo();
  };
  const onOut = (event) => !root.contains(event.relatedTarget) && letGo();
  const onEscape = (event) => {
    if (event.key !== "Escape") return;
    if (keys.close() || verdict.close()) stage.place.focus({ preventScroll: true });
    else document.activeElement?.blur();
  };
  const onPress = (event) => {
    if (!event.target.closest("button, input, [tabindex='0']:not(.fk-player-stage)"))
      stage.place.focus({ preventScroll: true });
  };
  root.addEventListener("keydown", onEscape);
  root.addEventListener("keyup", onUp);
  root.addEventListener("focusout", onOut);
  stage.place.addEventListener("pointerdown", onPress);
  const undo = [
    fkKeys(root, onKey),
    stage.drag((event) => model.get("mode") === "wipe" && !held
      && (!model.get("loupe") || event.target === stage.handle)),
  ];

  let told = "";
  function announce() {
    const said = model.get("verdict");
    const key = `${model.get("shot")} ${said.mark}`;
    if (key === told) return;
    const mark = said.mark ? fkFill(words().you_said, { mark: words()[said.mark] }) : "";
    if (told) live.textContent = fkFill(words().said, { shot: model.get("shot"), verdict: words()[said.action], mark });
    told = key;
  }
  const drawChoices = () => {
    bar.choices(model);
    root.dataset.phone = String(model.get("phone"));
    stage.drawZone(model.get("zones").find((zone) => zone.id === model.get("zone")));
    draw();
  };
  undo.push(fkFollow(model, {
    words() {
      stage.words();
      bar.words();
      verdict.draw();
      keys.draw();
      drawChoices();
    },
    shot() {
      echoes.clear();
      at = model.get("frame");
      announce();
      verdict.draw();
      draw();
    },
    frame() {
      const frame = model.get("frame");
      // Our own question come back is no command: the finger may be frames further already.
      if (echoes.delete(frame) || frame === at || clip.playing) return;
      at = frame;
      if (clip.ready) clip.go(frame);
      else draw();
    },
    clip() {
      const playing = clip.playing;
      clip.load(model.get("clip"), model.get("clip_info"), at);
      intent = intent && (playing || !fkStill());
      draw();
    },
    still: () => stills.load(model.get("still_before"), model.get("still_after"), model.get("still"), "image/jpeg"),
    loupe_info: () => loupe.load(model.get("loupe_before"), model.get("loupe_after"), model.get("loupe_info")),
    verdict() {
      announce();
      verdict.draw();
    },
    position() {
      stage.wipe(model.get("position"));
      draw();
    },
    loop() {
      clip.loop = model.get("loop");
      bar.choices(model);
    },
    mode: drawChoices, zone: drawChoices, zones: drawChoices, phone: drawChoices, loupe: drawChoices,
    after: drawChoices, finished: drawChoices, making: drawWords, stale: draw, keymap: keys.draw,
    trouble: trouble.draw, trouble_details: trouble.draw,
  }));
  const resized = new ResizeObserver(() => loupe.draw());
  resized.observe(stage.place);
  fkAct(model, "attend");

  return () => {
    undo.forEach((call) => call());
    resized.disconnect();
    clearTimeout(telling);
    root.removeEventListener("keydown", onEscape);
    root.removeEventListener("keyup", onUp);
    root.removeEventListener("focusout", onOut);
    stage.place.removeEventListener("pointerdown", onPress);
    clip.release();
    stills.release();
    loupe.release();
    root.remove();
  };
}

export default { render };
